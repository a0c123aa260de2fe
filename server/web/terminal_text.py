"""A terminal as text: its last lines for people without one, and its screen as it stands."""

import asyncio
from pathlib import Path
from typing import Any

from aiohttp import web

from server.core.call import Caller
from server.core.errors import BadArgument
from server.core.permission import WATCH_TERMINALS
from server.dispatch import Dispatch
from server.terminals.plain_text import plain_lines
from server.terminals.record import spool_folder
from server.terminals.spool import read_tail
from server.web.routes import json_response
from server.web.security import CALLER, add_route

LONGEST_TAIL_BYTES = 256 * 1024


class TerminalTexts:
    """`GET /api/agents/{name}/logs`: what an agent's terminal has shown, without its escape sequences."""

    def __init__(self, dispatch: Dispatch, agents_folder: Path) -> None:
        self._dispatch = dispatch
        self._agents_folder = agents_folder

    def add_to(self, app: web.Application) -> None:
        add_route(app, "GET", "/api/agents/{name}/logs", self._logs, WATCH_TERMINALS)

    async def _logs(self, request: web.Request) -> web.StreamResponse:
        lines = _lines(request.query.get("lines", "200"))
        name = await self._known(request.match_info["name"], request[CALLER])
        tail = await asyncio.to_thread(read_tail, spool_folder(self._agents_folder / name), LONGEST_TAIL_BYTES)
        body: dict[str, Any] = {"agent": name, "lines": plain_lines(tail.data)[-lines:], "offset": tail.end}
        return json_response(body)

    async def _known(self, name: str, caller: Caller) -> str:
        operation = self._dispatch.registry["get_agent"]
        return str((await self._dispatch.run(operation, caller, {"name": name}, door="rest")).value.name)


def _lines(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 5000):
        raise BadArgument("`lines` is a number from 1 to 5000.", field="lines")
    return int(text)
