"""What sending a message would do, told before it is sent. Nothing is stored."""

from dataclasses import dataclass

from server.core.call import Call
from server.core.names import ChannelName, MemberName, MessageId
from server.core.operation import query
from server.core.permission import SPEAK
from server.features.messages.addressing import Recipient, address, named_in, outlooks_of
from server.features.messages.sending import (
    Content,
    Mentions,
    Mode,
    check_content,
    require_addressable,
    require_mode,
    require_replied,
)


@dataclass(frozen=True, slots=True)
class NamedGroup:
    """A group that a text names, and who is in it now."""

    name: str
    members: list[str]


@dataclass(frozen=True, slots=True)
class SendPreview:
    channel: str
    mentions: list[str]
    groups: list[NamedGroup]
    recipients: list[Recipient]
    wakes: int
    """How many agents would be woken, or told at their work."""
    busy: list[str]
    """Those of them in the middle of their work: `delivery` says when they are told."""
    note: str
    """The same in a few words."""


@query("POST /api/send/preview", allow=SPEAK)
def preview_send(
    call: Call,
    *,
    channel: ChannelName | None = None,
    to: MemberName | None = None,
    content: Content,
    mentions: Mentions = [],  # noqa: B006 (pydantic copies it)
    reply_to: MessageId | None = None,
    delivery: Mode = "queue",
) -> SendPreview:
    """Whom a message would name, to whom it would be owed, who of them is awake, and how many it would wake.

    Raises NotFound, BadArgument, TooLarge, Conflict, NotAllowed.
    """
    place = require_addressable(call, channel, to)
    require_mode(call, delivery)
    check_content(content)
    replied = None if reply_to is None else require_replied(call, place, reply_to)
    named = named_in(call, place, content, mentions)
    addressed = address(call, place, named, replied)
    recipients = outlooks_of(call.transaction, place, addressed, delivery)
    woken = [recipient for recipient in recipients if recipient.owed and recipient.awake]
    asleep = [recipient for recipient in recipients if recipient.owed and recipient.awake is False]
    parts = [f"will wake {len(woken)}" if woken else "wakes nobody"]
    parts += [f"{len(asleep)} asleep"] if asleep else []
    return SendPreview(
        channel=place.id,
        mentions=named.everybody,
        groups=[NamedGroup(f"@{word}", list(names)) for word, names in named.groups.items()],
        recipients=recipients,
        wakes=len(woken),
        busy=[recipient.name for recipient in woken if recipient.busy],
        note=", ".join(parts),
    )
