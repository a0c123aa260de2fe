"""What usage is: what is counted, by what it is grouped, and in which shape it goes out."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import Field

from server.core.call import Call, Row

Billing = Literal["api", "plan", "unknown"]
"""Who pays: an API account by use, a plan at a flat price, or it is not known. Never added together."""
Tokens = Annotated[int, Field(ge=0, le=10**12)]
MICRO = 1_000_000

SUMS = (
    "sum(input_tokens) AS input_tokens, sum(output_tokens) AS output_tokens,"
    " sum(cache_read_tokens) AS cache_read_tokens, sum(cache_write_tokens) AS cache_write_tokens,"
    " sum(requests) AS requests, sum(cost) AS cost, sum(working_ms) AS working_ms,"
    " sum(CASE priced WHEN 0 THEN input_tokens + output_tokens + cache_read_tokens + cache_write_tokens ELSE 0 END)"
    " AS unpriced_tokens"
)
"""Columns of a group; `cost` is NULL where no price is known at all."""


@dataclass(frozen=True, slots=True)
class Used:
    """What was used together, under one kind of billing."""

    billing: Billing
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    tokens: int
    """All four together."""
    requests: int
    cost_usd: float | None
    """By list price as far as it is known; null: no price is known. With a plan it is what the same would have cost."""
    unpriced_tokens: int
    """Tokens whose price is not known: their cost is missing from `cost_usd`."""
    working_s: int


def used_in_claims(call: Call, task: int) -> dict[int, list[Used]]:
    """Return what was used in each of the times that a task was held, by its claim number."""
    rows = call.transaction.all(
        f"SELECT claim, billing, {SUMS} FROM usage WHERE task = :task AND claim IS NOT NULL"  # noqa: S608
        " GROUP BY claim, billing ORDER BY claim, billing",
        {"task": task},
    )
    found: dict[int, list[Used]] = {}
    for row in rows:
        found.setdefault(row["claim"], []).append(used_of(row))
    return found


def used_of(row: Row) -> Used:
    """Build it from a row of SUMS."""
    given, made = row["input_tokens"] or 0, row["output_tokens"] or 0
    read, written = row["cache_read_tokens"] or 0, row["cache_write_tokens"] or 0
    return Used(
        billing=row["billing"],
        input_tokens=given,
        output_tokens=made,
        cache_read_tokens=read,
        cache_write_tokens=written,
        tokens=given + made + read + written,
        requests=row["requests"] or 0,
        cost_usd=None if row["cost"] is None else row["cost"] / MICRO,
        unpriced_tokens=row["unpriced_tokens"] or 0,
        working_s=(row["working_ms"] or 0) // 1000,
    )


def day_of(at: int) -> str:
    """Return the UTC day of a moment."""
    return f"{datetime.fromtimestamp(at / 1000, UTC):%Y-%m-%d}"


def day_begin(at: int) -> int:
    return at - at % 86_400_000


def month_begin(at: int) -> int:
    moment = datetime.fromtimestamp(at / 1000, UTC)
    return round(datetime(moment.year, moment.month, 1, tzinfo=UTC).timestamp() * 1000)


def month_end(at: int) -> int:
    moment = datetime.fromtimestamp(at / 1000, UTC)
    year, month = (moment.year + 1, 1) if moment.month == 12 else (moment.year, moment.month + 1)
    return round(datetime(year, month, 1, tzinfo=UTC).timestamp() * 1000)
