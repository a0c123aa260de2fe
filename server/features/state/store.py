"""The store: who may write a field at once, and whose change goes before a person first."""

from dataclasses import dataclass
from typing import Annotated, Any

import orjson
from pydantic import BaseModel, ConfigDict, Field, JsonValue

from server.core.call import Call, Row
from server.core.errors import BadArgument, Conflict, TooLarge
from server.core.names import Cursor, Limit, MemberName, Note, offset_of
from server.core.operation import command, query
from server.core.permission import READ, SPEAK
from server.features.approvals.model import Approval, ApprovalCreated
from server.features.approvals.queue import ask
from server.features.messages.sending import send_notice
from server.features.state.changes import WRITES, write_field
from server.features.state.gaps import check_gate
from server.features.state.model import (
    EVERYBODY,
    FieldName,
    ProjectId,
    StateField,
    Version,
    describe_field,
    encoded,
    find_field,
    require_field,
    state_of,
)
from server.features.team import require_active

_PROPOSAL_S = 24 * 3600
_LARGEST_PROPOSAL, _IN_NOTICE = 8192, 4000
_PEOPLE = ("chairman", "operator", "system")
STATE_EVENTS = (*WRITES, ApprovalCreated)
"""What writing by the rules may emit."""


@dataclass(frozen=True, slots=True)
class States:
    items: list[StateField]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class Project:
    project_id: str
    fields: int
    updated_at: str


@dataclass(frozen=True, slots=True)
class Projects:
    projects: list[Project]


@dataclass(frozen=True, slots=True)
class Written:
    """What a write came to: it is so now, or a person decides."""

    success: bool
    project_id: str
    field: str
    version: int
    """As it is now; 0 if there is no such field yet."""
    pending_approval: bool
    approval_id: str | None


@dataclass(frozen=True, slots=True)
class AllWritten:
    states: list[StateField]


class Change(BaseModel):
    """One of several that are written together."""

    model_config = ConfigDict(extra="forbid")

    field: FieldName
    value: JsonValue
    reason: Note = ""
    expected_version: Version | None = None


def _describe_written(written: Written) -> str:
    if written.pending_approval:
        return f"{written.field} waits for a person: {written.approval_id}. The decision reaches you as a message."
    return f"{written.field} is version {written.version}"


def _describe_states(states: States) -> str:
    more = [f'… more: cursor="{states.next_cursor}"'] if states.next_cursor else []
    return "\n".join([*map(describe_field, states.items), *more]) or "Nothing is there."


@query("GET /api/state", tool="get_state", toolset="state", allow=READ, describe=_describe_states, hidden=("cursor",))
def get_state(
    call: Call,
    *,
    project_id: ProjectId,
    field: FieldName | None = None,
    prefix: Annotated[str, Field(max_length=256)] = "",
    limit: Limit = 100,
    cursor: Cursor | None = None,
) -> States:
    """Read shared state of a project: one field, those that begin with a prefix, or all.

    Raises NotFound.
    """
    if field is not None:
        return States([state_of(require_field(call.transaction, project_id, field))], None)
    offset = offset_of(cursor)
    rows = call.transaction.all(
        "SELECT * FROM state WHERE project = :project AND field >= :prefix AND substr(field, 1, length(:prefix)) ="
        " :prefix ORDER BY field LIMIT :limit OFFSET :offset",
        {"project": project_id, "prefix": prefix, "limit": limit + 1, "offset": offset},
    )
    return States([state_of(row) for row in rows[:limit]], str(offset + limit) if len(rows) > limit else None)


@query("GET /api/state/projects", allow=READ)
def list_projects(call: Call) -> Projects:
    """Every project that has shared state."""
    from_ms = "strftime('%Y-%m-%dT%H:%M:%SZ', max(updated_at) / 1000, 'unixepoch')"
    rows = call.transaction.all(
        f"SELECT project, count(*) AS fields, {from_ms} AS updated FROM state GROUP BY project ORDER BY project"  # noqa: S608
    )
    return Projects([Project(row["project"], row["fields"], row["updated"]) for row in rows])


@command("POST /api/state", tool="set_state", toolset="state", allow=SPEAK, emits=STATE_EVENTS, repeatable=True,
         describe=_describe_written, hidden=("approver",))  # fmt: skip
def set_state(
    call: Call,
    *,
    project_id: ProjectId,
    field: FieldName,
    value: JsonValue,
    reason: Note = "",
    expected_version: Version | None = None,
    owner: MemberName | Annotated[str, Field(pattern=r"^\*$")] | None = None,
    approval_required: bool | None = None,
    approver: MemberName | None = None,
) -> Written:
    """Write a field. Pass expected_version (0: new) so as not to overwrite others; a conflict returns what is there.

    Its owner writes at once; what others write waits for the owner's or a person's approval. Owner * is everybody.

    Raises BadArgument, Conflict, NotAllowed, NotFound, TooLarge.
    """
    settings: dict[str, Any] = {}
    if owner is not None:
        settings["owner"] = owner
    if approval_required is not None:
        settings["approval_required"] = int(approval_required)
    if approver is not None:
        settings["approver"] = approver
    for name in {owner, approver} - {None, EVERYBODY}:
        require_active(call.transaction, str(name), field="owner" if name == owner else "approver")
    change = Change(field=field, value=value, reason=reason, expected_version=expected_version)
    return put(call, project_id, change, settings=settings)


@command("POST /api/state/conclude", allow=SPEAK, emits=STATE_EVENTS, repeatable=True)
def conclude(
    call: Call, *, project_id: ProjectId, conclusions: Annotated[list[Change], Field(min_length=1, max_length=100)]
) -> AllWritten:
    """Write several fields together, all or nothing. Refused if one of them would need an approval.

    Raises BadArgument, Conflict, NotAllowed, TooLarge.
    """
    if len({change.field for change in conclusions}) < len(conclusions):
        raise BadArgument("A field is named twice.", hint="Name each once.", field="conclusions")
    rows = {change.field: find_field(call.transaction, project_id, change.field) for change in conclusions}
    needing = sorted(field for field, row in rows.items() if row is not None and not writes_at_once(call, row))
    if needing:
        raise Conflict(
            f"{', '.join(needing)} would need an approval; nothing is written.",
            hint="Propose those by themselves: set_state",
            facts={"needs_approval": needing},
            code="needs_approval",
        )
    for change in conclusions:
        put(call, project_id, change)
    return AllWritten([state_of(require_field(call.transaction, project_id, change.field)) for change in conclusions])


@command("POST /api/state/restore", allow=SPEAK, emits=STATE_EVENTS, repeatable=True, describe=_describe_written)
def restore_state(
    call: Call, *, project_id: ProjectId, field: FieldName, version: Version, reason: Note = ""
) -> Written:
    """Make an earlier value the newest version. The rules are those of any write.

    Raises BadArgument, Conflict, NotAllowed, NotFound, TooLarge.
    """
    require_field(call.transaction, project_id, field)
    row = call.transaction.one(
        "SELECT value FROM state_version WHERE project = :project AND field = :field AND version = :version",
        {"project": project_id, "field": field, "version": version},
    )
    if row is None:
        raise BadArgument(f"{field} has no version {version}.", hint="Look: get_state_history", field="version")
    change = Change(field=field, value=orjson.loads(row["value"]), reason=reason or f"back to version {version}")
    return put(call, project_id, change, source="restore")


def put(
    call: Call, project: str, change: Change, *, settings: dict[str, Any] | None = None, source: str = "write"
) -> Written:
    """Write a field by the rules, in the caller's name, or put the change before those who may approve it."""
    field, value = change.field, encoded(change.value)
    row = find_field(call.transaction, project, field)
    present = 0 if row is None else int(row["version"])
    if change.expected_version is not None and change.expected_version != present:
        raise Conflict(
            f"{project}/{field} is version {present}, not {change.expected_version}.",
            hint=f"Look at it, then write with expected_version={present}.",
            facts={"current": None if row is None else state_of(row)},
            code="conflict",
        )
    check_gate(call, project, field if change.expected_version is not None else None)
    if settings and row is not None:
        _check_settings(call, row)
        write_field(call, project, field, row["value"], reason=change.reason, settings=settings)
        row, settings = require_field(call.transaction, project, field), None
    if row is None or writes_at_once(call, row):
        state = write_field(call, project, field, value, reason=change.reason, source=source, settings=settings)
        return Written(True, project, field, state.version, pending_approval=False, approval_id=None)
    if row["value"] == value:
        return Written(True, project, field, present, pending_approval=False, approval_id=None)
    approval = _propose(call, row, value, change.reason)
    return Written(False, project, field, present, pending_approval=True, approval_id=approval.id)


def writes_at_once(call: Call, row: Row) -> bool:
    """Tell whether the caller may write a field without asking: it is theirs or everybody's, and not marked."""
    if row["approval_required"]:
        return False
    return row["owner"] in (EVERYBODY, call.caller.name) or call.caller.role in _PEOPLE


def _check_settings(call: Call, row: Row) -> None:
    """Raise NotAllowed unless the caller decides who owns and approves a field: of a marked one, people alone."""
    owns = row["owner"] == call.caller.name or call.caller.role == "lead"
    call.require(
        call.caller.role in _PEOPLE or (owns and not row["approval_required"]),
        f"{row['field']} is {row['owner']}'s" + (" and marked." if row["approval_required"] else "."),
        hint="Ask an operator who owns it and who approves it.",
    )


def _propose(call: Call, row: Row, value: str, reason: str) -> Approval:
    project, field = row["project"], row["field"]
    again = call.transaction.one(
        "SELECT id FROM approval WHERE status = 'pending' AND project = :project AND field = :field AND asker = :me"
        " AND NOT stale AND json_extract(proposal, '$.text') = :value",
        {"project": project, "field": field, "me": call.caller.name, "value": value},
    )
    if again is not None:
        raise Conflict(
            f"You have proposed that already: ap_{again['id']}.", hint="Wait for the decision.", code="proposed"
        )
    deciders = [name for name in (row["approver"], row["owner"]) if name not in (None, EVERYBODY, call.caller.name)]
    proposal = {
        "project_id": project, "field": field, "value": orjson.loads(value), "text": value,
        "base_version": row["version"], "reason": reason,
    }  # fmt: skip
    if len(value) > _LARGEST_PROPOSAL:
        raise TooLarge(
            f"A proposal holds {_LARGEST_PROPOSAL} characters, so that a person can read it.",
            hint=f"Ask {row['owner']} to write it.",
            field="value",
        )
    before = row["value"] if len(row["value"]) <= _LARGEST_PROPOSAL else f"{len(row['value'])} characters: get_state"
    details = f"now (version {row['version']}): {before}\nproposed: {value}" + (f"\nwhy: {reason}" if reason else "")
    approval = ask(
        call,
        "state",
        summary=f"set {project}/{field}",
        details=details,
        expires_s=_PROPOSAL_S,
        delegated_to=deciders[0] if deciders else None,
        proposal=proposal,
    )
    if deciders:
        text = f"{call.caller.name} proposes a change of {project}/{field} that you decide, {approval.id}:\n"
        send_notice(call, deciders[0], text + (details if len(details) < _IN_NOTICE else "It is long: get_approval."))
    return approval
