"""Counting: what a CLI wrote down of its requests, or an agent reports of itself, each once, for whatever it works at.

Nothing is counted twice, over restarts of the server, the agent or its CLI: a request is a row under its own id, a
counter keeps its last total, and how far each record was read is stored with what was read from it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import orjson
from pydantic import Field

from server.core.call import Call
from server.core.event import Event, event
from server.core.names import Line
from server.core.operation import command, query
from server.core.permission import SPEAK, SYSTEM
from server.features.agents import AgentAsked, AgentStatus
from server.features.approvals.model import ApprovalCreated
from server.features.holding import AgentHeld
from server.features.messages.sending import NOTICE_EVENTS
from server.features.usage.agents import AgentUsage, usage_of_agent
from server.features.usage.budgets import BudgetExceeded, BudgetWarned
from server.features.usage.exceeding import hold_to_budget
from server.features.usage.model import MICRO, Billing, Tokens

SLOT_MS = 300_000
"""What is only counted, not told request by request, is kept in slices of so long."""

BUDGET_EVENTS = (BudgetWarned, BudgetExceeded, ApprovalCreated, AgentAsked, AgentHeld, AgentStatus, *NOTICE_EVENTS)


@dataclass(frozen=True, slots=True)
class Request:
    """One request of a model, as its CLI recorded it."""

    key: str
    """Its own id: what is told again under it replaces what was told before."""
    model: str
    at: int
    """UTC milliseconds."""
    input_tokens: Tokens
    output_tokens: Tokens
    cache_read_tokens: Tokens = 0
    cache_write_tokens: Tokens = 0
    priced: bool = False
    """Its cost comes by a counter of the run, or is known by itself."""
    cost: int | None = None
    """Millionths of a dollar."""


@dataclass(frozen=True, slots=True)
class Window:
    """One limit of an account: how much of it is used, and when it begins anew."""

    name: str
    used_percent: float
    resets_at: int | None
    length_s: int | None


@event("usage.reported")
class UsageReported(Event):
    """An agent told what it has used."""

    agent: str
    model: str
    tokens: int
    cost_usd: float | None


@query(allow=SYSTEM)
def list_usage_marks(call: Call, *, name: str) -> dict[str, int]:
    """How far each record of an agent was read."""
    rows = call.transaction.all("SELECT source, value FROM usage_mark WHERE agent = :name", {"name": name})
    return {row["source"]: row["value"] for row in rows}


@command(allow=SYSTEM, emits=BUDGET_EVENTS)
def count_usage(
    call: Call,
    *,
    name: str,
    run_id: str,
    billing: Billing,
    requests: Sequence[Request] = (),
    marks: dict[str, int] = {},  # noqa: B006 (never changed)
    cost_total: int | None = None,
    cost_model: str = "",
    working_ms: int = 0,
    context_percent: float | None = None,
    context_size: int | None = None,
    compactions: int = 0,
    windows: Sequence[Window] | None = None,
) -> AgentUsage:
    """Count what an agent's CLI wrote down since it was last read, and hold the agent to its budget."""
    for request in requests:
        _put(call, name, run_id, held_at(call, name, request.at), billing, request)
    held = held_at(call, name, max((request.at for request in requests), default=call.now))
    if cost_total is not None:
        _add_cost(call, name, run_id, held, billing, cost_total, cost_model)
    if working_ms:
        _add(call, name, run_id, held, billing, "", {"working_ms": working_ms})
    for source, value in marks.items():
        _mark(call, name, source, value)
    call.transaction.run(
        "INSERT INTO usage_now (agent, context_percent, context_size, compactions, windows, at)"
        " VALUES (:agent, :percent, :size, :compactions, coalesce(:windows, '[]'), :now) ON CONFLICT (agent)"
        " DO UPDATE SET context_percent = coalesce(:percent, context_percent),"
        " context_size = coalesce(:size, context_size), compactions = compactions + :compactions,"
        " windows = coalesce(:windows, windows), at = :now",
        {
            "agent": name,
            "percent": context_percent,
            "size": context_size,
            "compactions": compactions,
            "windows": None if windows is None else orjson.dumps(list(windows)).decode(),
            "now": call.now,
        },
    )
    hold_to_budget(call, name, held.task)
    return usage_of_agent(call, name)


@command("POST /api/usage", allow=SPEAK, status=201, emits=(UsageReported, *BUDGET_EVENTS))
def report_usage(
    call: Call,
    *,
    model: Line,
    input_tokens: Tokens,
    output_tokens: Tokens,
    cache_read_tokens: Tokens = 0,
    cache_write_tokens: Tokens = 0,
    cost_usd: Annotated[float | None, Field(ge=0, le=10**6, description="What it cost; without it: not known.")] = None,
    request_id: Annotated[str, Field(max_length=200, description="Told twice under one id, it counts once.")] = "",
    billing: Billing = "unknown",
) -> AgentUsage:
    """Report what you have used: tokens of one request, or of several together, since your last report."""
    name = call.caller.name
    cost = None if cost_usd is None else round(cost_usd * MICRO)
    request = Request(
        f"own:{request_id or call.call_id}",
        model,
        call.now,
        input_tokens,
        output_tokens,
        cache_read_tokens,
        cache_write_tokens,
        priced=cost is not None,
        cost=cost,
    )
    held = held_at(call, name, call.now)
    _put(call, name, call.caller.run_id, held, billing, request)
    tokens = input_tokens + output_tokens + cache_read_tokens + cache_write_tokens
    call.emit(UsageReported(name, model, tokens, cost_usd), subject=name)
    hold_to_budget(call, name, held.task)
    return usage_of_agent(call, name)


@dataclass(frozen=True, slots=True)
class Held:
    """What a member worked at: a task, and which of the times that it was held."""

    task: int | None
    claim: int | None


def held_at(call: Call, name: str, at: int) -> Held:
    """Return the task that a member held at a moment: of several, the one it took last."""
    row = call.transaction.one(
        "SELECT task, claim FROM task_run WHERE member = :name AND began_at <= :at"
        " AND (ended_at IS NULL OR ended_at >= :at) ORDER BY began_at DESC, task DESC LIMIT 1",
        {"name": name, "at": at},
    ) or call.transaction.one(
        "SELECT id AS task, NULL AS claim FROM task WHERE assignee = :name AND status = 'doing'"
        " AND deleted_at IS NULL AND updated_at <= :at ORDER BY updated_at DESC LIMIT 1",
        {"name": name, "at": at},
    )
    return Held(None, None) if row is None else Held(row["task"], row["claim"])


def _put(call: Call, agent: str, run_id: str | None, held: Held, billing: Billing, request: Request) -> None:
    """Store a request, or its later figures; it stays with the task and run it was first seen in."""
    call.transaction.run(
        "INSERT INTO usage (agent, key, run_id, task, claim, model, billing, at, input_tokens, output_tokens,"
        " cache_read_tokens, cache_write_tokens, requests, cost, priced) VALUES (:agent, :key, :run_id, :task, :claim,"
        " :model, :billing, :at, :input, :output, :cache_read, :cache_write, 1, :cost, :priced)"
        " ON CONFLICT (agent, key) DO UPDATE SET input_tokens = :input, output_tokens = :output,"
        " cache_read_tokens = :cache_read, cache_write_tokens = :cache_write, cost = :cost, priced = :priced",
        {
            "agent": agent,
            "key": request.key,
            "run_id": run_id,
            "task": held.task,
            "claim": held.claim,
            "model": request.model,
            "billing": billing,
            "at": min(request.at, call.now),
            "input": request.input_tokens,
            "output": request.output_tokens,
            "cache_read": request.cache_read_tokens,
            "cache_write": request.cache_write_tokens,
            "cost": request.cost,
            "priced": int(request.priced),
        },
    )


def _add_cost(call: Call, agent: str, run_id: str, held: Held, billing: Billing, total: int, model: str) -> None:
    """Add what a run's own counter of cost has grown by; one that fell has begun anew, with a new process."""
    source = f"cost:{run_id}"
    row = call.transaction.one(
        "SELECT value FROM usage_mark WHERE agent = :agent AND source = :source", {"agent": agent, "source": source}
    )
    known = 0 if row is None else row["value"]
    grown = total - known if total >= known else total
    if grown:
        _add(call, agent, run_id, held, billing, model, {"cost": grown})
    if total != known:
        _mark(call, agent, source, total)


def _add(call: Call, agent: str, run_id: str, held: Held, billing: Billing, model: str, grown: dict[str, int]) -> None:
    """Add to what a slice of a run's time has used for one task."""
    slot = call.now - call.now % SLOT_MS
    (column,) = grown
    call.transaction.run(
        "INSERT INTO usage (agent, key, run_id, task, claim, model, billing, at, priced, "  # noqa: S608 (a name of ours)
        f"{column}) VALUES (:agent, :key, :run_id, :task, :claim, :model, :billing, :slot, 1, :grown)"
        f" ON CONFLICT (agent, key) DO UPDATE SET {column} = coalesce({column}, 0) + :grown",
        {
            "agent": agent,
            "key": f"{column}:{run_id}:{slot}:{held.task}:{held.claim}:{billing}:{model}",
            "run_id": run_id,
            "task": held.task,
            "claim": held.claim,
            "model": model,
            "billing": billing,
            "slot": slot,
            "grown": grown[column],
        },
    )


def _mark(call: Call, agent: str, source: str, value: int) -> None:
    call.transaction.run(
        "INSERT INTO usage_mark (agent, source, value) VALUES (:agent, :source, :value)"
        " ON CONFLICT (agent, source) DO UPDATE SET value = :value",
        {"agent": agent, "source": source, "value": value},
    )
