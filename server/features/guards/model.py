"""What a guard that tripped is: its row, its shape outside, and what is told of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import orjson
from pydantic import Field

from server.core.call import Call, Row, Transaction
from server.core.errors import NotFound
from server.core.event import OPERATORS, TEAM, Event, event
from server.core.moment import iso, iso_or_none
from server.core.names import message_id, numbered
from server.features.channels import find_channel

GuardId = Annotated[int, numbered("guard"), Field(description="Guard that tripped, as `guard_3`.")]


@dataclass(frozen=True, slots=True)
class Guard:
    """One guard that tripped: whom it pauses, why, and what a person decided."""

    id: str
    kind: str
    """hops | pair | channel | repeats"""
    channel: str
    members: list[str]
    """Agents between whom nothing is delivered meanwhile."""
    evidence: str
    """What was counted, in a sentence without what was said."""
    message_id: str
    state: str
    """open | cleared"""
    decision: str | None
    """continue | keep | stop"""
    decided_by: str | None
    decided_at: str | None
    approval_id: str | None
    tripped_at: str


@event("guard.tripped", collection="guards", key="id")
class GuardTripped(Event):
    guard: Guard


@event("guard.changed", collection="guards", key="id")
class GuardChanged(Event):
    """It was put before a person, or a person keeps it."""

    guard: Guard


@event("guard.cleared", collection="guards", key="id")
class GuardCleared(Event):
    guard: Guard


def find_guard(transaction: Transaction, number: int) -> Row:
    """Return the row of a guard. Raises NotFound."""
    row = transaction.one("SELECT * FROM guard WHERE id = :id", {"id": number})
    if row is None:
        raise NotFound(f"No guard guard_{number}.", hint="Look: GET /api/guards", field="guard_id")
    return row


def trip_guard(
    call: Call, kind: str, scope: str, channel: str, members: Sequence[str], *, evidence: str, message: int, hop: int
) -> Row:
    """Store that a guard tripped, and tell."""
    number = call.transaction.insert(
        "INSERT INTO guard (kind, scope, channel, members, evidence, state, hop, message_id, counted_to, tripped_at)"
        " VALUES (:kind, :scope, :channel, :members, :evidence, 'open', :hop, :message, :message, :now)",
        {
            "kind": kind,
            "scope": scope,
            "channel": channel,
            "members": orjson.dumps(list(members)).decode(),
            "evidence": evidence,
            "hop": hop,
            "message": message,
            "now": call.now,
        },
    )
    call.wake_at(call.now)  # a person is asked
    row = find_guard(call.transaction, number)
    _tell(call, row, GuardTripped)
    return row


def change_guard(call: Call, number: int, fields: dict[str, Any]) -> Guard:
    """Store new values of a guard, and tell."""
    call.transaction.run(
        f"UPDATE guard SET {', '.join(f'{name} = :{name}' for name in fields)} WHERE id = :id",  # noqa: S608
        {**fields, "id": number},
    )
    row = find_guard(call.transaction, number)
    return _tell(call, row, GuardCleared if row["state"] == "cleared" else GuardChanged)


def open_guards(call: Call) -> list[Guard]:
    """Return every guard that is open and of which the caller is told."""
    rows = call.transaction.all("SELECT * FROM guard WHERE state = 'open' ORDER BY id LIMIT 200")
    return [guard_of(row) for row in rows if is_told(call, row)]


def is_told(call: Call, row: Row) -> bool:
    """Tell whether the caller is told of a guard: of what is not the whole team's, those who decide."""
    return _audience(call.transaction, row) == TEAM or call.caller.role in ("chairman", "operator", "system")


def guard_of(row: Row) -> Guard:
    return Guard(
        id=f"guard_{row['id']}",
        kind=row["kind"],
        channel=row["channel"],
        members=orjson.loads(row["members"]),
        evidence=row["evidence"],
        message_id=message_id(row["message_id"]),
        state=row["state"],
        decision=row["decision"],
        decided_by=row["decided_by"],
        decided_at=iso_or_none(row["decided_at"]),
        approval_id=None if row["approval"] is None else f"ap_{row['approval']}",
        tripped_at=iso(row["tripped_at"]),
    )


def _tell(call: Call, row: Row, kind: type[GuardTripped | GuardChanged | GuardCleared]) -> Guard:
    guard = guard_of(row)
    call.emit(kind(guard), subject=guard.id, audience=_audience(call.transaction, row))
    return guard


def _audience(transaction: Transaction, row: Row) -> str:
    channel = find_channel(transaction, row["channel"])
    return TEAM if channel is not None and channel.type == "group" else OPERATORS
