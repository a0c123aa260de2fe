"""How much agents may talk among themselves, and each member at all: numbers of agents.yaml, by member."""

from functools import lru_cache

import orjson

from server.config import Guards
from server.core.call import Call, Transaction
from server.core.event import OPERATORS, Event, event
from server.core.operation import command
from server.core.permission import SYSTEM

EVERYBODY = ""
"""Whose limits hold for members without their own."""


@event("guard.limits")
class GuardLimits(Event):
    """Somebody's limits are others than before."""

    member: str
    limits: Guards


@command(allow=SYSTEM, emits=[GuardLimits])
def set_guard_limits(call: Call, *, member: str, limits: Guards) -> None:
    """Store the limits of one member, or of everybody who has none of their own."""
    text = orjson.dumps(limits).decode()
    values = {"member": member, "limits": text}
    if call.transaction.one("SELECT 1 FROM guard_limit WHERE member = :member AND limits = :limits", values) is None:
        call.transaction.run(
            "INSERT INTO guard_limit (member, limits) VALUES (:member, :limits)"
            " ON CONFLICT (member) DO UPDATE SET limits = excluded.limits",
            values,
        )
        call.emit(GuardLimits(member, limits), subject=member or "team", audience=OPERATORS)


def limits_of(transaction: Transaction, member: str) -> Guards:
    """Return the limits that hold for a member."""
    row = transaction.one(
        "SELECT limits FROM guard_limit WHERE member IN (:member, '') ORDER BY member DESC LIMIT 1", {"member": member}
    )
    return Guards() if row is None else _read(row["limits"])


@lru_cache(maxsize=256)
def _read(text: str) -> Guards:
    return Guards(**orjson.loads(text))
