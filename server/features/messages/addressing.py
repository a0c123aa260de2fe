"""Whom a message names, to whom it is owed, and what will become of it there."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from server.core.call import Call, Row, Transaction
from server.core.errors import NotFound
from server.features.channels import Channel
from server.features.team import is_active, require_active

MENTIONS_AT_MOST = 20
# The @ stands before what may not precede it, so that text without one is passed over at once.
_MENTION = re.compile(r"@(?<![\w@/.-]@)(role:[a-z][a-z0-9_-]{0,31}|[a-z][a-z0-9_-]{0,31})(?![a-z0-9_-])", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Recipient:
    """Whom a message is owed to, or would be, whether it is awake, and what will happen."""

    name: str
    awake: bool | None
    """None: nobody can know (a human, or a bot that reads by itself)."""
    will: str
    owed: bool = True
    """False: named, and yet it is not owed to them; `will` says why."""
    busy: bool = False
    """An agent in the middle of its work: `delivery` says how long it waits."""


@dataclass(frozen=True, slots=True)
class Named:
    """Whom a message names: members by their names, and groups with those who were in them at that moment."""

    direct: tuple[str, ...] = ()
    groups: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """As it is written, `all`, `working`, `role:developer` → members."""

    @property
    def everybody(self) -> list[str]:
        return list(dict.fromkeys([*self.direct, *(name for names in self.groups.values() for name in names)]))


@dataclass(frozen=True, slots=True)
class Addressed:
    """To whom a message is owed, and who is named in vain."""

    owed: list[str]
    muted: list[str]
    """Named only with a group, and wish not to be told of the channel."""
    outside: list[str]
    """Named, and may not read the channel."""


def words_of(transaction: Transaction, content: str) -> tuple[list[str], list[str]]:
    """Return the members and the groups that a text names by an @word; a word that is neither is only a word."""
    direct: dict[str, None] = {}
    groups: dict[str, None] = {}
    for found in _MENTION.findall(content):
        word = found.lower()
        if word in ("all", "working") or word.startswith("role:"):
            groups[word] = None
        elif word not in direct and len(direct) < MENTIONS_AT_MOST and is_active(transaction, word):
            direct[word] = None
    return list(direct), list(groups)


def named_in(call: Call, place: Channel, content: str, explicit: Sequence[str]) -> Named:
    """Return whom a message names. Explicit members must exist, and a role somebody here.

    Raises NotFound with the nearest names.
    """
    for name in explicit:
        require_active(call.transaction, name, field="mentions")
    direct, groups = words_of(call.transaction, content)
    return named(call, place, [*explicit, *direct], groups)


def named(call: Call, place: Channel, direct: Collection[str], groups: Collection[str]) -> Named:
    """Return these members and who is in these groups now, without the caller. Raises NotFound."""
    mine = call.caller.name
    here = _people_of(call.transaction, place) if groups else []
    members = {word: [row["name"] for row in here if _is_in(row, word)] for word in groups}
    for word, names in members.items():
        if word.startswith("role:") and not names:
            known = {role for row in here for role in (row["role"], row["job"]) if role}
            raise NotFound.among("role", word.removeprefix("role:"), known, field="content")
    return Named(
        tuple(name for name in dict.fromkeys(direct) if name != mine),
        {word: tuple(name for name in names if name != mine) for word, names in members.items()},
    )


def address(call: Call, place: Channel, named: Named, replied: Row | None) -> Addressed:
    """Decide who is owed a message: the other party of a DM, who is named, whose message is replied to."""
    owed = dict.fromkeys(place.members if place.type == "dm" else named.direct)
    if replied is not None and is_active(call.transaction, replied["sender"]):
        owed[replied["sender"]] = None
    muted = _muting(call.transaction, place) if named.groups and place.type != "dm" else set()
    called = [name for name in named.everybody if name not in owed]
    owed.update(dict.fromkeys(name for name in called if name not in muted))
    owed.pop(call.caller.name, None)
    outside = [] if place.type == "group" else [name for name in owed if name not in place.members]
    return Addressed(
        owed=[name for name in owed if name not in outside],
        muted=[name for name in called if name in muted],
        outside=outside,
    )


def outlooks_of(transaction: Transaction, place: Channel, addressed: Addressed, mode: str) -> list[Recipient]:
    """Say of everybody who is named whether they are awake, and what will become of the message."""
    muted = "wishes not to be told of this channel: finds it when they look"
    outside = f"may not read {place.id}, and is not told"
    return [
        *(outlook_of(transaction, name, mode) for name in addressed.owed),
        *(Recipient(name, None, muted, owed=False) for name in addressed.muted),
        *(Recipient(name, None, outside, owed=False) for name in addressed.outside),
    ]


def outlook_of(transaction: Transaction, name: str, mode: str = "queue") -> Recipient:
    """Say whether a member is awake, and what will become of a message to them."""
    row = transaction.one(
        "SELECT member.kind, agent.kind AS agent_kind, agent.state, agent.activity, agent.connected,"
        " agent.paused_at FROM member"
        " LEFT JOIN agent ON agent.name = member.name WHERE member.name = :name",
        {"name": name},
    )
    assert row is not None
    if row["kind"] == "human":
        return Recipient(name, None, "sees it in the dashboard")
    if row["state"] is None or row["agent_kind"] == "external":
        awake = bool(row["connected"]) if row["state"] is not None else None
        return Recipient(name, awake, "fetches it by itself")
    if row["paused_at"] is not None:
        return Recipient(name, False, "is paused: gets it when somebody resumes it")
    if row["state"] in ("ready", "degraded"):
        return Recipient(name, True, _when_ready(row["activity"], mode), busy=row["activity"] == "working")
    if row["state"] in ("starting", "backoff", "unknown", "stopping"):
        return Recipient(name, False, f"is {row['state']}: gets it when it is ready")
    return Recipient(name, False, f"is {row['state']}: gets it when somebody starts it")


def _when_ready(activity: str, mode: str) -> str:
    if activity == "needs_you":
        return "reads it when its question is answered"
    if activity != "working":
        return "is woken now"
    return {"interrupt": "is interrupted, and reads it now", "next_step": "reads it at its next step"}.get(
        mode, "reads it when it is free"
    )


def _people_of(transaction: Transaction, place: Channel) -> Sequence[Row]:
    return transaction.all(
        "SELECT member.name, member.role, agent.job, agent.activity, agent.state FROM channel_member"
        " JOIN member ON member.name = channel_member.member LEFT JOIN agent ON agent.name = member.name"
        " WHERE channel = :channel AND retired_at IS NULL ORDER BY member.name",
        {"channel": place.id},
    )


def _is_in(row: Row, word: str) -> bool:
    if word == "working":
        return row["activity"] == "working" and row["state"] in ("ready", "degraded")
    return word == "all" or word.removeprefix("role:") in (row["role"], row["job"])


def _muting(transaction: Transaction, place: Channel) -> set[str]:
    rows = transaction.all(
        "SELECT member FROM channel_member WHERE channel = :channel AND level = 'none'", {"channel": place.id}
    )
    return {row["member"] for row in rows}
