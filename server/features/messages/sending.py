"""Sending: a message is stored, told, and owed to those it concerns, in one transaction."""

from typing import Annotated, Any, Literal

import orjson
from pydantic import Field

from server.core.call import SYSTEM_CALLER, Call, Row
from server.core.errors import BadArgument, NotFound, TooLarge
from server.core.names import ChannelName, MemberName, MessageId
from server.core.operation import command
from server.core.permission import SPEAK
from server.events.log import next_seq
from server.features.channels import Channel, ChannelCreated, audience_of, require_postable, resolve_channel
from server.features.deliveries import MessageDelivery, handled_by_answer, owe
from server.features.messages.addressing import MENTIONS_AT_MOST, Recipient, named_in, outlook_of, owed_of
from server.features.messages.model import Message, MessageCreated, message_of, shown_channel
from server.features.reads import ReadUpdated
from server.features.team import is_active

LONGEST_BYTES = 32 * 1024


class SentMessage(Message):
    """A message just sent, and what will become of it."""

    recipients: list[Recipient]


def _describe_sent(sent: SentMessage) -> str:
    owed = "; ".join(f"{recipient.name}: {recipient.will}" for recipient in sent["recipients"])
    return f"sent {sent['id']} to {shown_channel(sent['channel'])}" + (
        f" ({owed})" if owed else " (nobody mentioned, nobody is woken)"
    )


Content = Annotated[str, Field(min_length=1, description="Text, Markdown. At most 32 KiB.")]
Mentions = Annotated[list[MemberName], Field(max_length=MENTIONS_AT_MOST, description="Names to wake, beside @name.")]
Metadata = Annotated[dict[str, Any], Field(max_length=32)]


@command(
    "POST /api/send",
    tool="send_message",
    toolset="chat",
    allow=SPEAK,
    emits=[MessageCreated, MessageDelivery, ChannelCreated, ReadUpdated],
    status=201,
    describe=_describe_sent,
    aliases={"replyTo": "reply_to"},
    hidden=("to", "delivery", "metadata", "client_id"),
    required_in_tool=("channel",),
)
def send_message(
    call: Call,
    *,
    channel: ChannelName | None = None,
    to: MemberName | None = None,
    content: Content,
    mentions: Mentions = [],  # noqa: B006 (pydantic copies it)
    reply_to: MessageId | None = None,
    priority: Literal["now", "next", "later"] = "next",
    delivery: Literal["queue", "next_step", "interrupt"] = "queue",
    metadata: Metadata = {},  # noqa: B006 (pydantic copies it)
    client_id: Annotated[str | None, Field(max_length=64)] = None,
) -> SentMessage:
    """Post to a channel. Mention with @name. Reply in a thread with reply_to. Do not send bare acknowledgements.

    Raises NotFound, BadArgument, TooLarge, Conflict, NotAllowed.
    """
    place = resolve_channel(call, _place(channel, to))
    require_postable(call, place)
    _check_content(content, metadata)
    if delivery != "queue":
        raise BadArgument("Only delivery “queue” is built in this version.", hint="Leave it out.", field="delivery")
    replied = None if reply_to is None else _replied(call, place, reply_to)
    thread = None if replied is None else (replied["thread"] or replied["id"])
    named = named_in(call, place, content, mentions)
    seq = next_seq(call.transaction)
    number = call.transaction.insert(
        "INSERT INTO message (seq, channel, sender, sender_kind, content, mentions, reply_to, thread, priority,"
        " metadata, client_id, created_at) VALUES (:seq, :channel, :sender, :kind, :content, :mentions, :reply_to,"
        " :thread, :priority, :metadata, :client_id, :now)",
        {
            "seq": seq,
            "channel": place.id,
            "sender": call.caller.name,
            "kind": call.caller.kind,
            "content": content,
            "mentions": orjson.dumps(named).decode(),
            "reply_to": reply_to,
            "thread": thread,
            "priority": priority,
            "metadata": orjson.dumps(metadata).decode(),
            "client_id": client_id,
            "now": call.now,
        },
    )
    message = message_of(
        {
            "id": number,
            "seq": seq,
            "channel": place.id,
            "sender": call.caller.name,
            "sender_kind": call.caller.kind,
            "content": content,
            "mentions": named,
            "reply_to": reply_to,
            "thread": thread,
            "priority": priority,
            "metadata": metadata,
            "client_id": client_id,
            "created_at": call.now,
            "edited_at": None,
            "deleted_at": None,
        }
    )
    call.emit(MessageCreated(message), subject=place.id, audience=audience_of(place))
    handled_by_answer(call, call.caller.name, place.id, reply_to)
    owed = owed_of(call, place, named, replied)
    owe(call, number, place.id, owed)
    return {**message, "recipients": [outlook_of(call.transaction, name) for name in owed]}


@command(
    tool="send_dm",
    toolset="chat",
    allow=SPEAK,
    emits=[MessageCreated, MessageDelivery, ChannelCreated, ReadUpdated],
    describe=_describe_sent,
)
def send_dm(call: Call, *, recipient: MemberName, content: Content, reply_to: MessageId | None = None) -> SentMessage:
    """Direct message to one agent or human.

    Raises NotFound, BadArgument, TooLarge.
    """
    return send_message(call, to=recipient, content=content, reply_to=reply_to)


NOTICE_EVENTS = (MessageCreated, MessageDelivery, ChannelCreated, ReadUpdated)
"""What telling a member something may emit."""


def send_notice(call: Call, recipient: str, content: str) -> SentMessage | None:
    """Tell one member something in the server's own name. It is owed to them as a direct message is.

    Returns None if they are not on the team any more.
    """
    if not is_active(call.transaction, recipient):
        return None
    return send_message(call.acting_as(SYSTEM_CALLER), to=recipient, content=content)


def _place(channel: str | None, to: str | None) -> str:
    if (channel is None) == (to is None):
        raise BadArgument("Say where: `channel`, or `to` for a direct message.", field="channel")
    return channel if channel is not None else f"dm:{to}"


def _check_content(content: str, metadata: dict[str, Any]) -> None:
    if not content.strip():
        raise BadArgument("The message is empty.", field="content")
    size = len(content.encode())
    if size > LONGEST_BYTES or len(orjson.dumps(metadata)) > LONGEST_BYTES:
        raise TooLarge(
            f"The message has {size} bytes, at most {LONGEST_BYTES} are taken.",
            hint="Send it in parts, or write a file and say where it is.",
            field="content",
        )


def _replied(call: Call, place: Channel, number: int) -> Row:
    row = call.transaction.one(
        "SELECT id, sender, thread FROM message WHERE id = :id AND channel = :channel",
        {"id": number, "channel": place.id},
    )
    if row is None:
        raise NotFound(
            f"No message msg_{number} in {shown_channel(place.id)}.", hint="Read it: get_history", field="reply_to"
        )
    return row
