"""What an agent's own CLI and bridge report of it: hook calls, and what became of a push."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from server.core.call import Caller
from server.core.errors import NotAllowed
from server.core.permission import READ
from server.web.routes import json_object, json_response
from server.web.security import CALLER, add_route


@dataclass(frozen=True)
class Receivers:
    """Who listens. Each gets the agent's name, the run its token belongs to, and the report."""

    hook: Callable[[str, str | None, Mapping[str, Any]], Awaitable[Mapping[str, object]]]
    """Its answer is what the CLI is told."""
    push: Callable[[str, str | None, Mapping[str, Any]], Awaitable[None]]


def add_reports(app: web.Application, receivers: Receivers) -> None:
    async def hook(request: web.Request) -> web.StreamResponse:
        caller = _own(request)
        return json_response(await receivers.hook(caller.name, caller.run_id, await json_object(request)))

    async def push(request: web.Request) -> web.StreamResponse:
        caller = _own(request)
        await receivers.push(caller.name, caller.run_id, await json_object(request))
        return json_response({})

    add_route(app, "POST", "/api/agents/{name}/hooks", hook, READ)
    add_route(app, "POST", "/api/agents/{name}/pushes", push, READ)


def _own(request: web.Request) -> Caller:
    caller = request[CALLER]
    if caller.kind == "human" or caller.name != request.match_info["name"]:
        raise NotAllowed("An agent reports for itself, with its own token.")
    return caller
