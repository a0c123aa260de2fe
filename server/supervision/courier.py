"""The courier of one agent: sees to it that what is owed reaches its model, and believes only proof.

What is sent to be read when the agent is free waits until it is idle; what is for its next step goes to it while it
works; for what interrupts, its turn is broken off first, and nothing else ever does that.

A push is offered at once, then at most every two seconds, with everything that has come meanwhile: the CLI drops what
goes beyond a burst of 30 and one per two seconds, silently. A push that no hook and no transcript proves is offered
again, by the next way, once the agent has had the time to read it.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import orjson

from server.core.event import member_audience
from server.core.names import message_id
from server.dispatch import Dispatch
from server.events.feed import Feed
from server.features.deliveries import NOTICE, Owed, Push
from server.supervision.prompt_text import PromptMessage, compose_notice, compose_push

logger = logging.getLogger(__name__)

PACE_S = 2.0
"""Between two pushes to one agent: the CLI's own bucket refills by one in that time."""
MERGED_AT_MOST = 50
GRACE_S = (6.0, 12.0, 30.0, 60.0)
"""Idle time without proof after which a push counts as lost, by attempts; the last holds for all further ones."""
PASTE_FROM_ATTEMPT = 2
"""Attempts by the CLI's own channel before a notice is typed at the prompt."""
LOOK_AGAIN_S = 1.0
BROKEN_OFF_WITHIN_S = 5.0
"""Until an interrupted agent says that it is idle; then the message goes to its next step."""
SOCKET, HOOK_CONTEXT = "socket", "hook_context"


class Desk(Protocol):
    """What a courier needs to know of its agent, and may ask of it."""

    name: str

    @property
    def ways(self) -> Sequence[str]: ...
    @property
    def is_ready(self) -> bool:
        """Its process is up, past its start screens."""

    @property
    def has_bridge(self) -> bool: ...

    is_paused: bool
    """What it is owed waits until somebody lets it go on."""

    async def is_idle(self) -> bool:
        """Say, read anew, whether it waits at its prompt now."""

    async def takes_notice(self) -> bool:
        """Say, read anew, whether a notice can be handed to it now."""

    async def give_notice(self, text: str) -> bool:
        """Hand a notice over, and tell whether it was."""

    async def break_off(self) -> bool:
        """Have it end its turn, whatever runs in it; False if its kind knows no way."""

    async def remembered(self, push_ids: Sequence[str]) -> frozenset[str]:
        """Return those of the pushes that stand in its stored conversation."""


@dataclass
class _Offer:
    push_id: str
    way: str
    attempts: int
    idle_since: float | None = None


class Courier:
    """Delivers to one agent until cancelled."""

    def __init__(
        self,
        desk: Desk,
        dispatch: Dispatch,
        feed: Feed,
        new_push_id: Callable[[], str],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._desk = desk
        self._dispatch = dispatch
        self._feed = feed
        self._new_push_id = new_push_id
        self._clock = clock
        self._woken = asyncio.Event()
        self._offers: dict[str, _Offer] = {}
        self._last_push = float("-inf")
        self._refused: set[str] = set()
        self._run_is_new = False
        self._has_looked = False
        self._broken_off: set[int] = set()
        """Deliveries for which its turn was broken off: once each."""
        self._handing_over = asyncio.Lock()

    def wake(self) -> None:
        """Say that something is owed, or that the agent's state has changed."""
        self._woken.set()

    def run_started(self) -> None:
        """Say that a new run begins: what the one before had not stored is owed again."""
        self._offers.clear()
        self._refused.clear()
        self._run_is_new = True
        self._has_looked = False
        self._woken.set()

    def push_refused(self, push_id: str) -> None:
        """Say that a push could not be handed over at all."""
        offer = self._offers.get(push_id)
        if offer is not None:
            self._refused.add(offer.push_id)
            self._woken.set()

    async def prompt_seen(self, push_ids: Sequence[str]) -> None:
        """Take the proof that these pushes entered the agent's turn."""
        for push_id in push_ids:
            offer = self._offers.get(push_id)
            if offer is not None and offer.way == NOTICE:
                offer.idle_since = None  # it has read what waits, and what it fetches is the proof
            else:
                self._offers.pop(push_id, None)
            await self._dispatch.as_system("mark_push_seen", recipient=self._desk.name, push_id=push_id, way="hook")
        self._woken.set()

    async def context_for_hook(self, *, begins_turn: bool) -> str | None:
        """Return what to put before the model in the answer to a hook of its turn, or None.

        It is for an agent whose socket cannot be reached. What waits until it is free comes only as a turn begins.
        """
        desk = self._desk
        if HOOK_CONTEXT not in desk.ways or self._has_socket or not desk.is_ready or self._handing_over.locked():
            return None
        async with self._handing_over:
            owed: list[Owed] = await self._dispatch.as_system("list_owed", recipient=desk.name, limit=MERGED_AT_MOST)
            due = [item for item in owed if item.push_id not in self._offers and (begins_turn or item.mode != "queue")]
            push_id = self._new_push_id()
            items = await self._record(push_id, due, HOOK_CONTEXT, 1) if due else []
        self._woken.set()
        return compose_push(push_id, [_prompt_message(item) for item in items]) if items else None

    async def run(self) -> None:
        """Deliver for ever. A failure is logged and tried again: what is owed stays owed."""
        while True:
            try:
                async with self._handing_over:
                    pause = await self.deliver()
            except Exception:
                logger.exception("the courier of %s failed and goes on", self._desk.name)
                pause = LOOK_AGAIN_S
            try:
                async with asyncio.timeout(pause):
                    await self._woken.wait()
            except TimeoutError:
                pass
            self._woken.clear()

    async def deliver(self) -> float | None:
        """Offer what can be offered now, and return when to look again (None: when woken)."""
        desk = self._desk
        if not desk.ways or not desk.is_ready or desk.is_paused:
            return None
        if not self._has_looked:
            await self._reconcile()
            self._has_looked = True
        owed: list[Owed] = await self._dispatch.as_system("list_owed", recipient=desk.name, limit=MERGED_AT_MOST)
        if not owed:
            self._offers.clear()
            return None
        await self._look_for_context()
        is_idle = await desk.is_idle()
        fresh = [item for item in owed if item.push_id not in self._offers and (is_idle or item.mode != "queue")]
        due = fresh or await self._lost(owed, is_idle)
        if not due:
            return LOOK_AGAIN_S
        breaking = {item.delivery for item in due if item.mode == "interrupt"} - self._broken_off
        if breaking and not is_idle:
            self._broken_off |= breaking
            await self._break_off()
        attempts = max(item.attempts for item in due)
        way = self._way(attempts)
        if way is None:
            return LOOK_AGAIN_S
        left = self._last_push + PACE_S - self._clock()
        if left > 0:
            return left
        if way == NOTICE and not await desk.takes_notice():
            return LOOK_AGAIN_S
        await self._offer(due, way, attempts + 1)
        return LOOK_AGAIN_S

    def _way(self, attempts: int) -> str | None:
        ways = self._desk.ways
        if self._has_socket and (attempts < PASTE_FROM_ATTEMPT or NOTICE not in ways):
            return SOCKET
        # Without a bridge a notice would only name tools that the agent has not got.
        return NOTICE if NOTICE in ways and self._desk.has_bridge else None

    @property
    def _has_socket(self) -> bool:
        return SOCKET in self._desk.ways and self._desk.has_bridge

    async def _break_off(self) -> None:
        """End the agent's turn, and wait until its own record says so."""
        if not await self._desk.break_off():
            return
        until = self._clock() + BROKEN_OFF_WITHIN_S
        while not await self._desk.is_idle():
            if self._clock() > until:
                logger.warning("%s was interrupted and is not idle: it is told at its next step", self._desk.name)
                return
            await asyncio.sleep(0.1)

    async def _look_for_context(self) -> None:
        """Take the proof of what was given with a tool's result: no hook tells of it, the transcript does."""
        given = [offer.push_id for offer in self._offers.values() if offer.way == HOOK_CONTEXT]
        for push_id in await self._desk.remembered(given) if given else ():
            del self._offers[push_id]
            await self._seen_in_transcript(push_id)

    async def _lost(self, owed: Sequence[Owed], idle: bool) -> list[Owed]:
        """Return what was pushed and is provably not there, or was not proved although the agent had the time."""
        lost: set[str] = set()
        for offer in self._offers.values():
            if offer.push_id in self._refused:
                lost.add(offer.push_id)
            elif not idle:
                offer.idle_since = None  # it reads at its next tool boundary
            elif offer.idle_since is None:
                offer.idle_since = self._clock()
            elif self._clock() - offer.idle_since >= GRACE_S[min(offer.attempts, len(GRACE_S)) - 1]:
                lost.add(offer.push_id)
        if not lost:
            return []
        there = await self._desk.remembered(sorted(lost))
        for push_id in there:
            await self._seen_in_transcript(push_id)
        for push_id in lost:
            del self._offers[push_id]
        self._refused -= lost
        return [item for item in owed if item.push_id in lost - there]

    async def _reconcile(self) -> None:
        """Compare what was pushed earlier with what the agent's stored conversation holds.

        A hook can have been missed while the server was away; a turn can have been lost with the agent's process. What
        was handed to a process that still runs may yet come up in its turn: it is given time like any other push.
        """
        pushes: list[Push] = await self._dispatch.as_system("list_pushes", recipient=self._desk.name)
        there = await self._desk.remembered([push.push_id for push in pushes]) if pushes else frozenset()
        for push in pushes:
            if push.push_id in there:
                if push.state == "pushed":
                    await self._seen_in_transcript(push.push_id)  # nothing, if it was a notice
            elif not self._run_is_new:
                if push.state == "pushed":
                    self._offers[push.push_id] = _Offer(push.push_id, push.way, 1)
            else:
                await self._dispatch.as_system("mark_push_lost", recipient=self._desk.name, push_id=push.push_id)

    async def _seen_in_transcript(self, push_id: str) -> None:
        await self._dispatch.as_system("mark_push_seen", recipient=self._desk.name, push_id=push_id, way="transcript")

    async def _offer(self, due: Sequence[Owed], way: str, attempts: int) -> None:
        push_id = self._new_push_id()
        items = await self._record(push_id, due, way, attempts)
        if not items:
            return
        self._last_push = self._clock()
        messages = [_prompt_message(item) for item in items]
        if way == NOTICE:
            if not await self._desk.give_notice(compose_notice(push_id, messages)):  # a moment ago is not now
                self._refused.add(push_id)
            return
        body = {
            "id": push_id,
            "text": compose_push(push_id, messages),
            "message_ids": [message_id(item.message) for item in items],
        }
        if not self._feed.tell(member_audience(self._desk.name), "push", orjson.dumps(body)):
            self._refused.add(push_id)

    async def _record(self, push_id: str, due: Sequence[Owed], way: str, attempts: int) -> list[Owed]:
        """Put a push on record and return what is in it, as it reads now: what was read meanwhile is not.

        Recorded first: a push that is out but not on record would be taken for never made.
        """
        numbers = [item.message for item in due]
        self._offers[push_id] = _Offer(push_id, way, attempts)
        await self._dispatch.as_system(
            "mark_pushed", recipient=self._desk.name, messages=numbers, way=way, push_id=push_id
        )
        owed: list[Owed] = await self._dispatch.as_system("list_owed", recipient=self._desk.name, limit=MERGED_AT_MOST)
        items = [item for item in owed if item.push_id == push_id]
        if not items:
            del self._offers[push_id]
        return items


def _prompt_message(item: Owed) -> PromptMessage:
    channel = f"dm:{item.sender}" if item.channel.startswith("dm:") else f"#{item.channel}"
    return PromptMessage(
        id=message_id(item.message),
        channel=channel,
        sender=item.sender,
        sender_kind=item.sender_kind,
        sender_role=item.sender_role,
        content=item.content,
        reply_to=None if item.reply_to is None else message_id(item.reply_to),
    )
