"""Readers that stopped reading: nobody else waits for them, they cost little, and they go on without a gap."""

import asyncio
import contextlib
import re
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from tests.conftest import UNHURRIED_FILE, Door, ServerProcess, until
from tests.endurance.soak import IS_SOAK, percentile, report, short_or_long
from tests.following import following

STREAMS, TERMINALS = 20, 5
ROUNDS = short_or_long(3, 10)
BLOCK = short_or_long(150, 500)
"""Messages in half a round: without those who stalled, then with them. A soak times 10 000."""
FILL = 400
"""Messages that fill the buffers of those who stalled: until then they cost what any reader costs."""
BODY = "x" * 1500
MOST_GROWTH_MIB = 30
PRINTER = "import time\nwhile True:\n    print('x' * 120, flush=True)\n    time.sleep(0.002)\n"


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[ServerProcess]:
    (tmp_path / "printer.py").write_text(PRINTER)
    (tmp_path / "agents.yaml").write_text(
        f"team: stalled\n{UNHURRIED_FILE}agents:\n  loud: {{ kind: custom, workdir: {tmp_path},"
        f" command: [{sys.executable}, {tmp_path / 'printer.py'}] }}\n"
    )
    process = ServerProcess(tmp_path / "data", ("--config", str(tmp_path / "agents.yaml")))
    await process.start()
    try:
        yield process
    finally:
        assert await process.end(signal.SIGINT) == 0


def _rss_mib(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    found = re.search(r"^VmRSS:\s+(\d+) kB", status, re.MULTILINE)
    assert found is not None
    return int(found[1]) / 1024


async def _stalled_stream(door: Door, since: int) -> socket.socket:
    """Open a stream with a small buffer, see that it has begun, and read no more."""
    loop = asyncio.get_running_loop()
    host, _, port = door.url.removeprefix("http://").rpartition(":")
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.setblocking(False)
    await loop.sock_connect(connection, (host, int(port)))
    request = (
        f"GET /api/events?since={since} HTTP/1.1\r\nHost: {host}:{port}\r\nAuthorization: Bearer {door.token}\r\n\r\n"
    )
    await loop.sock_sendall(connection, request.encode())
    assert b"200" in await asyncio.wait_for(loop.sock_recv(connection, 15), 5)
    return connection


async def _stalled_terminal(door: Door, stack: contextlib.AsyncExitStack) -> None:
    """Open a terminal that prints without end, and read none of it."""
    ticket = (await door.post("/api/agents/loud/terminal/ticket", {"mode": "view"}))["ticket"]
    address = f"{door.url}/ws/terminal?ticket={ticket}&since=0"
    session = await stack.enter_async_context(aiohttp.ClientSession())
    socket_ = await session.ws_connect(address, headers={"Authorization": f"Bearer {door.token}"}, autoclose=False)
    stack.callback(lambda: socket_._response.close())  # a goodbye would be waited for


async def _send(door: Door, count: int) -> tuple[list[float], int]:
    took, last = [], 0
    for _ in range(count):
        began = time.perf_counter()
        last = (await door.send("general", BODY))["seq"]
        took.append((time.perf_counter() - began) * 1000)
    return took, last


async def _is_ready(door: Door) -> bool:
    return bool((await door.get("/api/agents/loud"))["state"] == "ready")


async def test_readers_that_stall_hold_up_nobody_and_lose_nothing(server: ServerProcess) -> None:
    token = (server.data / "run" / "operator.token").read_text().strip()
    assert server.process is not None
    async with aiohttp.ClientSession() as session:
        door = Door(server.url, token, session)
        await until(lambda: _is_ready(door), 20)
        await _send(door, BLOCK)  # everything is warm
        started = since = (await door.get("/api/snapshot"))["seq"]
        rss = _rss_mib(server.process.pid)
        grown, ratios, last = 0.0, [], 0
        without_ms: list[float] = []
        with_ms: list[float] = []
        for _ in range(ROUNDS):
            await _send(door, FILL)
            without, since = await _send(door, BLOCK)
            async with contextlib.AsyncExitStack() as stack:
                for _ in range(STREAMS):
                    stack.callback((await _stalled_stream(door, since)).close)
                for _ in range(TERMINALS):
                    await _stalled_terminal(door, stack)
                await _send(door, FILL)
                beside, last = await _send(door, BLOCK)
                grown = max(grown, _rss_mib(server.process.pid) - rss)
            ratios.append(percentile(beside, 0.99) / percentile(without, 0.99))
            without_ms += without
            with_ms += beside
        async with following(door, f"?since={started}") as resumed:
            await resumed.wait_until(lambda found: found.seqs and found.seqs[-1] >= last, 20)
    ratio = sorted(ratios)[len(ratios) // 2]
    report(
        "stalled readers",
        messages=2 * ROUNDS * (BLOCK + FILL),
        p99_without=f"{percentile(without_ms, 0.99):.1f} ms",
        p99_beside=f"{percentile(with_ms, 0.99):.1f} ms",
        ratio=f"{ratio:.2f}",
        grown=f"{grown:.1f} MiB",
    )
    assert resumed.seqs == list(range(started + 1, resumed.seqs[-1] + 1)), "no gap, nothing twice"
    assert grown < MOST_GROWTH_MIB
    assert ratio < (1.2 if IS_SOAK else 4.0), "a short run on a busy machine tells only whether anybody waits for them"


async def test_one_that_stalled_goes_on_where_it_was(server: ServerProcess) -> None:
    token = (server.data / "run" / "operator.token").read_text().strip()
    async with aiohttp.ClientSession() as session:
        door = Door(server.url, token, session)
        since = (await door.get("/api/snapshot"))["seq"]
        with await _stalled_stream(door, since) as connection:
            _, last = await _send(door, 600)  # far more than all buffers between hold
            text, loop = b"", asyncio.get_running_loop()
            async with asyncio.timeout(20):
                while f"-{last}\n".encode() not in text:
                    text += await loop.sock_recv(connection, 262144)
    seqs = [int(seq) for seq in re.findall(rb"^id: [0-9a-f]+-(\d+)$", re.sub(rb"\r\n[0-9a-f]+\r\n", b"", text), re.M)]
    assert seqs == list(range(since + 1, last + 1))
