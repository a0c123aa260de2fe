"""What passes through: both eras of the protocol, in their own words."""

import asyncio
import json

import pytest

from tests.bridge.cli import text_of
from tests.bridge.conftest import ERAS, Bridge
from tests.bridge.scripted_server import ScriptedServer
from tests.conftest import until

both_eras = pytest.mark.parametrize("era", ERAS)


@both_eras
async def test_a_cli_connects_lists_and_calls(bridge: Bridge, server: ScriptedServer, era: str) -> None:
    cli = await bridge.launch(era)
    assert await cli.connect() == ["echo"]
    assert await cli.call("echo", text="hello") == "hello"
    (call,) = server.asked("tools/call")
    assert call.headers["Idempotency-Key"] == f"toolu_{cli.last_number}"
    assert (call.headers["Authorization"], call.headers["X-Bullpen-Run"]) == ("Bearer bp_right", "run-1")


async def test_a_name_that_no_header_can_carry_is_wrapped(bridge: Bridge, server: ScriptedServer) -> None:
    cli = await bridge.launch()
    names = ["plain", "größer", "語", " blank", "line\nbreak", "=?base64?eA==?="]
    assert [await cli.call(name) for name in names] == [f"called {name}" for name in names]
    sent = [seen.headers["Mcp-Name"] for seen in server.asked("tools/call")]
    assert sent[0] == "plain"
    assert all(value.startswith("=?base64?") and value.endswith("?=") for value in sent[1:])


@both_eras
async def test_progress_comes_before_the_answer(bridge: Bridge, era: str) -> None:
    cli = await bridge.launch(era)
    await cli.connect()
    answer = await cli.start_call("steps")
    progress = [each["params"] for each in cli.told if each["method"] == "notifications/progress"]
    assert [each["progress"] for each in progress] == [1, 2]
    assert {each["progressToken"] for each in progress} == {cli.last_number}
    assert text_of(answer) == "two steps"


async def test_a_question_of_the_server_reaches_the_cli_and_its_answer_the_server(bridge: Bridge) -> None:
    cli = await bridge.launch("handshake")
    await cli.connect()
    answer = {"action": "accept", "content": {"colour": "green"}}
    cli.on_request = lambda message: cli.write(
        json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": answer}).encode() + b"\n"
    )
    assert json.loads(await cli.call("ask")) == answer


@both_eras
async def test_an_error_of_the_server_is_the_answer(bridge: Bridge, era: str) -> None:
    cli = await bridge.launch(era)
    await cli.connect()
    assert (await cli.ask("no/such"))["error"] == {"code": -32601, "message": "unknown method"}


async def test_a_ping_needs_no_server(bridge: Bridge, server: ScriptedServer) -> None:
    await server.kill()
    cli = await bridge.launch()
    assert (await cli.ask("ping"))["result"] == {}


async def test_lines_that_are_no_requests_harm_nothing(bridge: Bridge) -> None:
    cli = await bridge.launch()
    cli.write(b"junk\n\n   \n[1, 2]\n" + b"[" * 100_000 + b'\n{"id": 7}\n\xff\xfe\n{"jsonrpc"')
    cli.write(b': "2.0", "method": "nothing/known"}\n')
    assert await cli.call("echo", text="still here") == "still here"
    assert cli.junk == []
    assert await cli.end() == 0


@both_eras
async def test_text_passes_whatever_it_holds(bridge: Bridge, era: str) -> None:
    cli = await bridge.launch(era)
    await cli.connect()
    for text in ("line\r\nbreak", "\u2028\u2029\x85", "lone \ud800 half", "\x00\x1b[31m", "größer 🎉 語", ""):
        assert await cli.call("echo", text=text) == text


@both_eras
async def test_an_answer_of_20_mb_comes_whole(bridge: Bridge, era: str) -> None:
    cli = await bridge.launch(era)
    await cli.connect()
    assert len(await cli.call("big", size=20_000_000)) == 20_000_000
    assert await cli.call("echo", text="after") == "after"


async def test_arguments_of_more_than_4_mib_are_refused_with_advice(bridge: Bridge, server: ScriptedServer) -> None:
    cli = await bridge.launch()
    answer = await cli.call("echo", text="x" * (4 * 1024 * 1024))
    assert answer.startswith("ERROR too_large:")
    assert "Nothing was sent" in answer
    assert server.asked("tools/call") == []
    assert await cli.call("echo", text="x" * 3_000_000) == "x" * 3_000_000


async def test_a_refusal_says_why_and_that_nothing_was_done(bridge: Bridge, server: ScriptedServer) -> None:
    server.refusals["tools/call"] = 403
    cli = await bridge.launch()
    answer = await cli.call("echo", text="x")
    assert answer == "ERROR not_allowed: the server refused the request (403: No.). Nothing was done."


@both_eras
async def test_200_calls_at_once_are_all_answered_once(bridge: Bridge, server: ScriptedServer, era: str) -> None:
    cli = await bridge.launch(era)
    await cli.connect()
    calls = [cli.start_call("write", text=f"text {number}") for number in range(200)]
    answers = await asyncio.wait_for(asyncio.gather(*calls), 10)
    assert [text_of(answer) for answer in answers] == [f"wrote text {number}" for number in range(200)]
    assert set(cli.answers.values()) == {1}
    assert set(server.effects.values()) == {1}


async def test_a_slow_call_holds_no_other_back(bridge: Bridge, server: ScriptedServer) -> None:
    cli = await bridge.launch()
    held = cli.start_call("write", text="slow", held=True)
    await asyncio.wait_for(server.gate.entered.wait(), 5)
    assert await cli.call("echo", text="quick") == "quick"
    server.gate.opened.set()
    assert text_of(await held) == "wrote slow"


@both_eras
async def test_a_cancelled_call_ends_at_the_server_and_is_not_answered(
    bridge: Bridge, server: ScriptedServer, era: str
) -> None:
    cli = await bridge.launch(era)
    await cli.connect()
    cli.start_call("write", text="never", held=True)
    number = cli.last_number
    await asyncio.wait_for(server.gate.entered.wait(), 5)
    cli.cancel(number)
    await asyncio.wait_for(server.gate.left_unfinished.wait(), 5)
    if era == "handshake":
        (told,) = await until(lambda: server.asked("notifications/cancelled"))
        assert told.message["params"]["requestId"] == number
    assert await cli.call("echo", text="after") == "after"
    assert cli.answers[json.dumps(number)] == 0
    assert len([seen for seen in server.asked("tools/call") if seen.message["id"] == number]) == 1


async def test_a_call_that_waits_for_the_server_can_be_cancelled(bridge: Bridge, server: ScriptedServer) -> None:
    cli = await bridge.launch()
    await cli.connect()
    await server.kill()
    cli.start_call("write", text="never")
    number = cli.last_number
    cli.cancel(number)
    await cli.ask("ping")
    await server.start()
    assert await cli.call("write", text="later") == "wrote later"
    assert dict(server.effects) == {"later": 1}
    assert cli.answers[json.dumps(number)] == 0


async def test_a_call_without_an_id_of_its_own_gets_a_key_for_itself(bridge: Bridge, server: ScriptedServer) -> None:
    cli = await bridge.launch()
    for text in ("one", "one", "two"):
        assert text_of(await cli.start_call("write", key="none", text=text)) == f"wrote {text}"
    assert len({seen.headers["Idempotency-Key"] for seen in server.asked("tools/call")}) == 3


async def test_the_session_ends_with_the_cli(bridge: Bridge, server: ScriptedServer) -> None:
    cli = await bridge.launch("handshake")
    await cli.connect()
    assert await cli.end() == 0
    (farewell,) = server.asked("DELETE")
    assert farewell.headers["Mcp-Session-Id"] == server.asked("tools/list")[0].headers["Mcp-Session-Id"]
