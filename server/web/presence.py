"""Who is there: derived from open streams and live processes whenever it is asked, and stored nowhere."""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson
from aiohttp import web

from server.core.call import SYSTEM_CALLER
from server.core.event import TEAM, StoredEvent
from server.core.moment import iso
from server.core.permission import READ
from server.dispatch import Dispatch
from server.events.feed import Feed, Filter
from server.web.routes import json_response
from server.web.security import add_route
from server.web.stream import Reader

LEAVES_AFTER_S = 2.0
"""Without a stream for so long one is gone: a page that is loaded anew is not."""
TOLD_EVERY_S = 0.25
"""Changes in that time are told together: a whole team may come back at once."""
_RUNNING = ("ready", "degraded", "blocked", "starting", "stopping")


@dataclass(frozen=True, slots=True)
class Presence:
    """Whether one member is there, and how that is known."""

    member: str
    state: str
    """online | offline"""
    evidence: tuple[str, ...]
    """stream | bridge | process"""
    since: str | None
    """When it changed, as far as this server has seen it."""


class Attendance:
    """Follows who is there, and tells the team when that changes."""

    def __init__(self, dispatch: Dispatch, feed: Feed, clock: Callable[[], int]) -> None:
        self._dispatch = dispatch
        self._feed = feed
        self._clock = clock
        self._streams: Counter[tuple[str, str]] = Counter()
        self._running: set[str] = set()
        self._leaving: dict[tuple[str, str], asyncio.TimerHandle] = {}
        self._known: dict[str, Presence] = {}
        self._changed: set[str] = set()
        self._telling: asyncio.TimerHandle | None = None

    async def open(self) -> None:
        """Take in which agents run, and follow them from now on."""
        self._feed.listen(Filter(kinds=frozenset({"agent.status", "agent.created"})), self._agent_changed)
        found = await self._dispatch.as_system("list_agents")
        self._running = {agent.name for agent in found.agents if agent.state in _RUNNING}

    def close(self) -> None:
        for timer in (*self._leaving.values(), *([self._telling] if self._telling else [])):
            timer.cancel()

    def add_to(self, app: web.Application) -> None:
        add_route(app, "GET", "/api/presence", self._show, READ)

    def stream_changed(self, reader: Reader, present: bool) -> None:
        """Take in that a stream was opened or has ended."""
        key = (reader.caller.name, "bridge" if reader.client == "bridge" else "stream")
        if present:
            self._streams[key] += 1
            leaving = self._leaving.pop(key, None)
            if leaving is not None:
                leaving.cancel()
            self._look_at(key[0])
            return
        self._streams[key] -= 1
        if self._streams[key] == 0:
            loop = asyncio.get_running_loop()
            self._leaving[key] = loop.call_later(LEAVES_AFTER_S, self._left, key)

    def presence_of(self, member: str) -> Presence:
        """Return whether a member is there now."""
        evidence = [source for source in ("stream", "bridge") if (member, source) in self._streams]
        if member in self._running:
            evidence.append("process")
        known = self._known.get(member)
        return Presence(
            member, "online" if evidence else "offline", tuple(evidence), None if known is None else known.since
        )

    async def _show(self, request: web.Request) -> web.StreamResponse:
        operation = self._dispatch.registry["list_members"]
        found = (await self._dispatch.run(operation, SYSTEM_CALLER, {}, door="server")).value
        rows = [self.presence_of(member.name) for member in found.members if not member.retired]
        return json_response({"presence": rows})

    def _left(self, key: tuple[str, str]) -> None:
        self._leaving.pop(key, None)
        del self._streams[key]
        self._look_at(key[0])

    def _agent_changed(self, event: StoredEvent) -> None:
        agent: dict[str, Any] = orjson.loads(event.body)["agent"]
        name = agent["name"]
        if (agent["state"] in _RUNNING) != (name in self._running):
            self._running ^= {name}
            self._look_at(name)

    def _look_at(self, member: str) -> None:
        now, before = self.presence_of(member), self._known.get(member)
        if before is not None and (before.state, before.evidence) == (now.state, now.evidence):
            return
        same = before is not None and before.state == now.state
        since = before.since if before is not None and same else iso(self._clock())
        self._known[member] = Presence(member, now.state, now.evidence, since)
        if not same:
            self._changed.add(member)
            if self._telling is None:
                self._telling = asyncio.get_running_loop().call_later(TOLD_EVERY_S, self._tell)

    def _tell(self) -> None:
        self._telling = None
        rows = [self.presence_of(member) for member in sorted(self._changed)]
        self._changed.clear()
        self._feed.tell(TEAM, "presence", orjson.dumps({"kind": "presence", "presence": rows}))
