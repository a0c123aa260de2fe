"""Targets: who outside may be told, as `agents.yaml` has it, and how it goes with them. No address is ever shown."""

from dataclasses import dataclass
from typing import Annotated, Any

import orjson
from pydantic import Field

from server.core.call import Call, Row, Transaction
from server.core.errors import NotFound
from server.core.event import OPERATORS, Event, event
from server.core.moment import iso_or_none
from server.core.names import MemberName
from server.core.operation import command, query
from server.core.permission import MANAGE_NOTIFICATIONS, SYSTEM
from server.events import log
from server.features.notifications.model import (
    SETTINGS,
    Fact,
    Notification,
    NotificationChanged,
    enqueue,
    notification_of,
    settings_of,
)
from server.features.notifications.quiet import Quiet
from server.features.schedules.timing import read_timing
from server.features.team import get_meta, put_meta, team_name

CURSOR = "notifications_cursor"
DIGEST_DUE = "notifications_digest_due"
DIGEST_SINCE = "notifications_digest_since"

TargetName = Annotated[str, Field(max_length=40, description="A target of `agents.yaml`, as `phone`.")]


@dataclass(frozen=True, slots=True)
class Target:
    """One target, and how it goes with it."""

    name: str
    type: str
    address: str
    """Where its address is kept, as `env:NTFY_URL`; never the address itself."""
    events: list[str]
    member: str | None
    people: list[str]
    """Of a chat bridge: the humans who are reached by it."""
    pending: int
    held: int
    failed: int
    delivered: int
    last_delivered_at: str | None
    last_failed_at: str | None
    last_error: str
    """Of the last attempt, empty if that succeeded."""
    removed: bool


@dataclass(frozen=True, slots=True)
class Targets:
    targets: list[Target]
    quiet_hours: str
    digest: str
    """When and for whom things are put together, or nothing."""


@event("notification_target.changed", collection="notification_targets")
class TargetChanged(Event):
    target: Target


@dataclass(frozen=True)
class TargetSettings:
    """One target as configured."""

    name: str
    type: str
    address: str
    events: list[str]
    member: str | None
    people: list[str]


@query("GET /api/notifications/targets", allow=MANAGE_NOTIFICATIONS)
def list_targets(call: Call) -> Targets:
    """Who outside is told of what, and how it goes with them."""
    rows = call.transaction.all("SELECT * FROM notification_target WHERE removed_at IS NULL ORDER BY rowid")
    settings = settings_of(call.transaction)
    quiet = settings.quiet
    shown = "" if quiet is None else f"{quiet.start} to {quiet.end} {quiet.tz}"
    if quiet is not None and quiet.exceptions:
        shown += f", except {', '.join(quiet.exceptions)}"
    digest = f"{settings.digest_cron} {settings.digest_tz}, for {settings.digest_to}" if settings.digest_cron else ""
    return Targets([target_of(call.transaction, row) for row in rows], shown, digest)


@command(
    "POST /api/notifications/targets/{name}/test",
    allow=MANAGE_NOTIFICATIONS,
    emits=[NotificationChanged],
    status=201,
)
def send_test(call: Call, *, name: TargetName) -> Notification:
    """Send a test to a target, also in quiet hours. What becomes of it: GET /api/notifications/{id}.

    Raises NotFound.
    """
    target = find_target(call.transaction, name)
    people = orjson.loads(target["people"])
    mine = call.caller.name if call.caller.name in people else ""
    fact = Fact(
        kind="test",
        reason="",
        subject="test",
        item=f"test:{call.call_id}",
        title=f"Test from {team_name(call.transaction)}",
        text=f"{call.caller.name} wanted to know whether this arrives. It does.",
        path="/settings",
    )
    enqueue(call, target, mine or (people[0] if people else ""), fact, settings_of(call.transaction), at_once=True)
    row = call.transaction.one("SELECT * FROM notification WHERE item = :item", {"item": fact.item})
    assert row is not None
    return notification_of(row)


@command(allow=SYSTEM, emits=[TargetChanged])
def ensure_targets(
    call: Call,
    *,
    targets: list[dict[str, Any]],
    quiet: dict[str, Any] | None = None,
    digest_cron: str = "",
    digest_to: MemberName | None = None,
    digest_tz: str = "UTC",
) -> None:
    """Make the targets as configured. What is not there any more is told nothing more; its history stays.

    Raises BadArgument if the digest never happens.
    """
    transaction = call.transaction
    active = transaction.one("SELECT 1 FROM notification_target WHERE removed_at IS NULL LIMIT 1")
    if active is None:  # what happened while nobody was to be told is not told later
        put_meta(transaction, CURSOR, str(log.position(transaction).seq))
    wanted = [TargetSettings(**target) for target in targets]
    for target in wanted:
        _ensure(call, target)
    names = {target.name for target in wanted}
    for row in transaction.all("SELECT * FROM notification_target WHERE removed_at IS NULL"):
        if row["name"] not in names:
            transaction.run(
                "UPDATE notification_target SET removed_at = :now WHERE name = :name",
                {"name": row["name"], "now": call.now},
            )
            transaction.run(
                "UPDATE notification SET status = 'failed', failed_at = :now, next_attempt_at = NULL, sending = 0,"
                " error = 'the target is not in agents.yaml any more' WHERE target = :name AND status = 'pending'",
                {"name": row["name"], "now": call.now},
            )
            tell_target(call, row["name"])
    _ensure_settings(call, quiet, digest_cron, digest_to or "", digest_tz)


def _ensure(call: Call, wanted: TargetSettings) -> None:
    values = {
        "name": wanted.name,
        "type": wanted.type,
        "address": wanted.address,
        "events": orjson.dumps(wanted.events).decode(),
        "member": wanted.member,
        "people": orjson.dumps(sorted(set(wanted.people))).decode(),
        "removed_at": None,
    }
    before = call.transaction.one("SELECT * FROM notification_target WHERE name = :name", values)
    if before is not None and all(before[name] == value for name, value in values.items()):
        return
    call.transaction.run(
        "INSERT INTO notification_target (name, type, address, events, member, people)"
        " VALUES (:name, :type, :address, :events, :member, :people) ON CONFLICT (name) DO UPDATE SET type = :type,"
        " address = :address, events = :events, member = :member, people = :people, removed_at = NULL",
        values,
    )
    tell_target(call, wanted.name)


def _ensure_settings(call: Call, quiet: dict[str, Any] | None, cron: str, to: str, tz: str) -> None:
    wanted = orjson.dumps(
        {"quiet": None if quiet is None else vars(Quiet(**quiet)), "cron": cron, "to": to, "tz": tz}
    ).decode()
    if wanted == get_meta(call.transaction, SETTINGS):
        return
    put_meta(call.transaction, SETTINGS, wanted)
    due = None
    if cron:
        due = read_timing(cron_expr=cron, every=None, at=None, zone=tz, now=call.now).next_after(call.now)
        if get_meta(call.transaction, DIGEST_SINCE) is None:
            put_meta(call.transaction, DIGEST_SINCE, str(call.now))
    put_meta(call.transaction, DIGEST_DUE, "" if due is None else str(due))


def find_target(transaction: Transaction, name: str) -> Row:
    """Return the row of a target that is configured. Raises NotFound with the nearest names."""
    rows = transaction.all("SELECT * FROM notification_target WHERE removed_at IS NULL")
    found = next((row for row in rows if row["name"] == name), None)
    if found is None:
        raise NotFound.among("target", name, [row["name"] for row in rows], field="name")
    return found


def tell_target(call: Call, name: str) -> None:
    """Emit a target as it is now."""
    row = call.transaction.one("SELECT * FROM notification_target WHERE name = :name", {"name": name})
    assert row is not None
    call.emit(TargetChanged(target_of(call.transaction, row)), subject=name, audience=OPERATORS)


def target_of(transaction: Transaction, row: Row) -> Target:
    """Build a target from its row and from what became of its notifications."""
    name = {"name": row["name"]}
    counts = transaction.one(
        "SELECT coalesce(sum(status = 'pending'), 0) AS pending, coalesce(sum(status = 'pending' AND held), 0) AS held,"
        " coalesce(sum(status = 'failed'), 0) AS failed, coalesce(sum(status = 'delivered'), 0) AS delivered,"
        " max(delivered_at) AS delivered_at, max(failed_at) AS failed_at FROM notification WHERE target = :name",
        name,
    )
    assert counts is not None
    last = transaction.one(
        "SELECT error FROM notification WHERE target = :name AND attempts > 0"
        " ORDER BY coalesce(delivered_at, failed_at, created_at) DESC, id DESC LIMIT 1",
        name,
    )
    return Target(
        name=row["name"],
        type=row["type"],
        address=row["address"],
        events=orjson.loads(row["events"]),
        member=row["member"],
        people=orjson.loads(row["people"]),
        pending=counts["pending"],
        held=counts["held"],
        failed=counts["failed"],
        delivered=counts["delivered"],
        last_delivered_at=iso_or_none(counts["delivered_at"]),
        last_failed_at=iso_or_none(counts["failed_at"]),
        last_error="" if last is None else last["error"],
        removed=row["removed_at"] is not None,
    )
