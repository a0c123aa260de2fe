"""What a field of the shared state is: its row, its shape outside, its names."""

import re
from dataclasses import dataclass
from typing import Annotated, Any

import orjson
from pydantic import AfterValidator, Field

from server.core.call import Row, Transaction
from server.core.errors import BadArgument, NotFound, TooLarge
from server.core.event import Event, event
from server.core.moment import iso

LARGEST_VALUE_BYTES = 256 * 1024
EVERYBODY = "*"
"""The owner of a field that everybody writes."""

_PROJECT = re.compile(r"^[A-Za-z0-9_][A-Za-z0-9_.:-]{0,63}$", re.ASCII)
_FIELD = re.compile(r"^[A-Za-z0-9_.:-]+(/[A-Za-z0-9_.:-]+)*$", re.ASCII)


def checked_project(value: str) -> str:
    """Return the name of a project. Raises ValueError."""
    if not _PROJECT.fullmatch(value):
        raise ValueError("a project is 1 to 64 of A-Z a-z 0-9 _ . : -")
    return value


def checked_field(value: str) -> str:
    """Return the name of a field. Raises ValueError."""
    if not _FIELD.fullmatch(value):
        raise ValueError("a field is made of A-Z a-z 0-9 _ . : - with single / between parts, as api/port")
    return value


def checked_pattern(value: str) -> str:
    """Return the name of a field, or the beginning of names with `*` behind it. Raises ValueError."""
    stem = value.removesuffix("*")
    if value != "*":
        checked_field(stem.removesuffix("/") if stem != value else stem)
    return value


ProjectId = Annotated[str, Field(max_length=64), AfterValidator(checked_project)]
FieldName = Annotated[
    str, Field(max_length=256, description="As `port`, or `api/port`."), AfterValidator(checked_field)
]
FieldPattern = Annotated[
    str, Field(max_length=256, description="As `api/port`, or `api/*`."), AfterValidator(checked_pattern)
]
Version = Annotated[int, Field(ge=0, lt=2**53)]


@dataclass(frozen=True, slots=True)
class StateField:
    """One field as it is now. `version` grows by one with every write."""

    id: str
    """project/field"""
    project_id: str
    field: str
    value: Any
    version: int
    owner: str
    """`*` if everybody writes it."""
    approval_required: bool
    approver: str | None
    created_at: str
    updated_at: str
    updated_by: str


@event("state.changed", collection="state", key="id")
class StateChanged(Event):
    state: StateField
    reason: str
    source: str


@event("state.subscribed")
class StateSubscribed(Event):
    project_id: str
    fields: list[str]
    off: bool


@event("state.seen")
class StateSeen(Event):
    project_id: str
    versions: dict[str, int]


@event("state.gated")
class StateGated(Event):
    project_id: str
    on: bool


def find_field(transaction: Transaction, project: str, field: str) -> Row | None:
    return transaction.one(
        "SELECT * FROM state WHERE project = :project AND field = :field", {"project": project, "field": field}
    )


def require_field(transaction: Transaction, project: str, field: str) -> Row:
    """Return the row of a field. Raises NotFound with the nearest names."""
    row = find_field(transaction, project, field)
    if row is None:
        rows = transaction.all("SELECT field FROM state WHERE project = :project LIMIT 500", {"project": project})
        raise NotFound.among("field", field, [found["field"] for found in rows], field="field")
    return row


def encoded(value: object) -> str:
    """Return a value as it is stored. Raises TooLarge, BadArgument."""
    try:
        text = orjson.dumps(value)
    except (TypeError, orjson.JSONEncodeError) as error:
        raise BadArgument("That value is no JSON.", hint=str(error)[:100], field="value") from None
    if len(text) > LARGEST_VALUE_BYTES:
        raise TooLarge(
            f"The value has {len(text)} bytes; a field holds {LARGEST_VALUE_BYTES}.",
            hint="Split it, or keep a link to it.",
            field="value",
        )
    return text.decode()


def state_of(row: Row) -> StateField:
    """Build a field from a row of the table."""
    return StateField(
        id=f"{row['project']}/{row['field']}",
        project_id=row["project"],
        field=row["field"],
        value=orjson.loads(row["value"]),
        version=row["version"],
        owner=row["owner"],
        approval_required=bool(row["approval_required"]),
        approver=row["approver"],
        created_at=iso(row["created_at"]),
        updated_at=iso(row["updated_at"]),
        updated_by=row["updated_by"],
    )


def describe_field(state: StateField) -> str:
    """Return a field as one line for a model, with the version that a write should expect."""
    value = orjson.dumps(state.value).decode()
    return f"{state.field} = {value} (version {state.version}, {state.updated_by} {state.updated_at[:16]}Z)"
