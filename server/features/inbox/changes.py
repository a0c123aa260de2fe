"""What concerns a member and is no message, since it last acknowledged: assignments, decisions, fields it follows."""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from server.core.call import Call, Row, Transaction
from server.core.moment import iso
from server.core.names import MemberName
from server.core.operation import command
from server.core.permission import SYSTEM
from server.features.inbox.model import InboxChange

SHOWN = 20
LOOKED_AT = 500
"""Rows of the log that are looked at for one answer."""
_TEXT = 300
_REPORTED = ("blocked", "done", "failed", "cancelled")
"""States of a task that whoever created it is told of."""


@command(allow=SYSTEM, emits=[])
def mark_changes_shown(call: Call, *, member: MemberName, seq: int) -> bool:
    """Put on record that a member was shown what concerns it up to a seq. Tells nobody: it is no change."""
    begun = marks_of(call.transaction, member)[1]
    moved = call.transaction.run(
        "INSERT INTO change_mark (member, shown_up_to, acknowledged_up_to) VALUES (:member, :seq, :begun)"
        " ON CONFLICT (member) DO UPDATE SET shown_up_to = excluded.shown_up_to"
        " WHERE excluded.shown_up_to > shown_up_to",
        {"member": member, "seq": seq, "begun": begun},
    )
    return moved > 0


def acknowledge_changes(call: Call, seq: int) -> None:
    """Move the mark of the caller forward, no further than it was shown, never back."""
    shown, acknowledged = marks_of(call.transaction, call.caller.name)
    if acknowledged < seq <= shown:
        call.transaction.run(
            "UPDATE change_mark SET acknowledged_up_to = :seq WHERE member = :member",
            {"member": call.caller.name, "seq": seq},
        )


def marks_of(transaction: Transaction, member: str) -> tuple[int, int]:
    """Return how far a member was shown what concerns it, and has acknowledged it. It begins when the member does."""
    row = transaction.one(
        "SELECT shown_up_to, acknowledged_up_to FROM change_mark WHERE member = :member", {"member": member}
    )
    if row is not None:
        return row["shown_up_to"], row["acknowledged_up_to"]
    row = transaction.one(
        "SELECT seq FROM event WHERE subject = :member AND kind = 'member.created' ORDER BY seq LIMIT 1",
        {"member": member},
    )
    begun = 0 if row is None else row["seq"]
    return begun, begun


def changes_for(transaction: Transaction, member: str) -> tuple[list[InboxChange], int | None, bool]:
    """Return what concerns a member, the oldest first; the seq up to which that is all; and whether more may follow."""
    after = marks_of(transaction, member)[1]
    rows = transaction.all(
        "SELECT seq, at, kind, actor, body FROM event WHERE seq > :after"
        " AND kind IN ('approval.changed', 'state.changed', 'task.changed', 'task.created') ORDER BY seq LIMIT :limit",
        {"after": after, "limit": LOOKED_AT},
    )
    followed = _followed_fields(transaction, member) if rows else {}
    found: dict[tuple[str, str], InboxChange] = {}
    for row in rows:
        change = None if row["actor"] == member else _change(row, member, followed)
        if change is None:
            continue
        if (change.kind, change.subject) not in found and len(found) == SHOWN:
            return _in_order(found), row["seq"] - 1, True
        found[change.kind, change.subject] = change  # the last word on each
    return _in_order(found), rows[-1]["seq"] if rows else None, len(rows) == LOOKED_AT


def _in_order(found: Mapping[tuple[str, str], InboxChange]) -> list[InboxChange]:
    return sorted(found.values(), key=lambda change: int(change.id.partition("_")[2]))


def _change(row: Row, member: str, followed: Mapping[str, Sequence[str]]) -> InboxChange | None:
    body = orjson.loads(row["body"])
    if row["kind"] == "approval.changed":
        told = _decision(body["approval"], member)
        return None if told is None else _built(row, "decision", body["approval"]["id"], told)
    if row["kind"] == "state.changed":
        state = body["state"]
        if not any(_covers(pattern, state["field"]) for pattern in followed.get(state["project_id"], ())):
            return None
        value = orjson.dumps(state["value"]).decode()
        return _built(row, "state", state["id"], f"{state['id']} = {value} (version {state['version']})")
    told = _task(body["task"], body.get("action", "created"), member)
    return None if told is None else _built(row, "task", body["task"]["id"], told)


def _built(row: Row, kind: Any, subject: str, text: str) -> InboxChange:
    by = row["actor"]
    shown = text if len(text) <= _TEXT else f"{text[:_TEXT]}…"
    return InboxChange(f"chg_{row['seq']}", kind, subject, by, iso(row["at"]), f"{shown} by {by}")


def _decision(approval: Mapping[str, Any], member: str) -> str | None:
    if approval["asker"] != member or approval["status"] == "pending":
        return None
    answer = approval["answer"] or approval["comment"]
    return f"{approval['id']} {approval['status']}: {approval['summary']}" + (f" ({answer})" if answer else "")


def _task(task: Mapping[str, Any], action: str, member: str) -> str | None:
    number = f"#{task['id'].partition('_')[2]}"
    if task["assignee"] == member and action in ("created", "updated", "requeued"):
        return f"{number} is yours, {task['status']}: {task['title']}, changed"
    if task["creator"] == member and task["status"] in _REPORTED:
        return f"{number} {task['status']}: {task['title']}"
    return None


def _followed_fields(transaction: Transaction, member: str) -> dict[str, list[str]]:
    followed: dict[str, list[str]] = {}
    for row in transaction.all(
        "SELECT project, field FROM state_subscription WHERE member = :member", {"member": member}
    ):
        followed.setdefault(row["project"], []).append(row["field"])
    return followed


def _covers(pattern: str, field: str) -> bool:
    return field == pattern or (pattern.endswith("*") and field.startswith(pattern[:-1]))
