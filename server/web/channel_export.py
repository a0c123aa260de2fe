"""A whole channel as a file: JSON Lines for programs, Markdown for people. Streamed, with the rights of reading it."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

import orjson
from aiohttp import web

from server.core.call import Caller
from server.core.errors import BadArgument
from server.core.permission import READ
from server.dispatch import Dispatch
from server.web.security import CALLER, add_route, door_of

PAGE = 200
_TYPES = {"jsonl": ("application/jsonl", "jsonl"), "markdown": ("text/markdown", "md")}


class ChannelExports:
    """`GET /api/channels/{id}/export?format=jsonl|markdown`."""

    def __init__(self, dispatch: Dispatch) -> None:
        self._dispatch = dispatch

    def add_to(self, app: web.Application) -> None:
        add_route(app, "GET", "/api/channels/{id}/export", self._export, READ)

    async def _export(self, request: web.Request) -> web.StreamResponse:
        form = request.query.get("format", "jsonl")
        if form not in _TYPES:
            raise BadArgument(f"“{form}” is no format.", hint="Take jsonl or markdown.", field="format")
        caller = request[CALLER]
        arguments = {"id": request.match_info["id"], "format": form}
        operation = self._dispatch.registry["begin_export"]
        begun = (await self._dispatch.run(operation, caller, arguments, door=door_of(request))).value
        media_type, ending = _TYPES[form]
        name = begun.channel.replace(":", "-")
        response = web.StreamResponse(
            headers={
                "Content-Type": f"{media_type}; charset=utf-8",
                "Content-Disposition": f'attachment; filename="{name}.{ending}"',
            }
        )
        await response.prepare(request)
        if form == "markdown":
            await response.write(_heading(begun.channel, begun.description))
        async for page in self._pages(caller, begun.channel, begun.last):
            shown = _markdown if form == "markdown" else _line
            await response.write(b"".join(shown(message) for message in page))
        await response.write_eof()
        return response

    async def _pages(self, caller: Caller, channel: str, last: str | None) -> AsyncIterator[list[Mapping[str, Any]]]:
        """Yield the messages up to the last, page by page; each with the rights of its moment."""
        operation, after = self._dispatch.registry["get_history"], "msg_0"
        while last is not None and after != last:
            arguments = {"channel": channel, "after": after, "limit": PAGE}
            found = (await self._dispatch.run(operation, caller, arguments, door="server")).value.messages
            page = [message for message in found if _number(message["id"]) <= _number(last)]
            if not page:
                return
            yield page
            after = page[-1]["id"]


def _number(message: str) -> int:
    return int(message.removeprefix("msg_"))


def _line(message: Mapping[str, Any]) -> bytes:
    return orjson.dumps(message, option=orjson.OPT_APPEND_NEWLINE)


def _heading(channel: str, description: str) -> bytes:
    title = channel if channel.startswith("dm:") else f"#{channel}"
    about = f"{' '.join(description.split())}\n\n" if description else ""
    return f"# {title}\n\n{about}".encode()


def _markdown(message: Mapping[str, Any]) -> bytes:
    """Return a message under a heading that no text can forge: every line of the text is a quotation."""
    reply = f" · reply to {message['reply_to']}" if message["reply_to"] else ""
    at = f"{message['created_at'][:10]} {message['created_at'][11:19]} UTC"
    text = "*deleted*" if message["deleted"] else message["content"]
    quoted = "\n".join(f"> {line}".rstrip() for line in text.splitlines())
    return f"### {message['from']} ({message['from_kind']}) · {at} · {message['id']}{reply}\n\n{quoted}\n\n".encode()
