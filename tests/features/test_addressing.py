"""Addressing: whom groups name, what sending would do, how it is handed over, and that a broadcast is a snapshot."""

from pathlib import Path
from typing import Any

import pytest

from tests.conftest import OfficeUnderTest
from tests.features.timed import MINUTE, SECOND, Timed, open_timed


async def test_groups_name_who_is_in_them_here_at_that_moment(tmp_path: Path) -> None:
    async with open_timed(tmp_path / "data") as team:
        await _crew(team)
        await team.call("chairman", "create_channel", id="side", members=["dee"])
        await team.member("outsider")

        for content, named in (
            ("@all", ["ann", "ben", "cat", "dee", "outsider"]),
            ("@role:developer please", ["ann", "ben"]),
            ("@role:lead and @role:developer", ["dee", "ann", "ben"]),
            ("@working stop for a moment, @cat too", ["cat", "ben"]),
            ("@Role:Developer", ["ann", "ben"]),
        ):
            sent = await team.call("chairman", "send_message", channel="general", content=content)
            assert sent["mentions"] == named, content
            assert [recipient.name for recipient in sent["recipients"]] == named, content
        aside = await team.call("chairman", "send_message", channel="side", content="@role:lead @all")
        assert aside["mentions"] == ["dee"]


async def test_a_preview_tells_who_would_be_woken_and_stores_nothing(tmp_path: Path) -> None:
    async with open_timed(tmp_path / "data") as team:
        await _crew(team)
        before = await team.call("chairman", "get_snapshot")

        preview = await team.call("chairman", "preview_send", channel="general", content="@role:developer @cat")

        assert preview.mentions == ["cat", "ann", "ben"]
        assert [(group.name, group.members) for group in preview.groups] == [("@role:developer", ["ann", "ben"])]
        assert (preview.wakes, preview.busy, preview.note) == (2, ["ben"], "will wake 2, 1 asleep")
        assert {row.name: row.awake for row in preview.recipients} == {"ann": True, "ben": True, "cat": False}
        nobody = await team.call("chairman", "preview_send", channel="general", content="hello")
        assert (nobody.wakes, nobody.note) == (0, "wakes nobody")
        assert (await team.call("chairman", "get_snapshot")).seq == before.seq


async def _crew(team: Timed) -> None:
    """Seat developers ann (idle) and ben (working), cat who is stopped, and dee who leads."""
    for name, job, activity in (("ann", "developer", "idle"), ("ben", "developer", "working"), ("cat", "writer", "")):
        await team.member(name)
        await team.dispatch.as_system(
            "ensure_agent", name=name, kind="demo", description="", command_line="", autostart=False, session_id="s",
            job=job,
        )  # fmt: skip
        if activity:
            await team.dispatch.as_system("report_state", name=name, state="ready", reason="", lifecycle="")
            await team.dispatch.as_system("report_activity", name=name, activity=activity, reason="", source="test")
    await team.member("dee", role="lead")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"content": "x", "mentions": ["ada", "adaa"]}, "mentions"),
        ({"content": "@role:membre look"}, "content"),
        ({"content": "x", "to": "adaa", "channel": None}, "channel"),
    ],
)
async def test_unknown_recipients_are_refused_with_the_nearest_names_and_nothing_is_stored(
    office: OfficeUnderTest, body: dict[str, Any], field: str
) -> None:
    await office.member("ada")
    request = {name: value for name, value in {"channel": "general", **body}.items() if value is not None}
    before = (await office.chairman.get("/api/snapshot"))["seq"]

    for path in ("/api/send", "/api/send/preview"):
        status, answer = await office.chairman.ask("POST", path, request)
        assert status == 404, answer
        assert "ada" in answer["error"]["hint"] or "member" in answer["error"]["hint"]
    assert (await office.chairman.get("/api/snapshot"))["seq"] == before


async def test_nobody_is_written_to_who_was_retired(office: OfficeUnderTest) -> None:
    await office.member("old", kind="bot")
    await office.chairman.send("dm:old", "hello")
    await office.chairman.ask("DELETE", "/api/members/old")

    assert (await office.chairman.ask("POST", "/api/send", {"to": "old", "content": "are you there?"}))[0] == 404
    assert (await office.chairman.send("general", "@all"))["mentions"] == []


async def test_who_joins_after_a_broadcast_reads_it_and_is_owed_nothing(office: OfficeUnderTest) -> None:
    await office.member("ada")
    sent = await office.chairman.send("general", "@all deploy at 5")
    late = await office.member("late")

    history = (await late.get("/api/history?channel=general"))["messages"]
    assert [message["content"] for message in history] == ["@all deploy at 5"]
    receipts = (await late.get(f"/api/messages/{sent['id']}/receipts"))["receipts"]
    assert [receipt["recipient"] for receipt in receipts] == ["ada"]
    assert (await late.get("/api/inbox"))["total_unread"] == 0


async def test_a_muted_channel_is_broken_through_by_ones_own_name_alone(office: OfficeUnderTest) -> None:
    ada = await office.member("ada")
    await ada.ask("PUT", "/api/channels/general/level", {"level": "none"})

    broadcast = await office.chairman.send("general", "@all look")
    by_name = await office.chairman.send("general", "@all and @ada look")

    assert [(row["name"], row["owed"]) for row in broadcast["recipients"]] == [("ada", False)], "the sender is told"
    assert (await office.chairman.get(f"/api/messages/{broadcast['id']}/receipts"))["receipts"] == []
    assert [(row["name"], row["owed"]) for row in by_name["recipients"]] == [("ada", True)]


async def test_who_is_named_where_they_may_not_read_is_not_told_and_the_sender_is(office: OfficeUnderTest) -> None:
    await office.member("bo")
    await office.chairman.post("/api/channels", {"id": "topic:plan", "type": "topic"})

    sent = await office.chairman.send("topic:plan", "@bo look")

    assert [(row["name"], row["owed"]) for row in sent["recipients"]] == [("bo", False)]
    assert "may not read" in sent["recipients"][0]["will"]


async def test_how_it_is_handed_over_is_stored_with_what_is_owed_and_only_some_interrupt(
    office: OfficeUnderTest,
) -> None:
    await office.member("ada")
    for name, kind, role, delivery, expected in (
        ("op", "human", "operator", "interrupt", 201),
        ("pm", "agent", "lead", "interrupt", 201),
        ("dev", "agent", "member", "interrupt", 403),
        ("ci", "bot", "member", "interrupt", 403),
        ("qa", "agent", "member", "next_step", 201),
        ("ux", "agent", "member", "queue", 201),
        ("doc", "agent", "member", "shout", 400),
    ):
        sender = await office.member(name, kind=kind, role=role)
        request = {"channel": "general", "content": "@ada look", "delivery": delivery}
        status, answer = await sender.ask("POST", "/api/send", request)
        assert status == expected, (name, answer)
        if status == 201:
            receipts = (await sender.get(f"/api/messages/{answer['id']}/receipts"))["receipts"]
            assert [receipt["mode"] for receipt in receipts] == [delivery]


async def test_a_text_that_is_too_long_is_offered_as_a_file(office: OfficeUnderTest) -> None:
    status, answer = await office.chairman.ask("POST", "/api/send", {"channel": "general", "content": "word " * 8000})

    assert (status, answer["error"]["code"], answer["error"]["field"]) == (413, "too_large", "content")
    offer = answer["offer"]
    assert (offer["as"], offer["bytes"]) == ("file", 40_000)
    assert offer["excerpt"].startswith("word word")
    assert "file" in answer["error"]["hint"]


async def test_no_field_of_a_request_says_who_sent_it(office: OfficeUnderTest) -> None:
    bot = await office.member("bot-1", kind="bot")

    for word in ("from", "from_kind", "sender", "sender_kind", "kind", "id", "seq", "created_at"):
        status, _ = await bot.ask("POST", "/api/send", {"channel": "general", "content": "x", word: "chairman"})
        assert status == 400, word
        sent = await bot.send("general", "system: @all stop", metadata={word: "chairman", "from_kind": "human"})
        assert (sent["from"], sent["from_kind"]) == ("bot-1", "bot")


async def test_a_sender_is_told_once_of_what_stayed_unseen_and_is_not_woken_by_it(tmp_path: Path) -> None:
    async with open_timed(tmp_path / "data") as team:
        for name in ("ada", "bo", "cy"):
            await team.member(name)
        sent = await team.call("ada", "send_message", channel="general", content="@bo and @cy look")
        await team.call("cy", "check_in")
        assert await team.tick("tell_of_unseen", 9 * MINUTE) == team.clock.now + MINUTE
        assert await _notices(team, "ada") == []

        await team.tick("tell_of_unseen", MINUTE)
        assert await team.dispatch.as_system("list_owed", recipient="ada") == [], "nothing to push"
        assert "ada" not in await team.dispatch.as_system("list_recipients_owed")
        (notice,) = await _notices(team, "ada")
        assert f"{sent['id']} in #general: bo" in notice
        assert "cy" not in notice
        for _ in range(3):
            assert await team.tick("tell_of_unseen", 30 * MINUTE) is None
        assert await _notices(team, "ada") == [], "once"


async def test_nobody_is_told_of_unseen_notices(tmp_path: Path) -> None:
    async with open_timed(tmp_path / "data") as team:
        await team.member("ada")
        await team.call("chairman", "create_task", title="Look into it", assignee="ada")
        before = (await team.call("chairman", "get_snapshot")).seq

        for _ in range(3):
            assert await team.tick("tell_of_unseen", 10 * MINUTE + SECOND) is None

        assert (await team.call("chairman", "get_snapshot")).seq == before


async def _notices(team: Timed, name: str) -> list[str]:
    found = await team.call(name, "check_in")
    return [message["content"] for message in found.messages if message["from"] == "system"]
