"""Whom a message names, to whom it is owed, and what will become of it there."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from server.core.call import Call, Row, Transaction
from server.features.channels import Channel
from server.features.team import is_active, require_active

MENTIONS_AT_MOST = 20
# The @ stands before what may not precede it, so that text without one is passed over at once.
_MENTION = re.compile(r"@(?<![\w@/.-]@)([a-z][a-z0-9_-]{0,31})(?![a-z0-9_-])", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Recipient:
    """Whom a message is owed to, whether it is awake, and what will happen."""

    name: str
    awake: bool | None
    """None: nobody can know (a human, or a bot that reads by itself)."""
    will: str


def named_in(call: Call, place: Channel, content: str, explicit: Sequence[str]) -> list[str]:
    """Return the members a message names: explicit ones must exist, an @word in the text counts if it is a member."""
    for name in explicit:
        require_active(call.transaction, name, field="mentions")
    found = dict.fromkeys(explicit)
    for word in _MENTION.findall(content):
        name = word.lower()
        if name == "all":
            found.update(dict.fromkeys(place.members))
        elif name not in found and len(found) < MENTIONS_AT_MOST and is_active(call.transaction, name):
            found[name] = None
    found.pop(call.caller.name, None)
    return list(found)


def owed_of(call: Call, place: Channel, named: Sequence[str], replied: Row | None) -> list[str]:
    """Return who is owed the message: the other party of a DM, who is named, whose message is replied to."""
    owed = dict.fromkeys(place.members if place.type == "dm" else named)
    if replied is not None and is_active(call.transaction, replied["sender"]):
        owed[replied["sender"]] = None
    owed.pop(call.caller.name, None)
    return [name for name in owed if place.type == "group" or name in place.members]


def outlook_of(transaction: Transaction, name: str) -> Recipient:
    """Say whether a member is awake, and what will become of a message to them."""
    row = transaction.one(
        "SELECT member.kind, agent.kind AS agent_kind, agent.state, agent.activity, agent.connected FROM member"
        " LEFT JOIN agent ON agent.name = member.name WHERE member.name = :name",
        {"name": name},
    )
    assert row is not None
    if row["kind"] == "human":
        return Recipient(name, None, "sees it in the dashboard")
    if row["state"] is None or row["agent_kind"] == "external":
        awake = bool(row["connected"]) if row["state"] is not None else None
        return Recipient(name, awake, "fetches it by itself")
    if row["state"] in ("ready", "degraded"):
        later = {"working": "reads it at its next step", "needs_you": "reads it when its question is answered"}
        return Recipient(name, True, later.get(row["activity"], "is woken now"))
    if row["state"] in ("starting", "backoff", "unknown", "stopping"):
        return Recipient(name, False, f"is {row['state']}: gets it when it is ready")
    return Recipient(name, False, f"is {row['state']}: gets it when somebody starts it")
