"""The changes of shared state across projects, by the paths that TeamMCP's clients know."""

from dataclasses import dataclass
from typing import Annotated, Any

import orjson
from pydantic import Field

from server.core.call import Call, Row
from server.core.errors import BadArgument
from server.core.moment import iso, milliseconds
from server.core.names import MemberName
from server.core.operation import query
from server.core.permission import READ_AUDIT
from server.features.state.model import FieldName, ProjectId, StateField, state_of

Moment = Annotated[str, Field(max_length=40, description="As 2026-11-20T14:02:00Z.")]
Page = Annotated[int, Field(ge=1, le=500)]
Offset = Annotated[int, Field(ge=0, lt=2**40)]


@dataclass(frozen=True, slots=True)
class StateEntry:
    """One write of one field, with the value before it."""

    project_id: str
    field: str
    version: int
    old_value: Any
    new_value: Any
    changed_by: str
    reason: str
    source: str
    timestamp: str


@dataclass(frozen=True, slots=True)
class StateEntries:
    entries: list[StateEntry]
    total: int
    """How many match, on all pages."""
    limit: int
    offset: int


@dataclass(frozen=True, slots=True)
class StateRows:
    rows: list[StateField]


@query("GET /api/audit/changelog", allow=READ_AUDIT, aliases={"from": "since", "to": "until"})
def get_state_changelog(
    call: Call,
    *,
    project_id: ProjectId | None = None,
    field: FieldName | None = None,
    changed_by: MemberName | None = None,
    source: Annotated[str, Field(max_length=40)] | None = None,
    since: Moment | None = None,
    until: Moment | None = None,
    limit: Page = 100,
    offset: Offset = 0,
) -> StateEntries:
    """Every write of shared state, newest first, by filter.

    Raises BadArgument.
    """
    values = {
        "project": project_id, "field": field, "by": changed_by, "source": source,
        "since": _moment(since, "since"), "until": _moment(until, "until"), "limit": limit, "offset": offset,
    }  # fmt: skip
    condition = (
        "(:project IS NULL OR project = :project) AND (:field IS NULL OR field = :field)"
        " AND (:by IS NULL OR changed_by = :by) AND (:source IS NULL OR source = :source)"
        " AND (:since IS NULL OR at >= :since) AND (:until IS NULL OR at < :until)"
    )
    rows = call.transaction.all(
        "SELECT *, (SELECT value FROM state_version AS before WHERE before.project = state_version.project"  # noqa: S608
        " AND before.field = state_version.field AND before.version = state_version.version - 1) AS old_value"
        f" FROM state_version WHERE {condition} ORDER BY id DESC LIMIT :limit OFFSET :offset",
        values,
    )
    total = call.transaction.one(f"SELECT count(*) AS total FROM state_version WHERE {condition}", values)  # noqa: S608
    assert total is not None
    return StateEntries([_entry(row) for row in rows], total["total"], limit, offset)


@query("GET /api/audit/state", allow=READ_AUDIT)
def list_audited_state(
    call: Call, *, project_id: ProjectId | None = None, limit: Page = 200, offset: Offset = 0
) -> StateRows:
    """Every field as it is now, of one project or of all."""
    rows = call.transaction.all(
        "SELECT * FROM state WHERE :project IS NULL OR project = :project ORDER BY project, field"
        " LIMIT :limit OFFSET :offset",
        {"project": project_id, "limit": limit, "offset": offset},
    )
    return StateRows([state_of(row) for row in rows])


def _entry(row: Row) -> StateEntry:
    return StateEntry(
        project_id=row["project"],
        field=row["field"],
        version=row["version"],
        old_value=None if row["old_value"] is None else orjson.loads(row["old_value"]),
        new_value=orjson.loads(row["value"]),
        changed_by=row["changed_by"],
        reason=row["reason"],
        source=row["source"],
        timestamp=iso(row["at"]),
    )


def _moment(text: str | None, name: str) -> int | None:
    if text is None:
        return None
    try:
        return milliseconds(text)
    except ValueError:
        raise BadArgument(f"“{text}” is not a time.", hint="Write it as 2026-11-20T14:02:00Z.", field=name) from None
