"""How channels are kept: described, archived, joined and left; and how much of each a member wants to be told."""

from dataclasses import replace
from typing import Literal

from server.core.call import Call
from server.core.errors import BadArgument, Conflict
from server.core.event import member_audience
from server.core.names import ChannelName, Line, MemberName, Note
from server.core.operation import command
from server.core.permission import READ, SPEAK
from server.features.channels import (
    Channel,
    ChannelChanged,
    ChannelLeft,
    audience_of,
    let_in,
    require_open,
    require_readable,
    require_shared,
)
from server.features.deliveries import MessageDelivery, withdraw_in_channel
from server.features.reads import Read, ReadUpdated, tell_read

Level = Literal["all", "mentions", "none"]


@command("PATCH /api/channels/{id}", allow=SPEAK, emits=[ChannelChanged], repeatable=True)
def update_channel(
    call: Call,
    *,
    id: ChannelName,  # noqa: A002 (the name in the route)
    name: Line | None = None,
    description: Note | None = None,
) -> Channel:
    """Rename or describe a channel. Its id stays, so that links to it hold.

    Raises NotFound, NotAllowed, BadArgument, Conflict.
    """
    if name is None and description is None:
        raise BadArgument("Say what shall change: name or description.", field="name")
    channel = _kept(call, id)
    require_open(channel)
    changed = replace(
        channel, name=name or channel.name, description=channel.description if description is None else description
    )
    if changed != channel:
        call.transaction.run(
            "UPDATE channel SET name = :name, description = :description WHERE id = :id",
            {"id": channel.id, "name": changed.name, "description": changed.description},
        )
        call.emit(ChannelChanged(changed), subject=channel.id, audience=audience_of(channel))
    return changed


@command("POST /api/channels/{id}/archive", allow=SPEAK, emits=[ChannelChanged], repeatable=True)
def archive_channel(call: Call, *, id: ChannelName) -> Channel:  # noqa: A002 (the name in the route)
    """Close a channel: it can be read as before, and nothing more is written in it.

    Raises NotFound, NotAllowed, BadArgument, Conflict.
    """
    channel = _kept(call, id)
    if channel.id == "general":
        raise Conflict("#general stays: the whole team meets there.", hint="Archive another channel.", field="id")
    return _set_archived(call, channel, archived=True)


@command("POST /api/channels/{id}/unarchive", allow=SPEAK, emits=[ChannelChanged], repeatable=True)
def unarchive_channel(call: Call, *, id: ChannelName) -> Channel:  # noqa: A002 (the name in the route)
    """Open an archived channel again.

    Raises NotFound, NotAllowed, BadArgument.
    """
    return _set_archived(call, _kept(call, id), archived=False)


@command("POST /api/channels/{id}/join", allow=READ, emits=[ChannelChanged, ReadUpdated], repeatable=True)
def join_channel(call: Call, *, id: ChannelName) -> Channel:  # noqa: A002 (the name in the route)
    """Become a member of a channel that one may read. Topics are entered by invitation.

    Raises NotFound, BadArgument, Conflict.
    """
    return let_in(call, require_shared(call, id), call.caller.name)


@command(
    "POST /api/channels/{id}/leave", allow=READ, emits=[ChannelChanged, ChannelLeft, MessageDelivery], repeatable=True
)
def leave_channel(call: Call, *, id: ChannelName) -> Channel:  # noqa: A002 (the name in the route)
    """Leave a channel. An open one can still be read; a topic is not there any more.

    Raises NotFound, BadArgument.
    """
    return _let_go(call, require_shared(call, id), call.caller.name)


@command("DELETE /api/channels/{id}/members/{name}", allow=SPEAK, emits=[ChannelChanged, ChannelLeft, MessageDelivery])
def remove_channel_member(call: Call, *, id: ChannelName, name: MemberName) -> Channel:  # noqa: A002
    """Leave a channel, or remove a member from it: humans who operate may, and who created the channel.

    Raises NotFound, NotAllowed, BadArgument.
    """
    channel = require_shared(call, id)
    caller = call.caller
    call.require(
        caller.name in (name, channel.created_by) or caller.role in ("chairman", "operator", "system"),
        "Only the channel's creator and operators remove others.",
    )
    return _let_go(call, channel, name)


@command("PUT /api/channels/{id}/level", allow=READ, emits=[ReadUpdated], repeatable=True)
def set_channel_level(call: Call, *, id: ChannelName, level: Level) -> Read:  # noqa: A002 (the name in the route)
    """Say what of a channel one wants to be told: all, only mentions, or none. Nobody else sees it.

    With none, `@all`, `@role:…` and `@working` there do not wake one either; one's own name always does.

    Raises NotFound, Conflict.
    """
    channel = require_readable(call, id)
    mine = call.caller.name
    if mine not in channel.members:
        raise Conflict(
            f"You are not a member of “{channel.id}”: nothing of it is told to you.", hint="Join it first.", field="id"
        )
    call.transaction.run(
        "UPDATE channel_member SET level = :level WHERE channel = :id AND member = :name",
        {"id": channel.id, "name": mine, "level": level},
    )
    return tell_read(call, mine, channel.id)


def _kept(call: Call, name: str) -> Channel:
    """Return a channel that the caller may change. Raises NotFound, NotAllowed, BadArgument."""
    channel = require_shared(call, name)
    call.require(
        call.caller.name == channel.created_by or call.caller.role in ("chairman", "operator", "lead", "system"),
        f"“{channel.id}” is changed by who created it ({channel.created_by}), by leads and by operators.",
        hint="Ask one of them.",
    )
    return channel


def _set_archived(call: Call, channel: Channel, *, archived: bool) -> Channel:
    if channel.archived == archived:
        return channel
    call.transaction.run(
        "UPDATE channel SET archived_at = :at WHERE id = :id", {"id": channel.id, "at": call.now if archived else None}
    )
    changed = replace(channel, archived=archived)
    call.emit(ChannelChanged(changed), subject=channel.id, audience=audience_of(channel))
    return changed


def _let_go(call: Call, channel: Channel, name: str) -> Channel:
    if name not in channel.members:
        return channel
    call.transaction.run(
        "DELETE FROM channel_member WHERE channel = :id AND member = :name", {"id": channel.id, "name": name}
    )
    changed = replace(channel, members=[member for member in channel.members if member != name])
    if channel.type == "topic":
        withdraw_in_channel(call, name, channel.id)
    # First that one has left, then what the channel is now: who may still read it puts it back.
    call.emit(ChannelLeft(channel.id), subject=channel.id, audience=member_audience(name))
    call.emit(ChannelChanged(changed), subject=channel.id, audience=audience_of(channel))
    return changed
