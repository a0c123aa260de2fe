"""What one may not read one cannot list, read, search, mark, follow or find out about: by any route there is."""

from pathlib import Path
from typing import Any

import pytest

from server.core.operation import Operation
from tests.conftest import Door, OfficeUnderTest, open_office
from tests.core.examples import REGISTRY
from tests.following import following, told_since

SECRET = "xylophone"
"""A word that stands in the hidden messages alone."""
BY_CHANNEL: dict[str, Any] = {
    "get_channel_members": None,
    "add_channel_member": {"agent_name": "bo"},
    "update_channel": {"name": "Mine now"},
    "archive_channel": {},
    "unarchive_channel": {},
    "join_channel": {},
    "leave_channel": {},
    "remove_channel_member": None,
    "set_channel_level": {"level": "none"},
    "send_message": {"channel": "CHANNEL", "content": "hello"},
    "preview_send": {"channel": "CHANNEL", "content": "hello"},
    "get_history": None,
    "get_pinned_messages": None,
    "ack_inbox": {"items": [{"channel": "CHANNEL", "ack_id": "MESSAGE"}]},
    "create_schedule": {"every": "1h", "channel": "CHANNEL", "content": "hello"},
    "update_schedule": {"channel": "CHANNEL"},
    "search_messages": None,
    "show_typing": {"channel": "CHANNEL"},
    "list_files": None,
    "list_folders": None,
    "create_folder": {"name": "mine", "channel": "CHANNEL"},
    "add_file": {"name": "a.txt", "content": "aGVsbG8=", "channel": "CHANNEL"},
    "move_file": {"channel": "CHANNEL"},
}
"""Operation that takes a channel → its body, for somebody who may not read it."""
BY_MESSAGE: dict[str, Any] = {
    "list_receipts": None,
    "get_thread": None,
    "edit_message": {"content": "mine now"},
    "delete_message": None,
    "list_message_versions": None,
    "add_reaction": {"emoji": "👍"},
    "remove_reaction": None,
    "pin_message": {},
    "unpin_message": None,
    "create_task": {"title": "x", "source_msg": "MESSAGE"},
    "pin_task": {},
    "send_message": {"channel": "general", "content": "hello", "reply_to": "MESSAGE"},
    "preview_send": {"channel": "general", "content": "hello", "reply_to": "MESSAGE"},
}
"""Operation that takes a message → its body, for somebody who may not read it."""
TELLS_THAT_A_NAME_IS_TAKEN = {"create_channel"}


_DESCRIBED = {"channel": "As `#general`", "message": "Message, as"}
"""How the types that operations take these by are described."""


def _takes(operation: Operation, what: str) -> bool:
    # What leads may not do at all tells them nothing of any channel.
    return (
        operation.path is not None
        and operation.allow.admits("lead")
        and _DESCRIBED[what] in str(operation.arguments.model_json_schema())
    )


def test_every_route_with_a_channel_or_a_message_is_walked() -> None:
    with_channel = {operation.name for operation in REGISTRY if _takes(operation, "channel")}
    with_message = {operation.name for operation in REGISTRY if _takes(operation, "message")}

    assert with_channel - TELLS_THAT_A_NAME_IS_TAKEN == set(BY_CHANNEL)
    assert with_message <= set(BY_MESSAGE) | set(BY_CHANNEL)


@pytest.mark.parametrize("channel", ["topic:plan", "dm:ada:chairman"])
async def test_by_no_route_does_one_learn_of_a_channel_of_others(tmp_path: Path, channel: str) -> None:
    async with open_office(tmp_path / "data") as office:
        ada, bo = await office.member("ada"), await office.member("bo", role="lead")
        await office.chairman.post("/api/channels", {"id": "topic:plan", "type": "topic", "members": ["ada"]})
        own = {
            "schedule_id": (await bo.post("/api/schedules", {"every": "1h", "channel": "general", "content": "x"}))[
                "id"
            ],
            "file_id": (await bo.post("/api/files", {"name": "mine.txt", "content": "aGVsbG8="}))["file_id"],
        }
        async with following(bo) as follower:
            message = await _say_in_secret(office, ada, channel)
            end = await ada.send("general", "the end")
            await follower.wait_for_seq(end["seq"])

        assert follower.contents() == ["the end"]
        assert SECRET not in str(follower.frames)
        for operation in REGISTRY:
            for by, bodies in (("channel", BY_CHANNEL), ("message", BY_MESSAGE)):
                if operation.name in bodies:
                    status, answer = await _ask(bo, operation, bodies[operation.name], channel, message, own)
                    assert status == 404, (operation.name, by, status, answer)
                    assert SECRET not in str(answer), operation.name
                    assert by == "channel" or channel not in str(answer), (operation.name, "tells where it is", answer)
        assert (await bo.ask("GET", f"/api/channels/{channel}/export"))[0] == 404
        assert SECRET not in str(await told_since(bo, 0))
        for path in ("channels", "snapshot", "inbox", "tasks", "schedules"):
            told = str(await bo.get(f"/api/{path}"))
            assert SECRET not in told, path
            assert channel not in told, path
        assert (await ada.get(f"/api/history?channel={channel}"))["messages"][-1]["pinned"], "its members have it all"


async def _say_in_secret(office: OfficeUnderTest, ada: Door, channel: str) -> Any:
    """Let everything happen to a hidden message that is told of one."""
    target = "dm:chairman" if channel.startswith("dm:") else channel
    message = await ada.send(target, f"the {SECRET} @chairman")
    reply = await office.chairman.send(target.replace("chairman", "ada"), SECRET, reply_to=message["id"])
    await ada.ask("PUT", f"/api/messages/{message['id']}", {"content": f"the {SECRET} again, @chairman @bo"})
    for number in (message["id"], reply["id"]):
        await ada.post(f"/api/messages/{number}/reactions", {"emoji": "🎹"})
        await ada.post(f"/api/messages/{number}/pin")
    return message


async def _ask(
    door: Door, operation: Operation, body: Any, channel: str, message: Any, own: dict[str, str]
) -> tuple[int, Any]:
    assert operation.path is not None
    assert operation.method is not None
    of_message = operation.path.startswith(("/api/messages/", "/api/threads/"))
    names = {"id": message["id"] if of_message else channel, "channel": channel, "message_id": message["id"]}
    path = operation.path.format_map({**names, "emoji": "%F0%9F%91%8D", "name": "ada", **own})
    if body is None and "{" not in operation.path:
        path += f"?channel={channel}"
    filled = body if body is None else _filled(body, channel, message["id"])
    return await door.ask(operation.method, path, filled)


def _filled(value: Any, channel: str, message: str) -> Any:
    if isinstance(value, dict):
        return {name: _filled(part, channel, message) for name, part in value.items()}
    if isinstance(value, list):
        return [_filled(part, channel, message) for part in value]
    return {"CHANNEL": channel, "MESSAGE": message}.get(value, value)


async def test_a_hidden_message_that_nobody_is_owed_has_no_receipts_for_others(office: OfficeUnderTest) -> None:
    bo = await office.member("bo")
    await office.chairman.post("/api/channels", {"id": "topic:plan", "type": "topic"})
    message = await office.chairman.send("topic:plan", "a note to myself")

    assert (await bo.ask("GET", f"/api/messages/{message['id']}/receipts"))[0] == 404
    assert (await bo.ask("GET", "/api/messages/msg_4711/receipts"))[0] == 404
    assert await office.chairman.get(f"/api/messages/{message['id']}/receipts") == {"receipts": []}


async def test_who_is_taken_out_of_a_topic_is_owed_nothing_of_it_any_more(office: OfficeUnderTest) -> None:
    bo = await office.member("bo")
    await office.chairman.post("/api/channels", {"id": "topic:plan", "type": "topic", "members": ["bo"]})
    message = await office.chairman.send("topic:plan", f"@bo the {SECRET}")

    await office.chairman.ask("DELETE", "/api/channels/topic:plan/members/bo")

    assert (await office.chairman.get(f"/api/messages/{message['id']}/receipts"))["receipts"] == []
    assert SECRET not in str([await bo.get("/api/inbox"), await bo.get("/api/snapshot")])
