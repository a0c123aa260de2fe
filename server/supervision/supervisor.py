"""All agents of an office: follows what is asked and owed, and hands it to the one desk that it concerns."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson

from server.config import AgentConfig
from server.core.event import StoredEvent
from server.dispatch import Dispatch
from server.events.feed import Feed, Filter
from server.supervision.desk import AgentDesk
from server.supervision.kinds.catalogue import KINDS
from server.supervision.kinds.kind import Kind
from server.supervision.launch import Premises
from server.supervision.prompt_text import find_push_ids
from server.supervision.relay import RESTARTED
from server.supervision.start_gate import StartGate
from server.terminals.attachment import Attachment

logger = logging.getLogger(__name__)

_FOLLOWED = Filter(kinds=frozenset({"agent.asked", "agent.held", "message.delivery", "approval.changed"}))


class Supervisor:
    """Keeps every configured agent as it is wanted."""

    def __init__(
        self,
        agents: Sequence[AgentConfig],
        premises: Premises,
        dispatch: Dispatch,
        feed: Feed,
        random: Callable[[int], bytes],
        kinds: Mapping[str, Kind] = KINDS,
    ) -> None:
        self._dispatch = dispatch
        self._feed = feed
        self._holding: asyncio.Queue[tuple[AgentDesk, str]] = asyncio.Queue()
        gate = StartGate()
        self._desks = {
            agent.name: AgentDesk(agent, kinds[agent.kind], premises, dispatch, feed, gate, random) for agent in agents
        }

    async def open(self, tasks: asyncio.TaskGroup, *, starts: bool = True) -> list[asyncio.Task[None]]:
        """Take over what is there from before, then act. Returns the tasks that the caller must cancel."""
        self._feed.listen(_FOLLOWED, self._on_event)
        await self._dispatch.as_system("close_unheld_requests", comment=RESTARTED)
        running: list[asyncio.Task[None]] = []
        for desk in self._desks.values():
            await desk.open(starts=starts)
            running.append(tasks.create_task(desk.run(), name=f"desk of {desk.name}"))
            running.append(tasks.create_task(desk.courier.run(), name=f"courier of {desk.name}"))
        running.append(tasks.create_task(self._hold(), name="holding of agents"))
        return running

    async def close(self) -> None:
        """Let go of every agent, leaving it as it is."""
        await asyncio.gather(*(desk.close() for desk in self._desks.values()))

    async def stop_agents(self) -> None:
        """Stop every agent gracefully, and wait. What is wanted of them stays: the next start brings them back."""
        await asyncio.gather(*(desk.stop_for_now() for desk in reversed(self._desks.values())))

    def terminal_of(self, name: str) -> Attachment | None:
        """Return the hold on a running agent's terminal, or None."""
        desk = self._desks.get(name)
        return None if desk is None else desk.attachment

    async def receive_hook(self, name: str, run_id: str | None, payload: Mapping[str, Any]) -> Mapping[str, object]:
        """Take one hook call of an agent's CLI; what an earlier run says is refused. Raises Conflict."""
        desk = self._desks.get(name)
        if desk is None:
            return {}
        desk.require_present_run(run_id)
        meaning = desk.kind.read_hook(payload)
        if meaning.ended is not None:
            await desk.relay.tool_ended(meaning.ended)
        if meaning.prompt is not None:
            await desk.courier.prompt_seen(find_push_ids(meaning.prompt))
        if meaning.edited is not None:
            await desk.report_edit(meaning.edited)
        if meaning.asked is not None:
            return await desk.hold_for_a_person(meaning, payload)
        if meaning.activity is not None:
            await desk.sight.hear(meaning.activity, meaning.children)
        if meaning.context is not None:
            text = await desk.courier.context_for_hook(begins_turn=meaning.begins_turn)
            if text is not None:
                return meaning.context(text)
        return meaning.answer

    def receive_call(self, name: str, run_id: str | None, tool: str) -> None:
        """Take note that an agent has called a tool of the team: it works, however little its CLI tells."""
        desk = self._desks.get(name)
        if desk is not None and desk.is_of_present_run(run_id):
            desk.called(tool)

    async def receive_push_report(self, name: str, run_id: str | None, payload: Mapping[str, Any]) -> None:
        """Take what a bridge says of a push that it was to hand over. Raises Conflict for one of an earlier run."""
        desk = self._desks.get(name)
        if desk is None:
            return
        desk.require_present_run(run_id)
        if payload.get("ok") is False:
            desk.courier.push_refused(str(payload.get("id")))

    def bridge_changed(self, name: str, run_id: str, present: bool) -> None:
        """Take note that an agent's bridge has come or gone."""
        desk = self._desks.get(name)
        if desk is not None:
            desk.bridge_changed(run_id, present)

    async def _hold(self) -> None:
        """Do to each agent what was asked, in order, until cancelled."""
        while True:
            desk, action = await self._holding.get()
            try:
                await desk.held(action)
            except Exception:
                logger.exception("agent %s: %s could not be done", desk.name, action)

    def _on_event(self, event: StoredEvent) -> None:
        body = orjson.loads(event.body)
        if event.kind == "agent.asked":
            desk = self._desks.get(body["agent"])
            if desk is not None:
                desk.asked(body["action"], body["reason"], event.actor)
        elif event.kind == "agent.held":
            desk = self._desks.get(body["agent"])
            if desk is not None:
                self._holding.put_nowait((desk, body["action"]))
        elif event.kind == "approval.changed":
            desk = self._desks.get(body["approval"]["asker"])
            if desk is not None and body["approval"]["run_id"] is not None:
                desk.relay.decided(body["approval"])
        elif body["receipt"]["state"] == "stored":
            desk = self._desks.get(body["receipt"]["recipient"])
            if desk is not None:
                desk.courier.wake()
