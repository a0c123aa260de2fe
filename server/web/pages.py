"""The dashboard's files: hashed once at start and served unchanging; the page itself with its content policy."""

import base64
import hashlib
import mimetypes
import re
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from server.core.permission import ANYBODY
from server.web.security import add_route

DEEP_LINKS = (
    "/",
    "/c/{rest:.*}",
    "/dm/{rest:.*}",
    "/agents",
    "/agents/{rest:.*}",
    "/m",
    "/terminals",
    "/tasks",
    "/tasks/{rest:.*}",
    "/schedules",
    "/schedules/{rest:.*}",
    "/state",
    "/state/{rest:.*}",
    "/files",
    "/search",
    "/usage",
    "/audit",
    "/settings",
    "/more",
    "/needs",
    "/needs/{rest:.*}",
    "/decide",
)
"""Paths that the dashboard's own router understands."""

_IMPORT_MAP = re.compile(r'<script type="importmap">(.*?)</script>', re.DOTALL)
_SERVED = {".js", ".mjs", ".css", ".svg", ".png", ".ico", ".woff2", ".webmanifest"}


@dataclass(frozen=True)
class _File:
    body: bytes
    content_type: str


class Pages:
    """The dashboard as one immutable set of files."""

    def __init__(self, folder: Path) -> None:
        contents = {file.relative_to(folder).as_posix(): file.read_bytes() for file in _files(folder)}
        digest = hashlib.sha256()
        for name, body in contents.items():
            digest.update(name.encode() + b"\0" + body + b"\0")
        self.hash = digest.hexdigest()[:16]
        self._files = {name: _File(body, _content_type(name)) for name, body in contents.items()}
        page = (folder / "index.html").read_text(encoding="utf-8").replace("__HASH__", self.hash)
        page = page.replace("<!-- modulepreload -->", self._preloads())
        self._page = page.encode()
        self.policy = _policy(page)

    def add_to(self, app: web.Application) -> None:
        add_route(app, "GET", "/assets/{hash}/{name:.*}", self._asset, ANYBODY)
        for path in DEEP_LINKS:
            add_route(app, "GET", path, self._index, ANYBODY)

    async def _index(self, request: web.Request) -> web.StreamResponse:
        headers = {"Content-Security-Policy": self.policy, "Cache-Control": "no-cache"}
        return web.Response(body=self._page, content_type="text/html", charset="utf-8", headers=headers)

    async def _asset(self, request: web.Request) -> web.StreamResponse:
        file = self._files.get(request.match_info["name"])
        if file is None:
            raise web.HTTPNotFound
        current = request.match_info["hash"] == self.hash
        headers = {"Cache-Control": "public, max-age=31536000, immutable" if current else "no-cache"}
        return web.Response(body=file.body, content_type=file.content_type, charset=_charset(file), headers=headers)

    def _preloads(self) -> str:
        first = [name for name in self._files if name.endswith(".js") and not name.startswith("vendor/xterm")]
        return "\n".join(f'<link rel="modulepreload" href="/assets/{self.hash}/{name}">' for name in sorted(first))


def _files(folder: Path) -> list[Path]:
    return sorted(file for file in folder.rglob("*") if file.is_file() and file.suffix in _SERVED)


def _content_type(name: str) -> str:
    if name.endswith((".js", ".mjs")):
        return "text/javascript"
    return mimetypes.guess_type(name)[0] or "application/octet-stream"


def _charset(file: _File) -> str | None:
    return "utf-8" if file.content_type.startswith("text/") else None


def _policy(page: str) -> str:
    """Build the policy; the import map must be inline (browsers load no external one), so it is named by its hash."""
    match = _IMPORT_MAP.search(page)
    own = "" if match is None else f" 'sha256-{base64.b64encode(hashlib.sha256(match[1].encode()).digest()).decode()}'"
    return (
        f"default-src 'none'; script-src 'self'{own}; style-src 'self'; connect-src 'self'; img-src 'self' data:;"
        " font-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none';"
        " require-trusted-types-for 'script'"
    )
