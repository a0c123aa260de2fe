"""Snapshot + events = new snapshot, for every command and every reader, by the one rule that clients follow."""

from pathlib import Path
from typing import Any

import pytest

from server.core.event import EVENT_KINDS
from server.core.operation import Operation
from server.features.reads import COUNTED_AT_MOST
from tests.conftest import Door, until
from tests.core.examples import COMMANDS, Scene, check_answer, open_scene, request_of

LIVE = ("seq", "server_time")
"""Parts of a snapshot that are about the moment it was taken."""


def _keyed(snapshot: dict[str, Any]) -> dict[str, Any]:
    """Put each collection by its key, as a client does."""
    keys = {kind.collection: kind.key for kind in EVENT_KINDS.values() if kind.collection is not None}
    kept: dict[str, Any] = {}
    for name, value in snapshot.items():
        if name in LIVE:
            continue
        if name == "me":
            value = value["name"]
        kept[name] = {row[keys[name]]: row for row in value} if name in keys else value
    return kept


def _apply(snapshot: dict[str, Any], event: dict[str, Any]) -> None:
    """The whole rule: an event's row replaces that of its key; a message counts as unread until it is read or deleted;
    what is over is gone.
    """
    declared = EVENT_KINDS[event["kind"]]
    if event["kind"] == "message.created":
        message, mine = event["message"], snapshot["me"]
        read = snapshot["reads"].get(message["channel"])
        if read is not None and message["from"] != mine:
            read["unread"] = min(read["unread"] + 1, COUNTED_AT_MOST)
            read["mentions"] = min(read["mentions"] + (mine in message["mentions"]), COUNTED_AT_MOST)
    elif event["kind"] == "message.deleted":
        message, mine = event["message"], snapshot["me"]
        read = snapshot["reads"].get(message["channel"])
        if read is not None and message["from"] != mine and _number(message["id"]) > _number(read["last_read"]):
            read["unread"] -= 1
            read["mentions"] -= mine in message["mentions"]
    elif event["kind"] == "channel.left":
        for collection in ("channels", "reads"):
            snapshot[collection].pop(event["channel"], None)
    elif declared.collection in snapshot:
        row = event[declared.noun]
        snapshot[declared.collection][row[declared.key]] = row
        is_over = {"approvals": row.get("status") != "pending", "guards": row.get("state") == "cleared"}
        if is_over.get(declared.collection, False):
            del snapshot[declared.collection][row["id"]]


def _number(message_id: str | None) -> int:
    return 0 if message_id is None else int(message_id.removeprefix("msg_"))


async def _readers(scene: Scene) -> dict[str, Door]:
    viewer = await scene.office.member("vera", kind="human", role="viewer")
    return {"chairman": scene.office.chairman, "ada": scene.ada, "bo": scene.bo, "vera": viewer}


async def _told(door: Door, since: int, head: int) -> list[dict[str, Any]]:
    """Read the stream as far as a snapshot reaches: an agent that starts goes on changing meanwhile."""

    async def page() -> Any:
        found = await door.get(f"/api/events/poll?since={since}&limit=500")
        return found if found["next"] >= head else None

    return [event for event in (await until(page))["events"] if event["seq"] <= head]


@pytest.mark.parametrize("operation", COMMANDS, ids=lambda operation: str(operation.name))
async def test_what_the_stream_tells_makes_the_old_snapshot_the_new_one(tmp_path: Path, operation: Operation) -> None:
    async with open_scene(tmp_path / "data", operation) as scene:
        readers = await _readers(scene)
        old = {name: await door.get("/api/snapshot") for name, door in readers.items()}
        method, path, body = request_of(operation, scene)

        status, answer = await scene.office.chairman.ask(method, path, body)

        assert status == operation.status, answer
        check_answer(answer, operation, status, await scene.office.chairman.get("/api/openapi.json"))
        entries = await scene.office.chairman.get(f"/api/audit?operation={operation.name}&limit=200")
        assert {entry["kind"] for entry in entries["entries"]} <= {kind.kind for kind in operation.emits}, "as declared"
        for name, door in readers.items():
            new = await door.get("/api/snapshot")
            known = _keyed(old[name])
            for event in await _told(door, old[name]["seq"], new["seq"]):
                _apply(known, event)
            assert known == _keyed(new), name


def test_every_part_of_the_snapshot_is_kept_by_some_event() -> None:
    collections = {kind.collection for kind in EVENT_KINDS.values()} - {None}
    assert {"members", "channels", "reads", "agents"} <= collections
