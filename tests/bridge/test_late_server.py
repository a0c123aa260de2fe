"""The server is late, wedged, or refuses the token: the CLI gets its menu in time, and the true one soon."""

import asyncio
import time

import pytest

from tests.bridge.conftest import ERAS, Bridge
from tests.bridge.scripted_server import ScriptedServer
from tests.conftest import until

both_eras = pytest.mark.parametrize("era", ERAS)
CHANGED = "notifications/tools/list_changed"


@both_eras
async def test_a_server_that_is_late_is_waited_for_once(bridge: Bridge, server: ScriptedServer, era: str) -> None:
    await server.kill()
    cli = await bridge.launch(era, menu_patience=0.6)
    began = time.monotonic()
    assert await cli.connect() == []
    took = time.monotonic() - began
    assert 0.6 <= took < 1.2, "it waited for each of the three requests anew"
    await server.start()
    await cli.until_told(CHANGED)
    assert await cli.tools() == ["echo"]
    assert await cli.call("echo", text="now") == "now"


@both_eras
async def test_the_last_menu_is_offered_at_once_and_calls_wait(
    bridge: Bridge, server: ScriptedServer, era: str
) -> None:
    first = await bridge.launch(era)
    assert await first.connect() == ["echo"]
    assert await first.end() == 0
    await server.kill()
    cli = await bridge.launch(era, menu_patience=0.3)
    assert await cli.connect() == ["echo"]
    call = cli.start_call("write", text="held")
    await cli.until_told("notifications/progress")
    assert not call.done()
    await server.start()
    assert "result" in await asyncio.wait_for(call, 5)
    assert dict(server.effects) == {"held": 1}


async def test_the_menu_of_one_era_serves_the_other(bridge: Bridge, server: ScriptedServer) -> None:
    first = await bridge.launch("modern")
    await first.connect()
    await first.end()
    await server.kill()
    cli = await bridge.launch("handshake", menu_patience=0.2)
    assert await cli.connect() == ["echo"]


async def test_a_menu_from_the_cache_that_is_still_true_is_not_announced(
    bridge: Bridge, server: ScriptedServer
) -> None:
    first = await bridge.launch()
    await first.connect()
    await first.end()
    await server.kill()
    cli = await bridge.launch(menu_patience=0.2)
    await cli.connect()
    listed = len(server.asked("tools/list"))
    await server.start()
    await until(lambda: len(server.asked("tools/list")) > listed)  # it compared
    await until(lambda: server.streams)
    await cli.call("echo", text="x")
    assert [each for each in cli.told if each["method"] == CHANGED] == []


@both_eras
async def test_a_server_that_takes_requests_and_never_answers_delays_nobody(
    bridge: Bridge, server: ScriptedServer, era: str
) -> None:
    first = await bridge.launch(era)
    await first.connect()
    server.is_wedged = True
    first.start_call("echo", text="x")  # takes the kept connection
    began = time.monotonic()
    cli = await bridge.launch(era, menu_patience=0.5)
    assert await cli.connect() == ["echo"]
    assert time.monotonic() - began < 1.5
    began = time.monotonic()
    await first.ask("tools/list")
    assert time.monotonic() - began < 2.5, "a kept connection was waited for twice"


async def test_a_list_that_was_slow_is_announced_though_the_stream_was_open(
    bridge: Bridge, server: ScriptedServer
) -> None:
    cli = await bridge.launch(menu_patience=0.3)
    await until(lambda: server.streams)
    server.refusals["tools/list"] = 503
    assert await cli.connect() == []
    del server.refusals["tools/list"]
    await cli.until_told(CHANGED)
    assert await cli.tools() == ["echo"]


async def test_a_further_page_never_comes_from_the_cache(bridge: Bridge, server: ScriptedServer) -> None:
    cli = await bridge.launch(menu_patience=0.2, call_patience=0.3)
    await cli.connect()
    await server.kill()
    assert (await cli.ask("tools/list", {"cursor": "2"}))["error"]["code"] == -32000


@both_eras
async def test_tools_appear_once_the_token_file_is_corrected(bridge: Bridge, server: ScriptedServer, era: str) -> None:
    bridge.token_file.write_text("bp_wrong")
    cli = await bridge.launch(era)
    began = time.monotonic()
    assert await cli.connect() == []
    assert time.monotonic() - began < 1.4, "it waited although the server had answered"
    answer = await cli.call("echo", text="x")
    assert answer.startswith("ERROR not_signed_in: your token is not accepted.")
    assert answer.endswith("Nothing was done.")
    bridge.token_file.write_text(f"{server.token}\n")
    await cli.until_told(CHANGED)
    assert await cli.tools() == ["echo"]
    await until(lambda: server.streams)


async def test_a_new_token_is_taken_by_all_calls_that_the_old_one_fails(bridge: Bridge, server: ScriptedServer) -> None:
    cli = await bridge.launch()
    await cli.connect()
    server.token = "bp_new"
    bridge.token_file.write_text("bp_new")
    answers = await asyncio.gather(*(cli.call("echo", text=str(number)) for number in range(20)))
    assert answers == [str(number) for number in range(20)]


async def test_a_bridge_without_a_token_file_says_so_by_its_calls(bridge: Bridge, server: ScriptedServer) -> None:
    bridge.token_file.unlink()
    cli = await bridge.launch()
    assert (await cli.call("echo", text="x")).startswith("ERROR not_signed_in")
    bridge.token_file.write_text(server.token)
    assert await cli.call("echo", text="x") == "x"
