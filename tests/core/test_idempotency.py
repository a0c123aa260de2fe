"""The same request twice, under one key: one effect and the same answer, also at once, and over a restart."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from server.core.operation import Operation
from tests.conftest import Door, open_office
from tests.core.examples import COMMANDS, EXAMPLES, open_scene, request_of


async def _effects(door: Door, operation: Operation) -> int:
    """How often the chairman had an effect with an operation."""
    entries = (await door.get(f"/api/audit?operation={operation.name}&actor=chairman&limit=200"))["entries"]
    return len({entry["call_id"] for entry in entries})


def _same(operation: Operation, first: tuple[int, Any], again: tuple[int, Any]) -> bool:
    """A secret is shown once; everything else is answered again as it was."""
    return (again[0] == 409 and "secret" in again[1]["error"]["message"]) if operation.secret else first == again


def test_there_is_an_example_for_every_command() -> None:
    assert EXAMPLES.keys() == {operation.name for operation in COMMANDS}


@pytest.mark.parametrize("operation", COMMANDS, ids=lambda operation: str(operation.name))
async def test_one_key_has_one_effect_at_once_again_and_after_a_restart(tmp_path: Path, operation: Operation) -> None:
    data, key = tmp_path / "data", {"Idempotency-Key": "key-1"}
    async with open_scene(data, operation) as scene:
        chairman = scene.office.chairman
        before = await _effects(chairman, operation)
        method, path, body = request_of(operation, scene)

        at_once = await asyncio.gather(*(chairman.ask(method, path, body, **key) for _ in range(8)))
        again = await chairman.ask(method, path, body, **key)

        first, *others = [answer for answer in at_once if answer[0] in (200, 201)]
        assert len(others) == (0 if operation.secret else 7)
        repeats = [answer for answer in (*at_once, again) if answer is not first]
        assert [answer for answer in repeats if not _same(operation, first, answer)] == []
        effects = await _effects(chairman, operation)
        assert effects == before + (operation.name != "end_session")
    async with open_office(data) as office:  # the chairman's token is another; the key is the member's
        assert _same(operation, first, await office.chairman.ask(method, path, body, **key))
        assert await _effects(office.chairman, operation) == effects


async def test_a_key_that_was_used_for_something_else_is_refused_and_nothing_is_done(tmp_path: Path) -> None:
    async with open_scene(tmp_path / "data") as scene:
        chairman, key = scene.office.chairman, {"Idempotency-Key": "key-3"}
        await chairman.post("/api/send", {"channel": "general", "content": "one"}, **key)

        other_body = await chairman.ask("POST", "/api/send", {"channel": "general", "content": "two"}, **key)
        other_command = await chairman.ask("POST", "/api/channels", {"id": "topic:x"}, **key)

        for status, answer in (other_body, other_command):
            assert status in (409, 422)
            assert "new key" in answer["error"]["hint"]
        contents = [message["content"] for message in (await chairman.get("/api/history?channel=general"))["messages"]]
        assert ("one" in contents, "two" in contents) == (True, False)


async def test_keys_of_two_members_do_not_meet(tmp_path: Path) -> None:
    async with open_scene(tmp_path / "data") as scene:
        body = {"channel": "general", "content": "mine"}
        first = await scene.ada.post("/api/send", body, **{"Idempotency-Key": "same"})
        second = await scene.bo.post("/api/send", body, **{"Idempotency-Key": "same"})
        assert (first["from"], second["from"]) == ("ada", "bo")
