"""Pins: what stays in sight at the head of a channel."""

from dataclasses import dataclass

from server.core.call import Call
from server.core.errors import Conflict
from server.core.moment import iso
from server.core.names import ChannelName, MessageId
from server.core.operation import command, query
from server.core.permission import READ, SPEAK
from server.features.channels import require_open, resolve_channel
from server.features.messages.model import (
    MESSAGE_COLUMNS,
    Message,
    PinChanged,
    changed_message,
    describe_message,
    message_of,
    require_message,
    tell_change,
)

PINS_AT_MOST = 50


@dataclass(frozen=True, slots=True)
class Pinned:
    message_id: str
    pinned: bool
    unpinned: bool


@dataclass(frozen=True, slots=True)
class Pin:
    """One pinned message, and who pinned it when."""

    message_id: str
    channel_id: str
    pinned_by: str
    pinned_at: str
    from_agent: str
    content: str
    created_at: str
    message: Message


@dataclass(frozen=True, slots=True)
class Pins:
    pins: list[Pin]


def _describe_pinned(pinned: Pinned) -> str:
    return f"{'pinned' if pinned.pinned else 'unpinned'} {pinned.message_id}"


def _describe_pins(found: Pins) -> str:
    return "\n".join(f"{describe_message(pin.message)} [pinned by {pin.pinned_by}]" for pin in found.pins) or "No pins."


@command(
    "POST /api/messages/{message_id}/pin",
    tool="pin_message",
    toolset="curate",
    allow=SPEAK,
    emits=[PinChanged],
    repeatable=True,
    describe=_describe_pinned,
)
def pin_message(call: Call, *, message_id: MessageId) -> Pinned:
    """Pin a message in its channel. Wakes nobody.

    Raises NotFound, Conflict.
    """
    row, place = require_message(call, message_id)
    require_open(place)
    if row["deleted_at"] is not None:
        raise Conflict(f"msg_{message_id} was deleted.", hint="Pin another message.", field="message_id")
    if row["pinned_at"] is None:
        count = call.transaction.one(
            "SELECT count(*) AS count FROM message WHERE channel = :channel AND pinned_at IS NOT NULL",
            {"channel": place.id},
        )
        assert count is not None
        if count["count"] >= PINS_AT_MOST:
            raise Conflict(f"“{place.id}” has {PINS_AT_MOST} pins.", hint="Unpin one first.", field="message_id")
        message = changed_message(call, message_id, pinned_by=call.caller.name, pinned_at=call.now)
        tell_change(call, place, message_id, PinChanged(message, call.caller.name))
    return Pinned(f"msg_{message_id}", pinned=True, unpinned=False)


@command(
    "DELETE /api/messages/{message_id}/pin",
    tool="unpin_message",
    toolset="curate",
    allow=SPEAK,
    emits=[PinChanged],
    repeatable=True,
    describe=_describe_pinned,
)
def unpin_message(call: Call, *, message_id: MessageId) -> Pinned:
    """Unpin a message.

    Raises NotFound, Conflict.
    """
    row, place = require_message(call, message_id)
    require_open(place)
    if row["pinned_at"] is not None:
        message = changed_message(call, message_id, pinned_by=None, pinned_at=None)
        tell_change(call, place, message_id, PinChanged(message, call.caller.name))
    return Pinned(f"msg_{message_id}", pinned=False, unpinned=True)


@query(
    "GET /api/channels/{channel}/pins",
    tool="get_pinned_messages",
    toolset="curate",
    allow=READ,
    describe=_describe_pins,
)
def get_pinned_messages(call: Call, *, channel: ChannelName) -> Pins:
    """Pinned messages of a channel, the last pinned first.

    Raises NotFound, BadArgument.
    """
    place = resolve_channel(call, channel)
    rows = call.transaction.all(
        f"SELECT {MESSAGE_COLUMNS} FROM message WHERE channel = :channel AND pinned_at IS NOT NULL"  # noqa: S608
        " ORDER BY pinned_at DESC, id DESC",
        {"channel": place.id},
    )
    return Pins(
        [
            Pin(
                message_id=f"msg_{row['id']}",
                channel_id=place.id,
                pinned_by=row["pinned_by"],
                pinned_at=iso(row["pinned_at"]),
                from_agent=row["sender"],
                content=row["content"],
                created_at=iso(row["created_at"]),
                message=message_of(row),
            )
            for row in rows
        ]
    )
