"""Reactions: one emoji under a message says it without waking anybody."""

from dataclasses import dataclass
from typing import Annotated

import orjson
from pydantic import AfterValidator, Field

from server.core.call import Call
from server.core.emoji import is_emoji, is_same_emoji
from server.core.errors import Conflict
from server.core.names import MessageId
from server.core.operation import command
from server.core.permission import SPEAK
from server.features.channels import require_open
from server.features.messages.model import Reaction, ReactionChanged, changed_message, require_message, tell_change

EMOJIS_AT_MOST = 20
MEMBERS_AT_MOST = 500


def _one_emoji(text: str) -> str:
    if not is_emoji(text):
        raise ValueError("give exactly one emoji, as 👍")
    return text


Emoji = Annotated[str, AfterValidator(_one_emoji), Field(max_length=64, description="One emoji, as 👍.")]


@dataclass(frozen=True, slots=True)
class Reacted:
    """The reactions of a message after one was put or taken."""

    message_id: str
    emoji: str
    agent: str
    removed: bool
    reactions: list[Reaction]


def _describe(reacted: Reacted) -> str:
    return f"{'took' if reacted.removed else 'put'} {reacted.emoji} at {reacted.message_id}"


@command(
    "POST /api/messages/{message_id}/reactions",
    tool="add_reaction",
    toolset="curate",
    allow=SPEAK,
    emits=[ReactionChanged],
    repeatable=True,
    describe=_describe,
)
def add_reaction(call: Call, *, message_id: MessageId, emoji: Emoji) -> Reacted:
    """React to a message. Wakes nobody: use it to acknowledge.

    Raises NotFound, Conflict, BadArgument.
    """
    return _react(call, message_id, emoji, on=True)


@command(
    "DELETE /api/messages/{message_id}/reactions/{emoji}",
    tool="remove_reaction",
    toolset="curate",
    allow=SPEAK,
    emits=[ReactionChanged],
    repeatable=True,
    describe=_describe,
)
def remove_reaction(call: Call, *, message_id: MessageId, emoji: Emoji) -> Reacted:
    """Remove your reaction.

    Raises NotFound, Conflict, BadArgument.
    """
    return _react(call, message_id, emoji, on=False)


def _react(call: Call, number: int, emoji: str, *, on: bool) -> Reacted:
    row, place = require_message(call, number)
    require_open(place)
    if row["deleted_at"] is not None:
        raise Conflict(f"msg_{number} was deleted.", hint="React to another message.", field="message_id")
    before: list[Reaction] = orjson.loads(row["reactions"])
    mine = call.caller.name
    after = _with(before, emoji, mine) if on else _without(before, emoji, mine)
    if after != before:
        if len(after) > EMOJIS_AT_MOST or sum(len(reaction["members"]) for reaction in after) > MEMBERS_AT_MOST:
            raise Conflict(
                f"msg_{number} has {EMOJIS_AT_MOST} different reactions, or {MEMBERS_AT_MOST} in all.",
                hint="Join one that is there.",
                field="emoji",
            )
        message = changed_message(call, number, reactions=orjson.dumps(after).decode())
        tell_change(call, place, number, ReactionChanged(message, emoji, mine, on))
    return Reacted(f"msg_{number}", emoji, mine, not on, after)


def _with(reactions: list[Reaction], emoji: str, member: str) -> list[Reaction]:
    for reaction in reactions:
        if is_same_emoji(reaction["emoji"], emoji):
            members = list(dict.fromkeys([*reaction["members"], member]))
            return [{**other, "members": members} if other is reaction else other for other in reactions]
    return [*reactions, {"emoji": emoji, "members": [member]}]


def _without(reactions: list[Reaction], emoji: str, member: str) -> list[Reaction]:
    left: list[Reaction] = []
    for reaction in reactions:
        members = reaction["members"]
        if is_same_emoji(reaction["emoji"], emoji):
            members = [name for name in members if name != member]
        if members:
            left.append({**reaction, "members": members})
    return left
