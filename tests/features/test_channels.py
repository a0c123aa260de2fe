"""Channels: who may read them, who is in them, and what cannot be. What is hidden: test_hidden."""

import pytest

from tests.conftest import OfficeUnderTest
from tests.following import following


async def test_an_operator_reads_of_others_direct_messages_that_they_were_and_not_what_they_said(
    office: OfficeUnderTest,
) -> None:
    ada = await office.member("ada")
    await office.member("bo")
    await ada.send("dm:bo", "between us")

    entries = (await office.chairman.get("/api/audit?kind=message.created"))["entries"]

    assert [(entry["actor"], entry["body"]) for entry in entries] == [("ada", None)]


async def test_who_leaves_hears_nothing_more_on_an_open_stream_and_who_joins_hears_at_once(
    office: OfficeUnderTest,
) -> None:
    ada, bo = await office.member("ada"), await office.member("bo")
    await office.chairman.post("/api/channels", {"id": "topic:plan", "type": "topic", "members": ["ada"]})
    async with following(ada) as of_ada, following(bo) as of_bo:
        await office.chairman.post("/api/channels/topic:plan/members", {"agent_name": "bo"})
        await office.chairman.send("topic:plan", "both")
        await office.chairman.ask("DELETE", "/api/channels/topic:plan/members/ada")
        await office.chairman.send("topic:plan", "only bo")
        end = await office.chairman.send("general", "the end")
        await of_ada.wait_for_seq(end["seq"])
        await of_bo.wait_for_seq(end["seq"])

    assert of_ada.contents() == ["both", "the end"]
    assert of_bo.contents() == ["both", "only bo", "the end"]


async def test_who_joins_begins_at_the_end_and_may_read_what_was(office: OfficeUnderTest) -> None:
    bo = await office.member("bo")
    await office.chairman.post("/api/channels", {"id": "topic:plan", "type": "topic"})
    await office.chairman.send("topic:plan", "long ago")

    await office.chairman.post("/api/channels/topic:plan/members", {"agent_name": "bo"})

    (plan,) = [channel for channel in (await bo.get("/api/channels"))["channels"] if channel["id"] == "topic:plan"]
    assert (plan["unread"], plan["mentions"]) == (0, 0)
    history = (await bo.get("/api/history?channel=topic:plan"))["messages"]
    assert [message["content"] for message in history] == ["long ago"]


async def test_members_remove_themselves_and_only_who_made_it_or_operates_removes_others(
    office: OfficeUnderTest,
) -> None:
    ada, bo = await office.member("ada"), await office.member("bo")
    await office.chairman.post("/api/channels", {"id": "topic:plan", "type": "topic", "members": ["ada", "bo"]})

    assert (await bo.ask("DELETE", "/api/channels/topic:plan/members/ada"))[0] == 403
    assert (await bo.ask("DELETE", "/api/channels/topic:plan/members/bo"))[0] == 200
    assert (await ada.get("/api/channels/topic:plan/members"))["members"] is not None


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({"id": "general"}, 409, None),
        ({"id": "topic:x", "members": ["nobody"]}, 404, "members"),
        ({"id": "has space"}, 400, "id"),
        ({"id": "dm:ada:bo"}, 400, "id"),
        ({"id": "topic:x", "type": "secret"}, 400, "type"),
        ({}, 400, "id"),
    ],
)
async def test_a_channel_that_cannot_be_is_refused_with_the_reason(
    office: OfficeUnderTest, body: dict[str, object], status: int, field: str | None
) -> None:
    got, answer = await office.chairman.ask("POST", "/api/channels", body)

    assert (got, answer["error"]["field"]) == (status, field if field else answer["error"]["field"]), answer
    assert answer["error"]["message"]


async def test_nobody_writes_to_the_server_itself(office: OfficeUnderTest) -> None:
    status, answer = await office.chairman.ask("POST", "/api/send", {"channel": "dm:system", "content": "hello"})

    assert status in (404, 409), answer
