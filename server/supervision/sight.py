"""What one agent is seen and heard to do: puts the judgement on record, and does what agents.yaml wants done about it.

The judging itself is in `activity`, without a clock; here are the clock, the record, and the deeds.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from server.config import AgentConfig
from server.core.moment import milliseconds
from server.dispatch import Dispatch, wall_clock
from server.features.agents import Agent
from server.supervision.activity import LASTING, Judgement, judge, pass_time
from server.supervision.kinds.kind import Activity, Kind
from server.supervision.limit_reset import limit_reset_at

_GO_ON = "The limit of your model service should be over. Go on with what you were doing when it stopped you."


class Desk(Protocol):
    """What is asked of an agent's desk."""

    @property
    def has_bridge(self) -> bool: ...
    async def type_keys(self, writes: Sequence[bytes]) -> None: ...
    def restart(self, reason: str) -> None: ...
    def activity_changed(self) -> None: ...


class Sight:
    """The eyes and ears of one desk."""

    def __init__(self, agent: AgentConfig, kind: Kind, dispatch: Dispatch, desk: Desk) -> None:
        self._agent = agent
        self._kind = kind
        self._dispatch = dispatch
        self._desk = desk
        self._judgement = Judgement()
        self._published: Activity | None = None
        self._connected = False

    def begin(self, known: Agent | None = None) -> None:
        """Begin anew with a run; of one that is found running, take over what its CLI does not tell again."""
        self._judgement = Judgement() if known is None else _remembered(known)
        self._published, self._connected = None, False  # the record forgot the bridge with the run before

    async def hear(self, activity: Activity, children: int = 0) -> None:
        """Take what a hook or a call of a tool tells."""
        now = wall_clock()
        await self._show(judge(self._judgement, self._limited(activity, now), now, children))

    async def look(self, seen: Activity | None, *, is_asking: bool) -> None:
        """Take what a look at its record or its screen has shown, if anything, and the time that has passed."""
        now = wall_clock()
        judged = self._judgement if seen is None else judge(self._judgement, self._limited(seen, now), now)
        await self._show(pass_time(judged, now, self._agent.stall, is_asking=is_asking))

    def _limited(self, activity: Activity, now: int) -> Activity:
        """Add to a limit when it ends and what agents.yaml wants done, once for each limit."""
        if activity.activity != "limited" or activity.code != "rate_limit":
            return activity
        code = "held" if self._agent.on_rate_limit == "hold" else activity.code
        shown = self._judgement.shown
        if shown is not None and (shown.code, shown.reason) == (code, activity.reason):
            ends_at = shown.resets_at
        else:
            ends_at = activity.resets_at or limit_reset_at(activity.reason, now)
        return replace(activity, code=code, resets_at=ends_at)

    async def _show(self, judged: Judgement) -> None:
        self._judgement = judged
        shown, connected = judged.shown, self._desk.has_bridge
        if shown is None or (shown, connected) == (self._published, self._connected):
            return
        before, self._published, self._connected = self._published, shown, connected
        await self._dispatch.as_system(
            "report_activity",
            name=self._agent.name,
            activity=shown.activity,
            reason=shown.reason[:500],
            reason_code=shown.code,
            resets_at=shown.resets_at,
            source=shown.source,
            connected=connected,
        )
        self._desk.activity_changed()
        if before is None or (before.activity, before.code) != (shown.activity, shown.code):
            await self._act_upon(shown)

    async def _act_upon(self, shown: Activity) -> None:
        if shown.activity == "stalled" and self._agent.stall.action == "interrupt":
            await self._desk.type_keys(self._kind.interrupt)
        elif shown.activity == "stalled" and self._agent.stall.action == "restart":
            self._desk.restart(f"stalled: {shown.reason}")
        elif shown.code == "rate_limit" and self._agent.on_rate_limit == "stop":
            await self._dispatch.as_system("stop_agent", name=self._agent.name, reason=shown.reason[:500])
        elif shown.code == "limit_over" and self._agent.on_rate_limit == "wait_and_resume":
            await self._dispatch.as_system("send_dm", recipient=self._agent.name, content=_GO_ON)


def _remembered(agent: Agent) -> Judgement:
    if agent.activity_reason_code not in LASTING:
        return Judgement()
    since = milliseconds(agent.activity_since)
    resets_at = None if agent.resets_at is None else milliseconds(agent.resets_at)
    shown = Activity(
        agent.activity, agent.activity_reason, agent.activity_source, agent.activity_reason_code, resets_at
    )
    return Judgement(shown, since=since, sign_at=since)
