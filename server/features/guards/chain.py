"""Chains: which message an agent's message answers, how far that is from a person's word, and what it says."""

import hashlib
import re
from dataclasses import dataclass

from server.core.call import Call, Row

_LAST_SEEN = 20
_FINGERPRINTED = 2_000
"""Characters that a fingerprint looks at: who repeats that much repeats the rest."""
_WORDS = re.compile(r"\w+")
_MENTION = re.compile(r"@[\w-]+")
_ACKNOWLEDGEMENT = re.compile(
    r"(?:(?:ok(?:ay)?|kk?|thanks|thank you|thx|many|very|much|so|a lot|cheers|ack|acked|acknowledged|understood|noted"
    r"|got it|roger|copy that|great|perfect|nice|cool|awesome|excellent|received|you(?:re| are)? welcome|no problem|np"
    r"|my pleasure|anytime|likewise|you too|have a (?:good|great|nice) (?:day|one)|bye|goodbye|see you"
    r"|(?:happy|glad) to help|for that|for the (?:update|info|heads up|help))(?: |$)){1,6}"
)
"""Words that answer no question: “yes” is not among them."""
_LONGEST_ACKNOWLEDGEMENT = 80


@dataclass(frozen=True, slots=True)
class Chain:
    """Where a message stands among those that answer each other."""

    root: int | None
    """The message that the chain began with; None: this one."""
    hop: int
    """Messages of agents since a person's word, this one among them; 0 for a person's and the server's."""


def chain_of(call: Call, reply_to: int | None) -> Chain:
    """Return the chain that a new message of the caller's belongs to.

    What it answers is what it says, else what the caller has seen last: a model forgets to say. What the server told
    meanwhile counts for nothing, and of what was seen at once, the nearest to a person counts.
    """
    if call.caller.kind in ("human", "system"):
        return Chain(None, 0)
    parent = None if reply_to is None else _replied(call, reply_to)
    parent = parent or _seen_last(call)
    return Chain(None, 1) if parent is None else Chain(parent["root"] or parent["id"], parent["hop"] + 1)


def fingerprint_of(content: str) -> int:
    """Return a number that is the same for texts that differ in case, punctuation, spaces and whom they name alone."""
    plain = " ".join(_WORDS.findall(_MENTION.sub(" ", content[:_FINGERPRINTED]).casefold()))
    return int.from_bytes(hashlib.blake2b(plain.encode(), digest_size=8).digest(), "big", signed=True)


def is_acknowledgement(content: str) -> bool:
    """Tell whether a text only says that another was read or welcome."""
    if len(content) > _LONGEST_ACKNOWLEDGEMENT:
        return False
    words = " ".join(_WORDS.findall(_MENTION.sub(" ", content).casefold().replace("'", "").replace("\u2019", "")))
    return not words or _ACKNOWLEDGEMENT.fullmatch(words) is not None


def _replied(call: Call, number: int) -> Row | None:
    return call.transaction.one(
        "SELECT id, root, hop FROM message WHERE id = :id AND sender_kind <> 'system'", {"id": number}
    )


def _seen_last(call: Call) -> Row | None:
    rows = call.transaction.all(
        "SELECT message.id, message.root, message.hop, delivery.seen_at FROM delivery"
        " JOIN message ON message.id = delivery.message_id WHERE delivery.recipient = :me"
        " AND delivery.seen_at IS NOT NULL AND message.sender_kind <> 'system'"
        " ORDER BY delivery.seen_at DESC, delivery.id DESC LIMIT :most",
        {"me": call.caller.name, "most": _LAST_SEEN},
    )
    together = [row for row in rows if row["seen_at"] == rows[0]["seen_at"]]
    return min(together, key=lambda row: row["hop"], default=None)
