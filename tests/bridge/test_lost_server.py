"""The server dies and returns while the CLI works."""

import asyncio
import json

import pytest

from tests.bridge.cli import text_of
from tests.bridge.conftest import ERAS, Bridge
from tests.bridge.scripted_server import ScriptedServer
from tests.conftest import until

both_eras = pytest.mark.parametrize("era", ERAS)


@both_eras
async def test_an_idle_cli_sees_nothing_of_a_restart(bridge: Bridge, server: ScriptedServer, era: str) -> None:
    cli = await bridge.launch(era)
    await cli.connect()
    for number in range(3):
        assert await cli.call("echo", text=f"before {number}") == f"before {number}"
        await server.kill()
        await server.start()
        assert await cli.call("echo", text=f"after {number}") == f"after {number}"
    assert {each["method"] for each in cli.told} <= {"notifications/subscriptions/acknowledged"}


@both_eras
async def test_a_call_in_flight_is_repeated_and_has_one_effect(
    bridge: Bridge, server: ScriptedServer, era: str
) -> None:
    cli = await bridge.launch(era)
    await cli.connect()
    call = cli.start_call("write", text="once", held=True)
    await asyncio.wait_for(server.gate.entered.wait(), 5)
    await server.kill()
    server.gate.opened.set()
    await server.start()
    assert text_of(await asyncio.wait_for(call, 5)) == "wrote once"
    assert dict(server.effects) == {"once": 1}
    first, *_, last = server.asked("tools/call")
    assert first.headers["Idempotency-Key"] == last.headers["Idempotency-Key"]
    assert (first.headers["X-Bullpen-Attempt"], first.message) == ("1", last.message)
    assert int(last.headers["X-Bullpen-Attempt"]) > 1
    assert cli.answers[json.dumps(cli.last_number)] == 1


@both_eras
async def test_a_call_that_was_written_and_not_answered_is_not_written_again(
    bridge: Bridge, server: ScriptedServer, era: str
) -> None:
    cli = await bridge.launch(era)
    await cli.connect()
    server.dies_after_commit = True
    assert await cli.call("write", text="once") == "wrote once"
    first, second = server.asked("tools/call")
    assert first.headers["Idempotency-Key"] == second.headers["Idempotency-Key"]
    assert dict(server.effects) == {"once": 1}


@both_eras
async def test_a_call_that_never_left_says_that_nothing_was_done(
    bridge: Bridge, server: ScriptedServer, era: str
) -> None:
    cli = await bridge.launch(era, call_patience=0.5)
    await cli.connect()
    await server.kill()
    answer = await cli.call("write", text="x")
    assert answer.startswith("ERROR unavailable: the Bullpen server has not answered for 0.5 s")
    assert "Nothing was sent, so nothing was done." in answer
    await server.start()
    assert await cli.call("write", text="y") == "wrote y"
    assert dict(server.effects) == {"y": 1}


async def test_a_call_that_may_have_taken_effect_says_that_it_is_not_known(
    bridge: Bridge, server: ScriptedServer
) -> None:
    cli = await bridge.launch(call_patience=0.5)
    await cli.connect()
    call = cli.start_call("write", text="x", held=True)
    await asyncio.wait_for(server.gate.entered.wait(), 5)
    await server.kill()
    answer = text_of(await asyncio.wait_for(call, 5))
    assert "It is not known whether the call took effect." in answer
    assert "othing was" not in answer


async def test_a_token_that_is_revoked_in_the_middle_of_a_call_does_not_hide_that_it_was_sent(
    bridge: Bridge, server: ScriptedServer
) -> None:
    cli = await bridge.launch()
    await cli.connect()
    call = cli.start_call("write", text="x", held=True)
    await asyncio.wait_for(server.gate.entered.wait(), 5)
    await server.kill()
    server.token = "bp_other"
    await server.start()
    answer = text_of(await asyncio.wait_for(call, 5))
    assert answer.startswith("ERROR not_signed_in")
    assert "It is not known" in answer


async def test_a_server_that_falls_silent_in_a_call_is_asked_again(bridge: Bridge, server: ScriptedServer) -> None:
    cli = await bridge.launch(silence=0.5)
    await cli.connect()
    call = cli.start_call("write", text="x", held=True)
    await asyncio.wait_for(server.gate.left_unfinished.wait(), 5)
    server.gate.opened.set()
    assert text_of(await asyncio.wait_for(call, 5)) == "wrote x"
    assert dict(server.effects) == {"x": 1}


async def test_a_server_that_is_busy_is_asked_again(bridge: Bridge, server: ScriptedServer) -> None:
    cli = await bridge.launch()
    await cli.connect()
    server.refusals["tools/call"] = 503
    call = cli.start_call("write", text="x")
    await until(lambda: len(server.asked("tools/call")) >= 2)
    del server.refusals["tools/call"]
    assert text_of(await call) == "wrote x"


async def test_a_cli_is_told_that_the_server_is_away(bridge: Bridge, server: ScriptedServer) -> None:
    cli = await bridge.launch()
    await cli.connect()
    await server.kill()
    call = cli.start_call("write", text="x")
    told = (await cli.until_told("notifications/progress"))["params"]
    assert told["progressToken"] == cli.last_number
    assert told["message"].startswith("server not reachable")
    await server.start()
    assert text_of(await call) == "wrote x"


async def test_many_calls_that_find_the_session_lost_open_one_other(bridge: Bridge, server: ScriptedServer) -> None:
    cli = await bridge.launch("handshake")
    await cli.connect()
    await server.kill()
    await server.start()
    answers = await asyncio.gather(*(cli.call("write", text=str(number)) for number in range(50)))
    assert answers == [f"wrote {number}" for number in range(50)]
    assert len(server.asked("initialize")) == 2
    assert len(server.asked("notifications/initialized")) == 2
    assert set(server.effects.values()) == {1}


async def test_a_session_that_cannot_be_opened_yet_costs_no_call(bridge: Bridge, server: ScriptedServer) -> None:
    cli = await bridge.launch("handshake")
    await cli.connect()
    await server.kill()
    server.refusals["initialize"] = 503
    await server.start()
    call = cli.start_call("write", text="x")
    await until(lambda: len(server.asked("initialize")) >= 3)
    server.refusals.clear()
    assert text_of(await asyncio.wait_for(call, 5)) == "wrote x"
