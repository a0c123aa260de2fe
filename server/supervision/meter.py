"""The meter of one agent: reads what its CLI wrote down of its use, and has it counted. It decides nothing."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import asdict

import orjson

from server.config import AgentConfig
from server.core.event import TEAM
from server.dispatch import Dispatch
from server.events.feed import Feed
from server.features.usage.agents import AgentUsage
from server.features.usage.counting import Request, Window
from server.supervision.kinds.kind import Kind, Run, UsageReading

EVERY_S = 5.0
"""At most so often is an agent's use counted and told while it runs."""
LONGEST_STEP_S = 30.0
"""A longer time between two looks was no work but a sleep of the machine."""
TICK = "usage.tick"


class Meter:
    """Counts for one agent."""

    def __init__(
        self,
        agent: AgentConfig,
        kind: Kind,
        dispatch: Dispatch,
        feed: Feed,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._agent = agent
        self._kind = kind
        self._dispatch = dispatch
        self._feed = feed
        self._clock = clock
        self._marks: dict[str, int] | None = None
        self._counted = UsageReading()
        self._counted_at: float | None = None
        self._looked_at: float | None = None
        self._working_s = 0.0
        self._counting = asyncio.Lock()

    def begin(self) -> None:
        """Take note that a new run begins."""
        self._looked_at = None

    async def look(self, run: Run, *, is_working: bool) -> None:
        """Count, if there is anything new and the last time is long enough ago."""
        now = self._clock()
        if is_working and self._looked_at is not None:
            self._working_s += min(now - self._looked_at, LONGEST_STEP_S)
        self._looked_at = now
        if self._counted_at is None or now - self._counted_at >= EVERY_S:
            await self.count(run)

    async def count(self, run: Run) -> None:
        """Count what is new now: also what a run left behind that has ended."""
        async with self._counting:
            if self._marks is None:
                self._marks = await self._dispatch.as_system("list_usage_marks", name=self._agent.name)
            reading = await asyncio.to_thread(self._kind.read_usage, run, self._marks)
            working_ms = round(self._working_s * 1000)
            if not working_ms and not self._is_news(reading):
                return
            counted = await self._dispatch.as_system(
                "count_usage",
                name=self._agent.name,
                run_id=run.run_id,
                billing=self._kind.billing(self._agent),
                requests=[Request(**asdict(record)) for record in reading.requests],
                marks=dict(reading.marks),
                cost_total=None if reading.cost_total_usd is None else round(reading.cost_total_usd * 1_000_000),
                cost_model=reading.cost_model,
                working_ms=working_ms,
                context_percent=reading.context_percent,
                context_size=reading.context_size,
                compactions=reading.compactions,
                windows=None if reading.limits is None else [Window(**asdict(limit)) for limit in reading.limits],
            )
            self._marks.update(reading.marks)
            self._working_s = max(0.0, self._working_s - working_ms / 1000)
            self._counted, self._counted_at = reading, self._clock()
            self._tell(counted)

    def _is_news(self, reading: UsageReading) -> bool:
        shown = (reading.cost_total_usd, reading.context_percent, reading.limits)
        counted = self._counted
        return bool(reading.marks) or shown != (counted.cost_total_usd, counted.context_percent, counted.limits)

    def _tell(self, usage: AgentUsage) -> None:
        """Show it to those who look. It would fill the log, so it is not in it: who missed it asks for what is kept."""
        self._feed.tell(TEAM, TICK, orjson.dumps({"kind": TICK, "usage": usage}))
