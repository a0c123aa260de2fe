"""That somebody is typing: told to who is there, written nowhere."""

from dataclasses import dataclass

from server.core.call import Call, Ephemeral
from server.core.names import ChannelName
from server.core.operation import query
from server.core.permission import SPEAK
from server.features.channels import audience_of, require_postable, resolve_channel


@dataclass(frozen=True, slots=True)
class Typing:
    channel: str
    member: str


@query("POST /api/typing", allow=SPEAK)
def show_typing(call: Call, *, channel: ChannelName) -> Typing:
    """Show those who read a channel that you are typing there. Told at most every two seconds; lasts for five.

    Raises NotFound, Conflict, BadArgument.
    """
    place = resolve_channel(call, channel)
    require_postable(call, place)
    typing = Typing(place.id, call.caller.name)
    body = {"channel": typing.channel, "member": typing.member}
    call.tell(Ephemeral("typing", audience_of(place), place.id, body))
    return typing
