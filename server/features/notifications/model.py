"""What a notification is: its row, its shape outside, and how it comes into the queue."""

from dataclasses import dataclass, field
from typing import Annotated, Any

import orjson
from pydantic import Field

from server.core.call import Call, Row, Transaction
from server.core.errors import NotFound
from server.core.event import OPERATORS, Event, event
from server.core.moment import iso, iso_or_none
from server.core.names import numbered
from server.features.notifications.quiet import Quiet, quiet_until
from server.features.team import get_meta

SETTLE_MS = 1_500
"""What comes about the same subject within so long becomes one."""
SETTINGS = "notifications"
LONGEST_TEXT = 2000

NotificationId = Annotated[int, numbered("ntf"), Field(description="Notification, as `ntf_7`.")]


@dataclass(frozen=True, slots=True)
class Notification:
    """One thing that one target is told. What it says of messages is for the target alone, and not here."""

    id: str
    target: str
    member: str | None
    """Whom of a chat bridge's people it is for."""
    kind: str
    reason: str
    subject: str
    """What it is about: several about the same become one."""
    title: str
    path: str
    """Where it is in the dashboard."""
    status: str
    """pending | delivered | failed"""
    note: str
    """Why it was not sent although it counts as delivered, as that it was read before."""
    attempts: int
    next_attempt_at: str | None
    held: bool
    """Quiet hours hold it back."""
    merged_into: str | None
    """The notification that tells of it, if not it itself."""
    error: str
    created_at: str
    delivered_at: str | None
    failed_at: str | None


@event("notification.changed", collection="notifications", key="id")
class NotificationChanged(Event):
    notification: Notification


@dataclass(frozen=True, slots=True)
class Fact:
    """Something worth telling, whoever is told."""

    kind: str
    reason: str
    subject: str
    item: str
    """The same item is told to the same target once."""
    title: str
    text: str
    path: str
    member: str | None = None
    """It concerns this person alone."""
    deciders: frozenset[str] | None = None
    """Of the people of a chat bridge only these are told, for they can decide it; None: everybody."""
    code: str = ""
    """Decides it by a chat bridge."""
    wait_ms: int | None = None
    """It may become moot within so long, and is told only then; None: as long as it takes to settle."""
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Settings:
    """What holds for all targets, as configured."""

    quiet: Quiet | None = None
    digest_cron: str = ""
    digest_to: str = ""
    digest_tz: str = "UTC"


def settings_of(transaction: Transaction) -> Settings:
    """Return what was configured at the last start."""
    stored = get_meta(transaction, SETTINGS)
    if stored is None:
        return Settings()
    values = orjson.loads(stored)
    quiet = values["quiet"]
    return Settings(None if quiet is None else Quiet(**quiet), *(values[name] for name in ("cron", "to", "tz")))


def enqueue(call: Call, target: Row, member: str, fact: Fact, settings: Settings, *, at_once: bool = False) -> None:
    """Put a fact into the queue of one target, unless that target has it already."""
    wait_ms = SETTLE_MS if fact.wait_ms is None else fact.wait_ms
    due = call.now if at_once else call.now + wait_ms
    held_until = None if fact.kind == "test" else quiet_until(settings.quiet, fact.kind, fact.reason, due)
    carrier = _carrier(call.transaction, target["name"], member, fact)
    row = call.transaction.one(
        "INSERT INTO notification (target, member, kind, reason, subject, item, payload, status, note, attempts,"
        " next_attempt_at, held, sending, merged_into, created_at, error) VALUES (:target, :member, :kind, :reason,"
        " :subject, :item, :payload, 'pending', '', 0, :due, :held, 0, :carrier, :now, '')"
        " ON CONFLICT (target, member, item) DO NOTHING RETURNING *",
        {
            "target": target["name"],
            "member": member,
            "kind": fact.kind,
            "reason": fact.reason,
            "subject": fact.subject,
            "item": fact.item,
            "payload": payload_of(fact, call.now),
            "due": due if held_until is None else held_until,
            "held": int(held_until is not None),
            "carrier": carrier,
            "now": call.now,
        },
    )
    if row is not None:
        tell(call, row)


def payload_of(fact: Fact, at: int) -> str:
    """Return what a notification says, as it is stored."""
    said = {
        "title": one_line(fact.title)[:200],
        "text": plain(fact.text)[:LONGEST_TEXT],
        "path": fact.path,
        "code": fact.code,
        "at": iso(at),
        "facts": fact.facts,
    }
    return orjson.dumps(said).decode()


def _carrier(transaction: Transaction, target: str, member: str, fact: Fact) -> int | None:
    """Return the notification about the same subject that was not tried yet, or None."""
    if fact.kind in ("test", "digest"):
        return None
    row = transaction.one(
        "SELECT id FROM notification WHERE target = :target AND member = :member AND subject = :subject"
        " AND kind = :kind AND status = 'pending' AND attempts = 0 AND held = 0 AND merged_into IS NULL",
        {"target": target, "member": member, "subject": fact.subject, "kind": fact.kind},
    )
    return None if row is None else int(row["id"])


def find_notification(transaction: Transaction, number: int) -> Row:
    """Return the row of a notification. Raises NotFound."""
    row = transaction.one("SELECT * FROM notification WHERE id = :id", {"id": number})
    if row is None:
        raise NotFound(f"No notification ntf_{number}.", hint="Look: GET /api/notifications", field="id")
    return row


def change_notification(call: Call, row: Row, **fields: object) -> Row:
    """Store new values of a notification and of all it tells of, and tell."""
    call.transaction.run(
        f"UPDATE notification SET {', '.join(f'{name} = :{name}' for name in fields)}"  # noqa: S608 (constants)
        " WHERE id = :id OR merged_into = :id",
        {**fields, "id": row["id"]},
    )
    changed = find_notification(call.transaction, row["id"])
    tell(call, changed)
    for merged in merged_with(call.transaction, row["id"]):
        tell(call, merged)
    return changed


def merged_with(transaction: Transaction, number: int) -> list[Row]:
    """Return the notifications that another one tells of, the oldest first."""
    return list(transaction.all("SELECT * FROM notification WHERE merged_into = :id ORDER BY id", {"id": number}))


def tell(call: Call, row: Row) -> None:
    """Emit a notification as it is now; who sends it looks at its moment."""
    notification = notification_of(row)
    call.emit(NotificationChanged(notification), subject=notification.id, audience=OPERATORS)


def notification_of(row: Row) -> Notification:
    """Build a notification from a row of the table."""
    said = orjson.loads(row["payload"])
    return Notification(
        id=f"ntf_{row['id']}",
        target=row["target"],
        member=row["member"] or None,
        kind=row["kind"],
        reason=row["reason"],
        subject=row["subject"],
        title=said["title"],
        path=said["path"],
        status=row["status"],
        note=row["note"],
        attempts=row["attempts"],
        next_attempt_at=iso_or_none(row["next_attempt_at"]),
        held=bool(row["held"]),
        merged_into=None if row["merged_into"] is None else f"ntf_{row['merged_into']}",
        error=row["error"],
        created_at=iso(row["created_at"]),
        delivered_at=iso_or_none(row["delivered_at"]),
        failed_at=iso_or_none(row["failed_at"]),
    )


def one_line(text: str) -> str:
    """Return a text as one line without control characters."""
    return " ".join(plain(text).split())


def plain(text: str) -> str:
    """Return a text without control characters, for what shows it may obey them."""
    return "".join(character for character in text if character >= " " or character in "\n\t").replace("\x7f", "")
