"""What a tool call costs beside the same operation by REST, and what our ASGI adapter costs beside uvicorn.

Only the ratios count: each is the median over interleaved rounds of one run.
"""

import asyncio
import contextlib
import importlib.util
import json
import socket
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from aiohttp import web
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken
from mcp_types.version import LATEST_MODERN_VERSION

from benchmarks.child import ROOT
from benchmarks.figure import Effort, Figure, compared
from benchmarks.machine import free_port
from server.core.call import Caller
from server.core.operation import Registry
from server.dispatch import Dispatch, wall_clock
from server.events.feed import Feed
from server.features import channels, members, sessions
from server.features.catalogue import FEATURES
from server.storage.sqlite import SqliteDatabase
from server.web.errors import answer_errors
from server.web.identity import Identity
from server.web.mcp import Mcp
from server.web.routes import add_operations
from server.web.security import CALLER, Gate
from server.web.stream import SseFraming
from server.web.tools import Tools

CONNECTIONS = 16
CALLER_NAME = "bench"
_CALLER = Caller(CALLER_NAME, "agent", "member")


# The server, a process of its own -------------------------------------------------------------------------------------


async def serve() -> None:
    """Serve the same operation by REST, by MCP, and by MCP on uvicorn; say where; end with standard input."""
    with tempfile.TemporaryDirectory() as folder:
        async with _office(Path(folder) / "team.sqlite3") as (dispatch, database, token):
            gated, bare, other = (_listening() for _ in range(3))
            host = _host(gated)
            identity = Identity(database, members.find_caller, sessions.find_session, wall_clock)
            app = web.Application(
                middlewares=[answer_errors, Gate(identity, [host], dispatch.record_denial).middleware]
            )
            add_operations(app, dispatch.registry, dispatch)
            tools = Tools(dispatch.registry, dispatch, clean=str)
            Mcp(tools, [host]).add_to(app)
            plain = web.Application(middlewares=[_as_caller])
            mcp = Mcp(tools, [_host(bare), _host(other)])
            mcp.add_to(plain)
            runners = [web.AppRunner(each, handler_cancellation=True, access_log=None) for each in (app, plain)]
            for runner, listening in zip(runners, (gated, bare), strict=True):
                await runner.setup()
                await web.SockSite(runner, listening).start()
            stop = await _serve_on_uvicorn(mcp, other)
            ports = [listening.getsockname()[1] for listening in (gated, bare, other)]
            sys.stdout.write(json.dumps({"ports": ports, "token": token}) + "\n")
            sys.stdout.flush()
            await asyncio.to_thread(sys.stdin.read)
            await stop()
            for runner in runners:
                await runner.cleanup()


@contextlib.asynccontextmanager
async def _office(file: Path) -> AsyncIterator[tuple[Dispatch, SqliteDatabase, str]]:
    database = SqliteDatabase(file)
    await database.open()
    feed = Feed(database, channels.access_of, SseFraming())
    dispatch = Dispatch(Registry(FEATURES), database, feed)
    await dispatch.as_system("found_team", team="bench")
    await dispatch.as_system("ensure_channel", id="general")
    minted = await dispatch.as_system("create_token", name=CALLER_NAME, kind="agent")
    try:
        yield dispatch, database, minted.token
    finally:
        await database.close()


@web.middleware
async def _as_caller(request: web.Request, handler: Any) -> web.StreamResponse:
    request[CALLER] = _CALLER
    response: web.StreamResponse = await handler(request)
    return response


async def _serve_on_uvicorn(mcp: Mcp, listening: socket.socket) -> Any:
    if importlib.util.find_spec("uvicorn") is None:
        return _nothing
    import uvicorn  # an optional driver: only this comparison needs it

    user = AuthenticatedUser(AccessToken(token="", client_id=CALLER_NAME, scopes=[]))

    async def app(scope: Any, receive: Any, send: Any) -> None:
        scope |= {"user": user, "bullpen.caller": _CALLER, "bullpen.gone": asyncio.Event()}
        await mcp._plain.handle_request(scope, receive, send)

    server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_config=None, access_log=False, ws="none"))
    serving = asyncio.create_task(server.serve(sockets=[listening]))

    async def stop() -> None:
        server.should_exit = True
        await serving

    return stop


async def _nothing() -> None:
    return


def _listening() -> socket.socket:
    # asyncio sets TCP_NODELAY only where the protocol is named; without it uvicorn waits 40 ms for each answer's end.
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.bind(("127.0.0.1", free_port()))
    listening.listen(64)
    return listening


def _host(listening: socket.socket) -> str:
    return f"127.0.0.1:{listening.getsockname()[1]}"


# The clients ----------------------------------------------------------------------------------------------------------


def _rest(port: int, token: str) -> bytes:
    return (
        f"GET /api/channels HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {token}\r\n"
        "Accept: application/json\r\n\r\n"
    ).encode()


def _tool_call(port: int, token: str) -> bytes:
    meta = {
        "io.modelcontextprotocol/protocolVersion": LATEST_MODERN_VERSION,
        "io.modelcontextprotocol/clientInfo": {"name": "bench", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    params = {"name": "get_channels", "arguments": {}, "_meta": meta}
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params})
    return (
        f"POST /mcp HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {token}\r\n"
        "Accept: application/json, text/event-stream\r\nContent-Type: application/json\r\n"
        f"MCP-Protocol-Version: {LATEST_MODERN_VERSION}\r\nMcp-Method: tools/call\r\nMcp-Name: get_channels\r\n"
        f"Content-Length: {len(body)}\r\n\r\n{body}"
    ).encode()


class _Client(asyncio.Protocol):
    """One connection that asks again as soon as it is answered. Answers have a Content-Length."""

    def __init__(self, request: bytes, until: float) -> None:
        self.answers = 0
        self.done = asyncio.get_running_loop().create_future()
        self._request, self._until, self._received = request, until, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, found, body = self._received.partition(b"\r\n\r\n")
        if not found:
            return
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r")[0])
        if len(body) < length:
            return
        if not head.startswith(b"HTTP/1.1 200"):
            self.done.set_exception(RuntimeError(self._received.decode(errors="replace")))
            return
        self._received = b""
        self.answers += 1
        if time.perf_counter() < self._until:
            self._transport.write(self._request)
        else:
            self._transport.close()
            self.done.set_result(None)

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(error or ConnectionResetError())


async def _rate(port: int, request: bytes, seconds: float) -> float:
    """Return answers a second over all connections."""
    loop, started = asyncio.get_running_loop(), time.perf_counter()
    clients = [_Client(request, started + seconds) for _ in range(CONNECTIONS)]
    for client in clients:
        await loop.create_connection(lambda client=client: client, "127.0.0.1", port)  # type: ignore[misc]
    await asyncio.gather(*(client.done for client in clients))
    return sum(client.answers for client in clients) / (time.perf_counter() - started)


def measure(effort: Effort) -> list[Figure]:
    """Compare a tool call with the same operation by REST, and our adapter with uvicorn where that is installed."""
    rounds = asyncio.run(_rounds(effort))
    found = {name: [each[name] for each in rounds] for name in rounds[0]}
    unit = "calls/s"
    figures = [compared("MCP tools/call / REST", unit, found["call"], found["rest"], goal=0.20, floor=0.08)]
    if "uvicorn" in found:
        name = "MCP by our adapter / by uvicorn"
        figures.append(compared(name, unit, found["adapter"], found["uvicorn"], goal=0.80, floor=0.40))
    return figures


async def _rounds(effort: Effort) -> list[dict[str, float]]:
    server = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.mcp_call",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, cwd=ROOT,
    )  # fmt: skip
    assert server.stdin is not None
    assert server.stdout is not None
    try:
        told = json.loads(await server.stdout.readline())
        (gated, bare, other), token = told["ports"], told["token"]
        tried = {
            "rest": (gated, _rest(gated, token)),
            "call": (gated, _tool_call(gated, token)),
            "adapter": (bare, _tool_call(bare, token)),
        }
        if importlib.util.find_spec("uvicorn") is not None:
            tried["uvicorn"] = (other, _tool_call(other, token))
        rounds = []
        for number in range(effort.rounds + 1):
            seconds = effort.seconds if number else 0.3
            rounds.append({name: await _rate(port, request, seconds) for name, (port, request) in tried.items()})
        return rounds[1:]
    finally:
        server.stdin.close()
        await server.wait()


if __name__ == "__main__":
    asyncio.run(serve())
