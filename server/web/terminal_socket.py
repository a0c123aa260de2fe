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
from server.terminals.record import spool_folder
from server.terminals.spool import Gap, Output, read_bounds, read_spool
from server.web.routes import json_object, json_response
from server.web.security import CALLER, add_route

TICKET_S = 30.0
LEASE_S = 120.0
"""Renewed by typing."""
SCROLLBACK_BYTES = 256 * 1024
LONGEST_INPUT = 64 * 1024
_PAGE_BYTES = 256 * 1024


@dataclass(frozen=True)
class _Ticket:
    agent: str
    caller: Caller
    may_type: bool
    expires: float


@dataclass(eq=False)
class _Viewer:
    caller: Caller
    socket: web.WebSocketResponse
    may_type: bool


@dataclass
class _Room:
    """Everybody who looks at one agent's terminal, and who of them has the keyboard."""

    viewers: set[_Viewer] = field(default_factory=set)
    holder: _Viewer | None = None
    until: float = 0.0


class TerminalSockets:
    """Tickets and sockets of all terminals."""

    def __init__(
        self,
        dispatch: Dispatch,
        agents_folder: Path,
        find: Callable[[str], Attachment | None],
        random: Callable[[int], bytes],
        clock: Callable[[], int],
    ) -> None:
        self._dispatch = dispatch
        self._agents_folder = agents_folder
        self._find = find
        self._random = random
        self._clock = clock
        self._tickets: dict[str, _Ticket] = {}
        self._rooms: dict[str, _Room] = {}

    def add_to(self, app: web.Application) -> None:
        add_route(app, "POST", "/api/agents/{name}/terminal/ticket", self._issue, WATCH_TERMINALS)
        add_route(app, "GET", "/ws/terminal", self._connect, WATCH_TERMINALS)

    async def close(self) -> None:
        """End every socket: browsers come back by themselves."""
        for room in list(self._rooms.values()):
            for viewer in list(room.viewers):
                await viewer.socket.close(code=WSCloseCode.GOING_AWAY)

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
        room = self._rooms.setdefault(ticket.agent, _Room())
        viewer = _Viewer(ticket.caller, socket, ticket.may_type)
        room.viewers.add(viewer)
        showing = asyncio.create_task(self._show(ticket.agent, room, viewer, since))
        try:
            async for message in socket:
                if message.type is not WSMsgType.TEXT:
                    continue
                try:
                    await self._on_message(ticket.agent, room, viewer, message)
                except BullpenError as failure:
                    await _tell(viewer, "error", **_error(failure))
        finally:
            showing.cancel()
            await asyncio.gather(showing, return_exceptions=True)
            await self._leave(ticket.agent, room, viewer)
        return socket

    async def _show(self, agent: str, room: _Room, viewer: _Viewer, since: int | None) -> None:
        """Send what the terminal has shown since an offset, then what it shows, until the run ends."""
        folder = self._agents_folder / agent
        attachment = self._find(agent)
        bounds = await asyncio.to_thread(read_bounds, spool_folder(folder))
        start = since if since is not None and since <= bounds.end else max(bounds.base, bounds.end - SCROLLBACK_BYTES)
        size = (attachment.welcome.columns, attachment.welcome.rows) if attachment is not None else (120, 40)
        await _tell(
            viewer, "hello", cols=size[0], rows=size[1], offset=start, mode="input" if viewer.may_type else "view",
            holder=room.holder.caller.name if room.holder else None,
        )  # fmt: skip
        output = _stored(folder, start) if attachment is None else attachment.read_output(start)
        reason, code = "not running", None
        try:
            async with contextlib.aclosing(output):  # type: ignore[type-var]
                async for item in output:
                    if isinstance(item, Gap):
                        await _tell(viewer, "gap", **{"from": item.start, "to": item.end})
                    else:
                        await viewer.socket.send_bytes(struct.pack(">Q", item.offset) + item.data)
            if attachment is not None:
                end = await attachment.wait_until_exit()
                reason, code = end.reason, end.code
        except (HolderLost, HolderFailed):
            reason = "the connection to the agent's terminal was lost"
        await _tell(viewer, "exit", code=code, reason=reason)
        await viewer.socket.close()

    async def _on_message(self, agent: str, room: _Room, viewer: _Viewer, message: WSMessage) -> None:
        try:
            frame = orjson.loads(message.data)
            kind = frame["type"]
        except (orjson.JSONDecodeError, TypeError, KeyError):
            raise BadArgument("A frame is a JSON object with a type.") from None
        if kind == "take":
            await self._take(agent, room, viewer, force=bool(frame.get("force")))
        elif kind == "release" and room.holder is viewer:
            await self._hand_over(room, None)
        elif kind in ("in", "resize"):
            await self._act(agent, room, viewer, frame)

    async def _take(self, agent: str, room: _Room, viewer: _Viewer, *, force: bool) -> None:
        if not viewer.may_type:
            raise NotAllowed("This terminal was opened to look at.", hint="Open it for input.")
        held = room.holder is not None and room.holder is not viewer and room.until > time.monotonic()
        if held and not force:
            assert room.holder is not None
            raise NotAllowed(f"{room.holder.caller.name} has the keyboard.", hint="Wait, or let the chairman take it.")
        await self._dispatch.run(
            self._dispatch.registry["take_terminal"],
            viewer.caller,
            {"name": agent, "forced": held},
            door="dashboard",
        )
        await self._hand_over(room, viewer)

    async def _act(self, agent: str, room: _Room, viewer: _Viewer, frame: dict[str, Any]) -> None:
        if room.holder is not viewer or room.until <= time.monotonic():
            raise NotAllowed("You do not have the keyboard.", hint="Take it first.")
        attachment = self._find(agent)
        if attachment is None:
            raise BadArgument("The agent is not running.", hint="Start it.")
        try:
            if frame["type"] == "in":
                text = frame.get("data")
                if not isinstance(text, str) or len(text) > LONGEST_INPUT:
                    raise BadArgument("`data` is text of at most 64 KiB.", field="data")
                room.until = time.monotonic() + LEASE_S
                await attachment.write(text.encode("utf-8", "surrogatepass"))
            else:
                cols, rows = frame.get("cols"), frame.get("rows")
                if (
                    not isinstance(cols, int)
                    or not isinstance(rows, int)
                    or not (2 <= cols <= 500 and 2 <= rows <= 300)
                ):
                    raise BadArgument("A terminal has 2 to 500 columns and 2 to 300 rows.", field="cols")
                await attachment.resize(cols, rows)
        except (HolderLost, HolderFailed, InputFull) as failure:
            raise BadArgument(f"Nothing was typed: {failure}") from None

    async def _leave(self, agent: str, room: _Room, viewer: _Viewer) -> None:
        room.viewers.discard(viewer)
        if room.holder is viewer:
            await self._hand_over(room, None)
        if not room.viewers:
            self._rooms.pop(agent, None)

    async def _hand_over(self, room: _Room, holder: _Viewer | None) -> None:
        room.holder, room.until = holder, time.monotonic() + LEASE_S
        name = None if holder is None else holder.caller.name
        until = None if holder is None else iso(self._clock() + round(LEASE_S * 1000))
        for viewer in list(room.viewers):
            await _tell(viewer, "lock", holder=name, mine=viewer is holder, until=until)


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
