"""What a terminal shows, for those without one: lines of its log, its screen as text or picture, its bytes to keep."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from aiohttp import hdrs, web

from server.core.errors import BadArgument
from server.core.permission import WATCH_TERMINALS
from server.core.picture import Picture
from server.dispatch import Answer, Dispatch, Work
from server.terminals.attachment import Attachment
from server.terminals.plain_text import plain_lines
from server.terminals.record import spool_folder
from server.terminals.screen import MAX_BYTES, Screen, ScreenRenderer
from server.terminals.spool import Output, read_bounds, read_spool, read_tail
from server.web.security import CALLER, add_route

LONGEST_TAIL_BYTES = 256 * 1024
SEARCHED_BYTES = 2 * 1024 * 1024
"""How far back a log is searched for a text."""
_PIECE_BYTES = 256 * 1024
_SIZE = (120, 40)
"""Of a terminal that nobody holds any more."""


class TerminalTexts:
    """Goes around `get_agent_logs`, `screenshot_agent` and `save_screenshot`; serves a log as a file."""

    def __init__(self, dispatch: Dispatch, agents_folder: Path, find: Callable[[str], Attachment | None]) -> None:
        self._dispatch = dispatch
        self._agents_folder = agents_folder
        self._find = find
        self._renderer = ScreenRenderer()
        dispatch.around |= {
            "get_agent_logs": self._logs,
            "screenshot_agent": self._screenshot,
            "save_screenshot": self._save,
        }

    def add_to(self, app: web.Application) -> None:
        add_route(app, "GET", "/api/agents/{name}/logs/download", self._download, WATCH_TERMINALS)

    async def close(self) -> None:
        await asyncio.to_thread(self._renderer.close)

    async def _logs(self, work: Work) -> Answer:
        asked: Any = work.arguments
        answer = await work.run(asked)
        found = answer.value
        lines, offset = await asyncio.to_thread(_lines, spool_folder(self._agents_folder / found.agent), asked)
        return Answer(type(found)(found.agent, lines, offset))

    async def _screenshot(self, work: Work) -> Answer:
        asked: Any = work.arguments
        name = (await work.run(asked)).value.agent
        attachment, tail, (columns, rows) = await self._newest(name)
        is_running = attachment is not None and not attachment.welcome.has_exited
        if asked.form == "png":
            png = await self._renderer.draw(tail.data, columns, rows)
            state = "" if is_running else ", which is not running: the last it showed"
            return Answer(Picture(png, f"The screen of {name}{state}."))
        screen: Screen = await self._renderer.render(tail.data, columns, rows)
        shown = {
            "agent": name, "running": is_running, "text": screen.text, "columns": columns, "rows": rows,
            "cursor_column": screen.cursor_column, "cursor_row": screen.cursor_row, "offset": tail.end,
        }  # fmt: skip
        return Answer(work.operation.result_adapter.validate_python(shown))

    async def _save(self, work: Work) -> Answer:
        found = (await work.run(work.arguments)).value
        _, tail, (columns, rows) = await self._newest(found.name)
        png = await self._renderer.draw(tail.data, columns, rows)
        file = self._agents_folder / found.name / "screenshot.png"
        await asyncio.to_thread(_replace, file, png)
        return Answer(type(found)(found.name, str(file)))

    async def _newest(self, name: str) -> tuple[Attachment | None, Output, tuple[int, int]]:
        attachment = self._find(name)
        tail = await asyncio.to_thread(read_tail, spool_folder(self._agents_folder / name), MAX_BYTES)
        run_offset = 0 if attachment is None else attachment.welcome.run_offset
        if tail.offset < run_offset:  # an earlier run's screen is not this one's
            tail = Output(min(run_offset, tail.end), tail.data[run_offset - tail.offset :])
        return attachment, tail, _SIZE if attachment is None else attachment.size

    async def _download(self, request: web.Request) -> web.StreamResponse:
        """Serve all that is kept of a terminal's output: as text, or with `?raw=1` as it came."""
        raw = _flag(request.query.get("raw", ""))
        operation = self._dispatch.registry["get_agent"]
        arguments = {"name": request.match_info["name"]}
        agent = (await self._dispatch.run(operation, request[CALLER], arguments, door="rest")).value.name
        spool = spool_folder(self._agents_folder / agent)
        bounds = await asyncio.to_thread(read_bounds, spool)
        ending, media_type = ("raw", "application/octet-stream") if raw else ("txt", "text/plain; charset=utf-8")
        response = web.StreamResponse(
            headers={
                hdrs.CONTENT_TYPE: media_type,
                hdrs.CONTENT_DISPOSITION: f'attachment; filename="{agent}.{ending}"',
            }
        )
        await response.prepare(request)
        rest = b""
        for at in range(bounds.base, bounds.end, _PIECE_BYTES):
            size = min(_PIECE_BYTES, bounds.end - at)
            piece = b"".join(
                item.data for item in await asyncio.to_thread(read_spool, spool, at, size) if isinstance(item, Output)
            )
            if raw:
                await response.write(piece)
                continue
            whole, rest = _whole_lines(rest + piece, is_last=at + size >= bounds.end)
            text = await asyncio.to_thread(_plain, whole)
            await response.write(text)
        await response.write_eof()
        return response


def _lines(spool: Path, asked: Any) -> tuple[list[str], int]:
    """Return the last lines that were asked for, and where the output ended."""
    bounds = read_bounds(spool)
    reach = SEARCHED_BYTES if asked.grep else LONGEST_TAIL_BYTES
    tail = read_tail(spool, min(reach, bounds.end - min(asked.since or 0, bounds.end)))
    data, end = tail.data, tail.end
    if asked.since is not None:
        # Of what is followed only whole lines are told: the rest of a line comes with the next ones.
        data = data[: data.rfind(b"\n") + 1]
        end = tail.offset + len(data)
    lines = data.decode("utf-8", "replace").splitlines() if asked.raw else plain_lines(data)
    while lines and not lines[-1]:
        lines.pop()
    return [line for line in lines if asked.grep in line][-asked.lines :], end


def _whole_lines(data: bytes, *, is_last: bool) -> tuple[bytes, bytes]:
    end = len(data) if is_last or len(data) > 2 * _PIECE_BYTES else data.rfind(b"\n") + 1
    return data[:end], data[end:]


def _plain(data: bytes) -> bytes:
    return "".join(f"{line}\n" for line in plain_lines(data)).encode()


def _flag(text: str) -> bool:
    if text not in ("", "0", "1", "true", "false"):
        raise BadArgument("`raw` is true or false.", field="raw")
    return text in ("1", "true")


def _replace(file: Path, content: bytes) -> None:
    """Write a file that only we may read, whole or not at all."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)  # an agent that never ran has none
    temporary = file.with_suffix(".new")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as opened:
        opened.write(content)
    temporary.rename(file)
