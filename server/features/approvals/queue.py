"""The queue: what waits for a person to decide, who asks, and what becomes of it without a decision.

The asker can wait for the decision. A request that nobody decides in time is denied, and
says that it was time and not a person.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import orjson
from pydantic import Field, StringConstraints

from server.core.call import Call, NotYet
from server.core.errors import BadArgument
from server.core.names import Cursor, Limit, MemberName, offset_of
from server.core.operation import command, query
from server.core.permission import READ, SPEAK, SYSTEM
from server.features.approvals.model import (
    SHOWN,
    TROUBLES,
    Approval,
    ApprovalChanged,
    ApprovalCreated,
    ApprovalId,
    ToolRequest,
    approval_of,
    audiences_of,
    change_approval,
    close_approval,
    find_approval,
    require_decider,
    require_pending,
    require_visible,
    tell,
    viewing,
)
from server.features.approvals.risk import risk_of
from server.features.approvals.wording import describe_approval, told_of
from server.features.messages.sending import NOTICE_EVENTS, send_notice
from server.features.team import require_active

SHORTEST_S, USUAL_S, LONGEST_S = 30, 3600, 7 * 86_400
_AT_ONCE = 100

Summary = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=300)]
Details = Annotated[str, Field(max_length=20_000, description="All that one must know to decide. Shown whole.")]
Option = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Kind = Literal["action", "spending", "agent"]
Expires = Annotated[int, Field(ge=SHORTEST_S, le=LONGEST_S, description="Seconds until it is denied by time.")]
ForSeconds = Annotated[int, Field(ge=60, le=LONGEST_S)]


@dataclass(frozen=True, slots=True)
class Approvals:
    approvals: list[Approval]
    next_cursor: str | None


def _describe_all(found: Approvals) -> str:
    lines = [f"{describe_approval(approval)} (asked by {approval.asker})" for approval in found.approvals]
    return "\n".join(lines) or "Nothing waits."


@command(
    "POST /api/approvals", tool="request_approval", toolset="human", allow=SPEAK, status=201,
    emits=[ApprovalCreated], describe=describe_approval,
)  # fmt: skip
def request_approval(
    call: Call, *, kind: Kind, summary: Summary, details: Details = "", expires_s: Expires = USUAL_S
) -> Approval:
    """Ask a person's permission for an action, spending, or starting an agent. The decision reaches you as a message.

    Raises BadArgument.
    """
    return ask(call, kind, summary=summary, details=details, expires_s=expires_s)


@command(
    "POST /api/questions", tool="ask_human", toolset="human", allow=SPEAK, status=201,
    emits=[ApprovalCreated], describe=describe_approval,
)  # fmt: skip
def ask_human(
    call: Call,
    *,
    question: Summary,
    options: Annotated[list[Option], Field(max_length=10)] = [],  # noqa: B006 (pydantic copies it)
    context: Details = "",
    expires_s: Expires = USUAL_S,
) -> Approval:
    """Ask a person a question, with options. Use when a decision is not yours. The answer reaches you as a message.

    Raises BadArgument.
    """
    return ask(call, "question", summary=question, details=context, options=options, expires_s=expires_s)


@query("GET /api/approvals", tool="get_pending_approvals", toolset="lead", allow=READ, describe=_describe_all,
       hidden=("status", "asker"))  # fmt: skip
def list_approvals(
    call: Call,
    *,
    status: Literal["pending", "decided", "all"] = "pending",
    asker: MemberName | None = None,
    limit: Limit = 50,
    cursor: Cursor | None = None,
) -> Approvals:
    """What waits for a decision, the next to expire first; or what was decided, newest first.

    Raises BadArgument.
    """
    offset = offset_of(cursor)
    condition = {"pending": "status = 'pending'", "decided": "status <> 'pending'", "all": "1 = 1"}[status]
    order = "expires_at IS NULL, expires_at, id" if status == "pending" else "id DESC"
    rows = call.transaction.all(
        f"SELECT * FROM approval WHERE {condition} AND {SHOWN} AND (:asker IS NULL OR asker = :asker)"  # noqa: S608
        f" ORDER BY {order} LIMIT :limit OFFSET :offset",
        {"asker": asker, "limit": limit + 1, "offset": offset, **viewing(call)},
    )
    return Approvals([approval_of(row) for row in rows[:limit]], str(offset + limit) if len(rows) > limit else None)


@query("GET /api/approvals/{approval_id}", tool="get_approval", toolset="human", allow=READ, waits=True,
       describe=describe_approval)  # fmt: skip
def get_approval(
    call: Call,
    *,
    approval_id: ApprovalId,
    wait_s: Annotated[float, Field(ge=0, le=300, description="Wait up to this long for the decision.")] = 0,
) -> Approval:
    """One request and its decision. Waits for it if you say how long.

    Raises NotFound.
    """
    row = find_approval(call, approval_id)
    require_visible(call, row)
    if row["status"] == "pending" and call.may_wait:
        raise NotYet(*audiences_of(row["kind"], call.caller.name))
    return approval_of(row)


@command("POST /api/approvals/{approval_id}/cancel", allow=SPEAK, emits=[ApprovalChanged], repeatable=True)
def cancel_approval(call: Call, *, approval_id: ApprovalId) -> Approval:
    """Take back a request of one's own.

    Raises NotFound, NotAllowed, Conflict.
    """
    row = find_approval(call, approval_id)
    call.require(row["asker"] == call.caller.name or call.caller.kind == "system", "Only who asked takes it back.")
    if row["status"] == "cancelled":
        return approval_of(row)
    require_pending(row)
    return change_approval(call, row, {"status": "cancelled", "decided_at": call.now})


@command("POST /api/approvals/{approval_id}/done", allow=SPEAK, emits=[ApprovalChanged], repeatable=True)
def dismiss_approval(call: Call, *, approval_id: ApprovalId) -> Approval:
    """Put away an agent's trouble that needs nobody any more. It comes back only if the trouble does.

    Raises NotFound, NotAllowed, BadArgument, Conflict.
    """
    row = find_approval(call, approval_id)
    require_decider(call, row)
    if row["kind"] not in TROUBLES:
        raise BadArgument(f"ap_{row['id']} waits for a decision.", hint="Approve it, reject it or snooze it.")
    if row["status"] == "closed":
        return approval_of(row)
    return close_approval(call, row, "put away", by=call.caller.name)


@command("POST /api/approvals/{approval_id}/snooze", allow=SPEAK, emits=[ApprovalChanged])
def snooze_approval(call: Call, *, approval_id: ApprovalId, for_s: ForSeconds) -> Approval:
    """Put a request aside for a while. It expires no sooner than it comes back and an hour has passed.

    Raises NotFound, NotAllowed, Conflict.
    """
    row = find_approval(call, approval_id)
    require_decider(call, row)
    require_pending(row)
    until = call.now + for_s * 1000
    expires_at = None if row["expires_at"] is None else max(row["expires_at"], until + USUAL_S * 1000)
    return change_approval(call, row, {"snoozed_until": until, "expires_at": expires_at})


@command("POST /api/approvals/{approval_id}/extend", allow=SPEAK, emits=[ApprovalChanged])
def extend_approval(call: Call, *, approval_id: ApprovalId, for_s: ForSeconds) -> Approval:
    """Give a request more time before it is denied by time.

    Raises NotFound, NotAllowed, Conflict.
    """
    row = find_approval(call, approval_id)
    require_decider(call, row)
    require_pending(row)
    if row["expires_at"] is None:
        return approval_of(row)
    latest = call.now + LONGEST_S * 1000
    return change_approval(call, row, {"expires_at": min(row["expires_at"] + for_s * 1000, latest)})


@command("POST /api/approvals/{approval_id}/delegate", allow=SPEAK, emits=[ApprovalChanged, *NOTICE_EVENTS])
def delegate_approval(call: Call, *, approval_id: ApprovalId, to: MemberName) -> Approval:
    """Let another member decide one request. They are told.

    Raises NotFound, NotAllowed, BadArgument, Conflict.
    """
    row = find_approval(call, approval_id)
    require_decider(call, row)
    require_pending(row)
    require_active(call.transaction, to, field="to")
    if to == row["asker"]:
        raise BadArgument("Nobody decides their own request.", hint="Name somebody else.", field="to")
    changed = change_approval(call, row, {"delegated_to": to})
    send_notice(call, to, f"{call.caller.name} asks you to decide {changed.id} of {row['asker']}: {row['summary']}")
    return changed


@command(allow=SYSTEM, emits=[ApprovalChanged, *NOTICE_EVENTS], timed=True)
def expire_approvals(call: Call) -> int | None:
    """Deny what nobody decided in time, and close what was asked by those who have left."""
    for row in call.transaction.all(
        "SELECT approval.* FROM approval JOIN member ON member.name = approval.asker"
        " WHERE approval.status = 'pending' AND member.retired_at IS NOT NULL LIMIT :most",
        {"most": _AT_ONCE},
    ):
        change_approval(call, row, {"status": "cancelled", "comment": "who asked has left", "decided_at": call.now})
    for row in call.transaction.all(
        "SELECT * FROM approval WHERE status = 'pending' AND expires_at <= :now ORDER BY expires_at LIMIT :most",
        {"now": call.now, "most": _AT_ONCE},
    ):
        expired = change_approval(call, row, {"status": "expired", "decided_at": call.now})
        if expired.run_id is None:
            send_notice(call, expired.asker, told_of(expired))
    due = call.transaction.one("SELECT min(expires_at) AS due FROM approval WHERE status = 'pending'")
    return None if due is None else due["due"]


def ask(
    call: Call,
    kind: str,
    *,
    summary: str,
    details: str = "",
    options: Sequence[str] = (),
    expires_s: float | None = USUAL_S,
    delegated_to: str | None = None,
    proposal: Mapping[str, Any] | None = None,
    request: ToolRequest | None = None,
    run_id: str | None = None,
    origin: str | None = None,
) -> Approval:
    """Put a request of the caller's before those who may decide. Everything that asks a person comes through here."""
    expires_at = None if expires_s is None else call.now + round(expires_s * 1000)
    asked = None if request is None else orjson.dumps(request).decode()
    shown = orjson.dumps([kind, call.caller.name, summary, details, list(options), asked])
    number = call.transaction.insert(
        "INSERT INTO approval (kind, asker, summary, details, options, hash, status, answer, comment, created_at,"
        " expires_at, delegated_to, project, field, proposal, request, run_id, origin, risk) VALUES (:kind, :asker,"
        " :summary, :details, :options, :hash, 'pending', '', '', :now, :expires, :delegated_to, :project, :field,"
        " :proposal, :request, :run_id, :origin, :risk)",
        {
            "delegated_to": delegated_to,
            "project": None if proposal is None else proposal["project_id"],
            "field": None if proposal is None else proposal["field"],
            "proposal": None if proposal is None else orjson.dumps(proposal).decode(),
            "kind": kind,
            "asker": call.caller.name,
            "summary": summary,
            "details": details,
            "options": orjson.dumps(list(options)).decode(),
            "hash": hashlib.sha256(shown).hexdigest(),
            "now": call.now,
            "expires": expires_at,
            "request": asked,
            "run_id": run_id,
            "origin": origin,
            "risk": risk_of(kind, request),
        },
    )
    if expires_at is not None:
        call.wake_at(expires_at)
    approval = approval_of(find_approval(call, number))
    tell(call, ApprovalCreated(approval), approval)
    return approval


def pending_approvals(call: Call) -> list[Approval]:
    """Return everything that waits for a decision and that the caller may see."""
    rows = call.transaction.all(
        f"SELECT * FROM approval WHERE status = 'pending' AND {SHOWN}"  # noqa: S608 (a constant)
        " ORDER BY expires_at IS NULL, expires_at, id LIMIT 200",
        viewing(call),
    )
    return [approval_of(row) for row in rows]
