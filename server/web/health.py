"""What anybody may ask: whether the office is open."""

import time
from collections.abc import Callable

from aiohttp import web

from server import __version__
from server.core.call import SYSTEM_CALLER
from server.core.permission import ANYBODY
from server.dispatch import Dispatch
from server.web.routes import json_response
from server.web.security import add_route

PROBE_S = 5.0


class Health:
    """`GET /api/health`: 200 while the server stores and answers. `/healthz`: it answers. `/readyz`: it stores.

    The last two are for programs that start and watch programs, and hold no word about the team.
    """

    def __init__(self, dispatch: Dispatch, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._dispatch = dispatch
        self._monotonic = monotonic
        self._started = monotonic()
        self._stored = float("-inf")
        """When it was last seen that the disk takes what is written."""

    def add_to(self, app: web.Application) -> None:
        add_route(app, "GET", "/api/health", self._show, ANYBODY)

        add_route(app, "GET", "/healthz", self._alive, ANYBODY)
        add_route(app, "GET", "/readyz", self._ready, ANYBODY)

    async def _alive(self, request: web.Request) -> web.StreamResponse:
        return web.Response(text="ok\n")

    async def _ready(self, request: web.Request) -> web.StreamResponse:
        if self._monotonic() - self._stored > PROBE_S:  # nobody's questions may cost a write each
            await self._dispatch.as_system("probe_storage")
            self._stored = self._monotonic()
        return web.Response(text="ok\n")

    async def _show(self, request: web.Request) -> web.StreamResponse:
        operation = self._dispatch.registry["list_agents"]
        agents = (await self._dispatch.run(operation, SYSTEM_CALLER, {}, door="server")).value.agents
        online = sum(agent.state in ("ready", "degraded") or agent.connected for agent in agents)
        return json_response(
            {
                "status": "ok",
                "version": __version__,
                "uptime_s": round(self._monotonic() - self._started, 1),
                "agents": {"total": len(agents), "online": online},
            }
        )
