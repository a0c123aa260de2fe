"""What a field was: its versions, and what changed between two of them."""

import difflib
from dataclasses import dataclass
from typing import Any

import orjson

from server.core.call import Call, Row
from server.core.errors import NotFound
from server.core.moment import iso
from server.core.names import Cursor, Limit
from server.core.operation import query
from server.core.permission import READ
from server.features.state.model import FieldName, ProjectId, Version


@dataclass(frozen=True, slots=True)
class StateVersion:
    id: int
    field: str
    version: int
    value: Any
    changed_by: str
    reason: str
    source: str
    """write | approval | restore | task"""
    at: str


@dataclass(frozen=True, slots=True)
class StateHistory:
    history: list[StateVersion]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class StateDiff:
    before: StateVersion
    after: StateVersion
    lines: list[str]
    """Of both values written out, as a unified diff."""


def _describe_history(found: StateHistory) -> str:
    lines = [
        f"{row.field} {row.version} {row.at[:16]}Z {row.changed_by}: {_shown(row.value)} {row.reason}".rstrip()
        for row in found.history
    ]
    more = [f'… more: cursor="{found.next_cursor}"'] if found.next_cursor else []
    return "\n".join([*lines, *more]) or "No versions."


def _shown(value: object) -> str:
    return orjson.dumps(value).decode()[:300]


@query("GET /api/state/history", tool="get_state_history", toolset="state", allow=READ, describe=_describe_history)
def get_state_history(
    call: Call,
    *,
    project_id: ProjectId,
    field: FieldName | None = None,
    limit: Limit = 50,
    cursor: Cursor | None = None,
) -> StateHistory:
    """Past values of a field or project, newest first."""
    before = int(cursor) if cursor is not None and cursor.isascii() and cursor.isdigit() and len(cursor) < 18 else 2**62
    condition, order = ("AND field = :field AND version < :before", "version") if field else ("AND id < :before", "id")
    rows = call.transaction.all(
        f"SELECT * FROM state_version WHERE project = :project {condition} ORDER BY {order} DESC LIMIT :limit",  # noqa: S608
        {"project": project_id, "field": field, "before": before, "limit": limit + 1},
    )
    more = str(rows[limit - 1][order]) if len(rows) > limit else None
    return StateHistory([_version(row) for row in rows[:limit]], more)


@query("GET /api/state/diff", allow=READ)
def diff_state(call: Call, *, project_id: ProjectId, field: FieldName, a: Version, b: Version) -> StateDiff:
    """What changed between two versions of a field.

    Raises NotFound.
    """
    before, after = (_find(call, project_id, field, version) for version in (a, b))
    lines = difflib.unified_diff(_lines(before), _lines(after), f"version {a}", f"version {b}", lineterm="")
    return StateDiff(before, after, list(lines))


def _find(call: Call, project: str, field: str, version: int) -> StateVersion:
    row = call.transaction.one(
        "SELECT * FROM state_version WHERE project = :project AND field = :field AND version = :version",
        {"project": project, "field": field, "version": version},
    )
    if row is None:
        raise NotFound(f"{project}/{field} has no version {version}.", hint="Look: get_state_history", field="version")
    return _version(row)


def _lines(version: StateVersion) -> list[str]:
    return orjson.dumps(version.value, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS).decode().splitlines()


def _version(row: Row) -> StateVersion:
    return StateVersion(
        id=row["id"],
        field=row["field"],
        version=row["version"],
        value=orjson.loads(row["value"]),
        changed_by=row["changed_by"],
        reason=row["reason"],
        source=row["source"],
        at=iso(row["at"]),
    )
