"""The chat bridge's own routes, by TeamMCP's paths: how it goes with it, sign it in, sign it out."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from server.core.errors import NotFound
from server.core.permission import MANAGE_NOTIFICATIONS, READ
from server.dispatch import Dispatch
from server.web.routes import json_object, json_response
from server.web.security import CALLER, add_route, door_of


@dataclass(frozen=True)
class BridgeDoor:
    """What a bridge lets be done with it."""

    name: str
    status: Callable[[], Mapping[str, Any]]
    """With the code to be scanned, which only who may sign it in is shown."""
    sign_in: Callable[[], Awaitable[None]]
    sign_out: Callable[[], Awaitable[None]]


_SHOWN_TO_ALL = ("configured", "connected", "polling", "state")


class ChatBridges:
    """`/api/wechat/…`. Signing in and out is on record before it is done."""

    def __init__(self, door: BridgeDoor | None, dispatch: Dispatch) -> None:
        self._door = door
        self._dispatch = dispatch

    def add_to(self, app: web.Application) -> None:
        add_route(app, "GET", "/api/wechat/status", self._status, READ)
        add_route(app, "POST", "/api/wechat/login", self._login, MANAGE_NOTIFICATIONS)
        add_route(app, "POST", "/api/wechat/disconnect", self._disconnect, MANAGE_NOTIFICATIONS)

    async def _status(self, request: web.Request) -> web.StreamResponse:
        whole = self._shown()
        if not MANAGE_NOTIFICATIONS.admits(request[CALLER].role):
            whole = {name: whole[name] for name in _SHOWN_TO_ALL}
        return json_response(whole)

    async def _login(self, request: web.Request) -> web.StreamResponse:
        door = await self._asked(request, "login")
        await door.sign_in()
        shown = self._shown()
        return json_response({"status": shown["state"], "qrcode_img_content": shown["qrcode"], **shown})

    async def _disconnect(self, request: web.Request) -> web.StreamResponse:
        door = await self._asked(request, "logout")
        await door.sign_out()
        return json_response({"ok": True, **self._shown()})

    def _shown(self) -> dict[str, Any]:
        if self._door is None:
            return {"configured": False, "connected": False, "polling": False, "state": "signed_out", "qrcode": None}
        return {"configured": True, **self._door.status()}

    async def _asked(self, request: web.Request, action: str) -> BridgeDoor:
        await json_object(request)
        if self._door is None:
            hint = "Add a target of type wechat under notifications in agents.yaml, and start again."
            raise NotFound("There is no WeChat bridge on this team.", hint=hint)
        operation = self._dispatch.registry["ask_chat_bridge"]
        arguments = {"bridge": self._door.name, "action": action}
        await self._dispatch.run(operation, request[CALLER], arguments, door=door_of(request))
        return self._door
