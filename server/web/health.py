"""The one thing that anybody may ask: whether the office is open."""

import time
from collections.abc import Callable

from aiohttp import web

from server import __version__
from server.core.call import SYSTEM_CALLER
from server.core.permission import ANYBODY
from server.dispatch import Dispatch
from server.web.routes import json_response
from server.web.security import add_route


class Health:
    """`GET /api/health`: 200 while the server stores and answers."""

    def __init__(self, dispatch: Dispatch, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._dispatch = dispatch
        self._monotonic = monotonic
        self._started = monotonic()

    def add_to(self, app: web.Application) -> None:
        add_route(app, "GET", "/api/health", self._show, ANYBODY)

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
