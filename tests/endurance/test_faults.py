"""A bad network between everybody: nothing is lost, doubled or out of order, and who is gone is noticed."""

import asyncio
import ctypes
import socket
import struct
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import aiohttp
import pytest

import server.app
from server.web import stream
from tests.bridge.cli import Cli
from tests.bridge.conftest import Bridge
from tests.bridge.conftest import compiled as compiled
from tests.conftest import Door, OfficeUnderTest, open_office, until
from tests.endurance.history import History
from tests.endurance.resuming import ResumingReader
from tests.endurance.soak import IS_SOAK, report, short_or_long
from tests.peers.fault_proxy import FaultProxy, Faults, fault_proxy

FAULTS = {
    "latency of 200 ms": Faults(latency_s=0.2),
    "1 % cut": Faults(cut_share=0.01),
    "10 KB/s": Faults(bytes_per_s=10_000),
    "reset in mid-frame": Faults(reset_share=0.01),
    "all at once": Faults(latency_s=0.01, bytes_per_s=200_000, cut_share=0.01, reset_share=0.01),
}
SENDERS = ("ada", "bo", "cy", "di")
KEYS, REPEATS = 500, 5


@asynccontextmanager
async def _office_behind(proxy: FaultProxy, data: Path) -> AsyncIterator[OfficeUnderTest]:
    async with open_office(data, public_url=proxy.url) as office:
        proxy.target = int(office.url.rpartition(":")[2])
        yield office


async def _send_until_answered(url: str, door: Door, history: History, content: str) -> None:
    """Repeat a send under its key until it is answered, as a client does."""
    history.invoke(content)
    headers = {"Authorization": f"Bearer {door.token}", "Idempotency-Key": content}
    body = {"channel": "general", "content": content}
    while True:
        with suppress(aiohttp.ClientError, ConnectionError, TimeoutError):
            async with door.session.post(f"{url}/api/send", json=body, headers=headers) as answer:
                if answer.status == 201:
                    await answer.read()
                    history.ok(content)
                    return
                assert answer.status in (400, 409, 503), await answer.text()


@pytest.mark.parametrize("name", FAULTS)
async def test_senders_and_readers_behind_a_bad_network_see_everything_once_in_order(tmp_path: Path, name: str) -> None:
    count = short_or_long(8 if "latency" in name or "KB" in name else 60, 500)
    history = History()
    async with fault_proxy() as proxy, _office_behind(proxy, tmp_path / "data") as office:
        doors = {sender: await office.member(sender, kind="bot") for sender in SENDERS}
        readers = [ResumingReader(proxy.url, str(door.token)) for door in doors.values()]
        async with asyncio.TaskGroup() as tasks:
            reading = [tasks.create_task(reader.run()) for reader in readers]
            await until(lambda: all(reader.cursor for reader in readers))
            proxy.faults = FAULTS[name]

            async def send(sender: str) -> None:
                for number in range(count):
                    await _send_until_answered(proxy.url, doors[sender], history, f"{sender}-{number}")

            await asyncio.gather(*(send(sender) for sender in SENDERS))
            await until(lambda: all(len(reader.contents) >= count * len(SENDERS) for reader in readers), 60)
            for task in reading:
                task.cancel()
    broken = history.check({f"{number}": reader.contents for number, reader in enumerate(readers)})
    report(f"faults, {name}", sent=count * 4, spoilt=proxy.spoilt, connections=proxy.connections, **broken)
    assert set(broken.values()) == {0}
    assert [reader.resets for reader in readers] == [0] * len(readers)
    assert all(reader.seqs == sorted(set(reader.seqs)) for reader in readers)
    assert (proxy.spoilt > 0) == bool(FAULTS[name].cut_share or FAULTS[name].reset_share)


async def test_500_keys_5_times_at_once_with_drops_have_500_effects(tmp_path: Path) -> None:
    async with fault_proxy() as proxy, _office_behind(proxy, tmp_path / "data") as office:
        ada = await office.member("ada", kind="bot")
        proxy.faults = Faults(cut_share=0.02, reset_share=0.02)
        answers: dict[str, set[str]] = {f"ada-{number}": set() for number in range(KEYS)}
        connector = aiohttp.TCPConnector(limit=25)
        async with aiohttp.ClientSession(connector=connector) as session:

            async def ask(content: str) -> None:
                headers = {"Authorization": f"Bearer {ada.token}", "Idempotency-Key": content}
                body = {"channel": "general", "content": content}
                while True:
                    with suppress(aiohttp.ClientError, ConnectionError):
                        async with session.post(f"{proxy.url}/api/send", json=body, headers=headers) as answer:
                            found = await answer.json()
                            assert answer.status == 201, found
                            answers[content].add(found["id"])
                            return

            await asyncio.gather(*(ask(content) for content in answers for _ in range(REPEATS)))
        found: list[str] = []
        last = "msg_0"
        while page := (await office.chairman.get(f"/api/history?channel=general&after={last}&limit=200"))["messages"]:
            found += [message["content"] for message in page]
            last = page[-1]["id"]
    report("repeats", keys=KEYS, each=REPEATS, effects=len(found), spoilt=proxy.spoilt)
    assert sorted(found) == sorted(answers)
    assert {len(ids) for ids in answers.values()} == {1}, "every repeat got the answer of the first"
    assert proxy.spoilt > 20


@pytest.mark.parametrize("name", ["latency of 200 ms", "1 % cut", "reset in mid-frame"])
async def test_an_agent_behind_a_bad_network_says_and_hears_everything_once(
    tmp_path: Path, compiled: Path, name: str
) -> None:
    count = short_or_long(5 if "latency" in name else 30, 200)
    async with fault_proxy() as proxy, _office_behind(proxy, tmp_path / "data") as office:
        dev = await office.member("dev")
        bridge = Bridge(proxy.url, tmp_path / "dev", compiled)
        bridge.folder.mkdir()
        bridge.token_file.write_text(f"{dev.token}\n")
        cli: Cli = await bridge.launch("modern")
        try:
            await cli.connect()
            proxy.faults = FAULTS[name]
            heard: list[str] = []
            for number in range(count):
                said = await asyncio.wait_for(cli.call("send_message", channel="general", content=f"dev-{number}"), 30)
                assert not said.startswith("ERROR"), said
                await office.chairman.send("general", f"@dev chairman-{number}.")
                heard.append(await asyncio.wait_for(cli.call("check_in"), 30))
            proxy.faults = Faults()
            history = await office.chairman.get("/api/history?channel=general&limit=200")
        finally:
            await cli.clear_away()
    said_by_dev = [message["content"] for message in history["messages"] if message["from"] == "dev"]
    expected = [f"dev-{number}" for number in range(count)]
    report(f"bridge, {name}", said=len(said_by_dev), spoilt=proxy.spoilt, connections=proxy.connections)
    assert said_by_dev == expected[-len(said_by_dev) :], "a page of history has the last hundred of each"
    assert len(said_by_dev) >= min(count, 100)
    text = "\n".join(heard)
    assert [number for number in range(count) if f"chairman-{number}." not in text] == []


def _drop_everything(connection: socket.socket) -> None:
    """Have the kernel drop all that comes for a socket, unacknowledged: for its peer it is as if the cable were cut."""
    drop = struct.pack("HBBI", 0x06, 0, 0, 0)  # BPF: return 0
    program = ctypes.create_string_buffer(drop)
    attach = struct.pack("HxxxxxxP" if struct.calcsize("P") == 8 else "HxxP", 1, ctypes.addressof(program))
    connection.setsockopt(socket.SOL_SOCKET, 26, attach)  # SO_ATTACH_FILTER


async def test_the_server_notices_a_peer_that_is_gone_without_a_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    within_s = 45.0
    assert within_s >= stream.HEARTBEAT_S + server.app.PEER_SILENCE_S
    if not IS_SOAK:
        monkeypatch.setattr(server.app, "PEER_SILENCE_S", 1.0)
        monkeypatch.setattr(stream, "HEARTBEAT_S", 0.2)
        within_s = 4.0
    async with open_office(tmp_path / "data") as office:
        ada = await office.member("ada", kind="bot")
        port = int(office.url.rpartition(":")[2])
        loop = asyncio.get_running_loop()
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.setblocking(False)
            request = f"GET /api/events HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {ada.token}\r\n\r\n"
            await loop.sock_sendall(connection, request.encode())
            assert b"hello" in await asyncio.wait_for(_read_until(loop, connection, b"hello"), 5)
            here = connection.getsockname()[1]
            assert _is_connected(port, here)
            _drop_everything(connection)
            began = time.monotonic()
            await until(lambda: not _is_connected(port, here), within_s + 15)
            took_s = time.monotonic() - began
    report("a dead peer", noticed_after=f"{took_s:.1f} s", at_most=f"{within_s:.0f} s")
    assert took_s <= within_s


async def _read_until(loop: asyncio.AbstractEventLoop, connection: socket.socket, word: bytes) -> bytes:
    found = b""
    while word not in found:
        found += await loop.sock_recv(connection, 65536)
    return found


def _is_connected(server_port: int, client_port: int) -> bool:
    """Tell whether the server's end of a connection is open, by the kernel's own table."""
    wanted = (f"0100007F:{server_port:04X}", f"0100007F:{client_port:04X}", "01")
    lines = Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]
    return any(tuple(line.split()[1:4]) == wanted for line in lines)


async def test_half_a_connection_is_left_by_a_reader_and_it_goes_on(tmp_path: Path) -> None:
    async with fault_proxy() as proxy, _office_behind(proxy, tmp_path / "data") as office:
        ada = await office.member("ada", kind="bot")
        reader = ResumingReader(proxy.url, str(ada.token), silence_s=0.4)
        async with asyncio.TaskGroup() as tasks:
            reading = tasks.create_task(reader.run())
            await until(lambda: reader.cursor)
            await office.chairman.send("general", "before")
            await until(lambda: reader.contents == ["before"])
            proxy.faults = Faults(is_silent=True)
            await office.chairman.send("general", "meanwhile")
            before = proxy.connections
            await until(lambda: proxy.connections > before)
            proxy.faults = Faults()
            await office.chairman.send("general", "after")
            await until(lambda: len(reader.contents) >= 3, 10)
            reading.cancel()
    assert reader.contents == ["before", "meanwhile", "after"]
