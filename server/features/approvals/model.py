"""What a request is: its row, its shape outside, and how it changes."""

from dataclasses import dataclass
from typing import Annotated, Any

import orjson
from pydantic import Field

from server.core.call import Call, Row
from server.core.errors import NotFound
from server.core.event import Event, event
from server.core.moment import iso, iso_or_none
from server.core.names import numbered

ApprovalId = Annotated[int, numbered("ap"), Field(description="Approval, as `ap_7`.")]


@dataclass(frozen=True, slots=True)
class Approval:
    """One request, whole, and what became of it."""

    id: str
    kind: str
    asker: str
    summary: str
    details: str
    options: list[str]
    hash: str
    """Of what is shown: a decision is about this and nothing else."""
    status: str
    delegated_to: str | None
    snoozed_until: str | None
    decided_by: str | None
    answer: str
    comment: str
    created_at: str
    expires_at: str
    decided_at: str | None
    stale: bool
    """It proposes to change what has changed since."""
    proposal: dict[str, Any] | None
    """Of a state change: project_id, field, value, base_version."""


@event("approval.created", collection="approvals", key="id")
class ApprovalCreated(Event):
    approval: Approval


@event("approval.changed", collection="approvals", key="id")
class ApprovalChanged(Event):
    approval: Approval


def find_approval(call: Call, number: int) -> Row:
    """Return the row of a request. Raises NotFound."""
    row = call.transaction.one("SELECT * FROM approval WHERE id = :id", {"id": number})
    if row is None:
        raise NotFound(f"No approval ap_{number}.", hint="Look: GET /api/approvals", field="approval_id")
    return row


def change_approval(call: Call, row: Row, fields: dict[str, Any]) -> Approval:
    """Store new values of a request, and tell."""
    call.transaction.run(
        f"UPDATE approval SET {', '.join(f'{name} = :{name}' for name in fields)} WHERE id = :id",  # noqa: S608
        {**fields, "id": row["id"]},
    )
    if "expires_at" in fields:
        call.wake_at(fields["expires_at"])
    approval = approval_of(find_approval(call, row["id"]))
    call.emit(ApprovalChanged(approval), subject=approval.id)
    return approval


def approval_of(row: Row) -> Approval:
    return Approval(
        id=f"ap_{row['id']}",
        kind=row["kind"],
        asker=row["asker"],
        summary=row["summary"],
        details=row["details"],
        options=orjson.loads(row["options"]),
        hash=row["hash"],
        status=row["status"],
        delegated_to=row["delegated_to"],
        snoozed_until=iso_or_none(row["snoozed_until"]),
        decided_by=row["decided_by"],
        answer=row["answer"],
        comment=row["comment"],
        created_at=iso(row["created_at"]),
        expires_at=iso(row["expires_at"]),
        decided_at=iso_or_none(row["decided_at"]),
        stale=bool(row["stale"]),
        proposal=None if row["proposal"] is None else orjson.loads(row["proposal"]),
    )
