"""Who one is, and which channels there are, as one member sees them."""

from dataclasses import dataclass

from server.core.call import Call
from server.core.operation import query
from server.core.permission import READ
from server.features.agents import describe_state, find_agent
from server.features.channels import Channel, readable_channels
from server.features.deliveries import count_owed
from server.features.members import get_member
from server.features.messages.model import shown_channel
from server.features.reads import COUNTED_AT_MOST, Read, all_reads, read_of
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


def _describe_identity(me: Identity) -> str:
    channels = ", ".join(me.channels)
    who = f"You are {me.name} ({me.kind}, {me.role}) in team {me.team}."
    return f"{who}\nChannels: {channels}\n{me.owed} owed to you, {me.unread} unread."


def _describe_channels(views: ChannelViews) -> str:
    return "\n".join(
        f"{shown_channel(view.id)} ({view.type}): {shown_count(view.unread)} unread, {view.mentions} mentions"
        for view in views.channels
    )


def shown_count(count: int) -> str:
    """Return a count as it is said: it stops at 1000."""
    return f"{COUNTED_AT_MOST - 1}+" if count >= COUNTED_AT_MOST else str(count)


@query("GET /api/channels", tool="get_channels", toolset="chat", allow=READ, describe=_describe_channels)
def get_channels(call: Call) -> ChannelViews:
    """Channels you may read, with unread and mention counts."""
    reads = {read.channel: read for read in all_reads(call.transaction, call.caller.name)}
    views = []
    for channel in readable_channels(call.transaction, call.caller):
        read = reads.get(channel.id) or read_of(call.transaction, call.caller.name, channel.id)
        views.append(_view(channel, read))
    return ChannelViews(views)


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
        owed=count_owed(call.transaction, me.name),
        state=describe_state(find_agent(call.transaction, me.name)) if me.kind == "agent" else "",
    )


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
