"""kill -9 of the bridge, at any moment: the shell loop starts another, and the CLI sees nothing of it."""

import asyncio
import json
import os
from functools import partial
from pathlib import Path

import pytest

from tests.bridge.cli import MODERN_ENVELOPE, Cli, text_of
from tests.bridge.conftest import ERAS, Bridge
from tests.bridge.scripted_server import Gate, ScriptedServer
from tests.conftest import until

both_eras = pytest.mark.parametrize("era", ERAS)
any_stdin = pytest.mark.parametrize("stdin", ["pipe", "socket"])
CHANGED = "notifications/tools/list_changed"


def journal_of(bridge: Bridge, cli: Cli) -> Path:
    return bridge.state_folder / f"journal-{cli.process.pid}"


async def until_settled(bridge: Bridge, cli: Cli) -> None:
    """Wait until the bridge has noted that its last answer was given: killed before that, it gives the answer again."""
    noted = f"A{cli.last_number}\n".encode()
    await until(lambda: noted in journal_of(bridge, cli).read_bytes())


def _is_larger(path: Path, size: int) -> bool:
    return path.stat().st_size > size


@both_eras
async def test_20_kills_of_an_idle_bridge_are_not_seen(bridge: Bridge, server: ScriptedServer, era: str) -> None:
    cli = await bridge.launch(era)
    await cli.connect()
    for number in range(20):
        await until_settled(bridge, cli)
        await cli.kill_bridge()
        assert await cli.call("write", text=f"after {number}") == f"wrote after {number}"
    assert set(server.effects.values()) == {1}
    assert set(cli.answers.values()) == {1}
    assert cli.junk == []
    assert await cli.end() == 0


@both_eras
async def test_20_kills_in_the_middle_of_a_call_cost_no_call_and_double_none(
    bridge: Bridge, server: ScriptedServer, era: str
) -> None:
    cli = await bridge.launch(era)
    await cli.connect()
    for number in range(20):
        await until_settled(bridge, cli)
        server.gate = Gate()
        call = cli.start_call("write", key="none" if number % 2 else "", text=f"during {number}", held=True)
        await asyncio.wait_for(server.gate.entered.wait(), 5)
        await cli.kill_bridge()
        server.gate.opened.set()
        assert text_of(await asyncio.wait_for(call, 5)) == f"wrote during {number}"
    assert dict(server.effects) == {f"during {number}": 1 for number in range(20)}
    assert set(cli.answers.values()) == {1}
    assert cli.junk == []
    assert len(server.asked("initialize")) == (1 if era == "handshake" else 0), "the session was not taken over"


@any_stdin
@both_eras
async def test_kills_at_any_moment_lose_no_call(bridge: Bridge, server: ScriptedServer, era: str, stdin: str) -> None:
    cli = await bridge.launch(era, stdin=stdin)
    await cli.connect()
    for number in range(20):
        calls = [cli.start_call("write", text=f"{number}.{part}") for part in range(3)]
        await cli.kill_bridge()
        answers = await asyncio.wait_for(asyncio.gather(*calls), 5)
        assert [text_of(answer) for answer in answers] == [f"wrote {number}.{part}" for part in range(3)]
    assert set(server.effects.values()) == {1}
    assert cli.junk == []


@any_stdin
async def test_a_line_of_which_half_was_read_is_not_lost(bridge: Bridge, server: ScriptedServer, stdin: str) -> None:
    cli = await bridge.launch(stdin=stdin)
    await cli.connect()
    params = {"name": "write", "arguments": {"text": "größer" * 50_000}, "_meta": MODERN_ENVELOPE}
    line = json.dumps({"jsonrpc": "2.0", "id": 77, "method": "tools/call", "params": params}).encode() + b"\n"
    third = len(line) // 3
    done = cli.expect(77)
    for part in (line[:third], line[third : 2 * third]):
        size = journal_of(bridge, cli).stat().st_size
        cli.write(part)
        await until(partial(_is_larger, journal_of(bridge, cli), size + third - 4096))
        await cli.kill_bridge()
    cli.write(line[2 * third :])
    assert text_of(await asyncio.wait_for(done, 5)).startswith("wrote größer")
    assert set(server.effects.values()) == {1}


async def test_an_answer_that_was_cut_in_the_middle_is_given_again_on_a_line_of_its_own(bridge: Bridge) -> None:
    reading, writing = os.pipe()
    cli = await bridge.launch(stdout=writing)
    cli.start_call("big", size=3_000_000)
    journal = journal_of(bridge, cli)
    await until(lambda: journal.exists() and b"\nW\n" in journal.read_bytes())  # the pipe is full
    await cli.kill_bridge()
    with os.fdopen(reading, "rb") as stdout:
        first = await asyncio.to_thread(stdout.readline)
        second = await asyncio.to_thread(stdout.readline)
    assert 0 < len(first) < 1_000_000
    assert len(text_of(json.loads(second))) == 3_000_000


async def test_a_call_that_was_cancelled_is_not_taken_up_again(bridge: Bridge, server: ScriptedServer) -> None:
    cli = await bridge.launch()
    await cli.connect()
    cli.start_call("write", text="never", held=True)
    number = cli.last_number
    await asyncio.wait_for(server.gate.entered.wait(), 5)
    cli.cancel(number)
    await asyncio.wait_for(server.gate.left_unfinished.wait(), 5)
    await cli.kill_bridge()
    assert await cli.call("write", text="after") == "wrote after"
    assert dict(server.effects) == {"after": 1}
    assert len([seen for seen in server.asked("tools/call") if seen.message["id"] == number]) == 1


@both_eras
async def test_a_list_that_changed_while_there_was_no_bridge_is_told(
    bridge: Bridge, server: ScriptedServer, era: str
) -> None:
    cli = await bridge.launch(era)
    await cli.connect()
    await until(lambda: server.streams)
    server.menu = "menu-2"
    await cli.kill_bridge()
    told = await cli.until_told(CHANGED)
    assert ("params" in told) is (era == "modern")


async def test_bridge_and_server_killed_together_cost_nothing(bridge: Bridge, server: ScriptedServer) -> None:
    cli = await bridge.launch("handshake")
    await cli.connect()
    call = cli.start_call("write", text="once", held=True)
    await asyncio.wait_for(server.gate.entered.wait(), 5)
    await server.kill()
    await cli.kill_bridge()
    server.gate.opened.set()
    await server.start()
    assert text_of(await asyncio.wait_for(call, 5)) == "wrote once"
    assert dict(server.effects) == {"once": 1}


async def test_a_journal_ends_with_its_cli(bridge: Bridge) -> None:
    cli = await bridge.launch()
    await cli.connect()
    journal = journal_of(bridge, cli)
    assert journal.stat().st_mode & 0o777 == 0o600
    assert await cli.end() == 0
    assert not journal.exists()
