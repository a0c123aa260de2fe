"""The gate before every route: Host, Origin, credentials, permission; and the headers on every answer."""

from collections.abc import Awaitable, Callable, Iterable
from urllib.parse import urlsplit

from aiohttp import hdrs, web
from multidict import istr

from server.core.call import ANONYMOUS, Caller
from server.core.errors import BullpenError, NotAllowed
from server.core.permission import ANYBODY, Permission
from server.dispatch import permit
from server.web.identity import Identity

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

CALLER: web.RequestKey[Caller] = web.RequestKey("caller", Caller)
_PERMISSIONS: web.AppKey[dict[object, Permission]] = web.AppKey("permissions", dict)

_TAKES_CREDENTIALS = ("/api/register",)
"""Open to all, and yet a token makes a difference."""

NO_CONTENT_POLICY = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
# Names as `istr`: a plain string would be folded anew for every answer, and kept with it.
_HEADERS = {
    istr("X-Content-Type-Options"): "nosniff",
    istr("Referrer-Policy"): "no-referrer",
    istr("Cross-Origin-Opener-Policy"): "same-origin",
    istr("Cross-Origin-Resource-Policy"): "same-origin",
    istr("Content-Security-Policy"): NO_CONTENT_POLICY,
    hdrs.CACHE_CONTROL: "no-store",
}


class WrongHost(BullpenError):
    """The request names a host that this server is not (DNS rebinding, or a proxy that is not configured)."""

    code = "wrong_host"
    status = 421


class WrongMedia(BullpenError):
    """A body that is not JSON."""

    code = "wrong_media_type"
    status = 415


def add_route(app: web.Application, method: str, path: str, handler: Handler, allow: Permission) -> None:
    """Add a route with the permission it takes. There is no other way to add one: a route without is refused."""
    if _PERMISSIONS not in app:
        app[_PERMISSIONS] = {}
    app[_PERMISSIONS][app.router.add_route(method, path, handler)] = allow


def permission_of(app: web.Application, route: web.AbstractRoute) -> Permission | None:
    """Return the permission that a route takes."""
    return app.get(_PERMISSIONS, {}).get(route)


def door_of(request: web.Request) -> str:
    """Say by which door a request came."""
    if request[CALLER].session is not None:
        return "dashboard"
    return "cli" if request.headers.get("X-Bullpen-Client", "").startswith("cli/") else "rest"


Denied = Callable[[str, Caller, str, NotAllowed], Awaitable[None]]
"""Is told of each refusal: of what, to whom, by which door, and why."""


class Gate:
    """Checks what must hold before any handler runs. Everything not expressly allowed is refused."""

    def __init__(self, identity: Identity, hosts: Iterable[str], denied: Denied, public_url: str | None = None) -> None:
        self._identity = identity
        self._denied = denied
        self._hosts = {host.lower() for host in hosts}
        self._public = urlsplit(public_url) if public_url else None
        if self._public is not None:
            self._hosts.add(self._public.netloc.lower())

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self._check_host(request)
        self._check_origin(request)
        route = request.match_info.route
        permission = permission_of(request.app, route)
        if permission is None:
            if request.match_info.http_exception is not None:
                return await handler(request)  # 404 and 405 tell nothing
            raise NotAllowed("This route has no permission and is closed.")
        # Where nothing is needed, credentials that no longer hold must not lock anybody out of signing in again.
        lenient = permission is ANYBODY and request.path not in _TAKES_CREDENTIALS
        request[CALLER] = ANONYMOUS if lenient else await self._identity.caller_of(request)
        try:
            permit(permission, request[CALLER])
        except NotAllowed as refused:
            resource = "" if route.resource is None else route.resource.canonical
            await self._denied(f"{request.method} {resource}", request[CALLER], door_of(request), refused)
            raise
        return await handler(request)

    def _check_host(self, request: web.Request) -> None:
        if request.headers.getall(hdrs.HOST, []) and request.host.lower() in self._hosts:
            return
        raise WrongHost(
            "This server does not answer for that host name.", hint="Use the address `bullpen status` shows."
        )

    def _check_origin(self, request: web.Request) -> None:
        """Refuse other sites' pages: on every change, every stream and every WebSocket."""
        origins = request.headers.getall(hdrs.ORIGIN, [])
        reads_only = request.method in ("GET", "HEAD") and not _is_stream(request)
        if origins and not (reads_only and len(origins) == 1):
            own = f"{self._scheme(request)}://{request.host}".lower()
            if len(origins) != 1 or origins[0].lower() != own:
                raise NotAllowed("Requests from other sites are refused.", hint="Open the dashboard from this server.")
        site = request.headers.get("Sec-Fetch-Site")
        if site in ("cross-site", "same-site") and not (
            reads_only and request.headers.get("Sec-Fetch-Mode") == "navigate"
        ):
            raise NotAllowed("Requests from other sites are refused.", hint="Open the dashboard from this server.")

    def _scheme(self, request: web.Request) -> str:
        if self._public is not None and request.host.lower() == self._public.netloc.lower():
            return self._public.scheme
        return request.scheme


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Put the protective headers on every answer."""
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)


def check_json(request: web.Request) -> None:
    """Refuse a body that a plain HTML form could send."""
    if request.can_read_body and request.content_type != "application/json":
        raise WrongMedia("The body must be JSON.", hint="Send Content-Type: application/json.")


def _is_stream(request: web.Request) -> bool:
    return request.path in ("/api/events", "/ws/terminal") or request.headers.get(hdrs.UPGRADE) is not None
