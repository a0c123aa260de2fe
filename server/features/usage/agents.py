"""How each agent stands now: today's use, its budget, its conversation, and when a limit comes at this pace."""

from dataclasses import dataclass
from typing import Any

import orjson

from server.core.call import Call
from server.core.moment import iso, iso_or_none, milliseconds
from server.core.operation import query
from server.core.permission import READ
from server.features.usage.budgets import Standing, standings
from server.features.usage.model import MICRO, SUMS, Used, day_begin, month_end, used_of

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
SHORTEST_MS = 300_000
"""A pace is taken over the last hour, or since the first use in it, but over no less than this."""


@dataclass(frozen=True, slots=True)
class AccountWindow:
    """One limit of the account behind an agent."""

    name: str
    """five_hour, seven_day, as its provider calls it."""
    used_percent: float
    resets_at: str | None
    reached_at: str | None
    """When it is used up at this pace, if that is before it begins anew."""


@dataclass(frozen=True, slots=True)
class AgentUsage:
    """What one agent uses. Null says that it is not known, never that it is nothing."""

    agent: str
    today: list[Used]
    """Of the UTC day, by who pays."""
    context_percent: float | None
    context_size: int | None
    """Tokens that its conversation can hold."""
    compactions: int | None
    """How often its conversation was compacted, ever."""
    windows: list[AccountWindow]
    budgets: list[Standing]
    tokens_per_hour: int
    cost_per_hour_usd: float | None
    limit_at: str | None
    """At this pace the first of its limits is reached then."""
    limit_of: str
    """Which one: the budget of the day, month or task, or a window of its account."""
    seen_at: str | None
    """When its CLI's records last told something new."""


@dataclass(frozen=True, slots=True)
class AgentUsages:
    agents: list[AgentUsage]


@query("GET /api/usage/agents", allow=READ)
def list_agent_usage(call: Call) -> AgentUsages:
    """What each agent has used today, how its budget stands, how full its conversation is, and its account's limits."""
    rows = call.transaction.all("SELECT name FROM agent ORDER BY name")
    return AgentUsages([usage_of_agent(call, row["name"]) for row in rows])


def usage_of_agent(call: Call, name: str) -> AgentUsage:
    """Return how one agent stands."""
    today = call.transaction.all(
        f"SELECT billing, {SUMS} FROM usage WHERE agent = :agent AND at >= :begin GROUP BY billing ORDER BY billing",  # noqa: S608
        {"agent": name, "begin": day_begin(call.now)},
    )
    now = call.transaction.one("SELECT * FROM usage_now WHERE agent = :agent", {"agent": name})
    tokens, cost = _pace(call, name)
    windows = [] if now is None else [_window(call, entry) for entry in orjson.loads(now["windows"])]
    held = call.transaction.one(
        "SELECT task FROM task_run WHERE member = :name AND ended_at IS NULL ORDER BY began_at DESC LIMIT 1",
        {"name": name},
    )
    budgets = standings(call, name, None if held is None else held["task"])
    limit_at, limit_of = _limit(call, budgets, windows, cost)
    return AgentUsage(
        agent=name,
        today=[used_of(row) for row in today],
        context_percent=None if now is None else now["context_percent"],
        context_size=None if now is None else now["context_size"],
        compactions=None if now is None else now["compactions"],
        windows=windows,
        budgets=budgets,
        tokens_per_hour=tokens,
        cost_per_hour_usd=None if cost is None else cost / MICRO,
        limit_at=iso_or_none(limit_at),
        limit_of=limit_of,
        seen_at=None if now is None else iso(now["at"]),
    )


def _pace(call: Call, name: str) -> tuple[int, int | None]:
    """Return tokens and cost an hour, by the last hour. Of several billings the dearest counts."""
    rows = call.transaction.all(
        "SELECT billing, min(at) AS since, sum(input_tokens + output_tokens + cache_read_tokens + cache_write_tokens)"
        " AS tokens, sum(cost) AS cost FROM usage WHERE agent = :agent AND at > :begin GROUP BY billing",
        {"agent": name, "begin": call.now - HOUR_MS},
    )
    if not rows:
        return 0, None
    span = max(SHORTEST_MS, call.now - min(row["since"] for row in rows))
    cost = max((row["cost"] for row in rows if row["cost"] is not None), default=None)
    tokens = sum(row["tokens"] for row in rows)
    return tokens * HOUR_MS // span, None if cost is None else cost * HOUR_MS // span


def _window(call: Call, entry: dict[str, Any]) -> AccountWindow:
    resets_at, length_s, used = entry["resets_at"], entry["length_s"], entry["used_percent"]
    reached_at = None
    if resets_at is not None and resets_at <= call.now:
        return AccountWindow(entry["name"], 0.0, None, None)  # it has begun anew since it was told
    if resets_at is not None and length_s and used > 0:
        begun = resets_at - length_s * 1000
        full = begun + round((call.now - begun) * 100 / used)
        reached_at = max(full, call.now) if full < resets_at else None
    return AccountWindow(entry["name"], used, iso_or_none(resets_at), iso_or_none(reached_at))


def _limit(
    call: Call, budgets: list[Standing], windows: list[AccountWindow], cost_per_hour: int | None
) -> tuple[int | None, str]:
    """Return which limit is reached first at this pace, and when; a day's or a month's that ends earlier is none."""
    found: list[tuple[int, str]] = []
    ends = {"day": day_begin(call.now) + DAY_MS, "month": month_end(call.now)}
    for standing in budgets:
        left = standing.limit - standing.spent
        if standing.unit == "time" or not cost_per_hour or left <= 0:
            continue
        at = call.now + left * HOUR_MS // cost_per_hour
        if at < ends.get(standing.period, at + 1):
            found.append((at, f"budget of the {standing.period}"))
    found += [(milliseconds(window.reached_at), window.name) for window in windows if window.reached_at]
    return min(found, default=(None, ""))
