"""Editing, deleting, reacting, pinning: what changes for whom, who is told, and that nobody is woken by it."""

import sqlite3
from pathlib import Path
from typing import Any

from tests.conftest import Door, OfficeUnderTest, open_office
from tests.following import following, told_since


async def _message(door: Door, message: str) -> Any:
    page = await door.get(f"/api/history?channel=general&around={message}")
    return next(found for found in page["messages"] if found["id"] == message)


async def _owed(door: Door, message: str) -> list[str]:
    return [row["recipient"] for row in (await door.get(f"/api/messages/{message}/receipts"))["receipts"]]


async def test_an_edit_keeps_what_was_said_before_and_is_told_to_all(office: OfficeUnderTest) -> None:
    ada, bo = await office.member("ada"), await office.member("bo")
    sent = await ada.send("general", "the port is 8080")
    async with following(bo) as follower:
        status, edited = await ada.ask("PUT", f"/api/messages/{sent['id']}", {"content": "the port is 9090"})
        assert (status, edited["content"]) == (200, "the port is 9090")
        assert edited["edited_at"] >= sent["created_at"]
        told = await follower.wait_until(lambda seen: [one for one in seen.events if one["kind"] == "message.updated"])

    assert told[0]["message"] == await _message(bo, sent["id"]), "the event carries the whole row"
    versions = (await bo.get(f"/api/messages/{sent['id']}/versions"))["versions"]
    assert [(version["version"], version["content"]) for version in versions] == [
        (1, "the port is 8080"),
        (2, "the port is 9090"),
    ]


async def test_who_is_named_by_an_edit_is_owed_it_and_who_is_named_no_longer_is_not(office: OfficeUnderTest) -> None:
    for name in ("ada", "bo", "cy"):
        await office.member(name)
    sent = await office.chairman.send("general", "@ada and @bo look")

    _, edited = await office.chairman.ask("PUT", f"/api/messages/{sent['id']}", {"content": "@bo and @cy look"})

    assert edited["mentions"] == ["bo", "cy"]
    assert [recipient["name"] for recipient in edited["recipients"]] == ["cy"]
    assert sorted(await _owed(office.chairman, sent["id"])) == ["bo", "cy"]


async def test_an_edit_owes_nothing_to_who_joined_after_the_broadcast(office: OfficeUnderTest) -> None:
    await office.member("ada")
    sent = await office.chairman.send("general", "@all deploy at 5")
    await office.member("late")

    _, edited = await office.chairman.ask("PUT", f"/api/messages/{sent['id']}", {"content": "@all deploy at 6"})

    assert (edited["mentions"], edited["recipients"]) == (["ada"], [])
    assert await _owed(office.chairman, sent["id"]) == ["ada"]


async def test_an_edit_changes_the_count_of_mentions_that_wait(office: OfficeUnderTest) -> None:
    bo = await office.member("bo")
    sent = await office.chairman.send("general", "look")
    await office.chairman.ask("PUT", f"/api/messages/{sent['id']}", {"content": "@bo look"})

    (general,) = [row for row in (await bo.get("/api/snapshot"))["reads"] if row["channel"] == "general"]

    assert (general["unread"], general["mentions"]) == (1, 1)


async def test_only_the_sender_edits_and_only_the_sender_and_operators_delete(office: OfficeUnderTest) -> None:
    doors = {"ada": await office.member("ada"), "bo": await office.member("bo"), "chairman": office.chairman}
    for who, method, body, expected in (
        ("bo", "PUT", {"content": "mine"}, 403),
        ("chairman", "PUT", {"content": "mine"}, 403),
        ("bo", "DELETE", None, 403),
        ("ada", "PUT", {"content": "  "}, 400),
        ("ada", "PUT", {"content": "é" * 16_385}, 413),
        ("ada", "PUT", {"content": "x", "from": "bo"}, 400),
        ("chairman", "DELETE", None, 200),
        ("ada", "DELETE", None, 200),
    ):
        sent = await doors["ada"].send("general", "hers")
        status, answer = await doors[who].ask(method, f"/api/messages/{sent['id']}", body)
        assert status == expected, (who, method, answer)


async def test_of_a_deleted_message_nothing_is_left_but_that_it_was(tmp_path: Path) -> None:
    async with open_office(tmp_path / "data") as office:
        ada, bo = await office.member("ada"), await office.member("bo")
        sent = await ada.send("general", "@bo the xylophone", metadata={"note": "xylophone"})
        await ada.ask("PUT", f"/api/messages/{sent['id']}", {"content": "@bo the xylophone, again"})
        await bo.post(f"/api/messages/{sent['id']}/reactions", {"emoji": "👍"})
        await bo.post(f"/api/messages/{sent['id']}/pin")
        reply = await bo.send("general", "which?", reply_to=sent["id"])

        status, gone = await ada.ask("DELETE", f"/api/messages/{sent['id']}")

        assert (status, gone["deleted"], gone["content"], gone["reactions"], gone["pinned"]) == (
            200,
            True,
            "",
            [],
            False,
        )
        for path in (
            "history?channel=general", f"threads/{reply['id']}", f"messages/{sent['id']}/versions", "inbox", "snapshot",
            "channels/general/pins",
        ):  # fmt: skip
            assert "xylophone" not in str(await bo.get(f"/api/{path}")), path
        assert "xylophone" not in str(await told_since(bo, 0))
        trail = await office.chairman.get("/api/audit?limit=200&details=true")
        assert "xylophone" not in str(trail)
        (entry,) = [one for one in trail["entries"] if one["kind"] == "message.deleted"]
        assert (entry["actor"], entry["operation"]) == ("ada", "delete_message")
        assert (await office.chairman.get("/api/audit/verify"))["ok"], "the chain holds all the same"
        (general,) = [row for row in (await bo.get("/api/snapshot"))["reads"] if row["channel"] == "general"]
        assert (general["unread"], general["mentions"]) == (0, 0)
        assert (await office.chairman.get(f"/api/threads/{reply['id']}"))["root"]["deleted"]
        for method, path, body in (
            ("PUT", "", {"content": "back"}),
            ("POST", "/reactions", {"emoji": "👍"}),
            ("POST", "/pin", {}),
            ("POST", "/task", {}),
        ):
            assert (await ada.ask(method, f"/api/messages/{sent['id']}{path}", body))[0] == 409, path
    assert _found(tmp_path, "xylophone") == []


async def test_what_was_owed_and_not_seen_is_not_owed_once_it_is_deleted(office: OfficeUnderTest) -> None:
    ada = await office.member("ada")
    sent = await office.chairman.send("general", "@ada the xylophone")
    async with following(ada) as follower:
        await office.chairman.ask("DELETE", f"/api/messages/{sent['id']}")
        told = await follower.wait_until(lambda seen: [one for one in seen.events if one["kind"] == "message.delivery"])

    assert told[-1]["receipt"]["state"] == "withdrawn"
    assert await _owed(office.chairman, sent["id"]) == []


async def test_search_finds_the_text_as_it_is_now(tmp_path: Path) -> None:
    async with open_office(tmp_path / "data") as office:
        sent = await office.chairman.send("general", "a xylophone")
        await office.chairman.ask("PUT", f"/api/messages/{sent['id']}", {"content": "a marimba"})
    assert (_found(tmp_path, "xylophone"), len(_found(tmp_path, "marimba"))) == ([], 1)


def _found(folder: Path, word: str) -> list[Any]:
    database = sqlite3.connect(folder / "data" / "team.sqlite3")
    try:
        database.execute("INSERT INTO message_text (message_text) VALUES ('integrity-check')")
        query = "SELECT rowid FROM message_text WHERE message_text MATCH ?"
        return database.execute(query, (word,)).fetchall()
    finally:
        database.close()


async def test_any_one_emoji_is_a_reaction_and_nothing_else(office: OfficeUnderTest) -> None:
    for emoji in ["👍", "❤", "❤️", "👩🏽‍💻", "🇩🇪", "1️⃣", "🏴󠁧󠁢󠁷󠁬󠁳󠁿", "👨‍👩‍👧‍👦", "🫡"]:
        sent = await office.chairman.send("general", "hello")
        reacted = await office.chairman.post(f"/api/messages/{sent['id']}/reactions", {"emoji": emoji})
        assert reacted["reactions"] == [{"emoji": emoji, "members": ["chairman"]}]
    for text in ["", "ok", "👍👍", "a👍", "👍 ", "<b>", ":+1:", "1", "👩‍", "🇩", "\u200d", "é"]:
        status, answer = await office.chairman.ask("POST", f"/api/messages/{sent['id']}/reactions", {"emoji": text})
        assert (status, answer["error"]["field"]) == (400, "emoji"), text


async def test_reactions_are_counted_by_who_put_them_and_taken_back(office: OfficeUnderTest) -> None:
    ada, bo = await office.member("ada"), await office.member("bo")
    sent = await ada.send("general", "done")
    path = f"/api/messages/{sent['id']}/reactions"
    before = (await ada.get("/api/snapshot"))["seq"]
    for door, emoji in ((ada, "❤️"), (bo, "❤"), (bo, "🎉"), (bo, "🎉")):
        await door.post(path, {"emoji": emoji})

    assert (await _message(ada, sent["id"]))["reactions"] == [
        {"emoji": "❤️", "members": ["ada", "bo"]},
        {"emoji": "🎉", "members": ["bo"]},
    ]
    _, answer = await bo.ask("DELETE", f"{path}/%F0%9F%8E%89")
    assert (answer["removed"], answer["reactions"]) == (True, [{"emoji": "❤️", "members": ["ada", "bo"]}])
    told = await told_since(ada, before)
    assert [(event["kind"], event["emoji"], event["on"]) for event in told] == [
        ("reaction.changed", "❤️", True),
        ("reaction.changed", "❤", True),
        ("reaction.changed", "🎉", True),
        ("reaction.changed", "🎉", False),
    ], "put twice is told once, and nobody is owed anything"


async def test_a_message_bears_a_bounded_number_of_reactions(office: OfficeUnderTest) -> None:
    sent = await office.chairman.send("general", "hello")
    path = f"/api/messages/{sent['id']}/reactions"
    for number in range(20):
        await office.chairman.post(path, {"emoji": chr(0x1F400 + number)})

    status, answer = await office.chairman.ask("POST", path, {"emoji": "🎉"})

    assert (status, answer["error"]["field"]) == (409, "emoji")


async def test_pins_are_listed_the_last_first_and_wake_nobody(office: OfficeUnderTest) -> None:
    ada = await office.member("ada")
    first, second = await ada.send("general", "one"), await ada.send("general", "two")
    before = (await ada.get("/api/snapshot"))["seq"]
    for message in (first, second, first):
        assert (await ada.post(f"/api/messages/{message['id']}/pin"))["pinned"]

    pins = (await office.chairman.get("/api/channels/general/pins"))["pins"]
    assert [(pin["message_id"], pin["pinned_by"], pin["content"]) for pin in pins] == [
        (second["id"], "ada", "two"),
        (first["id"], "ada", "one"),
    ]
    await office.chairman.ask("DELETE", f"/api/messages/{second['id']}/pin")
    assert [pin["content"] for pin in (await ada.get("/api/channels/general/pins"))["pins"]] == ["one"]
    told = await told_since(ada, before)
    assert [(event["kind"], event["message"]["pinned"]) for event in told] == [
        ("pin.changed", True),
        ("pin.changed", True),
        ("pin.changed", False),
    ]


async def test_a_thread_is_found_from_any_of_its_messages(office: OfficeUnderTest) -> None:
    ada = await office.member("ada")
    root = await ada.send("general", "shall we?")
    replies = [await office.chairman.send("general", f"reply {number}", reply_to=root["id"]) for number in range(3)]
    deep = await ada.send("general", "to a reply", reply_to=replies[1]["id"])
    await ada.send("general", "elsewhere")

    assert deep["thread"] == root["id"], "one level"
    for message in (root, replies[0], deep):
        thread = await ada.get(f"/api/threads/{message['id']}")
        assert (thread["root"]["id"], [reply["id"] for reply in thread["messages"]]) == (
            root["id"],
            [*(reply["id"] for reply in replies), deep["id"]],
        )
    page = await ada.get(f"/api/threads/{root['id']}?limit=2")
    rest = await ada.get(f"/api/threads/{root['id']}?after={page['next_cursor']}")
    assert [reply["content"] for reply in page["messages"] + rest["messages"]] == [
        "reply 0", "reply 1", "reply 2", "to a reply",
    ]  # fmt: skip
    assert rest["next_cursor"] is None
