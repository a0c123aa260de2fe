"""Channels: open groups, topics for their members only, and direct messages; and who may read what."""

from dataclasses import dataclass, replace
from typing import Annotated, Literal

from pydantic import Field

from server.core.call import Call, Caller, Row, Transaction
from server.core.errors import BadArgument, Conflict, NotFound, NotSignedIn
from server.core.event import EVERYTHING, OPERATORS, TEAM, Event, channel_audience, event, member_audience
from server.core.moment import iso
from server.core.names import ChannelName, Line, MemberName, Note, direct_channel_id
from server.core.operation import command, query
from server.core.permission import READ, SPEAK, SYSTEM
from server.features.reads import ReadUpdated, begin_reading
from server.features.team import require_active

MEMBERS_AT_MOST = 500
"""Fan-out on write is bounded by it."""


@dataclass(frozen=True, slots=True)
class Channel:
    """One channel. `members` are those who get its news; a group may be read by the whole team."""

    id: str
    type: str
    name: str
    description: str
    created_by: str
    created_at: str
    archived: bool
    members: list[str]


ChannelType = Literal["group", "topic"]


@dataclass(frozen=True, slots=True)
class ChannelMembers:
    channel: str
    members: list[str]


@event("channel.created", collection="channels", key="id", changes_access=True)
class ChannelCreated(Event):
    channel: Channel


@event("channel.changed", collection="channels", key="id", changes_access=True)
class ChannelChanged(Event):
    channel: Channel


@event("channel.left", changes_access=True)
class ChannelLeft(Event):
    """Tells a member who was removed, and may no longer read the channel's own events."""

    channel: str


def _describe_created(channel: Channel) -> str:
    return f"created {channel.id}; members: {', '.join(channel.members)}"


def _describe_members(members: ChannelMembers) -> str:
    return ", ".join(members.members) or "nobody"


@command(
    "POST /api/channels",
    tool="create_channel",
    toolset="people",
    allow=SPEAK,
    emits=[ChannelCreated, ReadUpdated],
    status=201,
    describe=_describe_created,
)
def create_channel(
    call: Call,
    *,
    id: ChannelName,  # noqa: A002 (the documented name)
    type: ChannelType | None = None,  # noqa: A002 (the documented name)
    name: Line | None = None,
    description: Note = "",
    members: Annotated[list[MemberName], Field(max_length=MEMBERS_AT_MOST)] = [],  # noqa: B006 (pydantic copies it)
) -> Channel:
    """Create a channel. A group may be read by the whole team, a topic by its members only.

    Raises Conflict, NotFound, BadArgument.
    """
    if id.startswith("dm:"):
        raise BadArgument("A direct message needs no channel.", hint=f"Send to “{id}”: it is made at once.", field="id")
    if id.startswith("topic:") and type == "group":
        raise BadArgument("A channel named topic:… is of type topic.", hint="Leave the type out.", field="type")
    if find_channel(call.transaction, id) is not None:
        raise Conflict(f"The channel “{id}” exists.", hint="Join it, or choose another id.", field="id")
    joining = sorted({*members, *([call.caller.name] if call.caller.kind != "system" else [])})
    _check_active(call.transaction, joining)
    return _create(call, id, type or _type_of(id), name or id, description, joining)


@query(
    "GET /api/channels/{id}/members",
    tool="get_channel_members",
    toolset="people",
    allow=READ,
    describe=_describe_members,
)
def get_channel_members(call: Call, *, id: ChannelName) -> ChannelMembers:  # noqa: A002 (the name in the route)
    """Members of a channel.

    Raises NotFound.
    """
    channel = require_readable(call, id)
    return ChannelMembers(channel.id, channel.members)


@command("POST /api/channels/{id}/members", allow=SPEAK, emits=[ChannelChanged, ReadUpdated], repeatable=True)
def add_channel_member(call: Call, *, id: ChannelName, agent_name: MemberName) -> Channel:  # noqa: A002
    """Add a member to a channel one may read.

    Raises NotFound, BadArgument, Conflict.
    """
    return let_in(call, require_shared(call, id), agent_name)


@command(allow=SYSTEM, emits=[ChannelCreated, ChannelChanged, ReadUpdated])
def ensure_channel(
    call: Call,
    *,
    id: ChannelName,  # noqa: A002 (the documented name)
    description: Note = "",
    members: list[MemberName] = [],  # noqa: B006 (pydantic copies it)
) -> Channel:
    """Make a channel exist with at least these members."""
    channel = find_channel(call.transaction, id)
    if channel is None:
        return _create(call, id, _type_of(id), id, description, sorted(set(members)))
    missing = sorted(set(members) - set(channel.members))
    return _change_members(call, channel, joining=missing) if missing else channel


def let_in(call: Call, channel: Channel, member: str) -> Channel:
    """Make somebody a member of a channel. Raises NotFound, Conflict."""
    if member in channel.members:
        return channel
    require_open(channel)
    if len(channel.members) >= MEMBERS_AT_MOST:
        raise Conflict(f"A channel holds {MEMBERS_AT_MOST} members.", hint="Make another channel.")
    _check_active(call.transaction, [member])
    return _change_members(call, channel, joining=[member])


def join_general(call: Call, member: str) -> None:
    """Let a new member into #general, where the whole team meets."""
    channel = find_channel(call.transaction, "general")
    if channel is not None and len(channel.members) < MEMBERS_AT_MOST:
        _change_members(call, channel, joining=[member])


def resolve_channel(call: Call, name: str) -> Channel:
    """Find a channel as the caller names it: `dm:NAME` is the one between the caller and NAME, made on first use.

    Raises NotFound with the nearest channels, also for one that the caller may not read.
    """
    if name.startswith("dm:"):
        parties = name.split(":")[1:]
        if len(parties) == 2 and call.caller.name not in parties:
            if call.caller.kind == "system":
                return require_readable(call, name)
            raise _unknown_channel(call, name)
        other = parties[0] if len(parties) == 1 or parties[1] == call.caller.name else parties[1]
        return direct_channel(call, other)
    return require_readable(call, name)


def direct_channel(call: Call, other: str) -> Channel:
    """Return the direct channel between the caller and another member. Raises NotFound, BadArgument."""
    mine = call.caller.name
    if other == mine:
        raise BadArgument("You cannot write to yourself.", field="channel")
    # The server has a line to each member, and sits in no channel itself.
    parties = [other] if call.caller.kind == "system" else sorted((mine, other))
    channel_id = direct_channel_id(mine, other)
    channel = find_channel(call.transaction, channel_id)
    if channel is not None:
        return channel
    _check_active(call.transaction, [other])
    if call.append is None:
        return Channel(channel_id, "dm", channel_id, "", mine, iso(call.now), archived=False, members=parties)
    return _create(call, channel_id, "dm", channel_id, "", parties)


def require_readable(call: Call, name: str) -> Channel:
    """Return a channel that the caller may read. Raises NotFound, the same for a hidden one."""
    channel = find_channel(call.transaction, name)
    if channel is None or not may_read(call.caller, channel):
        raise _unknown_channel(call, name)
    return channel


def require_shared(call: Call, name: str) -> Channel:
    """Return a channel that the caller may read and that is no direct message. Raises NotFound, BadArgument."""
    channel = require_readable(call, name)
    if channel.type == "dm":
        raise BadArgument(
            "A direct message has two parties, and stays.", hint="Create a topic with all you need.", field="id"
        )
    return channel


def require_open(channel: Channel) -> None:
    """Raise Conflict if a channel is archived."""
    if channel.archived:
        raise Conflict(
            f"“{channel.id}” is archived.", hint="Use another channel, or have it unarchived.", field="channel"
        )


def require_postable(call: Call, channel: Channel) -> None:
    """Raise unless the caller may write here."""
    require_open(channel)
    if channel.type == "dm" and len(channel.members) == 1 and call.caller.kind != "system":
        raise Conflict("Nobody reads what is written to the server.", hint="Write to a member.", field="channel")


def may_read(caller: Caller, channel: Channel) -> bool:
    return channel.type == "group" or caller.name in channel.members or caller.kind == "system"


def audience_of(channel: Channel) -> str:
    return TEAM if channel.type == "group" else channel_audience(channel.id)


def readable_channels(transaction: Transaction, caller: Caller) -> list[Channel]:
    """Return every channel that the caller may read, by id."""
    rows = transaction.all(
        f"{_SELECT} WHERE type = 'group'"  # noqa: S608 (a constant)
        " OR id IN (SELECT channel FROM channel_member WHERE member = :name) ORDER BY id",
        {"name": caller.name},
    )
    return [_channel(row) for row in rows]


def find_channel(transaction: Transaction, channel_id: str) -> Channel | None:
    row = transaction.one(f"{_SELECT} WHERE id = :id", {"id": channel_id})
    return None if row is None else _channel(row)


def access_of(transaction: Transaction, caller: Caller) -> frozenset[str]:
    """Return the audiences a caller belongs to now. Raises NotSignedIn when its credentials no longer hold."""
    if caller.kind == "system":
        return EVERYTHING
    row = transaction.one(
        "SELECT 1 FROM member WHERE name = :name AND retired_at IS NULL"
        " AND (:token IS NULL OR EXISTS (SELECT 1 FROM token WHERE id = :token AND revoked_at IS NULL))"
        " AND (:session IS NULL OR EXISTS (SELECT 1 FROM session WHERE hash = :session AND ended_at IS NULL))",
        {"name": caller.name, "token": caller.token_id, "session": caller.session},
    )
    if row is None:
        raise NotSignedIn("These credentials were revoked.", hint="Sign in again, or ask for a new token.")
    rows = transaction.all("SELECT channel FROM channel_member WHERE member = :name", {"name": caller.name})
    own = {TEAM, member_audience(caller.name), *(channel_audience(row["channel"]) for row in rows)}
    if caller.role in ("chairman", "operator"):
        own.add(OPERATORS)
    return frozenset(own)


def _type_of(channel_id: str) -> ChannelType:
    return "topic" if channel_id.startswith("topic:") else "group"


_SELECT = (
    "SELECT id, type, name, description, created_by, created_at, archived_at,"
    " (SELECT group_concat(member, ' ') FROM channel_member WHERE channel = channel.id) AS members FROM channel"
)


def _create(call: Call, channel_id: str, kind: str, name: str, description: str, members: list[str]) -> Channel:
    call.transaction.run(
        "INSERT INTO channel (id, type, name, description, created_by, created_at)"
        " VALUES (:id, :type, :name, :description, :by, :now)",
        {
            "id": channel_id,
            "type": kind,
            "name": name,
            "description": description,
            "by": call.caller.name,
            "now": call.now,
        },
    )
    channel = Channel(channel_id, kind, name, description, call.caller.name, iso(call.now), False, members)
    _insert_members(call, channel_id, members)
    call.emit(ChannelCreated(channel), subject=channel_id, audience=audience_of(channel))
    for member in members:
        begin_reading(call, member, channel_id)
    return channel


def _change_members(call: Call, channel: Channel, *, joining: list[str]) -> Channel:
    _insert_members(call, channel.id, joining)
    changed = replace(channel, members=sorted({*channel.members, *joining}))
    call.emit(ChannelChanged(changed), subject=channel.id, audience=audience_of(channel))
    for member in joining:
        begin_reading(call, member, channel.id)
    return changed


def _insert_members(call: Call, channel_id: str, members: list[str]) -> None:
    for member in members:
        call.transaction.run(
            "INSERT INTO channel_member (channel, member, joined_at) VALUES (:channel, :member, :now)",
            {"channel": channel_id, "member": member, "now": call.now},
        )


def _check_active(transaction: Transaction, names: list[str]) -> None:
    for name in names:
        require_active(transaction, name, field="members")


def _unknown_channel(call: Call, name: str) -> NotFound:
    known = [channel.id for channel in readable_channels(call.transaction, call.caller)]
    return NotFound.among("channel", name, known, field="channel")


def _channel(row: Row) -> Channel:
    return Channel(
        id=row["id"],
        type=row["type"],
        name=row["name"],
        description=row["description"],
        created_by=row["created_by"],
        created_at=iso(row["created_at"]),
        archived=row["archived_at"] is not None,
        members=sorted((row["members"] or "").split()),
    )
