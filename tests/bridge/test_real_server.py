"""The bridge against the real server: the SDK's endpoint, our stream, our tokens, in both eras."""

import asyncio
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from server.config import AgentConfig
from tests.bridge.cli import GREETING, Cli, text_of
from tests.bridge.conftest import ERAS, Bridge
from tests.conftest import Door, OfficeUnderTest, ServerProcess, open_office, until

both_eras = pytest.mark.parametrize("era", ERAS)
CHANGED = "notifications/tools/list_changed"


@pytest.fixture
async def desk(office: OfficeUnderTest, compiled: Path, tmp_path: Path) -> AsyncIterator[Bridge]:
    """The bridge of a member `dev` of a real office."""
    door = await office.member("dev")
    bridge = Bridge(office.url, tmp_path / "dev", compiled)
    bridge.folder.mkdir()
    bridge.token_file.write_text(f"{door.token}\n")
    yield bridge
    for cli in bridge.clis:
        await cli.clear_away()


@both_eras
async def test_a_message_goes_out_by_the_bridge_and_comes_in_by_it(
    office: OfficeUnderTest, desk: Bridge, era: str
) -> None:
    cli = await desk.launch(era)
    assert {"whoami", "check_in", "send_message"} <= set(await cli.connect())
    assert "dev" in await cli.call("whoami")
    assert not (await cli.call("send_message", channel="general", content="Hello from dev")).startswith("ERROR")
    history = await office.chairman.get("/api/history?channel=general")
    assert [message["content"] for message in history["messages"]] == ["Hello from dev"]
    waiting = cli.start_call("check_in", wait_s=30)
    await cli.call("whoami")
    await office.chairman.send("general", "@dev welcome")
    assert "welcome" in text_of(await asyncio.wait_for(waiting, 5))


@both_eras
async def test_a_wait_that_is_cancelled_ends_and_marks_nothing_seen(
    office: OfficeUnderTest, desk: Bridge, era: str
) -> None:
    cli = await desk.launch(era)
    await cli.connect()
    cli.start_call("check_in", wait_s=30)
    number = cli.last_number
    await cli.call("whoami")
    cli.cancel(number)
    await cli.call("whoami")
    await office.chairman.send("general", "@dev still there?")
    assert "still there?" in await cli.call("check_in")
    assert cli.answers[str(number)] == 0


@both_eras
async def test_20_kills_around_a_call_send_one_message_each(office: OfficeUnderTest, desk: Bridge, era: str) -> None:
    cli = await desk.launch(era)
    await cli.connect()
    for number in range(20):
        call = cli.start_call("send_message", channel="general", content=f"message {number}")
        await cli.kill_bridge()
        assert not text_of(await asyncio.wait_for(call, 5)).startswith("ERROR")
    history = await office.chairman.get("/api/history?channel=general&limit=100")
    assert [message["content"] for message in history["messages"]] == [f"message {number}" for number in range(20)]
    assert cli.junk == []


async def test_a_new_role_is_told_when_the_server_is_back(tmp_path: Path, compiled: Path) -> None:
    def dev(role: str) -> AgentConfig:
        return AgentConfig(name="dev", kind="external", role=role, job="", workdir=tmp_path)

    bridge = Bridge("", tmp_path / "dev", compiled)
    bridge.folder.mkdir()
    async with open_office(tmp_path / "data", agents=[dev("member")]) as office:
        port = int(office.url.rpartition(":")[2])
        bridge.url = office.url
        bridge.token_file.write_text(str((await office.member("dev")).token))
        clis = [await bridge.launch(era) for era in ERAS]
        for cli in clis:
            assert "create_channel" not in await cli.connect()
    try:
        async with open_office(tmp_path / "data", agents=[dev("lead")], port=port):
            for cli in clis:
                await cli.until_told(CHANGED)
                assert "create_channel" in await cli.tools()
    finally:
        for cli in clis:
            await cli.clear_away()


@both_eras
async def test_kill_9_of_the_server_is_not_seen_by_the_cli(tmp_path: Path, compiled: Path, era: str) -> None:
    server = ServerProcess(tmp_path / "data", ("--only-server",))
    await server.start()
    bridge = Bridge(server.url, tmp_path / "dev", compiled)
    bridge.folder.mkdir()
    try:
        token = (tmp_path / "data" / "run" / "operator.token").read_text().strip()
        async with aiohttp.ClientSession() as session:
            chairman = Door(server.url, token, session)
            minted = await chairman.post("/api/tokens", {"name": "dev", "kind": "agent"})
            bridge.token_file.write_text(minted["token"])
            cli = await bridge.launch(era)
            await cli.connect()
            sending = asyncio.create_task(_send_all(cli, 30))
            await until(lambda: cli.answers["12"])
            await server.end(signal.SIGKILL)
            await server.start(int(server.url.rpartition(":")[2]))
            await asyncio.wait_for(sending, 20)
            dev = chairman.as_member(minted["token"])  # the chairman's was for the run that was killed
            history = await dev.get("/api/history?channel=general&limit=100")
        assert [message["content"] for message in history["messages"]] == [f"message {n}" for n in range(30)]
        assert set(cli.answers.values()) == {1}
        assert await cli.end() == 0
    finally:
        for each in bridge.clis:
            await each.clear_away()
        await server.end(signal.SIGTERM)


async def _send_all(cli: Cli, count: int) -> None:
    for number in range(count):
        answer = text_of(await cli.start_call("send_message", channel="general", content=f"message {number}"))
        assert not answer.startswith("ERROR"), answer


async def test_the_office_gives_a_foreign_token_no_session_and_no_tools(desk: Bridge) -> None:
    desk.token_file.write_text("bp_nobody")
    cli = await desk.launch("handshake")
    assert "result" in await cli.ask("initialize", GREETING)
    assert await cli.tools() == []
    assert (await cli.call("whoami")).startswith("ERROR not_signed_in")
