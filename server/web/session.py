"""Signing in and out: the one place where a session becomes a cookie."""

from aiohttp import web

from server.core.permission import ANYBODY
from server.dispatch import Dispatch
from server.web.identity import COOKIE
from server.web.routes import json_object, json_response
from server.web.security import CALLER, add_route

_LIFETIME_S = 7 * 86400


class Sessions:
    """`POST /api/session {link}` exchanges a sign-in code for the cookie; reading and ending are operations."""

    def __init__(self, dispatch: Dispatch, *, secure: bool) -> None:
        self._dispatch = dispatch
        self._secure = secure

    def add_to(self, app: web.Application) -> None:
        add_route(app, "POST", "/api/session", self._sign_in, ANYBODY)

    async def _sign_in(self, request: web.Request) -> web.StreamResponse:
        operation = self._dispatch.registry["open_session"]
        answer = await self._dispatch.run(operation, request[CALLER], await json_object(request), door="dashboard")
        session = answer.value
        response = json_response({"member": session.member, "csrf": session.csrf}, status=201)
        response.set_cookie(
            COOKIE, session.cookie, max_age=_LIFETIME_S, httponly=True, samesite="Strict", secure=self._secure, path="/"
        )
        return response
