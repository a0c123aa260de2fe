"""What the sender asks for: the next that is due of a target, and what became of it. Every try is counted before."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from server.core.call import Call, Row
from server.core.moment import iso
from server.core.operation import command
from server.core.permission import SYSTEM
from server.features.messages.sending import NOTICE_EVENTS, send_notice
from server.features.notifications.model import (
    LONGEST_TEXT,
    Fact,
    NotificationChanged,
    NotificationId,
    change_notification,
    find_notification,
    merged_with,
    payload_of,
    plain,
    settings_of,
    tell,
)
from server.features.notifications.quiet import quiet_until
from server.features.notifications.targets import TargetName
from server.features.team import get_meta

DELAYS_S: Sequence[float] = (5, 15, 60, 300, 900, 1800, 3600)
"""Before the second try, the third, and so on; then it has failed."""
LEASE_MS = 120_000
"""A try that nobody reports of by then is taken for lost."""
WAITS_MS = 3_600_000
WAITS_AT_MOST_MS = 3 * 86_400_000
_AT_ONCE = 500
_SHOWN = 20


@dataclass(frozen=True)
class Said:
    """One thing of a notification."""

    title: str
    text: str
    path: str
    at: str
    code: str
    facts: dict[str, Any]


@dataclass(frozen=True)
class Outgoing:
    """What is to be sent now."""

    id: int
    delivery_id: str
    """The same at every try: by it the other end knows a repeat."""
    target: str
    member: str
    kind: str
    reason: str
    attempt: int
    items: list[Said]
    """The first of them, at most 20."""
    count: int
    """How many there are."""


@dataclass(frozen=True)
class Taken:
    """What is due now, or when something will be (UTC ms)."""

    outgoing: Outgoing | None
    next_due: int | None


@command(allow=SYSTEM, emits=[NotificationChanged])
def take_notification(call: Call, *, target: TargetName) -> Taken:
    """Hand out the next notification that is due: put together what was held, leave out what is moot by now."""
    due = call.transaction.all(
        "SELECT * FROM notification WHERE target = :target AND status = 'pending' AND merged_into IS NULL"
        " AND next_attempt_at <= :now ORDER BY next_attempt_at, id LIMIT :most",
        {"target": target, "now": call.now, "most": _AT_ONCE},
    )
    for row in _gathered(call, due):
        outgoing = _outgoing(call, row)
        if outgoing is not None:
            return Taken(outgoing, None)
    later = call.transaction.one(
        "SELECT min(next_attempt_at) AS due FROM notification WHERE target = :target AND status = 'pending'"
        " AND merged_into IS NULL",
        {"target": target},
    )
    return Taken(None, None if later is None else later["due"])


@command(allow=SYSTEM, emits=[NotificationChanged])
def note_sent(call: Call, *, id: NotificationId) -> None:  # noqa: A002 (the name of what it is)
    """Note that a notification has arrived."""
    row = find_notification(call.transaction, id)
    if row["status"] == "pending":
        change_notification(
            call, row, status="delivered", delivered_at=call.now, next_attempt_at=None, sending=0, held=0, error=""
        )


@command(allow=SYSTEM, emits=[NotificationChanged, *NOTICE_EVENTS])
def note_not_sent(
    call: Call,
    *,
    id: NotificationId,  # noqa: A002 (the name of what it is)
    error: str,
    final: bool = False,
    retry_after_s: float | None = None,
    waits: bool = False,
) -> None:
    """Note that a try did not succeed, and when the next is; or that it is given up, and say so.

    `waits`: it is for the other side to act first, and the try does not count.
    """
    row = find_notification(call.transaction, id)
    if row["status"] != "pending":
        return
    attempts = row["attempts"] - 1 if waits else row["attempts"]
    too_old = waits and call.now - row["created_at"] > WAITS_AT_MOST_MS
    if final or too_old or attempts > len(DELAYS_S):
        _give_up(call, row, error)
        return
    delay = WAITS_MS if waits else round(DELAYS_S[max(attempts - 1, 0)] * 1000)
    due = call.now + max(delay, round((retry_after_s or 0) * 1000))
    until = None if row["kind"] == "test" else _quiet_until(call, row, due)
    change_notification(
        call, row, error=error[:500], attempts=attempts, sending=0, held=int(until is not None),
        next_attempt_at=due if until is None else until,
    )  # fmt: skip


@command(allow=SYSTEM, emits=[NotificationChanged])
def resume_notifications(call: Call) -> None:
    """Make due at once what an earlier server was sending when it ended."""
    call.transaction.run(
        "UPDATE notification SET sending = 0, next_attempt_at = :now WHERE status = 'pending' AND sending = 1",
        {"now": call.now},
    )


def _give_up(call: Call, row: Row, error: str) -> None:
    change_notification(
        call, row, status="failed", failed_at=call.now, next_attempt_at=None, sending=0, held=0, error=error[:500]
    )
    earlier = call.transaction.one(
        "SELECT status FROM notification WHERE target = :target AND id <> :id AND merged_into IS NULL AND attempts > 0"
        " AND status <> 'pending' AND kind <> 'test' ORDER BY coalesce(delivered_at, failed_at) DESC, id DESC LIMIT 1",
        {"target": row["target"], "id": row["id"]},
    )
    if row["kind"] == "test" or (earlier is not None and earlier["status"] == "failed"):
        return  # said once, until something arrives again
    what = orjson.loads(row["payload"])["title"]
    for human in call.transaction.all(
        "SELECT name FROM member WHERE kind = 'human' AND role = 'chairman' AND retired_at IS NULL"
    ):
        send_notice(
            call,
            human["name"],
            f"“{what}” could not be told to {row['target']}: {error}. Look: /settings, or bullpen notify list",
        )


def _gathered(call: Call, due: list[Row] | Any) -> list[Row]:
    """Put together what quiet hours held back for the same reader, and return what is due then."""
    held: dict[str, list[Row]] = {}
    for row in due:
        if row["held"] and _quiet_until(call, row, call.now) is None:
            held.setdefault(row["member"], []).append(row)
    gone: set[int] = set()
    made: list[Row] = []
    for member, rows in held.items():
        alive = [row for row in rows if not _is_moot(call, row)]
        if len(alive) < 2:
            continue
        made.append(_digest_of(call, member, alive))
        gone.update(row["id"] for row in alive)
    return [*made, *(row for row in due if row["id"] not in gone)]


def _digest_of(call: Call, member: str, rows: list[Row]) -> Row:
    first, last = rows[0], rows[-1]
    fact = Fact(
        kind="digest",
        reason="quiet_hours",
        subject="quiet_hours",
        item=f"quiet_hours:{first['id']}-{last['id']}",
        title=f"{len(rows)} things happened in quiet hours",
        text="",
        path="/",
    )
    carrier = call.transaction.one(
        "INSERT INTO notification (target, member, kind, reason, subject, item, payload, status, note, attempts,"
        " next_attempt_at, held, sending, created_at, error) VALUES (:target, :member, 'digest', 'quiet_hours',"
        " 'quiet_hours', :item, :payload, 'pending', '', 0, :now, 0, 0, :now, '') RETURNING *",
        {
            "target": first["target"],
            "member": member,
            "item": fact.item,
            "payload": payload_of(fact, call.now),
            "now": call.now,
        },
    )
    assert carrier is not None
    for row in rows:
        call.transaction.run(
            "UPDATE notification SET merged_into = :carrier, held = 0 WHERE id = :id OR merged_into = :id",
            {"carrier": carrier["id"], "id": row["id"]},
        )
    return carrier


def _outgoing(call: Call, row: Row) -> Outgoing | None:
    """Count a try of a notification and return what it says, or None if it is not to be told, or not now."""
    parts = [row, *merged_with(call.transaction, row["id"])]
    alive = [part for part in parts if not _is_moot(call, part)]
    if not alive:
        done = {"status": "delivered", "delivered_at": call.now, "next_attempt_at": None, "held": 0}
        change_notification(call, row, **done, note="seen, taken back or decided before it was sent")
        return None
    until = None if row["kind"] == "test" else _quiet_until(call, row, call.now)
    if until is not None:
        change_notification(call, row, held=1, next_attempt_at=until)
        return None
    taken = call.transaction.one(
        "UPDATE notification SET attempts = attempts + 1, sending = 1, next_attempt_at = :lease WHERE id = :id"
        " RETURNING *",
        {"id": row["id"], "lease": call.now + LEASE_MS},
    )
    assert taken is not None
    tell(call, taken)
    epoch = get_meta(call.transaction, "epoch") or ""
    return Outgoing(
        id=row["id"],
        delivery_id=f"{epoch}-ntf_{row['id']}",
        target=row["target"],
        member=row["member"],
        kind=row["kind"],
        reason=row["reason"],
        attempt=taken["attempts"],
        items=[_said(call, part) for part in alive[:_SHOWN]],
        count=len(alive),
    )


def _said(call: Call, row: Row) -> Said:
    said = orjson.loads(row["payload"])
    text = said["text"]
    if "message" in said["facts"]:
        message = _message(call, said["facts"])
        text = plain(message["content"])[:LONGEST_TEXT] if message is not None else ""
    return Said(said["title"], text, said["path"], iso(row["created_at"]), said["code"], said["facts"])


def _message(call: Call, facts: Mapping[str, Any]) -> Row | None:
    """Return the message that a notification is about, as it is now; None if it was deleted."""
    return call.transaction.one(
        "SELECT id, content FROM message WHERE id = :id AND deleted_at IS NULL",
        {"id": int(facts["message"].removeprefix("msg_"))},
    )


def _quiet_until(call: Call, row: Row, at: int) -> int | None:
    return quiet_until(settings_of(call.transaction).quiet, row["kind"], row["reason"], at)


def _is_moot(call: Call, row: Row) -> bool:
    """Tell whether its reader has seen it meanwhile, its writer deleted it, or somebody has decided it."""
    facts = orjson.loads(row["payload"])["facts"]
    if row["kind"] in ("dm", "mention"):
        message = _message(call, facts)
        if message is None:
            return True
        member = row["member"] or _owner(call, row["target"])
        mark = call.transaction.one(
            "SELECT last_read FROM read_mark WHERE member = :member AND channel = :channel",
            {"member": member, "channel": facts["channel"]},
        )
        return mark is not None and mark["last_read"] >= message["id"]
    if "approval" in facts:
        number = int(facts["approval"].removeprefix("ap_"))
        approval = call.transaction.one("SELECT status FROM approval WHERE id = :id", {"id": number})
        return approval is None or approval["status"] != "pending"
    if row["reason"] == "permission" and "since" in facts:
        agent = call.transaction.one("SELECT activity, activity_since_at FROM agent WHERE name = :agent", facts)
        return agent is None or agent["activity"] != "needs_you" or iso(agent["activity_since_at"]) != facts["since"]
    return False


def _owner(call: Call, target: str) -> str | None:
    row = call.transaction.one("SELECT member FROM notification_target WHERE name = :name", {"name": target})
    return None if row is None else row["member"]
