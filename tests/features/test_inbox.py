"""The inbox: what was not read, what is owed, and acknowledging, which never goes back."""

import json
from pathlib import Path
from typing import Any

from server.core.call import Transaction
from tests.conftest import Door, OfficeUnderTest, opened_office
from tests.following import following


async def test_what_was_not_shown_cannot_be_acknowledged_and_a_mark_never_moves_back(office: OfficeUnderTest) -> None:
    ada = await office.member("ada")
    sent = [(await office.chairman.send("general", f"@ada {number}"))["id"] for number in range(3)]
    (general,) = (await ada.get("/api/inbox"))["channels"]
    assert (general["unread_count"], general["mentions"], general["ack_id"]) == (3, 3, sent[-1])

    await ada.post("/api/inbox/ack", {"items": [{"channel": "general", "ack_id": sent[1]}]})
    await ada.post("/api/inbox/ack", {"items": [{"channel": "general", "ack_id": sent[0]}]})

    (general,) = (await ada.get("/api/inbox"))["channels"]
    assert [message["id"] for message in general["messages"]] == sent[2:]
    states = [(await ada.get(f"/api/messages/{message}/receipts"))["receipts"][0]["state"] for message in sent]
    assert states == ["handled", "handled", "stored"]


async def test_reading_the_inbox_proves_nothing_and_acknowledging_does(office: OfficeUnderTest) -> None:
    ada = await office.member("ada")
    message = await office.chairman.send("dm:ada", "look")

    await ada.get("/api/inbox")
    before = (await ada.get(f"/api/messages/{message['id']}/receipts"))["receipts"][0]
    await ada.post("/api/inbox/ack", {"items": [{"channel": "dm:chairman", "ack_id": message["id"]}]})
    after = (await ada.get(f"/api/messages/{message['id']}/receipts"))["receipts"][0]

    assert (before["state"], after["state"]) == ("stored", "handled")
    assert after["handled_at"]


async def test_an_answer_in_the_channel_handles_what_was_seen_there(office: OfficeUnderTest) -> None:
    ada = await office.member("ada")
    asked = await office.chairman.send("general", "@ada ready?")

    await ada.send("general", "ready", reply_to=asked["id"])

    receipt = (await office.chairman.get(f"/api/messages/{asked['id']}/receipts"))["receipts"][0]
    assert receipt["state"] == "handled"


async def test_an_ack_of_another_channels_message_is_refused_and_nothing_moves(office: OfficeUnderTest) -> None:
    ada = await office.member("ada")
    in_general = await office.chairman.send("general", "@ada one")
    direct = await office.chairman.send("dm:ada", "two")

    items = [
        {"channel": "general", "ack_id": in_general["id"]},
        {"channel": "general", "ack_id": direct["id"]},
    ]
    status, answer = await ada.ask("POST", "/api/inbox/ack", {"items": items})

    assert (status, answer["error"]["field"]) == (404, "items")
    assert (await ada.get("/api/inbox"))["total_unread"] == 2, "all or nothing"


async def test_a_revoked_token_ends_its_open_stream(office: OfficeUnderTest) -> None:
    minted = await office.chairman.post("/api/tokens", {"name": "ci", "kind": "bot"})
    bot = office.chairman.as_member(minted["token"])
    async with following(bot) as follower:
        await office.chairman.ask("DELETE", f"/api/tokens/{minted['id']}")
        await follower.wait_until_ended()
    assert follower.contents() == []


async def test_a_busy_channel_is_told_in_short_and_cannot_be_acknowledged_unread(office: OfficeUnderTest) -> None:
    ada = await office.member("ada")
    sent = [await office.chairman.send("general", f"line {number}\nand more") for number in range(20)]
    named = await office.chairman.send("general", "@ada which port?")
    root = sent[3]["id"]
    for number in range(3):
        await office.chairman.send("general", f"answer {number}", reply_to=root)
    newest = await office.chairman.send("general", "the newest")

    (general,) = (await ada.get("/api/inbox"))["channels"]

    assert (general["delivery_mode"], general["unread_count"], general["mentions"]) == ("summary", 25, 1)
    shown = {message["id"]: message["why"] for message in general["messages"]}
    assert shown[named["id"]] == "mention"
    assert shown[newest["id"]] == "new"
    assert general["threads"] == [{"thread": root, "replies": 3, "first_line": "line 3"}]
    assert general["topic_summary"].endswith("| [chairman] the newest")
    assert (general["ack_id"], general["skip_to"], general["more"]) == (None, newest["id"], 25 - len(shown))

    status, refused = await _ack(ada, "general", newest["id"])
    assert (status, refused["error"]["code"], refused["not_shown"]) == (409, "conflict", 25)

    page = await ada.get(f"/api/history?channel=general&limit=200&after={sent[-1]['id']}")
    assert (await _ack(ada, "general", page["messages"][-1]["id"]))[0] == 409, "shown, but not what came before"
    assert (await _ack(ada, "general", newest["id"], skip=True))[0] == 200
    assert (await ada.get("/api/inbox"))["total_unread"] == 0
    receipt = (await ada.get(f"/api/messages/{named['id']}/receipts"))["receipts"][0]
    assert receipt["state"] == "stored", "what is owed is not lost by passing over it"


async def test_what_history_showed_may_be_acknowledged(office: OfficeUnderTest) -> None:
    ada = await office.member("ada")
    sent = [(await office.chairman.send("general", f"{number}"))["id"] for number in range(30)]

    await ada.get(f"/api/history?channel=general&limit=20&before={sent[20]}")

    assert (await _ack(ada, "general", sent[20]))[0] == 409
    assert (await _ack(ada, "general", sent[19]))[0] == 200
    assert (await ada.get("/api/inbox"))["total_unread"] == 10


async def test_a_person_acknowledges_what_their_screen_showed(office: OfficeUnderTest) -> None:
    ada = await office.member("ada")
    sent = [(await ada.send("general", f"{number}"))["id"] for number in range(3)]
    assert (await _ack(office.chairman, "general", sent[-1]))[0] == 200
    assert (await office.chairman.get("/api/inbox"))["total_unread"] == 0


async def test_nothing_that_others_do_and_no_push_touches_an_inbox(tmp_path: Path) -> None:
    async with opened_office(tmp_path / "data") as office:
        ada, bo = await office.member("ada"), await office.member("bo")
        message = await office.chairman.send("general", "@ada and @bo")
        before = (await ada.get("/api/inbox"))["channels"]

        await bo.get("/api/inbox")
        assert (await _ack(bo, "general", message["id"]))[0] == 200
        await office.store.run(
            "mark_pushed", recipient="ada", messages=[message["id"]], way="socket", push_id="abcd1234"
        )

        assert (await ada.get("/api/inbox"))["channels"] == before
        await bo.ask("DELETE", "/api/channels/general/members/bo")
        assert (await ada.get("/api/inbox"))["channels"] == before


async def test_an_inbox_is_never_larger_than_64_kib_and_leaves_nothing_out(office: OfficeUnderTest) -> None:
    ada = await office.member("ada")
    texts = ["a" * 32_768, "\n" * 25_000 + "!", "\x01" * 32_768, "\u6f22" * 10_000, '"' * 32_768, "short"]
    sent: dict[str, list[str]] = {}
    for channel in ("c1", "c2", "c3"):
        await office.chairman.post("/api/channels", {"id": channel, "members": ["ada"]})
        order = texts if channel == "c1" else texts[::-1] if channel == "c2" else [*texts[2:], *texts[:2]]
        sent[channel] = [(await office.chairman.send(channel, text))["id"] for text in order]
    found: dict[str, list[Any]] = {channel: [] for channel in sent}
    path, pages = "/api/inbox?detail_limit=50", 0

    while path:
        inbox = await ada.get(path)
        assert len(json.dumps(inbox, ensure_ascii=False, separators=(",", ":")).encode()) <= 64 * 1024
        for part in inbox["channels"]:
            found[part["channel"]] += part["messages"]
        path = f"/api/inbox?detail_limit=50&cursor={inbox['next_cursor']}" if inbox["next_cursor"] else ""
        pages += 1
        assert pages < 40

    assert {channel: [message["id"] for message in messages] for channel, messages in found.items()} == sent
    clipped = {message["id"] for messages in found.values() for message in messages if message["clipped"]}
    assert len(clipped) == 3 * 3, "control characters, quotes and line breaks grow as JSON"
    for channel, ids in sent.items():
        first_clipped = min(ids.index(each) for each in ids if each in clipped)
        assert (await _ack(ada, channel, ids[-1]))[0] == 409, "a beginning is not the whole"
        if first_clipped:
            assert (await _ack(ada, channel, ids[first_clipped - 1]))[0] == 200
        await ada.get(f"/api/history?channel={channel}&around={ids[first_clipped]}&limit=1")
        assert (await _ack(ada, channel, ids[first_clipped]))[0] == 200, "history shows it whole"


async def test_assignments_decisions_and_followed_fields_are_told_until_acknowledged(office: OfficeUnderTest) -> None:
    lead, ada = await office.member("pm", role="lead"), await office.member("ada")
    await lead.post("/api/state", {"project_id": "shop", "field": "port", "value": 1})
    await ada.post("/api/state/subscribe", {"project_id": "shop", "fields": ["port"]})
    asked = await ada.post("/api/approvals", {"kind": "action", "summary": "upgrade"})
    await lead.post("/api/tasks", {"title": "Look into it", "assignee": "ada"})
    await lead.post("/api/tasks", {"title": "Not hers"})
    await lead.post("/api/state", {"project_id": "shop", "field": "port", "value": 2})
    await office.chairman.post(f"/api/approvals/{asked['id']}/resolve", {"approved": True})

    inbox = await ada.get("/api/inbox")

    assert [(change["kind"], change["by"]) for change in inbox["changes"]] == [
        ("task", "pm"), ("state", "pm"), ("decision", "chairman"),
    ]  # fmt: skip
    assert "#1 is yours, todo: Look into it" in inbox["changes"][0]["text"]
    later = await office.chairman.post("/api/tasks", {"title": "One more", "assignee": "ada"})
    await ada.post("/api/inbox/ack", {"changes": "chg_99999999"})
    assert len((await ada.get("/api/inbox"))["changes"]) == 4, "nothing is acknowledged beyond what was shown"
    await ada.post("/api/inbox/ack", {"changes": inbox["changes_ack_id"]})
    assert [change["subject"] for change in (await ada.get("/api/inbox"))["changes"]] == [later["id"]]


async def test_what_a_notification_level_holds_back_is_counted_and_can_be_read(tmp_path: Path) -> None:
    async with opened_office(tmp_path / "data") as office:
        ada = await office.member("ada")
        await ada.ask("PUT", "/api/channels/general/level", {"level": "mentions"})
        await office.chairman.send("general", "chatter")
        named = await office.chairman.send("general", "@ada look")
        chatter = await office.chairman.send("general", "more chatter")

        (general,) = (await ada.get("/api/inbox"))["channels"]
        assert [message["id"] for message in general["messages"]] == [named["id"]]
        assert (general["unread_count"], general["withheld"], general["ack_id"]) == (3, 2, None)
        inbox = await ada.get("/api/inbox?only=withheld")
        assert (inbox["total_withheld"], len(inbox["channels"][0]["messages"])) == (2, 2)
        assert chatter["id"] in {message["id"] for message in inbox["channels"][0]["messages"]}
        assert len((await ada.get("/api/inbox?only=all"))["channels"][0]["messages"]) == 3

        await ada.ask("PUT", "/api/channels/general/level", {"level": "none"})
        (general,) = (await ada.get("/api/inbox"))["channels"]
        assert (general["messages"], general["withheld"]) == ([], 3)


async def test_counts_stop_at_a_thousand_and_snapshots_and_events_agree_there(tmp_path: Path) -> None:
    async with opened_office(tmp_path / "data") as office:
        ada, bo = await office.member("ada"), await office.member("bo")
        await office.store.database.write(lambda transaction: _write_many(transaction, 1200))
        for door, unread in ((ada, 1000), (bo, 0)):
            assert (await door.get("/api/snapshot"))["reads"] == [
                {"channel": "general", "last_read": None, "unread": unread, "mentions": unread and 1000, "level": "all"}
            ]
        await office.chairman.send("general", "one more")
        assert (await ada.get("/api/snapshot"))["reads"][0]["unread"] == 1000
        inbox = await ada.get("/api/inbox")
        assert (inbox["total_unread"], inbox["channels"][0]["delivery_mode"]) == (1000, "summary")


async def _ack(door: Door, channel: str, message: str, **more: Any) -> tuple[int, Any]:
    return await door.ask("POST", "/api/inbox/ack", {"items": [{"channel": channel, "ack_id": message, **more}]})


def _write_many(transaction: Transaction, count: int) -> None:
    """Write messages of bo's, each of which names ada, without their events."""
    transaction.run(
        "WITH RECURSIVE counted(number) AS (SELECT 1 UNION ALL SELECT number + 1 FROM counted WHERE number < :count)"
        " INSERT INTO message (seq, channel, sender, sender_kind, content, mentions, priority, metadata, created_at)"
        " SELECT number, 'general', 'bo', 'agent', 'text', '[\"ada\"]', 'next', '{}', 1 FROM counted",
        {"count": count},
    )
    transaction.run("INSERT INTO mention (member, channel, message_id) SELECT 'ada', channel, id FROM message")
