"""The second thread: list changes, and pushes into the CLI's messaging socket."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.bridge.conftest import ERAS, Bridge
from tests.bridge.scripted_server import ScriptedServer
from tests.conftest import until

both_eras = pytest.mark.parametrize("era", ERAS)
CHANGED = "notifications/tools/list_changed"


@contextlib.asynccontextmanager
async def messaging_socket(path: Path) -> AsyncIterator[list[list[dict[str, Any]]]]:
    """A CLI's socket: the frames of each connection."""
    connections: list[list[dict[str, Any]]] = []

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append([json.loads(line) for line in (await reader.read()).splitlines()])
        writer.close()

    listening = await asyncio.start_unix_server(take, path, limit=1024 * 1024)
    async with listening:
        yield connections


async def test_the_server_can_tell_which_stream_is_a_bridge_and_of_which_run(
    bridge: Bridge, server: ScriptedServer
) -> None:
    await bridge.launch()
    await until(lambda: server.streams)
    headers = server.stream_headers
    assert headers["X-Bullpen-Client"].startswith("bridge/")
    assert (headers["X-Bullpen-Run"], headers["types"]) == ("run-1", "push,tools_changed")


@both_eras
async def test_a_change_of_the_list_is_told_at_once(bridge: Bridge, server: ScriptedServer, era: str) -> None:
    cli = await bridge.launch(era)
    await cli.connect()
    await until(lambda: server.streams)
    server.tools.append("more")
    server.tell("tools_changed", {"menu": "menu-2"})
    told = await cli.until_told(CHANGED)
    if era == "modern":
        assert told["params"]["_meta"] == {"io.modelcontextprotocol/subscriptionId": "listen:0"}
    else:
        assert "params" not in told
    assert await cli.tools() == ["echo", "more"]


@both_eras
async def test_a_change_while_the_stream_was_away_is_told_when_it_is_back(
    bridge: Bridge, server: ScriptedServer, era: str
) -> None:
    cli = await bridge.launch(era)
    await cli.connect()
    await until(lambda: server.streams)
    await server.kill()
    server.menu = "menu-2"
    await server.start()
    await cli.until_told(CHANGED)


async def test_a_restart_with_the_same_list_is_not_told(bridge: Bridge, server: ScriptedServer) -> None:
    cli = await bridge.launch()
    await cli.connect()
    await until(lambda: server.streams)
    server.tell("tools_changed", {"menu": "menu-2"})
    await cli.until_told(CHANGED)
    server.menu = "menu-2"
    await server.kill()
    await server.start()
    await until(lambda: server.streams)
    await cli.call("echo", text="x")
    assert len([each for each in cli.told if each["method"] == CHANGED]) == 1


async def test_who_hangs_up_is_told_no_more(bridge: Bridge, server: ScriptedServer) -> None:
    cli = await bridge.launch()
    await cli.connect()
    await until(lambda: server.streams)
    cli.cancel("listen:0")
    await cli.ask("ping")
    server.tell("tools_changed", {"menu": "menu-2"})
    server.tell("push", {"id": "p1", "text": "after it"})
    await until(lambda: server.reports)
    await cli.ask("ping")
    assert [each for each in cli.told if each["method"] == CHANGED] == []


async def test_45_pushes_reach_the_socket_in_order_and_are_reported(
    bridge: Bridge, server: ScriptedServer, tmp_path: Path
) -> None:
    path = tmp_path / "cli.sock"
    async with messaging_socket(path) as connections:
        await bridge.launch(environment={"CLAUDE_CODE_MESSAGING_SOCKET": str(path)})
        await until(lambda: server.streams)
        for number in range(45):
            server.tell("push", {"id": f"push_{number}", "text": f"[push_{number}] größer\n\u2028 {number}"})
        await until(lambda: len(server.reports) == 45)
    texts = [frames[0]["message"]["content"] for frames in connections]
    assert texts == [f"[push_{number}] größer\n\u2028 {number}" for number in range(45)]
    assert [len(frames) for frames in connections] == [1] * 45
    assert server.reports == [
        {"agent": "dev", "id": f"push_{number}", "ok": True, "error": None} for number in range(45)
    ]


async def test_a_socket_with_a_token_is_opened_with_it(bridge: Bridge, server: ScriptedServer, tmp_path: Path) -> None:
    path = tmp_path / "cli.sock"
    async with messaging_socket(path) as connections:
        await bridge.launch(
            environment={"CLAUDE_CODE_MESSAGING_SOCKET": str(path), "CLAUDE_CODE_MESSAGING_TOKEN": "secret"}
        )
        await until(lambda: server.streams)
        server.tell("push", {"id": "p1", "text": "hello"})
        await until(lambda: connections)
    assert connections == [
        [{"type": "auth", "token": "secret"}, {"type": "user", "message": {"role": "user", "content": "hello"}}]
    ]


@pytest.mark.parametrize("has_path", [False, True])
async def test_a_push_that_cannot_be_handed_over_is_reported_as_that(
    bridge: Bridge, server: ScriptedServer, tmp_path: Path, has_path: bool
) -> None:
    gone = {"CLAUDE_CODE_MESSAGING_SOCKET": str(tmp_path / "gone.sock")} if has_path else {}
    await bridge.launch(environment=gone)
    await until(lambda: server.streams)
    server.tell("push", {"id": "p1", "text": "hello"})
    (report,) = await until(lambda: server.reports)
    assert (report["id"], report["ok"]) == ("p1", False)
    assert "socket" in report["error"]


async def test_events_that_nobody_understands_do_not_end_the_stream(bridge: Bridge, server: ScriptedServer) -> None:
    await bridge.launch()
    await until(lambda: server.streams)
    for kind, body in (("push", {"text": "no id"}), ("push", {}), ("hello", {"menu": None}), ("later", {"x": 1})):
        server.tell(kind, body)
    (stream,) = server.streams
    await stream.write(b"event: push\ndata: [1,\ndata: 2]\n\nevent: push\ndata: no json\n\n: comment\n\n")
    server.tell("push", {"id": "p1", "text": "hello"})
    (report,) = await until(lambda: [each for each in server.reports if each["id"] == "p1"])
    assert report["ok"] is False
