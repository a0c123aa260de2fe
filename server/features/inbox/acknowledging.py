"""Acknowledging: marks move forward only, all of a call or none, and not over what one was not shown."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from server.core.call import Call
from server.core.errors import BadArgument, Conflict, NotFound
from server.core.names import ChannelName, MessageId, message_id, numbered
from server.core.operation import command
from server.core.permission import READ
from server.features.channels import Channel, resolve_channel
from server.features.deliveries import MessageDelivery, handled_up_to
from server.features.inbox.changes import acknowledge_changes
from server.features.messages.model import shown_channel
from server.features.reads import PROGRAMS, Read, ReadUpdated, mark_read, shown_up_to, unshown_between

ChangeId = Annotated[int, numbered("chg"), Field(description="As `chg_7`.")]


@dataclass(frozen=True, slots=True)
class AckItem:
    channel: ChannelName
    ack_id: MessageId
    skip: Annotated[bool, Field(description="Also the unshown.")] = False


@dataclass(frozen=True, slots=True)
class Acknowledged:
    acknowledged: int
    items: list[Read]


@command(
    "POST /api/inbox/ack",
    tool="ack_inbox",
    toolset="inbox",
    allow=READ,
    emits=[ReadUpdated, MessageDelivery],
    repeatable=True,
)
def ack_inbox(
    call: Call,
    *,
    items: Annotated[list[AckItem], Field(max_length=200)] = [],  # noqa: B006 (pydantic copies it)
    changes: ChangeId | None = None,
) -> Acknowledged:
    """Mark read up to the ack ids you have handled. It passes over nothing unshown.

    Raises NotFound, Conflict, BadArgument.
    """
    if not items and changes is None:
        raise BadArgument("Nothing to acknowledge.", hint="Give items, or changes.", field="items")
    places = [_place(call, item) for item in items]
    reads = [_acknowledge(call, place, item) for place, item in zip(places, items, strict=True)]
    if changes is not None:
        acknowledge_changes(call, changes)
    return Acknowledged(len(reads) + (changes is not None), reads)


def _place(call: Call, item: AckItem) -> Channel:
    place = resolve_channel(call, item.channel)
    here = call.transaction.one(
        "SELECT 1 FROM message WHERE id = :id AND channel = :channel", {"id": item.ack_id, "channel": place.id}
    )
    if here is None:
        raise NotFound(f"No message msg_{item.ack_id} in {shown_channel(place.id)}.", field="items")
    return place


def _acknowledge(call: Call, place: Channel, item: AckItem) -> Read:
    me, number = call.caller.name, item.ack_id
    if call.caller.kind not in PROGRAMS:
        handled_up_to(call, me, place.id, number)
        return mark_read(call, me, place.id, number)
    shown = shown_up_to(call.transaction, me, place.id)
    missed = unshown_between(call.transaction, me, place.id, shown, number)
    if missed and not item.skip:
        raise Conflict(
            f"You were not shown {missed if missed < 1000 else '1000 or more'} of the messages in"
            f" {shown_channel(place.id)} up to msg_{number}.",
            hint=f"Read them: get_inbox, or get_history after={message_id(shown)}. To pass over them: skip=true.",
            field="items",
            facts={"shown_up_to": message_id(shown) if shown else None, "not_shown": missed},
        )
    # What is owed and was passed over unseen stays owed: check_in offers it.
    handled_up_to(call, me, place.id, min(number, shown) if missed else number)
    return mark_read(call, me, place.id, number)
