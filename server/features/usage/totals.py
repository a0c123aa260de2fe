"""Totals: what was used, by agent, task, model and time. Who pays is always told apart."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field

from server.core.call import Call, Row
from server.core.errors import BadArgument
from server.core.moment import iso, milliseconds
from server.core.operation import query
from server.core.permission import READ
from server.features.tasks.model import task_id
from server.features.usage.model import SUMS, Used, used_of

_GROUPS = {
    "agent": "agent",
    "task": "task",
    "model": "model",
    "day": "strftime('%Y-%m-%d', at / 1000, 'unixepoch')",
    "hour": "strftime('%Y-%m-%dT%H:00:00Z', at / 1000, 'unixepoch')",
}
_MOST = 2000
_USUAL_DAYS = 7
_DAY_MS = 86_400_000
Time = Annotated[str, Field(max_length=40, description="ISO 8601; a day alone begins at 0:00 UTC.")]


@dataclass(frozen=True, slots=True)
class UsageRow:
    """One group. What it is not grouped by is null."""

    agent: str | None
    task: str | None
    """Null also for what belongs to no task."""
    model: str | None
    time: str | None
    """Beginning of the day or hour, UTC."""
    used: Used


@dataclass(frozen=True, slots=True)
class Unpriced:
    """A model whose price is not known, for some of its use."""

    model: str
    tokens: int


@dataclass(frozen=True, slots=True)
class Usage:
    since: str
    until: str
    rows: list[UsageRow]
    totals: list[Used]
    """One for each kind of billing: they are never added together."""
    unpriced: list[Unpriced]


@query("GET /api/usage", allow=READ, aliases={"from": "since", "to": "until"})
def get_usage(
    call: Call,
    *,
    since: Time | None = None,
    until: Time | None = None,
    by: Annotated[str, Field(max_length=60, description="Any of agent, task, model, day, hour.")] = "agent",
    granularity: Literal["", "day", "hour"] = "",
    agent: Annotated[str, Field(max_length=40)] | None = None,
    task: Annotated[str, Field(max_length=40)] | None = None,
) -> Usage:
    """Tokens, cost and working time since a moment (the last seven days), grouped as you say, the dearest first.

    Raises BadArgument.
    """
    begin = _moment(since, "from") if since else call.now - call.now % _DAY_MS - (_USUAL_DAYS - 1) * _DAY_MS
    end = _moment(until, "to") if until else call.now + 1
    words = list(dict.fromkeys(filter(None, (word.strip() for word in (*by.split(","), granularity)))))
    for word in words:
        if word not in _GROUPS:
            raise BadArgument(f"Usage has no {word}.", hint=f"Group it by: {', '.join(_GROUPS)}.", field="by")
    values: dict[str, Any] = {"begin": begin, "end": end, "agent": agent, "task": _number(task), "most": _MOST}
    where = "at >= :begin AND at < :end AND (:agent IS NULL OR agent = :agent) AND (:task IS NULL OR task = :task)"
    names = [f"{_GROUPS[word]} AS by_{word}" for word in words]
    groups = ", ".join([*(f"by_{word}" for word in words), "billing"])
    rows = call.transaction.all(
        f"SELECT {', '.join([*names, 'billing', SUMS])} FROM usage WHERE {where} GROUP BY {groups}"  # noqa: S608
        " ORDER BY cost IS NULL, cost DESC, sum(input_tokens + output_tokens) DESC LIMIT :most",
        values,
    )
    totals = call.transaction.all(
        f"SELECT billing, {SUMS} FROM usage WHERE {where} GROUP BY billing ORDER BY billing",  # noqa: S608
        values,
    )
    unpriced = call.transaction.all(
        "SELECT model, sum(input_tokens + output_tokens + cache_read_tokens + cache_write_tokens) AS tokens"  # noqa: S608
        f" FROM usage WHERE {where} AND priced = 0 GROUP BY model HAVING tokens > 0 ORDER BY tokens DESC LIMIT 100",
        values,
    )
    return Usage(
        iso(begin),
        iso(end),
        [_row(row, words) for row in rows],
        [used_of(row) for row in totals],
        [Unpriced(row["model"], row["tokens"]) for row in unpriced],
    )


def _row(row: Row, words: list[str]) -> UsageRow:
    def of(word: str) -> Any:
        return row[f"by_{word}"] if word in words else None

    number = of("task")
    return UsageRow(
        of("agent"),
        None if number is None else task_id(number),
        of("model"),
        of("hour") or of("day"),
        used_of(row),
    )


def _number(task: str | None) -> int | None:
    digits = (task or "").removeprefix("#").removeprefix("task_")
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 19 else None


def _moment(text: str, field: str) -> int:
    try:
        return milliseconds(text)
    except ValueError:
        raise BadArgument(
            f"“{text}” is no time.", hint="Write it as 2026-05-31 or 2026-05-31T12:00Z.", field=field
        ) from None
