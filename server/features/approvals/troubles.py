"""Trouble: what keeps an agent from going on, and needs a person. Told once, and over when the trouble is.

What is trouble follows from the agent's own row, so that it can be worked out anew at any time, also after a crash.
"""

from dataclasses import dataclass

from server.core.call import Call, Caller
from server.core.moment import milliseconds
from server.core.operation import command
from server.core.permission import SYSTEM
from server.features.agents import Agent, all_agents
from server.features.approvals.model import TROUBLES, Approval, ApprovalChanged, ApprovalCreated, close_approval
from server.features.approvals.queue import ask

SETTLES_MS = 3000
"""A dialog is on its way to us by its hook for a moment; only one that stays is told by what the screen shows."""
_NEVER = 2**53
_SIGN_IN_CODES = frozenset({"login", "account", "billing", "trust", "model"})


@dataclass(frozen=True, slots=True)
class Trouble:
    """One reason why an agent does not get on."""

    kind: str
    summary: str
    details: str
    since: str


@command(allow=SYSTEM, emits=[ApprovalCreated, ApprovalChanged], timed=True)
def settle_troubles(call: Call) -> int | None:
    """Open an item for every agent that is in trouble, and close those whose trouble is over."""
    relayed_at = {
        row["asker"]: row["at"]
        for row in call.transaction.all(
            "SELECT asker, max(coalesce(decided_at, :never)) AS at FROM approval WHERE run_id IS NOT NULL"
            " GROUP BY asker",
            {"never": _NEVER},
        )
    }
    due: list[int] = []
    open_rows = {
        row["asker"]: row
        for row in call.transaction.all("SELECT * FROM approval WHERE status = 'pending' AND origin IS NOT NULL")
        if row["kind"] in TROUBLES
    }
    for agent in all_agents(call.transaction):
        trouble = trouble_of(agent)
        if trouble is not None and trouble.kind == "terminal":
            told_at = max(milliseconds(trouble.since), relayed_at.get(agent.name, 0)) + SETTLES_MS
            if told_at > call.now:
                trouble = None
                if told_at < _NEVER:
                    due.append(told_at)
        origin = None if trouble is None else f"{trouble.kind} {agent.name} {milliseconds(trouble.since)}"
        row = open_rows.get(agent.name)
        if row is not None and row["origin"] != origin:
            close_approval(call, row, _ended(agent))
        if trouble is not None and origin is not None:
            _open(call, agent, trouble, origin)
    return min(due, default=None)


def trouble_of(agent: Agent) -> Trouble | None:
    """Return what keeps an agent from going on and needs a person, or None."""
    if agent.state == "fatal":
        tail = "" if agent.last_exit is None else agent.last_exit.tail
        return Trouble("failure", f"has failed and is left alone: {agent.reason}", tail, agent.since)
    if agent.state not in ("ready", "degraded", "starting"):
        return None
    code, since = agent.activity_reason_code, agent.activity_since
    if agent.activity == "needs_you" and code in _SIGN_IN_CODES:
        return Trouble("login", f"cannot go on: {agent.activity_reason}", "", since)
    if agent.activity == "needs_you":
        return Trouble("terminal", f"waits in its terminal: {agent.activity_reason}", "", since)
    if agent.activity == "stalled":
        return Trouble("stall", f"has stalled: {agent.activity_reason}", "", since)
    if agent.activity == "limited" and code == "held":
        return Trouble("limit", f"is limited and held: {agent.activity_reason}", "", since)
    return None


def _open(call: Call, agent: Agent, trouble: Trouble, origin: str) -> Approval | None:
    known = call.transaction.one("SELECT 1 FROM approval WHERE origin = :origin", {"origin": origin})
    if known is not None:
        return None
    return ask(
        call.acting_as(Caller(agent.name, "agent", agent.role)), trouble.kind, summary=trouble.summary[:300],
        details=trouble.details, expires_s=None, origin=origin,
    )  # fmt: skip


def _ended(agent: Agent) -> str:
    now = agent.activity if agent.state == "ready" else agent.state
    return f"over: {agent.name} is {now.replace('_', ' ')}"
