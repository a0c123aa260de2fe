"""Budgets: what an agent may cost a day, a month or a task, in money or in time; and how it stands."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Literal

import orjson
from pydantic import AfterValidator, Field

from server.core.amount import Amount, parse_amount, write_amount
from server.core.call import Call, Row
from server.core.event import Event, event
from server.core.moment import iso
from server.core.names import Cursor, Limit, MemberName
from server.core.operation import command, query
from server.core.permission import MANAGE_BUDGETS, READ, SYSTEM
from server.features.agents import find_agent
from server.features.usage.model import day_begin, day_of, month_begin

Period = Literal["day", "month", "task"]
OnExceed = Literal["notify", "pause_and_ask", "stop"]
WARN_AT = 80


def _checked(text: str) -> str:
    return write_amount(parse_amount(text))


AmountText = Annotated[
    str, AfterValidator(_checked), Field(max_length=20, description="Money or time, as `10usd` or `2h`.")
]
Percent = Annotated[int, Field(ge=1, le=100, description="Warn at so much of it, in percent.")]


@dataclass(frozen=True, slots=True)
class Budget:
    """What one agent may cost."""

    agent: str
    per_day: str | None
    per_task: str | None
    per_month: str | None
    warn_at: int
    on_exceed: str
    changed_by: str
    changed_at: str


@dataclass(frozen=True, slots=True)
class Budgets:
    budgets: list[Budget]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class Standing:
    """How far one amount of a budget is used. Amounts are millionths of a dollar, or milliseconds."""

    period: Period
    of: str
    """The day, the month, or the task."""
    unit: Literal["usd", "time"]
    limit: int
    """With what it was raised by."""
    spent: int
    percent: float
    warned: bool
    exceeded: bool
    unpriced_tokens: int
    """Tokens of this period whose price is not known: what they cost is missing from `spent`."""


@event("budget.changed", collection="budgets", key="agent")
class BudgetChanged(Event):
    budget: Budget


@event("budget.warned")
class BudgetWarned(Event):
    agent: str
    period: str
    of: str
    spent: int
    limit: int
    unit: str


@event("budget.exceeded")
class BudgetExceeded(Event):
    agent: str
    period: str
    of: str
    spent: int
    limit: int
    unit: str
    then: str
    """notify | pause_and_ask | stop"""


@query("GET /api/budgets", allow=READ)
def list_budgets(call: Call, *, limit: Limit = 200, cursor: Cursor | None = None) -> Budgets:
    """The budget of each agent that has one."""
    rows = call.transaction.all(
        "SELECT * FROM budget WHERE agent > :after ORDER BY agent LIMIT :limit", {"after": cursor or "", "limit": limit}
    )
    budgets = [_budget(row) for row in rows]
    return Budgets(budgets, budgets[-1].agent if len(budgets) == limit else None)


@command("PUT /api/budgets", allow=MANAGE_BUDGETS, emits=[BudgetChanged], repeatable=True)
def set_budget(
    call: Call,
    *,
    agent: MemberName,
    per_day: AmountText | None = None,
    per_task: AmountText | None = None,
    per_month: AmountText | None = None,
    warn_at: Percent = WARN_AT,
    on_exceed: OnExceed = "pause_and_ask",
) -> Budget:
    """Set what an agent may cost. What is not named has no limit. It holds until agents.yaml says something new.

    Raises NotFound.
    """
    find_agent(call.transaction, agent)
    return _set(
        call,
        agent,
        {
            "per_day": per_day,
            "per_task": per_task,
            "per_month": per_month,
            "warn_at": warn_at,
            "on_exceed": on_exceed,
        },
    )


@command(allow=SYSTEM, emits=[BudgetChanged])
def ensure_budget(
    call: Call,
    *,
    agent: MemberName,
    per_day: AmountText | None = None,
    per_task: AmountText | None = None,
    per_month: AmountText | None = None,
    warn_at: Percent = WARN_AT,
    on_exceed: OnExceed = "pause_and_ask",
) -> None:
    """Take over what agents.yaml says, if it says something else than when it was last read."""
    fields = {"per_day": per_day, "per_task": per_task, "per_month": per_month}
    amounts = any(fields.values())
    configured = orjson.dumps([*fields.values(), warn_at, on_exceed]).decode() if amounts else ""
    row = find_budget(call, agent)
    if (row["configured"] if row is not None else "") == configured:
        return
    _set(call, agent, {**fields, "warn_at": warn_at, "on_exceed": on_exceed}, configured)


def find_budget(call: Call, agent: str) -> Row | None:
    return call.transaction.one("SELECT * FROM budget WHERE agent = :agent", {"agent": agent})


def standings(call: Call, agent: str, task: int | None) -> list[Standing]:
    """Return how far each amount of an agent's budget is used: of this day, this month, and this task."""
    row = find_budget(call, agent)
    if row is None:
        return []
    begins: dict[Period, tuple[str, int]] = {
        "day": (day_of(call.now), day_begin(call.now)),
        "month": (day_of(call.now)[:7], month_begin(call.now)),
    }
    found = []
    for period, (of, begin) in begins.items():
        if row[f"per_{period}"] is not None:
            spending = partial(_spent, call, agent, "at >= :begin", {"begin": begin})
            found.append(_standing(call, agent, period, of, row[f"per_{period}"], spending))
    if row["per_task"] is not None and task is not None:
        spending = partial(_spent, call, agent, "task = :task", {"task": task})
        found.append(_standing(call, agent, "task", str(task), row["per_task"], spending))
    return found


def _standing(
    call: Call, agent: str, period: Period, of: str, text: str, spending: Callable[[str], tuple[int, int]]
) -> Standing:
    amount: Amount = parse_amount(text)
    noted = call.transaction.one(
        "SELECT raised, warned_at, exceeded_at FROM budget_period WHERE agent = :agent AND period = :period"
        " AND of = :of",
        {"agent": agent, "period": period, "of": of},
    )
    limit = amount.value + (0 if noted is None else noted["raised"])
    spent, unpriced = spending(amount.unit)
    return Standing(
        period,
        of,
        amount.unit,
        limit,
        spent,
        round(100 * spent / limit, 1),
        noted is not None and noted["warned_at"] is not None,
        noted is not None and noted["exceeded_at"] is not None,
        unpriced,
    )


def _spent(call: Call, agent: str, where: str, values: dict[str, Any], unit: str) -> tuple[int, int]:
    """Return what was spent, and tokens of unknown price. Of several billings it is the dearest, never their sum."""
    rows = call.transaction.all(
        "SELECT billing, sum(cost) AS cost, sum(working_ms) AS working_ms, sum(CASE priced WHEN 0 THEN input_tokens"  # noqa: S608
        " + output_tokens + cache_read_tokens + cache_write_tokens ELSE 0 END) AS unpriced"
        f" FROM usage WHERE agent = :agent AND {where} GROUP BY billing",
        {"agent": agent, **values},
    )
    unpriced = sum(row["unpriced"] for row in rows)
    if unit == "time":
        return sum(row["working_ms"] for row in rows), unpriced
    return max((row["cost"] or 0 for row in rows), default=0), unpriced


def _set(call: Call, agent: str, fields: dict[str, Any], configured: str | None = None) -> Budget:
    values = {**fields, "agent": agent, "by": call.caller.name, "now": call.now, "configured": configured}
    call.transaction.run(
        "INSERT INTO budget (agent, per_day, per_task, per_month, warn_at, on_exceed, configured, changed_by,"
        " changed_at) VALUES (:agent, :per_day, :per_task, :per_month, :warn_at, :on_exceed,"
        " coalesce(:configured, ''), :by, :now) ON CONFLICT (agent) DO UPDATE SET per_day = :per_day,"
        " per_task = :per_task, per_month = :per_month, warn_at = :warn_at, on_exceed = :on_exceed,"
        " configured = coalesce(:configured, configured), changed_by = :by, changed_at = :now",
        values,
    )
    # A new limit is warned of and asked about anew.
    call.transaction.run(
        "UPDATE budget_period SET warned_at = NULL, exceeded_at = NULL WHERE agent = :agent", {"agent": agent}
    )
    row = find_budget(call, agent)
    assert row is not None
    budget = _budget(row)
    call.emit(BudgetChanged(budget), subject=agent)
    return budget


def _budget(row: Row) -> Budget:
    return Budget(
        agent=row["agent"],
        per_day=row["per_day"],
        per_task=row["per_task"],
        per_month=row["per_month"],
        warn_at=row["warn_at"],
        on_exceed=row["on_exceed"],
        changed_by=row["changed_by"],
        changed_at=iso(row["changed_at"]),
    )
