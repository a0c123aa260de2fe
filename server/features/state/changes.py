"""A field is written here, once the rules have been kept: its history grows, and whom it concerns is told."""

from collections.abc import Sequence
from typing import Any

import orjson

from server.core.call import Call, Row
from server.events.log import next_seq
from server.features.approvals.model import ApprovalChanged, change_approval
from server.features.messages.sending import NOTICE_EVENTS, send_notice
from server.features.state.model import StateChanged, StateField, find_field, state_of

WRITES = (StateChanged, ApprovalChanged, *NOTICE_EVENTS)
"""What writing a field may emit."""


def write_field(
    call: Call,
    project: str,
    field: str,
    value: str,
    *,
    reason: str,
    source: str = "write",
    settings: dict[str, Any] | None = None,
) -> StateField:
    """Store a value as the next version, in the caller's name, whatever the rules; nothing if nothing differs."""
    row = find_field(call.transaction, project, field)
    settings = settings or {}
    if row is None:
        values = {"owner": call.caller.name, "approval_required": 0, "approver": None, **settings}
        values |= {"version": 1, "value": value}
        call.transaction.run(
            "INSERT INTO state (project, field, seq, version, value, owner, approval_required, approver, created_at,"
            " updated_at, updated_by) VALUES (:project, :field, :seq, 1, :value, :owner, :approval_required, :approver,"
            " :now, :now, :me)",
            {**values, **_mark(call, project, field)},
        )
    else:
        values = {"value": value, **settings}
        if all(row[name] == new for name, new in values.items()):
            return state_of(row)
        values |= {"version": row["version"] + (row["value"] != value)}
        call.transaction.run(
            f"UPDATE state SET {', '.join(f'{name} = :{name}' for name in values)}, seq = :seq, updated_at = :now,"  # noqa: S608
            " updated_by = :me WHERE project = :project AND field = :field",
            {**values, **_mark(call, project, field)},
        )
    changed = find_field(call.transaction, project, field)
    assert changed is not None
    state = state_of(changed)
    call.emit(StateChanged(state, reason, source), subject=state.id)
    if row is None or row["value"] != value:
        call.transaction.run(
            "INSERT INTO state_version (project, field, version, value, changed_by, reason, source, at)"
            " VALUES (:project, :field, :version, :value, :me, :reason, :source, :now)",
            {**_mark(call, project, field), "version": state.version, "value": value, "reason": reason,
             "source": source},
        )  # fmt: skip
        see(call, call.caller.name, project, {field: state.version})
        _make_stale(call, project, field)
        _tell(call, state)
    return state


def see(call: Call, member: str, project: str, versions: dict[str, int]) -> bool:
    """Put on record up to which version a member has seen fields. Returns whether that was news."""
    news = 0
    for field, version in versions.items():
        news += call.transaction.run(
            "INSERT INTO state_seen (member, project, field, version) VALUES (:member, :project, :field, :version)"
            " ON CONFLICT (member, project, field) DO UPDATE SET version = excluded.version"
            " WHERE excluded.version > version",
            {"member": member, "project": project, "field": field, "version": version},
        )
    return news > 0


def subscriptions_to(call: Call, project: str, field: str) -> Sequence[Row]:
    """Return whom a field concerns, and how."""
    return call.transaction.all(
        "SELECT member, field, is_critical, notice FROM state_subscription WHERE project = :project AND"
        " (field = :field OR (substr(field, -1) = '*' AND substr(:field, 1, length(field) - 1) ="
        " substr(field, 1, length(field) - 1))) ORDER BY member",
        {"project": project, "field": field},
    )


def _mark(call: Call, project: str, field: str) -> dict[str, Any]:
    seq = next_seq(call.transaction)
    return {"project": project, "field": field, "seq": seq, "now": call.now, "me": call.caller.name}


def _make_stale(call: Call, project: str, field: str) -> None:
    """Show on every proposal that waits for this field that it is about an earlier version."""
    for row in call.transaction.all(
        "SELECT * FROM approval WHERE status = 'pending' AND project = :project AND field = :field AND NOT stale",
        {"project": project, "field": field},
    ):
        change_approval(call, row, {"stale": 1})


def _tell(call: Call, state: StateField) -> None:
    """Owe the change to those who subscribe to it; who has an unseen notice of the project already gets no second."""
    told: set[str] = set()
    for row in subscriptions_to(call, state.project_id, state.field):
        if row["member"] in told or row["member"] == call.caller.name or _has_unseen(call, row["notice"]):
            continue
        told.add(row["member"])
        words = orjson.dumps(state.value).decode()
        shown = words if len(words) <= 500 else f"{words[:500]}… (whole: get_state)"
        text = (
            f"{state.id} is version {state.version} now, by {call.caller.name}: {shown}\n"
            f'All that you have not seen: check_knowledge_gaps(project_id="{state.project_id}")'
        )
        notice = send_notice(call, row["member"], text)
        if notice is not None:
            call.transaction.run(
                "UPDATE state_subscription SET notice = :notice WHERE project = :project AND member = :member",
                {
                    "notice": int(notice["id"].partition("_")[2]),
                    "project": state.project_id,
                    "member": row["member"],
                },
            )


def _has_unseen(call: Call, notice: int | None) -> bool:
    if notice is None:
        return False
    found = call.transaction.one(
        "SELECT 1 FROM delivery WHERE message_id = :id AND state IN ('stored', 'pushed')", {"id": notice}
    )
    return found is not None
