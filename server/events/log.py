"""The one log: rows appended in their caller's transaction; seq order is commit order, since there is one writer."""

import hashlib
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from server.core.call import Call, Row, Transaction
from server.core.event import Event, StoredEvent
from server.core.moment import iso

SHOWN_BODY = "coalesce((SELECT body FROM event_withheld WHERE event_withheld.seq = event.seq), event.body)"
"""The body of an event as readers are given it: all that reads bodies for somebody selects this."""
_CHAINED = ("seq", "at", "kind", "actor", "operation", "door", "call_id", "audience", "subject", "body")


def next_seq(transaction: Transaction) -> int:
    """Return the seq that the next appended event will have."""
    row = transaction.one("SELECT coalesce(max(seq), 0) + 1 AS seq FROM event")
    assert row is not None
    return int(row["seq"])


def append(call: Call, event: Event, subject: str, audience: str) -> int:
    """Store an event in the call's transaction, chained to the one before, and return its seq."""
    last = call.transaction.one("SELECT seq, hash FROM event ORDER BY seq DESC LIMIT 1")
    row = {
        "seq": 1 if last is None else last["seq"] + 1,
        "at": call.now,
        "kind": event.kind,
        "actor": call.caller.name,
        "operation": call.operation,
        "door": call.door,
        "call_id": call.call_id,
        "audience": audience,
        "subject": subject,
        "body": orjson.dumps(event),
    }
    return call.transaction.insert(
        "INSERT INTO event (seq, at, kind, actor, operation, door, call_id, audience, subject, body, hash)"
        " VALUES (:seq, :at, :kind, :actor, :operation, :door, :call_id, :audience, :subject, :body, :hash)",
        {**row, "hash": chained(b"" if last is None else last["hash"], row)},
    )


def withhold(transaction: Transaction, seq: int, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Give readers, from now on, something else in place of an event's body. The trail keeps the row as it was."""
    row = transaction.one(f"SELECT {SHOWN_BODY} AS body FROM event WHERE seq = :seq", {"seq": seq})  # noqa: S608
    if row is not None:
        transaction.run(
            "INSERT INTO event_withheld (seq, body) VALUES (:seq, :body)"
            " ON CONFLICT (seq) DO UPDATE SET body = excluded.body",
            {"seq": seq, "body": orjson.dumps(change(orjson.loads(row["body"])))},
        )


def chained(before: bytes, row: Row) -> bytes:
    """Return the hash of a row in the chain. Every field is in it, each behind its length."""
    digest = hashlib.sha256(before)
    for name in _CHAINED:
        value = row[name]
        part = value if isinstance(value, bytes) else str(value).encode()
        digest.update(b"%d:%b" % (len(part), part))
    return digest.digest()


def seal(transaction: Transaction) -> None:
    """Write down, at the end of a batch, where the chain ends: a row taken from its end is missed."""
    transaction.run(
        "INSERT INTO meta (key, value) SELECT 'audit_head', seq || ' ' || hex(hash) FROM event"
        " ORDER BY seq DESC LIMIT 1 ON CONFLICT (key) DO UPDATE SET value = excluded.value"
        " WHERE value <> excluded.value"
    )


@dataclass(frozen=True, slots=True)
class Anchor:
    """Where the chain begins: the last row that retention took away."""

    seq: int = 0
    hash: bytes = b""

    def __str__(self) -> str:
        return f"{self.seq} {self.hash.hex().upper()}".rstrip()


def anchor(transaction: Transaction) -> Anchor:
    """Return where the chain begins."""
    row = transaction.one("SELECT value FROM meta WHERE key = 'audit_anchor'")
    if row is None:
        return Anchor()
    seq, _, digest = row["value"].partition(" ")
    return Anchor(int(seq), bytes.fromhex(digest))


def trim(transaction: Transaction, before: int, limit: int) -> tuple[Anchor, int]:
    """Take away the oldest rows that are older than a moment (UTC ms), and return the new anchor and how many.

    The last row of the log always stays: the next seq counts from it.
    """
    rows = transaction.all(
        "SELECT seq, at, hash FROM event WHERE seq < (SELECT max(seq) FROM event) ORDER BY seq LIMIT :limit",
        {"limit": limit},
    )
    old = list(itertools.takewhile(lambda row: row["at"] < before, rows))
    if not old:
        return anchor(transaction), 0
    found = Anchor(old[-1]["seq"], old[-1]["hash"])
    for table in ("event", "event_withheld"):
        transaction.run(f"DELETE FROM {table} WHERE seq <= :seq", {"seq": found.seq})  # noqa: S608 (ours)
    transaction.run(
        "INSERT INTO meta (key, value) VALUES ('audit_anchor', :value)"
        " ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        {"value": str(found)},
    )
    return found, len(old)


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
        f"SELECT seq, at, kind, actor, operation, call_id, audience, subject, {SHOWN_BODY} AS body FROM event"  # noqa: S608
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
