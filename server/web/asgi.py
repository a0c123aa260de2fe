"""Runs an ASGI app inside an aiohttp handler. HTTP only: no lifespan, no WebSocket.

aiohttp must cancel the handler when the client goes (`handler_cancellation=True`). The app is told as ASGI has it, by
`http.disconnect`, and is cancelled only if it does not end then: the SDK closes a session whose first request is
cancelled, and a client may well leave as soon as it has read the answer.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, MutableMapping
from typing import Any

from aiohttp import ClientConnectionResetError, web
from multidict import CIMultiDict

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Asgi = Callable[[MutableMapping[str, Any], Receive, Send], Coroutine[Any, Any, None]]

GRACE_S = 5.0
"""How long an app may go on for nobody."""
_FRAMING = (b"connection", b"content-length", b"transfer-encoding")
"""Headers that are aiohttp's to set."""
_DISCONNECT: Message = {"type": "http.disconnect"}


class Exchange:
    """One request and its answer."""

    def __init__(self, request: web.Request, **extensions: object) -> None:
        """Take `extensions` into the scope, for the app to read."""
        self.gone = asyncio.Event()
        """Nobody waits for the answer any more: the client went, or the server stops."""
        self.scope: dict[str, Any] = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": f"{request.version.major}.{request.version.minor}",
            "method": request.method,
            "scheme": request.scheme,
            "path": request.path,
            "raw_path": request.rel_url.raw_path.encode(),
            "query_string": request.rel_url.raw_query_string.encode(),
            "root_path": "",
            "headers": [(name.lower(), value) for name, value in request.raw_headers],
            "client": None,
            "server": None,
            **extensions,
        }
        self._request = request
        self._read_whole_body = False
        self._start: Message | None = None
        self._response: web.StreamResponse | None = None
        self._complete = False

    async def run(self, app: Asgi) -> web.StreamResponse:
        """Let the app answer the request."""
        async with asyncio.TaskGroup() as group:
            running = group.create_task(app(self.scope, self._receive, self._send))
            try:
                await asyncio.wait([running])
            except asyncio.CancelledError:
                self.gone.set()
                await asyncio.wait([running], timeout=GRACE_S)
                raise
        if self._response is None:
            return web.Response(status=503, headers={"Retry-After": "1"})
        if not self._complete and self._request.transport is not None:
            self._request.transport.abort()  # a clean end would pass for a whole answer
        return self._response

    async def _receive(self) -> Message:
        if not self._read_whole_body:
            try:
                chunk = await self._request.content.readany()
            except (ConnectionError, web.RequestPayloadError):
                return _DISCONNECT
            self._read_whole_body = self._request.content.at_eof()
            return {"type": "http.request", "body": chunk, "more_body": not self._read_whole_body}
        await self.gone.wait()
        return _DISCONNECT

    async def _send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._start = message
        elif not self.gone.is_set():
            await self._send_body(message.get("body", b""), more=message.get("more_body", False))

    async def _send_body(self, body: bytes, *, more: bool) -> None:
        assert self._start is not None
        status, headers = self._start["status"], _headers(self._start)
        if self._response is None and not more:
            self._response, self._complete = web.Response(body=body, status=status, headers=headers), True
            return
        try:
            if self._response is None:
                self._response = web.StreamResponse(status=status, headers=headers)
                await self._response.prepare(self._request)
            if body:
                await self._response.write(body)
            if not more:
                await self._response.write_eof()
                self._complete = True
        except ClientConnectionResetError:
            self.gone.set()


def _headers(start: Message) -> CIMultiDict[str]:
    headers: CIMultiDict[str] = CIMultiDict()
    for name, value in start.get("headers", ()):
        if name.lower() not in _FRAMING:
            headers.add(name.decode("latin-1"), value.decode("latin-1"))
    return headers
