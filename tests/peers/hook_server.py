"""A little HTTP server that an agent CLI's hooks post to, in the place of Bullpen's own."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from aiohttp import web


@dataclass(frozen=True)
class HookCall:
    """One hook call as it arrived."""

    path: str
    authorization: str | None
    payload: Mapping[str, Any]

    @property
    def event(self) -> str:
        return str(self.payload.get("hook_event_name"))


@dataclass
class HookServer:
    """Keeps every hook call and answers what it is told to."""

    answer: Callable[[Mapping[str, Any]], Mapping[str, Any]] = lambda _payload: {}
    calls: list[HookCall] = field(default_factory=list)
    url: str = ""
    _arrived: asyncio.Condition = field(default_factory=asyncio.Condition)
    _runner: web.AppRunner | None = None

    def events(self) -> list[str]:
        return [call.event for call in self.calls]

    async def wait_until(self, event: str, containing: str = "", timeout: float = 15.0) -> HookCall:  # noqa: ASYNC109
        """Return the first call of an event, past or to come, with a text anywhere in it. Raises AssertionError."""
        seen = 0
        try:
            async with asyncio.timeout(timeout), self._arrived:
                while True:
                    for call in self.calls[seen:]:
                        seen += 1
                        if call.event == event and containing in str(call.payload):
                            return call
                    await self._arrived.wait()
        except TimeoutError:
            raise AssertionError(f"no {event} with {containing!r} in {timeout} s, but {self.events()}") from None

    async def __aenter__(self) -> Self:
        application = web.Application()
        application.router.add_post("/api/agents/{name}/hooks", self._receive)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _receive(self, request: web.Request) -> web.Response:
        payload = await request.json()
        async with self._arrived:
            self.calls.append(HookCall(request.path, request.headers.get("Authorization"), payload))
            self._arrived.notify_all()
        return web.json_response(dict(self.answer(payload)))
