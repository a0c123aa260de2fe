"""A server that does what a test tells it: MCP in both eras, the event stream, push reports; it can be late or die."""

import asyncio
import contextlib
import json
import socket
import uuid
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from aiohttp import ClientConnectionResetError, web

MODERN = "2026-07-28"
HANDSHAKE = "2025-11-25"
VERSION_KEY = "io.modelcontextprotocol/protocolVersion"
INFO = {"name": "scripted", "version": "1"}


@dataclass
class Seen:
    """One request as it came."""

    method: str
    message: dict[str, Any]
    headers: dict[str, str]


@dataclass
class Gate:
    """A call is held between both."""

    entered: asyncio.Event = field(default_factory=asyncio.Event)
    opened: asyncio.Event = field(default_factory=asyncio.Event)
    left_unfinished: asyncio.Event = field(default_factory=asyncio.Event)
    """Its client went away."""


class ScriptedServer:
    """One server on one port of the loopback interface, up or down."""

    def __init__(self) -> None:
        self.token = "bp_right"
        self.menu = "menu-1"
        self.tools = ["echo"]
        self.seen: list[Seen] = []
        self.effects: Counter[str] = Counter()
        """How often each text was written: never more than once, whatever happens."""
        self.keys: dict[str, str] = {}
        self.gate = Gate()
        self.reports: list[dict[str, Any]] = []
        self.refusals: dict[str, int] = {}
        """HTTP status by JSON-RPC method."""
        self.is_wedged = False
        """It takes requests and never answers."""
        self.dies_after_commit = False
        self.streams: list[web.StreamResponse] = []
        self.stream_headers: dict[str, str] = {}
        self._sessions: set[str] = set()
        self._waiting: dict[str, asyncio.Future[Any]] = {}
        self._runner: web.AppRunner | None = None
        self._transports: set[asyncio.BaseTransport] = set()
        with socket.create_server(("127.0.0.1", 0)) as found:
            self.port = found.getsockname()[1]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        app = web.Application(client_max_size=64 * 1024 * 1024, middlewares=[self._take_note])
        app.router.add_route("*", "/mcp", self._mcp)
        app.router.add_get("/api/events", self._events)
        app.router.add_post("/api/agents/{name}/pushes", self._report)
        self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True).start()

    async def kill(self) -> None:
        """End like a killed process: every connection is cut, every session forgotten; what is written stays."""
        runner, self._runner = self._runner, None
        if runner is None:
            return
        for site in list(runner.sites):
            await site.stop()
        for transport in list(self._transports):
            if isinstance(transport, asyncio.Transport):
                transport.abort()
        self._transports.clear()
        self._sessions.clear()
        self.streams.clear()
        await runner.cleanup()

    def tell(self, kind: str, body: dict[str, Any]) -> None:
        """Send an event to every open event stream."""
        frame = f"event: {kind}\ndata: {json.dumps(body)}\n\n".encode()
        for stream in self.streams:
            assert stream.prepared
            writer = stream._payload_writer
            assert writer is not None
            assert writer.transport is not None
            writer.transport.write(b"%x\r\n%b\r\n" % (len(frame), frame))

    def asked(self, method: str) -> list[Seen]:
        return [seen for seen in self.seen if seen.method == method]

    @web.middleware
    async def _take_note(self, request: web.Request, handler: Any) -> web.StreamResponse:
        assert request.transport is not None
        self._transports.add(request.transport)
        if self.is_wedged:
            await asyncio.Event().wait()
        if request.headers.get("Authorization") != f"Bearer {self.token}":
            return web.json_response({"error": {"code": "not_signed_in", "message": "Who?"}}, status=401)
        response: web.StreamResponse = await handler(request)
        return response

    # MCP ----------------------------------------------------------------------------------------------------------

    async def _mcp(self, request: web.Request) -> web.StreamResponse:
        if request.method == "DELETE":
            self.seen.append(Seen("DELETE", {}, dict(request.headers)))
            self._sessions.discard(request.headers.get("Mcp-Session-Id", ""))
            return web.Response(status=204)
        body = await request.read()
        if len(body) > 4 * 1024 * 1024:
            return web.Response(status=413)
        message = json.loads(body)
        method = message.get("method", "")
        self.seen.append(Seen(method, message, dict(request.headers)))
        if method in self.refusals:
            return web.json_response({"error": {"code": "x", "message": "No."}}, status=self.refusals[method])
        params = message.get("params") or {}
        is_modern = VERSION_KEY in params.get("_meta", {})
        if is_modern:
            return await self._modern(request, message, params)
        return await self._handshake(request, message, params)

    async def _modern(
        self, request: web.Request, message: dict[str, Any], params: dict[str, Any]
    ) -> web.StreamResponse:
        routing = {"MCP-Protocol-Version": params["_meta"][VERSION_KEY], "Mcp-Method": message["method"]}
        wrong = [name for name, value in routing.items() if request.headers.getall(name, []) != [value]]
        if wrong:
            return web.json_response(_error(message["id"], -32020, f"headers {wrong}"), status=400)
        return await self._answer(request, message, params, as_stream=False)

    async def _handshake(
        self, request: web.Request, message: dict[str, Any], params: dict[str, Any]
    ) -> web.StreamResponse:
        if message.get("method") == "initialize":
            session = uuid.uuid4().hex
            self._sessions.add(session)
            result = {
                "protocolVersion": HANDSHAKE,
                "capabilities": {"tools": {"listChanged": True}},
                "serverInfo": INFO,
            }
            return web.json_response(_result(message["id"], result), headers={"Mcp-Session-Id": session})
        if request.headers.get("Mcp-Session-Id") not in self._sessions:
            return web.json_response(_error("server-error", -32600, "Session not found"), status=404)
        if request.headers.get("MCP-Protocol-Version") != HANDSHAKE:
            return web.json_response(_error(None, -32600, "no version"), status=400)
        if "method" not in message:
            self._waiting.pop(message["id"]).set_result(message["result"])
            return web.Response(status=202)
        if "id" not in message:
            if message["method"] == "notifications/cancelled":
                self.gate.left_unfinished.set()
            return web.Response(status=202)
        return await self._answer(request, message, params, as_stream=True)

    async def _answer(
        self, request: web.Request, message: dict[str, Any], params: dict[str, Any], *, as_stream: bool
    ) -> web.StreamResponse:
        method, number = message["method"], message["id"]
        if method == "server/discover":
            capabilities = {"tools": {"listChanged": True}}
            result: dict[str, Any] = {"supportedVersions": [MODERN], "capabilities": capabilities}
        elif method == "tools/list":
            result = {"tools": [{"name": name, "inputSchema": {"type": "object"}} for name in self.tools]}
        elif method == "tools/call":
            return await self._call(request, message, params, as_stream=as_stream)
        else:
            return web.json_response(_error(number, -32601, "unknown method"), status=200)
        return web.json_response(_result(number, result))

    async def _call(
        self, request: web.Request, message: dict[str, Any], params: dict[str, Any], *, as_stream: bool
    ) -> web.StreamResponse:
        name, arguments = params["name"], params.get("arguments", {})
        stream = None
        if as_stream or name in ("steps", "cut_stream"):
            stream = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
            await stream.prepare(request)
            await stream.write(b": ping\r\n\r\n")
        if name == "echo":
            text = str(arguments["text"])
        elif name == "big":
            text = "x" * int(arguments["size"])
        elif name == "steps":
            text = await self._steps(stream, params)
        elif name == "ask":
            text = await self._ask(stream)
        elif name == "write":
            text = await self._write(request, str(arguments["text"]), held=bool(arguments.get("held")))
        else:
            text = f"called {name}"
        result = {"content": [{"type": "text", "text": text}], "resultType": "complete"}
        if stream is None:
            return web.json_response(_result(message["id"], result))
        with contextlib.suppress(ClientConnectionResetError):
            await _send(stream, _result(message["id"], result))
            await stream.write_eof()
        return stream

    async def _steps(self, stream: web.StreamResponse | None, params: dict[str, Any]) -> str:
        assert stream is not None
        for step in (1, 2):
            told = {"progressToken": params["_meta"]["progressToken"], "progress": step, "total": 2}
            await _send(stream, {"jsonrpc": "2.0", "method": "notifications/progress", "params": told})
        return "two steps"

    async def _ask(self, stream: web.StreamResponse | None) -> str:
        assert stream is not None
        self._waiting["question-1"] = answer = asyncio.get_running_loop().create_future()
        params = {"message": "Which colour?", "requestedSchema": {"type": "object", "properties": {}}}
        await _send(stream, {"jsonrpc": "2.0", "id": "question-1", "method": "elicitation/create", "params": params})
        return json.dumps(await answer)

    async def _write(self, request: web.Request, text: str, *, held: bool) -> str:
        """Write a text once for each key, as the real server does, in the moment the gate opens."""
        key = request.headers["Idempotency-Key"]
        if key not in self.keys:
            if held:
                self.gate.entered.set()
                try:
                    await self.gate.opened.wait()
                except asyncio.CancelledError:
                    self.gate.left_unfinished.set()
                    raise
            if key not in self.keys:
                self.keys[key] = text
                self.effects[text] += 1
        assert self.keys[key] == text, "one key for two calls"
        if self.dies_after_commit:
            self.dies_after_commit = False
            assert request.transport is not None
            request.transport.abort()
        return f"wrote {text}"

    # Events -------------------------------------------------------------------------------------------------------

    async def _events(self, request: web.Request) -> web.StreamResponse:
        self.stream_headers = {**request.headers, "types": request.query.get("types", "")}
        stream = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        stream.enable_chunked_encoding()
        await stream.prepare(request)
        hello = {"seq": 1, "epoch": "e", "menu": self.menu}
        await stream.write(f"retry: 2000\n\nevent: hello\ndata: {json.dumps(hello)}\n\n".encode())
        self.streams.append(stream)
        try:
            await asyncio.Event().wait()
        finally:
            if stream in self.streams:
                self.streams.remove(stream)
        return stream

    async def _report(self, request: web.Request) -> web.StreamResponse:
        self.reports.append({"agent": request.match_info["name"], **await request.json()})
        return web.json_response({})


@contextlib.asynccontextmanager
async def scripted_server() -> AsyncIterator[ScriptedServer]:
    """A server that is up; whatever a test did with it, it is down at the end."""
    server = ScriptedServer()
    await server.start()
    try:
        yield server
    finally:
        await server.kill()


async def _send(stream: web.StreamResponse, message: dict[str, Any]) -> None:
    await stream.write(b"event: message\r\ndata: " + json.dumps(message).encode() + b"\r\n\r\n")


def _result(number: object, result: dict[str, Any]) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "result": result}


def _error(number: object, code: int, text: str) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "error": {"code": code, "message": text}}
