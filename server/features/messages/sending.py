"""Sending: a message is stored, told, and owed to those it concerns, in one transaction."""

from collections.abc import Sequence
from dataclasses import replace
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
from server.features.deliveries import MessageDelivery, handled_by_answer, let_wait, owe
from server.features.files.attaching import attach_files, shown_files
from server.features.files.model import AttachedFile, FileChanged, FileId
from server.features.guards.chain import Chain, chain_of, fingerprint_of
from server.features.guards.limits import limits_of
from server.features.guards.model import GuardTripped
from server.features.guards.rates import take_allowance
from server.features.guards.watch import Hold, Said, judge
from server.features.messages.addressing import MENTIONS_AT_MOST, Recipient, address, named_in, outlooks_of
from server.features.messages.model import Message, MessageCreated, message_of, number_of, shown_channel
from server.features.reads import ReadUpdated, record_mentions
from server.features.team import is_active, require_active

LONGEST_BYTES = 32 * 1024
EXCERPT = 400
"""Characters of a text that is too long which are offered back, as what its file could be announced with."""
Mode = Literal["queue", "next_step", "interrupt"]
"""When an agent at work is handed a message: when it is free, at its next step, or at once."""


class SentMessage(Message):
    """A message just sent, and what will become of it."""

    recipients: list[Recipient]
    guard: str | None
    """Why some of them are not woken: a guard holds it; None: nothing does."""


def _describe_sent(sent: SentMessage) -> str:
    if sent["guard"] is not None:
        return f"sent {sent['id']} to {shown_channel(sent['channel'])}. {sent['guard']}"
    owed = "; ".join(f"{recipient.name}: {recipient.will}" for recipient in sent["recipients"])
    return f"sent {sent['id']} to {shown_channel(sent['channel'])}" + (
        f" ({owed})" if owed else " (nobody mentioned, nobody is woken)"
    )


Content = Annotated[str, Field(min_length=1, description="Text, Markdown. At most 32 KiB.")]
Mentions = Annotated[list[MemberName], Field(max_length=MENTIONS_AT_MOST, description="Names to wake, beside @name.")]
AttachedFiles = Annotated[list[FileId], Field(max_length=20)]
LongText = Annotated[
    Literal["refuse", "file"], Field(description="Of text beyond 32 KiB: `file` stores it and sends an excerpt.")
]
Metadata = Annotated[dict[str, Any], Field(max_length=32)]


@command(
    "POST /api/send",
    tool="send_message",
    toolset="chat",
    allow=SPEAK,
    emits=[MessageCreated, MessageDelivery, ChannelCreated, ReadUpdated, FileChanged, GuardTripped],
    status=201,
    describe=_describe_sent,
    aliases={"replyTo": "reply_to"},
    hidden=("to", "delivery", "metadata", "client_id", "long_text"),
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
    delivery: Mode = "queue",
    metadata: Metadata = {},  # noqa: B006 (pydantic copies it)
    files: AttachedFiles = [],  # noqa: B006 (pydantic copies it)
    long_text: LongText = "refuse",
    client_id: Annotated[str | None, Field(max_length=64)] = None,
) -> SentMessage:
    """Post to a channel. Mention with @name. Reply in a thread with reply_to. Do not send bare acknowledgements.

    Raises NotFound, BadArgument, TooLarge, Conflict, NotAllowed, TooMany.
    """
    limits = limits_of(call.transaction, call.caller.name)
    take_allowance(call, limits)
    place = require_addressable(call, channel, to)
    require_mode(call, delivery)
    check_content(content, metadata)
    replied = None if reply_to is None else require_replied(call, place, reply_to)
    named = named_in(call, place, content, mentions)
    shown = shown_files(call, files)
    chain = chain_of(call, reply_to)
    message = _store(
        call,
        place,
        content=content,
        mentions=named.everybody,
        reply_to=reply_to,
        thread=None if replied is None else (replied["thread"] or replied["id"]),
        priority=priority,
        metadata=metadata,
        files=shown,
        client_id=client_id,
        chain=chain,
    )
    attach_files(call, number_of(message), place, files)
    handled_by_answer(call, call.caller.name, place.id, reply_to)
    addressed = address(call, place, named, replied)
    number = number_of(message)
    hold = judge(call, Said(number, place, content, chain, bool(files)), list(addressed.owed), limits)
    owe_unless_held(call, number, place, addressed.owed, delivery, hold)
    recipients = with_hold(outlooks_of(call.transaction, place, addressed, delivery), hold)
    return {**message, "recipients": recipients, "guard": None if hold is None else hold.sentence}


@command(
    tool="send_dm",
    toolset="chat",
    allow=SPEAK,
    emits=[MessageCreated, MessageDelivery, ChannelCreated, ReadUpdated, GuardTripped],
    describe=_describe_sent,
)
def send_dm(call: Call, *, recipient: MemberName, content: Content, reply_to: MessageId | None = None) -> SentMessage:
    """Direct message to one agent or human.

    Raises NotFound, BadArgument, TooLarge.
    """
    return send_message(call, to=recipient, content=content, reply_to=reply_to)


NOTICE_EVENTS = (MessageCreated, MessageDelivery, ChannelCreated, ReadUpdated)
"""What telling a member something may emit."""


def send_notice(call: Call, recipient: str, content: str, *, wakes: bool = True) -> SentMessage | None:
    """Tell one member something in the server's own name. It is owed to them as a direct message is.

    One that does not wake an agent is found at its next check-in. Returns None if they are not on the team any more.
    """
    if not is_active(call.transaction, recipient):
        return None
    sent = send_message(call.acting_as(SYSTEM_CALLER), to=recipient, content=content, delivery="next_step")
    if not wakes:
        let_wait(call, number_of(sent))
    return sent


def post_notice(call: Call, place: Channel, content: str) -> int:
    """Say something in a channel in the server's own name. It is owed to nobody. Returns the message's number."""
    return number_of(send_message(call.acting_as(SYSTEM_CALLER), channel=place.id, content=content))


def owe_unless_held(
    call: Call, number: int, place: Channel, recipients: Sequence[str], mode: str, hold: Hold | None
) -> None:
    """Store that a message is owed; what a guard holds is withheld."""
    if hold is None:
        owe(call, number, place.id, recipients, mode)
    else:
        owe(call, number, place.id, recipients, mode, held=hold.recipients, held_by=hold.kind, guard=hold.guard)


def with_hold(recipients: list[Recipient], hold: Hold | None) -> list[Recipient]:
    """Say of those from whom a guard withholds a message that they are not woken."""
    if hold is None:
        return recipients
    return [
        replace(recipient, awake=None, will=f"is not woken: {hold.kind}")
        if recipient.name in hold.recipients
        else recipient
        for recipient in recipients
    ]


def require_addressable(call: Call, channel: str | None, to: str | None) -> Channel:
    """Return the channel a message is to be sent to, if the caller may write there.

    Raises BadArgument, NotFound, Conflict.
    """
    if (channel is None) == (to is None):
        raise BadArgument("Say where: `channel`, or `to` for a direct message.", field="channel")
    place = resolve_channel(call, channel if channel is not None else f"dm:{to}")
    require_postable(call, place)
    if place.type == "dm":
        for name in place.members:
            require_active(call.transaction, name, field="channel" if to is None else "to")
    return place


def require_mode(call: Call, delivery: str) -> None:
    """Raise NotAllowed unless the caller may have a message handed over in this way."""
    call.require(
        delivery != "interrupt" or call.caller.role in ("chairman", "operator", "lead", "system"),
        "Only leads and those who operate interrupt others.",
        hint="Send it with delivery “next_step”.",
    )


def require_replied(call: Call, place: Channel, number: int) -> Row:
    """Return the message that is replied to. Raises NotFound unless it is in the same channel."""
    row = call.transaction.one(
        "SELECT id, sender, thread FROM message WHERE id = :id AND channel = :channel",
        {"id": number, "channel": place.id},
    )
    if row is None:
        raise NotFound(
            f"No message msg_{number} in {shown_channel(place.id)}.", hint="Read it: get_history", field="reply_to"
        )
    return row


def check_content(content: str, metadata: dict[str, Any] | None = None) -> None:
    """Raise BadArgument for an empty message, TooLarge for one that is to be a file."""
    if not content.strip():
        raise BadArgument("The message is empty.", field="content")
    size = len(content.encode())
    if size > LONGEST_BYTES:
        raise TooLarge(
            f"The message has {size} bytes, at most {LONGEST_BYTES} are taken.",
            hint="Send it with long_text=file: it becomes a file, announced by an excerpt. Or send it in parts.",
            field="content",
            facts={
                "offer": {
                    "as": "file",
                    "long_text": "file",
                    "bytes": size,
                    "excerpt": content[:EXCERPT],
                }
            },
        )
    if metadata and len(orjson.dumps(metadata)) > LONGEST_BYTES:
        raise TooLarge(
            f"The metadata has more than {LONGEST_BYTES} bytes.", hint="Store it elsewhere.", field="metadata"
        )


def _store(
    call: Call,
    place: Channel,
    *,
    content: str,
    mentions: list[str],
    reply_to: int | None,
    thread: int | None,
    priority: str,
    metadata: dict[str, Any],
    files: list[AttachedFile],
    client_id: str | None,
    chain: Chain,
) -> Message:
    """Store a message and tell those who may read it."""
    row = {
        "seq": next_seq(call.transaction),
        "channel": place.id,
        "sender": call.caller.name,
        "sender_kind": call.caller.kind,
        "content": content,
        "mentions": orjson.dumps(mentions).decode(),
        "reply_to": reply_to,
        "thread": thread,
        "priority": priority,
        "metadata": orjson.dumps(metadata).decode(),
        "files": orjson.dumps(files).decode(),
        "client_id": client_id,
        "created_at": call.now,
        "root": chain.root,
        "hop": chain.hop,
        "fingerprint": fingerprint_of(content) if chain.hop else None,
    }
    number = call.transaction.insert(
        f"INSERT INTO message ({', '.join(row)}) VALUES ({', '.join(f':{name}' for name in row)})",  # noqa: S608
        row,
    )
    unset = {"edited_at": None, "deleted_at": None, "reactions": "[]", "pinned_by": None, "pinned_at": None}
    message = message_of({**row, **unset, "id": number})
    call.emit(MessageCreated(message), subject=place.id, audience=audience_of(place))
    record_mentions(call, number, place.id, mentions)
    return message
