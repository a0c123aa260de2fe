"""Deliveries: what is owed to whom, and how far it has come: stored → pushed → seen → handled.

Nothing is ever seen because it was pushed: only proof moves it on (a hook, the transcript, the recipient's own call).
"""

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated

import orjson
from pydantic import Field

from server.core.call import Call, Row, Transaction
from server.core.errors import NotFound
from server.core.event import Event, event
from server.core.moment import iso, iso_or_none
from server.core.names import Line, MemberName, MessageId, message_id
from server.core.operation import command, query
from server.core.permission import READ, SYSTEM
from server.features.channels import audience_of, find_channel, may_read

NOTICE = "paste"
"""The way that names what waits without a word of it."""
QUIET = "pull"
"""The mode of what its recipient finds at its next check-in, and is not woken by."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """How far one message has come to one recipient."""

    id: str
    message_id: str
    channel: str
    recipient: str
    state: str
    """stored | pushed | seen | handled, or withdrawn: told once, and no longer owed"""
    held_by: str | None
    """The kind of guard that withholds it while it is stored; None: nothing does."""
    way: str | None
    attempts: int
    mode: str
    """queue | next_step | interrupt | pull (found at the next check-in)"""
    stored_at: str
    pushed_at: str | None
    seen_at: str | None
    handled_at: str | None


@dataclass(frozen=True, slots=True)
class Receipts:
    receipts: list[Receipt]


@event("message.delivery", collection="receipts", key="id")
class MessageDelivery(Event):
    receipt: Receipt


@query("GET /api/messages/{id}/receipts", allow=READ)
def list_receipts(call: Call, *, id: MessageId) -> Receipts:  # noqa: A002 (the name in the route)
    """How far a message has come to each member it is owed to.

    Raises NotFound.
    """
    place = call.transaction.one("SELECT channel FROM message WHERE id = :id", {"id": id})
    channel = None if place is None else find_channel(call.transaction, place["channel"])
    if channel is None or not may_read(call.caller, channel):
        raise NotFound(f"No message msg_{id} that you may read.", hint="Read it: get_history", field="id")
    rows = call.transaction.all(f"SELECT {_COLUMNS} FROM delivery WHERE message_id = :id ORDER BY id", {"id": id})  # noqa: S608
    return Receipts([_receipt(row) for row in rows])


@dataclass(frozen=True, slots=True)
class Owed:
    """One message that a recipient has not provably seen, as its courier needs it."""

    delivery: int
    message: int
    channel: str
    sender: str
    sender_kind: str
    sender_role: str
    content: str
    thread: int | None
    state: str
    attempts: int
    stored_at: int
    pushed_at: int | None
    push_id: str | None
    reply_to: int | None
    mode: str
    """How it is to be handed over: queue (when free) | next_step | interrupt | pull (not at all)."""


@query(allow=SYSTEM)
def list_owed(call: Call, *, recipient: MemberName, limit: Annotated[int, Field(ge=1, le=500)] = 100) -> list[Owed]:
    """What is to be handed over to a recipient who has not provably seen it, oldest first."""
    return owed_to(call.transaction, recipient, limit, quiet=False)


@query(allow=SYSTEM)
def list_recipients_owed(call: Call) -> list[str]:
    """Name every member to whom something unseen is to be handed over."""
    rows = call.transaction.all(f"SELECT DISTINCT recipient FROM delivery WHERE {_UNSEEN} AND mode <> 'pull'")  # noqa: S608
    return [row["recipient"] for row in rows]


PushId = Annotated[str, Field(pattern=r"^[0-9a-z]{4,32}$")]


@command(allow=SYSTEM, emits=[MessageDelivery])
def mark_pushed(
    call: Call, *, recipient: MemberName, messages: list[MessageId], way: Line, push_id: PushId
) -> list[Receipt]:
    """Record that messages were handed over by some way. That is no proof that they were seen."""
    change = (
        "state = CASE state WHEN 'stored' THEN 'pushed' ELSE state END, attempts = attempts + 1,"
        " pushed_at = :now, way = :way, push_id = :push_id"
    )
    return _advance(call, recipient, messages, change, _UNSEEN, way=way, push_id=push_id)


@command(allow=SYSTEM, emits=[MessageDelivery])
def mark_push_seen(call: Call, *, recipient: MemberName, push_id: PushId, way: Line) -> list[Receipt]:
    """Record proof that a push entered the recipient's turn, and with it the messages in it.

    A notice holds no message: what it names is seen when the recipient fetches it.
    """
    rows = call.transaction.all(
        "SELECT message_id FROM delivery WHERE recipient = :recipient AND push_id = :push_id AND state <> 'handled'"
        " AND way <> :notice",
        {"recipient": recipient, "push_id": push_id, "notice": NOTICE},
    )
    return seen(call, recipient, [row["message_id"] for row in rows], way)


@dataclass(frozen=True, slots=True)
class Push:
    """Messages that were handed over together and are not handled yet."""

    push_id: str
    state: str
    """pushed | seen"""
    way: str


@query(allow=SYSTEM)
def list_pushes(call: Call, *, recipient: MemberName) -> list[Push]:
    """Pushes to a recipient of which something is not handled yet."""
    rows = call.transaction.all(
        "SELECT DISTINCT push_id, state, way FROM delivery WHERE recipient = :recipient AND push_id IS NOT NULL"
        " AND state IN ('pushed', 'seen')",
        {"recipient": recipient},
    )
    return [Push(row["push_id"], row["state"], row["way"]) for row in rows]


@command(allow=SYSTEM, emits=[MessageDelivery])
def mark_push_lost(call: Call, *, recipient: MemberName, push_id: PushId) -> list[Receipt]:
    """Record that a push is in no conversation of the recipient any more: what was in it is owed as before."""
    rows = call.transaction.all(
        "UPDATE delivery SET state = 'stored', seen_at = NULL, pushed_at = NULL, push_id = NULL"  # noqa: S608
        " WHERE recipient = :recipient AND push_id = :push_id AND state IN ('pushed', 'seen')"
        f" RETURNING {_COLUMNS}",
        {"recipient": recipient, "push_id": push_id},
    )
    return [_told(call, row) for row in rows]


def owe(
    call: Call,
    number: int,
    channel: str,
    recipients: Iterable[str],
    mode: str = "queue",
    *,
    held: Container[str] = (),
    held_by: str | None = None,
    guard: int | None = None,
) -> list[Receipt]:
    """Store that a message is owed to these members, and how it is to be handed over.

    From those in `held` a guard withholds it.
    """
    receipts = []
    for recipient in recipients:
        row = call.transaction.one(
            "INSERT INTO delivery (message_id, channel, recipient, state, mode, held_by, guard, stored_at,"  # noqa: S608
            " sender_told_at) VALUES (:message, :channel, :recipient, 'stored', :mode, :held_by, :guard, :now, :told)"
            f" RETURNING {_COLUMNS}",
            {
                "message": number,
                "channel": channel,
                "recipient": recipient,
                "mode": mode,
                "held_by": held_by if recipient in held else None,
                "guard": guard if recipient in held else None,
                "now": call.now,
                # The server need not be told, and who was told of the guard knows.
                "told": call.now if call.caller.kind == "system" or recipient in held else None,
            },
        )
        assert row is not None
        receipts.append(_told(call, row))
    return receipts


def let_wait(call: Call, number: int) -> None:
    """Have nobody woken by a message that was just owed: it is found at the next check-in."""
    rows = call.transaction.all(
        f"UPDATE delivery SET mode = 'pull' WHERE message_id = :message RETURNING {_COLUMNS}",  # noqa: S608
        {"message": number},
    )
    for row in rows:
        _told(call, row)


def withdraw(call: Call, number: int, recipients: Iterable[str] | None = None) -> None:
    """Take a message back from those (or all) who have not seen it: it is owed to them no longer."""
    for recipient in [None] if recipients is None else recipients:
        _withdraw(
            call, "message_id = :message AND (:recipient IS NULL OR recipient = :recipient)",
            message=number, recipient=recipient,
        )  # fmt: skip


def withdraw_in_channel(call: Call, recipient: str, channel: str) -> None:
    """Take back what a member has not seen of a channel that it may not read any more."""
    _withdraw(call, "recipient = :recipient AND channel = :channel", recipient=recipient, channel=channel)


def hold_waiting(call: Call, channel: str, guard: int, kind: str, members: Sequence[str]) -> list[Receipt]:
    """Withhold what waits in a channel from one of these agents to another and was not handed over yet."""
    rows = call.transaction.all(
        "UPDATE delivery SET held_by = :kind, guard = :guard WHERE channel = :channel AND state = 'stored'"  # noqa: S608
        " AND held_by IS NULL AND attempts = 0 AND recipient IN (SELECT value FROM json_each(:members))"
        " AND recipient IN (SELECT name FROM member WHERE kind <> 'human')"
        " AND message_id IN (SELECT id FROM message WHERE channel = :channel AND sender_kind IN ('agent', 'bot')"
        f" AND sender IN (SELECT value FROM json_each(:members)) ORDER BY id DESC LIMIT 500) RETURNING {_COLUMNS}",
        {"kind": kind, "guard": guard, "channel": channel, "members": orjson.dumps(list(members)).decode()},
    )
    return [_told(call, row) for row in rows]


def release_held(call: Call, guard: int) -> list[Receipt]:
    """Let go what a guard withheld: it is owed as if it had been sent now."""
    rows = call.transaction.all(
        "UPDATE delivery SET held_by = NULL, guard = NULL WHERE guard = :guard AND state = 'stored'"  # noqa: S608
        f" RETURNING {_COLUMNS}",
        {"guard": guard},
    )
    return [_told(call, row) for row in rows]


def receipts_of(transaction: Transaction, messages: Sequence[int]) -> list[Receipt]:
    """Return how far these messages have come."""
    rows = transaction.all(
        f"SELECT {_COLUMNS} FROM delivery"  # noqa: S608
        " WHERE message_id IN (SELECT value FROM json_each(:messages)) ORDER BY id",
        {"messages": orjson.dumps(messages).decode()},
    )
    return [_receipt(row) for row in rows]


def owed_to(transaction: Transaction, recipient: str, limit: int, *, quiet: bool = True) -> list[Owed]:
    """Return what a recipient has not provably seen, oldest first; without what it is not woken by unless quiet."""
    rows = transaction.all(
        "SELECT delivery.id AS delivery, message.id AS message, message.channel, message.sender, message.sender_kind,"
        " coalesce(member.role, 'system') AS sender_role, message.content, message.thread, delivery.state,"
        " delivery.attempts, delivery.stored_at, delivery.pushed_at, delivery.push_id, message.reply_to, delivery.mode"
        " FROM delivery JOIN message ON message.id = delivery.message_id"
        " LEFT JOIN member ON member.name = message.sender"
        " WHERE delivery.recipient = :recipient AND delivery.state IN ('stored', 'pushed') AND delivery.held_by IS NULL"
        " AND (:quiet OR delivery.mode <> 'pull') ORDER BY delivery.id LIMIT :limit",
        {"recipient": recipient, "limit": limit, "quiet": quiet},
    )
    return [Owed(**row) for row in rows]


def count_owed(transaction: Transaction, recipient: str) -> int:
    """Count what a recipient has not provably seen, up to 1000."""
    row = transaction.one(
        "SELECT count(*) AS owed FROM (SELECT 1 FROM delivery WHERE recipient = :recipient"
        " AND state IN ('stored', 'pushed') LIMIT 1000)",
        {"recipient": recipient},
    )
    assert row is not None
    return int(row["owed"])


def seen(call: Call, recipient: str, messages: Sequence[int], way: str) -> list[Receipt]:
    """Move what was not seen to seen."""
    return _advance(
        call,
        recipient,
        messages,
        "state = 'seen', seen_at = :now, way = :way",
        "state IN ('stored', 'pushed')",
        way=way,
    )


def handled_up_to(call: Call, recipient: str, channel: str, number: int) -> None:
    """Move everything owed in a channel up to a message to handled: the recipient said so."""
    _finish(call, "channel = :channel AND message_id <= :number", recipient, channel=channel, number=number)


def handled_by_answer(call: Call, recipient: str, channel: str, reply_to: int | None) -> None:
    """Move what a new message of the recipient answers to handled: what it had seen there, and what it replies to."""
    condition = "channel = :channel AND (state = 'seen' OR message_id = :reply_to)"
    answered = {"recipient": recipient, "channel": channel, "reply_to": reply_to}
    # Most messages answer nothing, and an update that changes nothing costs three times a look.
    if call.transaction.one(f"SELECT 1 FROM delivery WHERE {_UNHANDLED} AND {condition}", answered) is not None:  # noqa: S608
        _finish(call, condition, recipient, channel=channel, reply_to=reply_to)


_UNSEEN = "state IN ('stored', 'pushed') AND held_by IS NULL"
_UNHANDLED = "recipient = :recipient AND state <> 'handled'"
_COLUMNS = (
    "id, message_id, channel, recipient, state, held_by, way, attempts, mode, stored_at, pushed_at, seen_at, handled_at"
)


def _withdraw(call: Call, condition: str, **parameters: object) -> None:
    rows = call.transaction.all(
        f"DELETE FROM delivery WHERE {condition} AND state IN ('stored', 'pushed') RETURNING {_COLUMNS}",  # noqa: S608
        parameters,
    )
    for row in rows:
        _told(call, {**row, "state": "withdrawn"})


def _finish(call: Call, condition: str, recipient: str, **parameters: object) -> None:
    rows = call.transaction.all(
        "UPDATE delivery SET state = 'handled', seen_at = coalesce(seen_at, :now), handled_at = :now"  # noqa: S608
        f" WHERE {_UNHANDLED} AND {condition} RETURNING {_COLUMNS}",
        {"recipient": recipient, "now": call.now, **parameters},
    )
    for row in rows:
        _told(call, row)


def _advance(
    call: Call,
    recipient: str,
    messages: Sequence[int],
    change: str,
    condition: str,
    *,
    way: str,
    push_id: str | None = None,
) -> list[Receipt]:
    receipts = []
    for number in messages:
        row = call.transaction.one(
            f"UPDATE delivery SET {change} WHERE recipient = :recipient AND message_id = :message AND {condition}"  # noqa: S608
            f" RETURNING {_COLUMNS}",
            {"recipient": recipient, "message": number, "now": call.now, "way": way, "push_id": push_id},
        )
        if row is not None:
            receipts.append(_told(call, row))
    return receipts


def _told(call: Call, row: Row) -> Receipt:
    receipt = _receipt(row)
    channel = find_channel(call.transaction, row["channel"])
    assert channel is not None
    call.emit(MessageDelivery(receipt), subject=channel.id, audience=audience_of(channel))
    return receipt


def _receipt(row: Row) -> Receipt:
    return Receipt(
        id=f"del_{row['id']}",
        message_id=message_id(row["message_id"]),
        channel=row["channel"],
        recipient=row["recipient"],
        state=row["state"],
        held_by=row["held_by"],
        way=row["way"],
        attempts=row["attempts"],
        mode=row["mode"],
        stored_at=iso(row["stored_at"]),
        pushed_at=iso_or_none(row["pushed_at"]),
        seen_at=iso_or_none(row["seen_at"]),
        handled_at=iso_or_none(row["handled_at"]),
    )
