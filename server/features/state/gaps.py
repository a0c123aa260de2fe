"""Knowledge gaps: fields that concern a member and have changed since they last saw them.

What is listed is not taken for seen: an answer can be lost on its way to the model. It is seen when the member says so,
with the versions it was shown, or proves it by writing the field or expecting its present version.
"""

import re
from dataclasses import dataclass
from typing import Annotated, Any

import orjson
from pydantic import Field

from server.core.call import Call, Row
from server.core.errors import BadArgument, Conflict
from server.core.names import MemberName
from server.core.operation import command, query
from server.core.permission import OPERATE, READ, SPEAK
from server.features.state.changes import see
from server.features.state.model import (
    FieldPattern,
    ProjectId,
    StateGated,
    StateSeen,
    StateSubscribed,
    find_field,
)

_SHOWN = 100
_SEEN_FIELD = re.compile(r"^([A-Za-z0-9_.:/-]{1,256})(?:@(\d{1,15}))?$", re.ASCII)


@dataclass(frozen=True, slots=True)
class Gap:
    """One field that has changed. A `your_version` of 0 means that it was never seen."""

    field: str
    your_version: int
    current_version: int
    changes_missed: int
    current_value: Any
    changed_by: str
    summary: str
    """The reasons given since, newest first."""
    critical: bool


@dataclass(frozen=True, slots=True)
class Gaps:
    gaps: list[Gap]
    has_gaps: bool
    critical_gaps: list[str]
    more: bool


@dataclass(frozen=True, slots=True)
class Subscriptions:
    project_id: str
    fields: list[str]


@dataclass(frozen=True, slots=True)
class Acknowledged:
    project_id: str
    versions: dict[str, int]


@dataclass(frozen=True, slots=True)
class Gated:
    project_id: str
    on: bool


def _describe_gaps(found: Gaps) -> str:
    if not found.gaps:
        return "Nothing has changed that concerns you."
    lines = [
        f"{'! ' if gap.critical else ''}{gap.field}@{gap.current_version} (you saw {gap.your_version}):"
        f" {orjson.dumps(gap.current_value).decode()[:1000]} by {gap.changed_by} {gap.summary}".rstrip()
        for gap in found.gaps
    ]
    seen = orjson.dumps([f"{gap.field}@{gap.current_version}" for gap in found.gaps]).decode()
    return "\n".join([*lines, f"When read: acknowledge_knowledge_gaps(fields={seen})"])


@command("POST /api/state/subscribe", tool="subscribe_state", toolset="state", allow=SPEAK, emits=[StateSubscribed],
         repeatable=True)  # fmt: skip
def subscribe_state(
    call: Call,
    *,
    project_id: ProjectId,
    fields: Annotated[list[FieldPattern], Field(min_length=1, max_length=100)],
    critical: Annotated[bool, Field(description="You must have seen it before you write.")] = False,
    off: bool = False,
) -> Subscriptions:
    """Be told when fields change, also ones that come to be. `api/*` is all that begin with api/. off ends it."""
    changed = 0
    for field in dict.fromkeys(fields):
        values = {"member": call.caller.name, "project": project_id, "field": field, "critical": int(critical)}
        if off:
            changed += call.transaction.run(
                "DELETE FROM state_subscription WHERE member = :member AND project = :project AND field = :field",
                values,
            )
        else:
            changed += call.transaction.run(
                "INSERT INTO state_subscription (member, project, field, is_critical)"
                " VALUES (:member, :project, :field, :critical) ON CONFLICT (project, member, field)"
                " DO UPDATE SET is_critical = excluded.is_critical WHERE is_critical <> excluded.is_critical",
                values,
            )
    if changed:
        call.emit(StateSubscribed(project_id, fields, off), subject=project_id)
    rows = call.transaction.all(
        "SELECT field FROM state_subscription WHERE member = :member AND project = :project ORDER BY field",
        {"member": call.caller.name, "project": project_id},
    )
    return Subscriptions(project_id, [row["field"] for row in rows])


@query("GET /api/state/knowledge-gaps", tool="check_knowledge_gaps", toolset="knowledge", allow=READ,
       describe=_describe_gaps, hidden=("agent_id",))  # fmt: skip
def check_knowledge_gaps(call: Call, *, project_id: ProjectId, agent_id: MemberName | None = None) -> Gaps:
    """State fields that concern you and changed since you last saw them, with their values. Then acknowledge them."""
    rows = _gaps(call, agent_id or call.caller.name, project_id)
    gaps = [_gap(call, project_id, row) for row in rows[:_SHOWN]]
    return Gaps(gaps, bool(gaps), [gap.field for gap in gaps if gap.critical], len(rows) > _SHOWN)


@command("POST /api/state/knowledge-gaps/acknowledge", tool="acknowledge_knowledge_gaps", toolset="knowledge",
         allow=SPEAK, emits=[StateSeen], repeatable=True)  # fmt: skip
def acknowledge_knowledge_gaps(
    call: Call,
    *,
    project_id: ProjectId,
    fields: Annotated[list[str], Field(max_length=200, description="As shown: `api/port@7`.")],
) -> Acknowledged:
    """Confirm you have read those changes, in the versions you were shown.

    Raises BadArgument.
    """
    versions: dict[str, int] = {}
    for text in fields:
        match = _SEEN_FIELD.fullmatch(text)
        row = None if match is None else find_field(call.transaction, project_id, match[1])
        if match is None or row is None:
            raise BadArgument(f"No field “{text[:80]}”.", hint="As check_knowledge_gaps shows it.", field="fields")
        versions[match[1]] = min(int(match[2] or row["version"]), row["version"])
    if see(call, call.caller.name, project_id, versions):
        call.emit(StateSeen(project_id, versions), subject=project_id)
    return Acknowledged(project_id, versions)


@command("POST /api/state/gate", allow=OPERATE, emits=[StateGated], repeatable=True)
def set_state_gate(call: Call, *, project_id: ProjectId, on: bool) -> Gated:
    """Let only those write in a project who have seen what is critical to them, or let everybody."""
    sql = (
        "INSERT INTO state_gate (project) VALUES (:project) ON CONFLICT DO NOTHING"
        if on
        else "DELETE FROM state_gate WHERE project = :project"
    )
    if call.transaction.run(sql, {"project": project_id}):
        call.emit(StateGated(project_id, on), subject=project_id)
    return Gated(project_id, on)


def check_gate(call: Call, project: str, known_field: str | None) -> None:
    """Raise Conflict if the caller must look before writing. A field whose present version they expect, they know."""
    if call.transaction.one("SELECT 1 FROM state_gate WHERE project = :project", {"project": project}) is None:
        return
    gaps = [row for row in _gaps(call, call.caller.name, project) if row["critical"] and row["field"] != known_field]
    if gaps:
        names = ", ".join(row["field"] for row in gaps[:10])
        raise Conflict(
            f"You have not seen what changed: {names}.",
            hint=f'First: check_knowledge_gaps(project_id="{project}"), then acknowledge_knowledge_gaps.',
            facts={"critical_gaps": [row["field"] for row in gaps]},
            code="knowledge_gap",
        )


def _gaps(call: Call, member: str, project: str) -> list[Row]:
    return list(
        call.transaction.all(
            "SELECT state.*, coalesce(state_seen.version, 0) AS seen, max(is_critical) AS critical FROM state"
            " JOIN state_subscription AS wanted ON wanted.project = state.project AND wanted.member = :member"
            " AND (wanted.field = state.field OR (substr(wanted.field, -1) = '*' AND"
            " substr(state.field, 1, length(wanted.field) - 1) = substr(wanted.field, 1, length(wanted.field) - 1)))"
            " LEFT JOIN state_seen ON state_seen.member = :member AND state_seen.project = state.project"
            " AND state_seen.field = state.field"
            " WHERE state.project = :project AND state.version > coalesce(state_seen.version, 0)"
            " GROUP BY state.field ORDER BY max(is_critical) DESC, state.seq DESC LIMIT :limit",
            {"member": member, "project": project, "limit": _SHOWN + 1},
        )
    )


def _gap(call: Call, project: str, row: Row) -> Gap:
    reasons = call.transaction.all(
        "SELECT reason FROM state_version WHERE project = :project AND field = :field AND version > :seen"
        " AND reason <> '' ORDER BY version DESC LIMIT 5",
        {"project": project, "field": row["field"], "seen": row["seen"]},
    )
    return Gap(
        field=row["field"],
        your_version=row["seen"],
        current_version=row["version"],
        changes_missed=row["version"] - row["seen"],
        current_value=orjson.loads(row["value"]),
        changed_by=row["updated_by"],
        summary="; ".join(reason["reason"] for reason in reasons),
        critical=bool(row["critical"]),
    )
