"""Needs you: one list of all that waits for one person, the dearest to wait first.

It holds no rows of its own: requests and trouble are approvals, what was not read is counted where reading is. So a
client that keeps these two collections by their events has the list without asking for it.
"""

from dataclasses import dataclass
from typing import Literal

from server.core.call import Call, Row
from server.core.moment import iso
from server.core.names import Cursor, Limit, message_id, offset_of
from server.core.operation import query
from server.core.permission import READ
from server.features.approvals.model import DECIDERS, SHOWN, Approval, approval_of, viewing
from server.features.channels import readable_channels
from server.features.reads import read_of

RANKS = {
    "permission": 0, "login": 0, "terminal": 0, "question": 1, "failure": 2, "budget": 3, "guard": 3, "limit": 3,
    "stall": 3, "tool": 4, "action": 4, "spending": 4, "agent": 4, "state": 4, "direct": 5, "mention": 5,
}  # fmt: skip
"""By the cost of waiting: an agent that stands still, one that asked and goes on, one that has failed, …"""
_MOST = 500
_SHOWN_CHARACTERS = 300

Group = Literal["now", "others", "snoozed", "done"]


@dataclass(frozen=True, slots=True)
class Need:
    """One thing that waits for a person."""

    id: str
    """`ap_7`, or `unread:` and a channel."""
    kind: str
    rank: int
    """0 waits dearest."""
    who: str
    summary: str
    since: str
    approval: Approval | None
    channel: str | None
    """Where something was not read."""
    message_id: str | None
    unread: int


@dataclass(frozen=True, slots=True)
class Counts:
    now: int
    others: int
    snoozed: int


@dataclass(frozen=True, slots=True)
class Needs:
    items: list[Need]
    counts: Counts
    next_cursor: str | None


@query("GET /api/needs-you", allow=READ)
def list_needs(call: Call, *, group: Group = "now", limit: Limit = 100, cursor: Cursor | None = None) -> Needs:
    """What waits for you, by the cost of waiting: what is yours now, what waits on others, what is put aside, or done.

    Raises BadArgument.
    """
    offset = offset_of(cursor)
    rows = call.transaction.all(
        f"SELECT * FROM approval WHERE status = 'pending' AND {SHOWN} ORDER BY id LIMIT :most",  # noqa: S608
        {"most": _MOST, **viewing(call)},
    )
    waiting: dict[str, list[Need]] = {"now": [], "others": [], "snoozed": []}
    for row in rows:
        waiting[_group_of(call, row)].append(_need(row))
    waiting["now"] += _unread(call)
    counts = Counts(*(len(waiting[name]) for name in ("now", "others", "snoozed")))
    if group == "done":
        found = _done(call, limit + 1, offset)
    else:
        found = sorted(waiting[group], key=lambda need: (need.rank, need.since, need.id))[offset : offset + limit + 1]
    return Needs(found[:limit], counts, str(offset + limit) if len(found) > limit else None)


def _group_of(call: Call, row: Row) -> str:
    if row["snoozed_until"] is not None and row["snoozed_until"] > call.now:
        return "snoozed"
    if row["asker"] == call.caller.name:
        return "others"
    if row["delegated_to"] is not None:
        return "now" if row["delegated_to"] == call.caller.name else "others"
    return "now" if call.caller.role in DECIDERS else "others"


def _done(call: Call, limit: int, offset: int) -> list[Need]:
    rows = call.transaction.all(
        f"SELECT * FROM approval WHERE status <> 'pending' AND {SHOWN}"  # noqa: S608 (a constant)
        " ORDER BY decided_at DESC, id DESC LIMIT :limit OFFSET :offset",
        {"limit": limit, "offset": offset, **viewing(call)},
    )
    return [_need(row) for row in rows]


def _need(row: Row) -> Need:
    approval = approval_of(row)
    return Need(
        id=approval.id,
        kind=approval.kind,
        rank=RANKS[approval.kind],
        who=approval.asker,
        summary=approval.summary,
        since=approval.created_at,
        approval=approval,
        channel=None,
        message_id=None,
        unread=0,
    )


def _unread(call: Call) -> list[Need]:
    """Return where a person was written to or named and has not read it."""
    if call.caller.kind != "human":
        return []
    needs = []
    for channel in readable_channels(call.transaction, call.caller):
        if call.caller.name not in channel.members:
            continue
        read = read_of(call.transaction, call.caller.name, channel.id)
        is_direct = channel.type == "dm"
        count = read.unread if is_direct else read.mentions
        if count:
            needs.append(_unread_in(call, channel.id, "direct" if is_direct else "mention", count))
    return needs


def _unread_in(call: Call, channel: str, kind: str, count: int) -> Need:
    first = call.transaction.one(
        "SELECT id, sender, content, created_at FROM message WHERE channel = :channel AND sender <> :me"
        " AND deleted_at IS NULL AND id > coalesce((SELECT last_read FROM read_mark WHERE member = :me"
        " AND channel = :channel), 0)"
        " AND (:direct OR EXISTS (SELECT 1 FROM json_each(message.mentions) WHERE value = :me)) ORDER BY id LIMIT 1",
        {"channel": channel, "me": call.caller.name, "direct": kind == "direct"},
    )
    assert first is not None
    return Need(
        id=f"unread:{channel}",
        kind=kind,
        rank=RANKS[kind],
        who=first["sender"],
        summary=first["content"][:_SHOWN_CHARACTERS],
        since=iso(first["created_at"]),
        approval=None,
        channel=channel,
        message_id=message_id(first["id"]),
        unread=count,
    )
