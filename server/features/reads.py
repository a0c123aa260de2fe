"""Read marks: how far each member has read each channel. What came before one joined is history, not unread."""

from dataclasses import dataclass

from server.core.call import Call, Transaction
from server.core.event import Event, event, member_audience
from server.core.names import message_id


@dataclass(frozen=True, slots=True)
class Read:
    """How far one member has read one channel."""

    channel: str
    last_read: str | None
    unread: int
    mentions: int
    level: str = "all"
    """What the member wants to be told of: all | mentions | none. Nobody else is shown it."""


@event("read.updated", collection="reads", key="channel")
class ReadUpdated(Event):
    read: Read


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
        "SELECT channel FROM channel_member WHERE member = :member ORDER BY channel", {"member": member}
    )
    return [read_of(transaction, member, row["channel"]) for row in rows]


def read_of(transaction: Transaction, member: str, channel: str) -> Read:
    """Return how far a member has read one channel."""
    row = transaction.one(
        "SELECT (SELECT last_read FROM read_mark WHERE member = :member AND channel = :channel) AS last_read,"
        " (SELECT level FROM channel_member WHERE member = :member AND channel = :channel) AS level,"
        " count(*) AS unread,"
        " coalesce(sum(EXISTS (SELECT 1 FROM json_each(message.mentions) WHERE value = :member)), 0)"
        " AS mentions FROM message WHERE channel = :channel AND sender <> :member AND deleted_at IS NULL AND id >"
        " coalesce((SELECT last_read FROM read_mark WHERE member = :member AND channel = :channel), 0)",
        {"member": member, "channel": channel},
    )
    assert row is not None
    last_read = None if row["last_read"] is None else message_id(row["last_read"])
    return Read(channel, last_read, row["unread"], row["mentions"], row["level"] or "all")


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
