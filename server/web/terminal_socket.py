"""Terminal ↔ WebSocket: anybody who may watch sees the same bytes; one at a time may type, and all see who."""

import asyncio
import contextlib
import struct
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
from aiohttp import WSCloseCode, WSMessage, WSMsgType, web

from server.core.call import Caller
from server.core.errors import BadArgument, BullpenError, NotAllowed
from server.core.moment import iso
from server.core.permission import TYPE_IN_TERMINALS, WATCH_TERMINALS
from server.core.secret import new_code
from server.dispatch import Dispatch, permit
from server.terminals.attachment import Attachment
from server.terminals.errors import HolderFailed, HolderLost, InputFull
from server.terminals.keys import TypedLine
from server.terminals.record import spool_folder
from server.terminals.replay import Replay, find_replay
from server.terminals.spool import Gap, Output, read_bounds, read_spool
from server.web.routes import json_object, json_response
from server.web.security import CALLER, add_route
from server.web.terminal_keyboard import Keyboard, Keyboards, Seat

TICKET_S = 30.0
LONGEST_INPUT = 64 * 1024
WINDOW_BYTES = 512 * 1024
"""Sent and not yet drawn: a viewer that acknowledges what it has drawn is sent no more than this ahead."""
SKIPPED_BYTES = 1024 * 1024
"""A viewer that is further behind goes on with the newest screen."""
_PAGE_BYTES = 256 * 1024


@dataclass(frozen=True)
class _Ticket:
    agent: str
    caller: Caller
    may_type: bool
    expires: float


@dataclass(eq=False)
class _Viewer(Seat):
    """A seat at a browser, or at `bullpen attach`."""

    socket: web.WebSocketResponse = field(default_factory=web.WebSocketResponse)
    may_type: bool = False
    line: TypedLine = field(default_factory=TypedLine)
    sent: int = 0
    drawn: int | None = None
    """What it has acknowledged; None for one that does not."""
    acknowledged: asyncio.Event = field(default_factory=asyncio.Event)


class TerminalSockets:
    """Tickets and sockets of all terminals."""

    def __init__(
        self,
        dispatch: Dispatch,
        agents_folder: Path,
        find: Callable[[str], Attachment | None],
        keyboards: Keyboards,
        random: Callable[[int], bytes],
        clock: Callable[[], int],
    ) -> None:
        self._dispatch = dispatch
        self._agents_folder = agents_folder
        self._find = find
        self._keyboards = keyboards
        self._random = random
        self._clock = clock
        self._tickets: dict[str, _Ticket] = {}
        self._endings: set[asyncio.Future[None]] = set()

    def add_to(self, app: web.Application) -> None:
        add_route(app, "POST", "/api/agents/{name}/terminal/ticket", self._issue, WATCH_TERMINALS)
        add_route(app, "GET", "/ws/terminal", self._connect, WATCH_TERMINALS)

    async def close(self) -> None:
        """End every socket: browsers come back by themselves."""
        for keyboard in self._keyboards.all():
            for seat in list(keyboard.seats):
                if isinstance(seat, _Viewer):
                    await seat.socket.close(code=WSCloseCode.GOING_AWAY)
        await asyncio.gather(*self._endings, return_exceptions=True)

    async def _issue(self, request: web.Request) -> web.StreamResponse:
        caller = request[CALLER]
        body = await json_object(request)
        mode = body.get("mode", "view")
        if mode not in ("view", "input") or set(body) - {"mode"}:
            raise BadArgument("The mode is “view” or “input”.", field="mode")
        if mode == "input":
            permit(TYPE_IN_TERMINALS, caller)
        name = request.match_info["name"]
        agent = await self._dispatch.run(self._dispatch.registry["get_agent"], caller, {"name": name}, door="rest")
        now = time.monotonic()
        self._tickets = {code: ticket for code, ticket in self._tickets.items() if ticket.expires > now}
        code = new_code(self._random)
        self._tickets[code] = _Ticket(agent.value.name, caller, mode == "input", now + TICKET_S)
        return json_response({"ticket": code, "expires_at": iso(self._clock() + round(TICKET_S * 1000))}, status=201)

    async def _connect(self, request: web.Request) -> web.StreamResponse:
        ticket = self._tickets.pop(request.query.get("ticket", ""), None)
        if ticket is None or ticket.expires <= time.monotonic() or ticket.caller != request[CALLER]:
            raise NotAllowed("This ticket was used, has expired or is another's.", hint="Ask for a new one.")
        since = _offset(request.query.get("since"))
        socket = web.WebSocketResponse(heartbeat=20.0, max_msg_size=LONGEST_INPUT * 2, compress=False)
        await socket.prepare(request)
        keyboard = self._keyboards.of(ticket.agent)
        viewer = _Viewer(ticket.caller, socket=socket, may_type=ticket.may_type)
        keyboard.seats.add(viewer)
        beside = [
            asyncio.create_task(self._show(keyboard, viewer, since)),
            asyncio.create_task(self._tell_changes(keyboard, viewer)),
        ]
        try:
            async for message in socket:
                if message.type is not WSMsgType.TEXT:
                    continue
                try:
                    await self._on_message(keyboard, viewer, message)
                except BullpenError as failure:
                    await _tell(viewer, "error", **_error(failure))
        finally:
            keyboard.leave(viewer)
            for task in beside:
                task.cancel()
            # This handler may be cancelled while it waits, for its connection is gone: the rest is done all the same.
            ending = asyncio.ensure_future(self._end(keyboard.agent, viewer, beside))
            self._endings.add(ending)
            ending.add_done_callback(self._endings.discard)
            await asyncio.shield(ending)
        return socket

    async def _end(self, agent: str, viewer: _Viewer, beside: list[asyncio.Task[None]]) -> None:
        await asyncio.gather(*beside, return_exceptions=True)
        await self._record(agent, viewer, viewer.line.rest())

    # What is shown --------------------------------------------------------------------------------------------------

    async def _show(self, keyboard: Keyboard, viewer: _Viewer, since: int | None) -> None:
        """Send what the terminal has shown since an offset, then what it shows, until the run ends."""
        folder = self._agents_folder / keyboard.agent
        attachment = self._find(keyboard.agent)
        run_offset = 0 if attachment is None else attachment.welcome.run_offset
        bounds = await asyncio.to_thread(read_bounds, spool_folder(folder))
        # Of one that saw an earlier run, or is far behind, a fresh start is asked.
        goes_on = since is not None and max(run_offset, bounds.base, bounds.end - SKIPPED_BYTES) <= since <= bounds.end
        replay = (
            Replay(since or 0) if goes_on else await asyncio.to_thread(find_replay, spool_folder(folder), run_offset)
        )
        columns, rows = (120, 40) if attachment is None else attachment.size
        await _tell(
            viewer, "hello", cols=columns, rows=rows, offset=replay.offset, fresh=not goes_on,
            preamble=replay.preamble.decode("ascii"), mode="input" if viewer.may_type else "view",
            **self._lock(keyboard, viewer),
        )  # fmt: skip
        reason, code = "not running", None
        try:
            skipped: Replay | None = replay
            while skipped is not None:
                skipped = await self._show_from(skipped, folder, attachment, viewer)
            if attachment is not None:
                end = await attachment.wait_until_exit()
                reason, code = end.reason, end.code
        except (HolderLost, HolderFailed):
            reason = "the connection to the agent's terminal was lost"
        await _tell(viewer, "exit", code=code, reason=reason)
        await viewer.socket.close()

    async def _show_from(
        self, replay: Replay, folder: Path, attachment: Attachment | None, viewer: _Viewer
    ) -> Replay | None:
        """Send output up to the end of the run (None), or until the viewer is so far behind that it must skip."""
        viewer.sent = replay.offset
        output = _stored(folder, replay.offset) if attachment is None else attachment.read_output(replay.offset)
        async with contextlib.aclosing(output):  # type: ignore[type-var]
            async for item in output:
                if isinstance(item, Gap):
                    await _tell(viewer, "gap", **{"from": item.start, "to": item.end}, preamble="")
                else:
                    await viewer.socket.send_bytes(struct.pack(">Q", item.offset) + item.data)
                viewer.sent = item.end
                if viewer.drawn is None or viewer.sent - viewer.drawn <= WINDOW_BYTES:
                    continue
                await _wait_until_drawn(viewer)
                if attachment is None:
                    continue
                end = (await asyncio.to_thread(read_bounds, attachment.spool)).end
                if end - viewer.sent > SKIPPED_BYTES:
                    newest = await asyncio.to_thread(find_replay, attachment.spool, attachment.welcome.run_offset)
                    preamble = newest.preamble.decode("ascii")
                    await _tell(viewer, "gap", **{"from": viewer.sent, "to": newest.offset}, preamble=preamble)
                    viewer.drawn = newest.offset
                    return newest
        return None

    async def _tell_changes(self, keyboard: Keyboard, viewer: _Viewer) -> None:
        """Tell a viewer who has the keyboard, as often as that changes, at its own pace."""
        while True:
            await viewer.changed.wait()
            viewer.changed.clear()
            attachment = self._find(keyboard.agent)
            size = {} if attachment is None else dict(zip(("cols", "rows"), attachment.size, strict=True))
            await _tell(viewer, "lock", **self._lock(keyboard, viewer), **size)

    def _lock(self, keyboard: Keyboard, viewer: _Viewer) -> dict[str, object]:
        holder = keyboard.holder
        return {
            "holder": None if holder is None else holder.caller.name,
            "mine": holder is viewer,
            "until": None if holder is None else iso(self._clock() + round(keyboard.left_s * 1000)),
            "asking": sorted({seat.caller.name for seat in keyboard.asking}),
        }

    # What is typed --------------------------------------------------------------------------------------------------

    async def _on_message(self, keyboard: Keyboard, viewer: _Viewer, message: WSMessage) -> None:
        try:
            frame = orjson.loads(message.data)
            kind = frame["type"]
        except (orjson.JSONDecodeError, TypeError, KeyError):
            raise BadArgument("A frame is a JSON object with a type.") from None
        if kind == "ack":
            _acknowledge(viewer, frame.get("offset"))
        elif kind == "take":
            await self._take(keyboard, viewer, force=bool(frame.get("force")))
        elif kind == "ask":
            self._check_may_type(viewer)
            keyboard.ask(viewer)
        elif kind == "release":
            keyboard.release(viewer)
            await self._record(keyboard.agent, viewer, viewer.line.rest())
        elif kind in ("in", "resize"):
            await self._act(keyboard, viewer, frame)

    async def _take(self, keyboard: Keyboard, viewer: _Viewer, *, force: bool) -> None:
        self._check_may_type(viewer)
        held = keyboard.is_held_by_another(viewer)
        if not force:
            keyboard.check_free(viewer)
        await self._dispatch.run(
            self._dispatch.registry["take_terminal"],
            viewer.caller,
            {"name": keyboard.agent, "forced": held},
            door="dashboard",
        )
        if not force:  # another may have been quicker while this was put on record
            keyboard.check_free(viewer)
        keyboard.give(viewer)

    def _check_may_type(self, viewer: _Viewer) -> None:
        if not viewer.may_type:
            raise NotAllowed("This terminal was opened to look at.", hint="Open it for input.")

    async def _act(self, keyboard: Keyboard, viewer: _Viewer, frame: dict[str, Any]) -> None:
        if keyboard.holder is not viewer:
            raise NotAllowed("You do not have the keyboard.", hint="Take it first.")
        attachment = self._find(keyboard.agent)
        if attachment is None:
            raise BadArgument("The agent is not running.", hint="Start it.")
        try:
            if frame["type"] == "in":
                text = frame.get("data")
                if not isinstance(text, str) or len(text) > LONGEST_INPUT:
                    raise BadArgument("`data` is text of at most 64 KiB.", field="data")
                keyboard.renew()
                shown = await attachment.write(text.encode("utf-8", "surrogatepass"))
                await self._record(keyboard.agent, viewer, viewer.line.feed(text, shown=shown))
            else:
                await attachment.resize(*_size(frame))
                keyboard.tell()
        except (HolderLost, HolderFailed, InputFull) as failure:
            raise BadArgument(f"Nothing was typed: {failure}") from None

    async def _record(self, agent: str, viewer: _Viewer, lines: list[str]) -> None:
        if lines:
            operation = self._dispatch.registry["record_typed"]
            await self._dispatch.run(operation, viewer.caller, {"name": agent, "lines": lines}, door="dashboard")


async def _wait_until_drawn(viewer: _Viewer) -> None:
    while viewer.drawn is not None and viewer.sent - viewer.drawn > WINDOW_BYTES:
        viewer.acknowledged.clear()
        await viewer.acknowledged.wait()


def _acknowledge(viewer: _Viewer, offset: object) -> None:
    if not isinstance(offset, int) or not 0 <= offset <= viewer.sent:
        raise BadArgument("`offset` is where the last byte that was drawn ends.", field="offset")
    viewer.drawn = max(viewer.drawn or 0, offset)
    viewer.acknowledged.set()


def _size(frame: dict[str, Any]) -> tuple[int, int]:
    columns, rows = frame.get("cols"), frame.get("rows")
    if not isinstance(columns, int) or not isinstance(rows, int) or not (2 <= columns <= 500 and 2 <= rows <= 300):
        raise BadArgument("A terminal has 2 to 500 columns and 2 to 300 rows.", field="cols")
    return columns, rows


async def _stored(folder: Path, offset: int) -> AsyncIterator[Output | Gap]:
    """Yield what a terminal showed that nobody holds any more."""
    while True:
        items = await asyncio.to_thread(read_spool, spool_folder(folder), offset, _PAGE_BYTES)
        if not items:
            return
        for item in items:
            yield item
            offset = item.end


async def _tell(viewer: _Viewer, kind: str, **fields: object) -> None:
    with contextlib.suppress(ConnectionResetError):
        await viewer.socket.send_str(orjson.dumps({"type": kind, **fields}).decode())


def _error(failure: BullpenError) -> dict[str, object]:
    return {"code": failure.code, "message": failure.message, "hint": failure.hint}


def _offset(text: str | None) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise BadArgument("`since` is a number of bytes.", field="since")
    return int(text)
