"""What a request is: its row, its shape outside, and how it changes."""

from dataclasses import dataclass, field
from typing import Annotated, Any

import orjson
from pydantic import Field

from server.core.call import Call, Row
from server.core.errors import Conflict, NotFound
from server.core.event import OPERATORS, TEAM, Event, event, member_audience
from server.core.moment import iso, iso_or_none
from server.core.names import numbered

ApprovalId = Annotated[int, numbered("ap"), Field(description="Approval, as `ap_7`.")]


TROUBLES = ("failure", "login", "stall", "limit", "terminal")
"""Kinds that nobody asked for: an agent does not get on. They are not decided, and end with the trouble."""
PRIVATE = "permission"
"""The kind whose details are what an agent works with: for those who decide, not for the other agents."""
DECIDERS = ("chairman", "operator", "system")


@dataclass(frozen=True, slots=True)
class ToolRequest:
    """What an agent's CLI wants to do, or to know, and waits for."""

    tool: str
    input: dict[str, Any]
    folder: str
    pattern: str | None = None
    """In words, what would be allowed for the rest of the session, as “any `pytest …`”."""
    rules: list[dict[str, str]] = field(default_factory=list)
    """The same for the CLI, in its own form."""
    remember: str = "session"
    """The widest scope that agents.yaml lets a person choose: none | session | always."""
    questions: list[dict[str, Any]] = field(default_factory=list)
    is_whole: bool = True
    """False: more than is shown here, so that it can be approved only where it is asked."""


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
    expires_at: str | None
    """None: it waits for as long as it takes."""
    decided_at: str | None
    stale: bool
    """It proposes to change what has changed since."""
    proposal: dict[str, Any] | None
    """Of a state change: project_id, field, value, base_version."""
    run_id: str | None
    """The run of the agent whose CLI waits for the answer."""
    request: ToolRequest | None
    risk: str
    """low | normal | high: how much care a decision takes, and whether it may be taken by a link."""
    scope: str | None
    """For how long it was allowed: once | session | always."""
    changed_input: dict[str, Any] | None
    """What the tool is to run with instead."""


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
        raise _unknown(number)
    return row


def change_approval(call: Call, row: Row, fields: dict[str, Any]) -> Approval:
    """Store new values of a request, and tell."""
    call.transaction.run(
        f"UPDATE approval SET {', '.join(f'{name} = :{name}' for name in fields)} WHERE id = :id",  # noqa: S608
        {**fields, "id": row["id"]},
    )
    if fields.get("expires_at") is not None:
        call.wake_at(fields["expires_at"])
    approval = approval_of(find_approval(call, row["id"]))
    tell(call, ApprovalChanged(approval), approval, also=row["delegated_to"])
    return approval


def close_approval(call: Call, row: Row, comment: str, *, by: str | None = None) -> Approval:
    """End a request that has become void, saying why."""
    return change_approval(
        call, row, {"status": "closed", "comment": comment, "decided_by": by, "decided_at": call.now}
    )


def tell(call: Call, event: Event, approval: Approval, also: str | None = None) -> None:
    """Emit an event about a request to all who may see it."""
    if approval.kind != PRIVATE:
        call.emit(event, subject=approval.id)
        return
    call.emit(event, subject=approval.id, audience=OPERATORS)
    for name in {approval.delegated_to, also} - {None}:
        call.emit(event, subject=approval.id, audience=member_audience(str(name)))


def audiences_of(approval_kind: str, caller: str) -> tuple[str, ...]:
    """Return the audiences that news of a request goes to, as far as they concern this caller."""
    return (OPERATORS, member_audience(caller)) if approval_kind == PRIVATE else (TEAM,)


SHOWN = f"(kind <> '{PRIVATE}' OR delegated_to = :me OR :decides)"
"""Condition of SQL: what a member is shown; its parameters come from `viewing`."""


def viewing(call: Call) -> dict[str, object]:
    """Return the parameters of `SHOWN`."""
    return {"me": call.caller.name, "decides": call.caller.role in DECIDERS}


def require_visible(call: Call, row: Row) -> None:
    """Raise NotFound, the same as for what is not there, unless the caller may see a request."""
    if row["kind"] != PRIVATE or call.caller.role in DECIDERS:
        return
    if call.caller.name not in (row["asker"], row["delegated_to"]):
        raise _unknown(row["id"])


def require_decider(call: Call, row: Row) -> None:
    """Raise unless the caller may decide a request: never who asked, else who decides here or was named."""
    caller = call.caller
    require_visible(call, row)
    call.require(caller.name != row["asker"], "Nobody decides their own request.", hint="Ask another person.")
    call.require(
        caller.role in DECIDERS or caller.name == row["delegated_to"],
        f"ap_{row['id']} is not yours to decide.",
        hint="A chairman or an operator decides, or whom they name: POST …/delegate.",
    )


def require_pending(row: Row) -> None:
    """Raise Conflict, with who decided and what, unless a request still waits."""
    if row["status"] != "pending":
        raise decided(row)


def decided(row: Row) -> Conflict:
    """Return what tells that somebody or something was faster."""
    facts = {name: row[name] for name in ("status", "decided_by", "answer", "comment")}
    if row["status"] == "closed":
        return Conflict(
            f"ap_{row['id']} cannot be answered any more: {row['comment']}.",
            hint="It stays so.", facts=facts, code="closed",
        )  # fmt: skip
    by = row["decided_by"] or ("time" if row["status"] == "expired" else row["asker"])
    return Conflict(
        f"ap_{row['id']} is {row['status']} already, by {by}.", hint="It stays so.", facts=facts, code="decided"
    )


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
        expires_at=iso_or_none(row["expires_at"]),
        decided_at=iso_or_none(row["decided_at"]),
        stale=bool(row["stale"]),
        proposal=None if row["proposal"] is None else orjson.loads(row["proposal"]),
        run_id=row["run_id"],
        request=None if row["request"] is None else ToolRequest(**orjson.loads(row["request"])),
        risk=row["risk"],
        scope=row["scope"],
        changed_input=None if row["changed_input"] is None else orjson.loads(row["changed_input"]),
    )


def _unknown(number: int) -> NotFound:
    return NotFound(f"No approval ap_{number}.", hint="Look: GET /api/approvals", field="approval_id")
