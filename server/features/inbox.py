"""The inbox: what a member has not read, what is owed to it, and how it says that it has."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from server.core.call import Call, NotYet, Row, Transaction
from server.core.errors import NotFound
from server.core.names import ChannelName, MessageId
from server.core.operation import command, query
from server.core.permission import READ
from server.features.agents import describe_state, find_agent
from server.features.channels import Channel, access_of, readable_channels, resolve_channel
from server.features.deliveries import MessageDelivery, Owed, handled_up_to, owed_to, seen
from server.features.members import get_member
from server.features.messages.model import MESSAGE_COLUMNS, Message, describe_message, message_of, shown_channel
from server.features.reads import Read, ReadUpdated, all_reads, mark_read, read_of
from server.features.team import team_name


@dataclass(frozen=True, slots=True)
class ChannelView:
    """A channel as one member sees it."""

    id: str
    type: str
    name: str
    description: str
    created_by: str
    created_at: str
    archived: bool
    members: list[str]
    unread: int
    mentions: int
    last_read: str | None


@dataclass(frozen=True, slots=True)
class ChannelViews:
    channels: list[ChannelView]


@dataclass(frozen=True, slots=True)
class InboxChannel:
    channel: str
    unread_count: int
    mentions: int
    ack_id: str
    """Acknowledge up to here: the newest message that is shown."""
    messages: list[Message]
    more: int
    """Unread ones after `ack_id`: ask again once these are acknowledged."""


@dataclass(frozen=True, slots=True)
class Inbox:
    agent: str
    total_unread: int
    channels: list[InboxChannel]


@dataclass(frozen=True, slots=True)
class AckItem:
    channel: ChannelName
    ack_id: MessageId


@dataclass(frozen=True, slots=True)
class Acknowledged:
    acknowledged: int
    items: list[Read]


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a member is and what waits for it."""

    name: str
    kind: str
    role: str
    team: str
    channels: list[str]
    unread: int
    owed: int
    state: str


@dataclass(frozen=True, slots=True)
class CheckIn:
    messages: list[Message]
    more: int
    unread: int
    timed_out: bool


def _describe_identity(me: Identity) -> str:
    channels = ", ".join(me.channels)
    who = f"You are {me.name} ({me.kind}, {me.role}) in team {me.team}."
    return f"{who}\nChannels: {channels}\n{me.owed} owed to you, {me.unread} unread."


def _describe_check_in(found: CheckIn) -> str:
    if not found.messages:
        return f"Nothing new. {found.unread} unread in channels."
    lines = [f"{shown_channel(message['channel'])} {describe_message(message)}" for message in found.messages]
    more = f"\n… {found.more} more: check_in again" if found.more else ""
    return f"{len(found.messages)} new:\n" + "\n".join(lines) + more


def _describe_inbox(inbox: Inbox) -> str:
    parts = []
    for part in inbox.channels:
        parts.append(f"{shown_channel(part.channel)}: {part.unread_count} unread, ack_id {part.ack_id}")
        parts.extend(f"  {describe_message(message)}" for message in part.messages)
    return "\n".join(parts) or "Nothing unread."


def _describe_channels(views: ChannelViews) -> str:
    return "\n".join(
        f"{shown_channel(view.id)} ({view.type}): {view.unread} unread, {view.mentions} mentions"
        for view in views.channels
    )


@query("GET /api/channels", tool="get_channels", toolset="chat", allow=READ, describe=_describe_channels)
def get_channels(call: Call) -> ChannelViews:
    """Channels you may read, with unread and mention counts."""
    reads = {read.channel: read for read in all_reads(call.transaction, call.caller.name)}
    views = []
    for channel in readable_channels(call.transaction, call.caller):
        read = reads.get(channel.id) or read_of(call.transaction, call.caller.name, channel.id)
        views.append(_view(channel, read))
    return ChannelViews(views)


@query("GET /api/inbox", tool="get_inbox", toolset="inbox", allow=READ, describe=_describe_inbox)
def get_inbox(call: Call, *, detail_limit: Annotated[int, Field(ge=1, le=50)] = 10) -> Inbox:
    """Unread messages by channel, oldest first. Returns ack ids: acknowledge what you have handled with ack_inbox."""
    parts = []
    for read in all_reads(call.transaction, call.caller.name):
        if not read.unread:
            continue
        rows = _unread(call.transaction, call.caller.name, read, detail_limit)
        messages = [message_of(row) for row in rows]
        parts.append(
            InboxChannel(
                read.channel, read.unread, read.mentions, messages[-1]["id"], messages, read.unread - len(messages)
            )
        )
    return Inbox(call.caller.name, sum(part.unread_count for part in parts), parts)


@command(
    "POST /api/inbox/ack",
    tool="ack_inbox",
    toolset="inbox",
    allow=READ,
    emits=[ReadUpdated, MessageDelivery],
    repeatable=True,
)
def ack_inbox(call: Call, *, items: Annotated[list[AckItem], Field(min_length=1, max_length=200)]) -> Acknowledged:
    """Mark read up to the ack ids you have handled. A mark never moves back.

    Raises NotFound.
    """
    reads = []
    for item in items:
        place = resolve_channel(call, item.channel)
        here = call.transaction.one(
            "SELECT 1 FROM message WHERE id = :id AND channel = :channel", {"id": item.ack_id, "channel": place.id}
        )
        if here is None:
            raise NotFound(f"No message msg_{item.ack_id} in {shown_channel(place.id)}.", field="items")
        handled_up_to(call, call.caller.name, place.id, item.ack_id)
        reads.append(mark_read(call, call.caller.name, place.id, item.ack_id))
    return Acknowledged(len(reads), reads)


@query(tool="whoami", toolset="session", allow=READ, describe=_describe_identity)
def whoami(call: Call) -> Identity:
    """Who you are, your role, team, channels and what waits for you. Call once at start and after a restart."""
    me = get_member(call.transaction, call.caller.name)
    reads = all_reads(call.transaction, me.name)
    return Identity(
        name=me.name,
        kind=me.kind,
        role=me.role,
        team=team_name(call.transaction),
        channels=[channel.id for channel in readable_channels(call.transaction, call.caller)],
        unread=sum(read.unread for read in reads),
        owed=len(owed_to(call.transaction, me.name, 500)),
        state=describe_state(find_agent(call.transaction, me.name)) if me.kind == "agent" else "",
    )


@command(
    tool="check_in", toolset="session", allow=READ, emits=[MessageDelivery], waits=True, describe=_describe_check_in
)
def check_in(
    call: Call,
    *,
    wait_s: Annotated[float, Field(ge=0, le=300, description="Wait up to this long for something new.")] = 0,
    limit: Annotated[int, Field(ge=1, le=50)] = 20,
) -> CheckIn:
    """Read what is owed to you: direct messages, mentions, replies. May wait. Use between work and when idle."""
    owed = owed_to(call.transaction, call.caller.name, limit + 1)
    if not owed and call.may_wait:
        raise NotYet(*access_of(call.transaction, call.caller))
    shown: list[Owed] = owed[:limit]
    seen(call, call.caller.name, [item.message for item in shown], "pull")
    messages = [_message(call.transaction, item.message) for item in shown]
    unread = sum(read.unread for read in all_reads(call.transaction, call.caller.name))
    return CheckIn(messages, len(owed) - len(shown), unread, timed_out=not shown and wait_s > 0)


def _view(channel: Channel, read: Read) -> ChannelView:
    return ChannelView(
        id=channel.id,
        type=channel.type,
        name=channel.name,
        description=channel.description,
        created_by=channel.created_by,
        created_at=channel.created_at,
        archived=channel.archived,
        members=channel.members,
        unread=read.unread,
        mentions=read.mentions,
        last_read=read.last_read,
    )


def _unread(transaction: Transaction, member: str, read: Read, limit: int) -> list[Row]:
    return list(
        transaction.all(
            f"SELECT {MESSAGE_COLUMNS} FROM message WHERE channel = :channel AND sender <> :member"  # noqa: S608
            " AND deleted_at IS NULL AND id > coalesce((SELECT last_read FROM read_mark WHERE member = :member"
            " AND channel = :channel), 0) ORDER BY id LIMIT :limit",
            {"channel": read.channel, "member": member, "limit": limit},
        )
    )


def _message(transaction: Transaction, number: int) -> Message:
    row = transaction.one(f"SELECT {MESSAGE_COLUMNS} FROM message WHERE id = :id", {"id": number})  # noqa: S608
    assert row is not None
    return message_of(row)
