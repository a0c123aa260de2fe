"""Files over HTTP: bytes stream to disk and back; what they are, and who may, the operations decide.

Nothing uploaded can run in the dashboard's origin: only pictures and plain text are shown, under a policy that allows
nothing; everything else is an attachment of no type.
"""

import base64
import binascii
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import orjson
from aiohttp import BodyPartReader, hdrs, web

from server.core.errors import BadArgument, NotAllowed, NotFound, TooLarge
from server.core.file_name import SHOWN_INLINE, TEXT, clean_name, disposition, media_type_of
from server.dispatch import Answer, Dispatch
from server.storage.blobs import Blob, Blobs, too_large
from server.web.routes import idempotency_key, json_response
from server.web.security import CALLER, add_route, door_of

PIECE_BYTES = 128 * 1024
LONGEST_JSON_BYTES = 8 * 1024 * 1024
"""A file in JSON: for programs that know no better; the larger ones stream."""
FILE_POLICY = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'; sandbox"


@dataclass(frozen=True)
class FileLimits:
    """How much is taken."""

    file_bytes: int = 25 * 1024 * 1024
    member_bytes: int = 1024 * 1024 * 1024


@dataclass(frozen=True)
class _Upload:
    """A request to store a file: its name, what else it says, and its bytes."""

    name: str
    more: Mapping[str, object]
    pieces: AsyncIterator[bytes]


def stored_bytes(blob: Blob, name: str, limits: FileLimits) -> dict[str, object]:
    """Say what was stored, as the operations that add a file take it."""
    plain = clean_name(name)
    return {
        "name": plain,
        "sha256": blob.sha256,
        "size": blob.size,
        "media_type": media_type_of(blob.head, plain, is_utf8=blob.is_utf8),
        "quota_bytes": limits.member_bytes,
    }


class FileRoutes:
    """`POST /api/files` and `GET /api/files/{file_id}`."""

    def __init__(self, dispatch: Dispatch, blobs: Blobs, limits: FileLimits) -> None:
        self._dispatch = dispatch
        self._blobs = blobs
        self._limits = limits
        self._add = dispatch.registry["add_file"]
        self._get = dispatch.registry["get_file"]

    def add_to(self, app: web.Application) -> None:
        for operation, handler in ((self._add, self._upload), (self._get, self._download)):
            assert operation.method is not None
            assert operation.path is not None
            add_route(app, operation.method, operation.path, handler, operation.allow)

    async def _upload(self, request: web.Request) -> web.StreamResponse:
        if (request.content_length or 0) > max(self._limits.file_bytes, LONGEST_JSON_BYTES) + PIECE_BYTES:
            raise too_large(self._limits.file_bytes)
        upload = await self._read(request)
        async with self._blobs.receive(upload.pieces, self._limits.file_bytes) as blob:
            arguments = {**upload.more, "stored": stored_bytes(blob, upload.name, self._limits)}
            answer: Answer = await self._dispatch.run(
                self._add, request[CALLER], arguments, door=door_of(request), idempotency_key=idempotency_key(request)
            )
        response = json_response(answer.value, status=self._add.status)
        if answer.replayed:
            response.headers["Idempotent-Replayed"] = "true"
        return response

    async def _read(self, request: web.Request) -> _Upload:
        if request.content_type == "application/json":
            return await _from_json(request)
        header = request.headers.get("X-File-Name")
        if request[CALLER].session is not None and header is None:
            # A header that no form can send, beside the Origin that the gate has checked.
            raise NotAllowed("A browser names the file in X-File-Name.")
        if request.content_type == "multipart/form-data":
            return await _from_form(request)
        name = unquote(header) if header is not None else request.query.get("name", "")
        if not name:
            raise BadArgument(
                "The file has no name.", hint="Send X-File-Name: NAME, or ?name=NAME, with the bytes.", field="name"
            )
        more = {key: value for key, value in request.query.items() if key != "name"}
        return _Upload(name, _without_stored(more), request.content.iter_chunked(PIECE_BYTES))

    async def _download(self, request: web.Request) -> web.StreamResponse:
        arguments = {"file_id": request.match_info["file_id"]}
        file = (await self._dispatch.run(self._get, request[CALLER], arguments, door=door_of(request))).value
        path = self._blobs.path(file["sha256"])
        if not path.exists():
            raise NotFound(f"The bytes of {file['id']} are missing.", hint="Restore DATA/files from a backup.")
        shown = file["media_type"] in SHOWN_INLINE
        headers = {
            hdrs.CONTENT_TYPE: _served_type(file["media_type"]),
            hdrs.CONTENT_DISPOSITION: disposition(file["name"], inline=shown and "download" not in request.query),
            hdrs.CACHE_CONTROL: "private, no-cache",
            "Content-Security-Policy": FILE_POLICY,
        }
        return web.FileResponse(path, headers=headers, chunk_size=PIECE_BYTES)


def _served_type(media_type: str) -> str:
    if media_type == TEXT:
        return "text/plain; charset=utf-8"
    return media_type if media_type in SHOWN_INLINE else "application/octet-stream"


async def _from_json(request: web.Request) -> _Upload:
    body = bytearray()
    async for piece in request.content.iter_chunked(PIECE_BYTES):
        body += piece
        if len(body) > LONGEST_JSON_BYTES:
            raise TooLarge("A file in JSON has at most 5 MiB.", hint="Send the bytes themselves, with X-File-Name.")
    try:
        found: Any = orjson.loads(bytes(body) or b"{}")
    except orjson.JSONDecodeError as failure:
        raise BadArgument(f"The body is not JSON: {failure}.") from None
    if not isinstance(found, dict):
        raise BadArgument("The body must be a JSON object.")
    name, content = found.pop("name", None), found.pop("content", None)
    for field, value in (("name", name), ("content", content)):
        if not isinstance(value, str) or (field == "name" and not value):
            raise BadArgument(
                f"“{field}” is missing.", hint='As {"name": "a.txt", "content": "<base64>"}.', field=field
            )
    try:
        data = base64.b64decode(content, validate=True)
    except (binascii.Error, ValueError):
        raise BadArgument("“content” is not base64.", field="content") from None
    return _Upload(name, _without_stored(found), _one(data))


async def _from_form(request: web.Request) -> _Upload:
    """Read the fields that stand before the file; what comes after it is not read."""
    more: dict[str, object] = {}
    name = ""
    try:
        async for part in await request.multipart():
            if not isinstance(part, BodyPartReader):
                break
            if part.filename is not None or part.name == "file":
                named = name or part.filename or ""
                return _Upload(named or "file", _without_stored(more), _pieces(part))
            text = (await part.read_chunk(4096)).decode(errors="replace")
            if part.name == "name":
                name = text
            elif part.name:
                more[part.name] = text
    except ValueError as failure:
        raise BadArgument(f"The form cannot be read: {failure}.") from None
    raise BadArgument("The form holds no file.", hint="Put it last, as the field “file”.", field="file")


async def _pieces(part: BodyPartReader) -> AsyncIterator[bytes]:
    while piece := await part.read_chunk(PIECE_BYTES):
        yield piece


async def _one(data: bytes) -> AsyncIterator[bytes]:
    yield data


def _without_stored(more: dict[str, Any]) -> dict[str, object]:
    """Refuse what only the server itself may say."""
    if "stored" in more:
        raise BadArgument("Unknown field “stored”.", field="stored")
    return {key: value for key, value in more.items() if value is not None}
