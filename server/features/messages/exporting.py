"""Exports of a channel: who took one away, and how far it reaches. The messages themselves are read as history."""

from dataclasses import dataclass
from typing import Literal

from server.core.call import Call
from server.core.event import OPERATORS, Event, event
from server.core.names import ChannelName, direct_channel_id, message_id
from server.core.operation import command
from server.core.permission import READ
from server.features.channels import require_readable

ExportFormat = Literal["jsonl", "markdown"]


@dataclass(frozen=True, slots=True)
class ChannelExport:
    """What an export holds: the channel as it is called, its description, and its last message at that moment."""

    channel: str
    description: str
    last: str | None


@event("channel.exported")
class ChannelExported(Event):
    channel: str
    format: str
    last: str | None


@command(allow=READ, emits=[ChannelExported])
def begin_export(
    call: Call,
    *,
    id: ChannelName,  # noqa: A002 (the name in the route)
    format: ExportFormat = "jsonl",  # noqa: A002 (the documented name)
) -> ChannelExport:
    """Put into the trail that the caller takes a channel's messages away, and say how far they reach.

    Raises NotFound.
    """
    kind, _, other = id.partition(":")
    is_short = kind == "dm" and ":" not in other
    channel = require_readable(call, direct_channel_id(call.caller.name, other) if is_short else id)
    row = call.transaction.one("SELECT max(id) AS last FROM message WHERE channel = :channel", {"channel": channel.id})
    last = None if row is None or row["last"] is None else message_id(row["last"])
    call.emit(ChannelExported(channel.id, format, last), subject=channel.id, audience=OPERATORS)
    return ChannelExport(channel.id, channel.description, last)
