"""The one log: rows appended in their caller's transaction; seq order is commit order, since there is one writer."""

from collections.abc import Sequence
from dataclasses import dataclass

import orjson

from server.core.call import Call, Transaction
from server.core.event import Event, StoredEvent
from server.core.moment import iso

_NEXT = "(SELECT coalesce(max(seq), 0) + 1 FROM event)"


def next_seq(transaction: Transaction) -> int:
    """Return the seq that the next appended event will have."""
    row = transaction.one(f"SELECT {_NEXT} AS seq")
    assert row is not None
    return int(row["seq"])


def append(call: Call, event: Event, subject: str, audience: str) -> int:
    """Store an event in the call's transaction and return its seq."""
    return call.transaction.insert(
        "INSERT INTO event (seq, at, kind, actor, operation, door, call_id, audience, subject, body)"  # noqa: S608
        f" VALUES ({_NEXT}, :at, :kind, :actor, :operation, :door, :call_id, :audience, :subject, :body)",
        {
            "at": call.now,
            "kind": event.kind,
            "actor": call.caller.name,
            "operation": call.operation,
            "door": call.door,
            "call_id": call.call_id,
            "audience": audience,
            "subject": subject,
            "body": orjson.dumps(event),
        },
    )


@dataclass(frozen=True, slots=True)
class Position:
    """How far the log reaches."""

    epoch: str
    """Changes when the database is restored from a backup: seqs of another epoch mean nothing."""
    oldest_seq: int
    seq: int


def position(transaction: Transaction) -> Position:
    row = transaction.one(
        "SELECT (SELECT value FROM meta WHERE key = 'epoch') AS epoch,"
        " coalesce((SELECT min(seq) FROM event), 0) AS oldest_seq, coalesce((SELECT max(seq) FROM event), 0) AS seq"
    )
    assert row is not None
    return Position(row["epoch"], row["oldest_seq"], row["seq"])


def between(transaction: Transaction, after: int, head: int, limit: int) -> Sequence[StoredEvent]:
    """Return the rows after a seq and up to another, in order."""
    rows = transaction.all(
        "SELECT seq, at, kind, actor, operation, call_id, audience, subject, body FROM event"
        " WHERE seq > :after AND seq <= :head ORDER BY seq LIMIT :limit",
        {"after": after, "head": head, "limit": limit},
    )
    return [
        StoredEvent(
            row["seq"], row["at"], row["kind"], row["actor"], row["operation"], row["call_id"], row["audience"],
            row["subject"], row["body"],
        )
        for row in rows
    ]  # fmt: skip


def as_json(event: StoredEvent) -> bytes:
    """Return the event as clients see it: `{seq, kind, at, actor, …body}`."""
    head = orjson.dumps({"seq": event.seq, "kind": event.kind, "at": iso(event.at), "actor": event.actor})
    return head[:-1] + b"," + event.body[1:] if len(event.body) > 2 else head
