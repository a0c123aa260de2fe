"""Read marks: how far each member has read each channel. What came before one joined is history, not unread.

A program is not believed to have read what it was never given: beside the mark stands how far it was shown everything.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from server.core.call import Call, Row, Transaction
from server.core.event import Event, event, member_audience
from server.core.names import ChannelName, MemberName, MessageId, message_id
from server.core.operation import command
from server.core.permission import SYSTEM

PROGRAMS = ("agent", "bot")
"""Kinds of members of whom it is kept how far they were shown a channel."""
COUNTED_AT_MOST = 1000
"""A count stops here: it means that many, or more."""
LOOKED_AT_MOST = 20_000
"""Messages that are looked at for one count: one's own are passed over, and somebody may write and never read."""


@dataclass(frozen=True, slots=True)
class Read:
    """How far one member has read one channel. Counts stop at 1000."""

    channel: str
    last_read: str | None
    unread: int
    mentions: int
    level: str = "all"
    """What the member wants to be told of: all | mentions | none. Nobody else is shown it."""


@event("read.updated", collection="reads", key="channel")
class ReadUpdated(Event):
    read: Read


@command(allow=SYSTEM, emits=[])
def mark_shown(call: Call, *, member: MemberName, channel: ChannelName, number: MessageId) -> bool:
    """Put on record that a member was shown everything in a channel up to a message. Tells nobody: it is no change."""
    moved = call.transaction.run(
        "INSERT INTO read_mark (member, channel, last_read, shown_up_to) VALUES (:member, :channel, 0, :id)"
        " ON CONFLICT (member, channel)"
        " DO UPDATE SET shown_up_to = excluded.shown_up_to WHERE excluded.shown_up_to > shown_up_to",
        {"member": member, "channel": channel, "id": number},
    )
    return moved > 0


def begin_reading(call: Call, member: str, channel: str) -> None:
    """Let a member who joins begin at the end of a channel."""
    call.transaction.run(
        "INSERT INTO read_mark (member, channel, last_read)"
        " SELECT :member, :channel, id FROM message WHERE channel = :channel ORDER BY id DESC LIMIT 1"
        " ON CONFLICT (member, channel) DO UPDATE SET last_read = excluded.last_read",
        {"member": member, "channel": channel},
    )
    tell_read(call, member, channel)


def mark_read(call: Call, member: str, channel: str, number: int) -> Read:
    """Move a member's mark forward to a message, never back, and return where it is."""
    moved = call.transaction.run(
        "INSERT INTO read_mark (member, channel, last_read) VALUES (:member, :channel, :id)"
        " ON CONFLICT (member, channel)"
        " DO UPDATE SET last_read = excluded.last_read WHERE excluded.last_read > last_read",
        {"member": member, "channel": channel, "id": number},
    )
    return tell_read(call, member, channel) if moved else read_of(call.transaction, member, channel)


def all_reads(transaction: Transaction, member: str) -> list[Read]:
    """Return how far a member has read each channel that it belongs to."""
    rows = transaction.all(
        f"{_COUNTS} FROM (SELECT channel_member.channel, level, coalesce(last_read, 0) AS last_read FROM channel_member"  # noqa: S608
        " LEFT JOIN read_mark USING (member, channel) WHERE member = :member) AS mark ORDER BY mark.channel",
        {"member": member},
    )
    return [_read(row) for row in rows]


def read_of(transaction: Transaction, member: str, channel: str) -> Read:
    """Return how far a member has read one channel."""
    row = transaction.one(
        f"{_COUNTS} FROM (SELECT :channel AS channel, coalesce((SELECT last_read FROM read_mark"  # noqa: S608
        " WHERE member = :member AND channel = :channel), 0) AS last_read, (SELECT level FROM channel_member"
        " WHERE member = :member AND channel = :channel) AS level) AS mark",
        {"member": member, "channel": channel},
    )
    assert row is not None
    return _read(row)


def record_mentions(call: Call, number: int, channel: str, named: Sequence[str]) -> None:
    """Keep whom a message names, for counts."""
    for member in named:
        call.transaction.run(
            "INSERT INTO mention (member, channel, message_id) VALUES (:member, :channel, :id)",
            {"member": member, "channel": channel, "id": number},
        )


def forget_mention(call: Call, number: int, channel: str, member: str) -> None:
    """Keep no longer that a message names somebody."""
    call.transaction.run(
        "DELETE FROM mention WHERE member = :member AND channel = :channel AND message_id = :id",
        {"member": member, "channel": channel, "id": number},
    )


def shown_up_to(transaction: Transaction, member: str, channel: str) -> int:
    """Return the message up to which a member was shown a channel, or has read it."""
    row = transaction.one(
        "SELECT max(last_read, shown_up_to) AS shown FROM read_mark WHERE member = :member AND channel = :channel",
        {"member": member, "channel": channel},
    )
    return 0 if row is None else int(row["shown"])


def unshown_between(transaction: Transaction, member: str, channel: str, after: int, up_to: int) -> int:
    """Count, up to 1000, what others wrote in a stretch of a channel and the member has not provably seen."""
    row = transaction.one(
        f"SELECT count(*) AS found FROM (SELECT 1 FROM message WHERE {UNREAD} AND id <= :up_to"  # noqa: S608
        " AND NOT EXISTS (SELECT 1 FROM delivery WHERE message_id = message.id AND recipient = :member"
        f" AND state IN ('seen', 'handled')) LIMIT {COUNTED_AT_MOST})",
        {"member": member, "channel": channel, "after": after, "up_to": up_to},
    )
    assert row is not None
    return int(row["found"])


def note_shown(call: Call, channel: str, first: int, last: int) -> None:
    """Have it put on record that the caller is being shown all of a stretch of a channel, if nothing lies before it.

    Only of programs: what a person has before their eyes, their screen knows.
    """
    if call.caller.kind not in PROGRAMS:
        return
    member = call.caller.name
    known = shown_up_to(call.transaction, member, channel)
    if last <= known or unshown_between(call.transaction, member, channel, known, first - 1):
        return
    call.follow_up("mark_shown", member=member, channel=channel, number=last)


UNREAD = "channel = :channel AND id > :after AND sender <> :member AND deleted_at IS NULL"
"""Condition on `message`: what a member has not read after its mark."""

_COUNTS = f"""
SELECT mark.channel, mark.last_read, mark.level,
  (SELECT count(*) FROM (
    SELECT 1 FROM (SELECT sender, deleted_at FROM message WHERE channel = mark.channel AND id > mark.last_read
                   ORDER BY id LIMIT {LOOKED_AT_MOST})
    WHERE sender <> :member AND deleted_at IS NULL LIMIT {COUNTED_AT_MOST})) AS unread,
  (SELECT count(*) FROM (
    SELECT 1 FROM mention JOIN message ON message.id = mention.message_id
    WHERE mention.member = :member AND mention.channel = mark.channel AND mention.message_id > mark.last_read
      AND message.deleted_at IS NULL LIMIT {COUNTED_AT_MOST})) AS mentions
"""  # noqa: S608 (constants)


def recount(call: Call, channel: str, number: int) -> None:
    """Tell those who had not read as far as a message what is unread now: messages up to it were taken away."""
    rows = call.transaction.all(
        "SELECT channel_member.member FROM channel_member LEFT JOIN read_mark"
        " ON read_mark.member = channel_member.member AND read_mark.channel = channel_member.channel"
        " WHERE channel_member.channel = :channel AND coalesce(last_read, 0) < :number",
        {"channel": channel, "number": number},
    )
    for row in rows:
        tell_read(call, row["member"], channel)


def has_unread(transaction: Transaction, member: str, channel: str, number: int) -> bool:
    """Tell whether a message is unread to a member of its channel."""
    row = transaction.one(
        "SELECT 1 FROM channel_member WHERE member = :member AND channel = :channel AND :id >"
        " coalesce((SELECT last_read FROM read_mark WHERE member = :member AND channel = :channel), 0)",
        {"member": member, "channel": channel, "id": number},
    )
    return row is not None


def tell_read(call: Call, member: str, channel: str) -> Read:
    """Tell a member how far it has read a channel, and return it."""
    read = read_of(call.transaction, member, channel)
    call.emit(ReadUpdated(read), subject=channel, audience=member_audience(member))
    return read


def _read(row: Row) -> Read:
    last_read = message_id(row["last_read"]) if row["last_read"] else None
    return Read(row["channel"], last_read, row["unread"], row["mentions"], row["level"] or "all")
