"""Approvals: what waits for a person to decide, and what was decided. Decided once, and never by who asked.

The asker is owed the decision as a message, and can wait for it. A request that nobody decides in time is denied, and
says that it was time and not a person.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import orjson
from pydantic import Field, StringConstraints

from server.core.call import Call, Caller, NotYet, Row
from server.core.errors import BadArgument, Conflict
from server.core.event import TEAM
from server.core.names import Cursor, Limit, MemberName, Note, offset_of
from server.core.operation import command, query
from server.core.permission import READ, SPEAK, SYSTEM
from server.features.approvals.model import (
    Approval,
    ApprovalChanged,
    ApprovalCreated,
    ApprovalId,
    approval_of,
    change_approval,
    find_approval,
)
from server.features.guards.decisions import decide_guard, decision_of
from server.features.guards.model import GuardChanged, GuardCleared
from server.features.messages.sending import NOTICE_EVENTS, send_notice
from server.features.state.changes import write_field
from server.features.state.model import StateChanged
from server.features.team import require_active

SHORTEST_S, USUAL_S, LONGEST_S = 30, 3600, 7 * 86_400
_AT_ONCE = 100

Summary = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=300)]
Details = Annotated[str, Field(max_length=20_000, description="All that one must know to decide. Shown whole.")]
Option = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Kind = Literal["action", "spending", "agent"]
Expires = Annotated[int, Field(ge=SHORTEST_S, le=LONGEST_S, description="Seconds until it is denied by time.")]


@dataclass(frozen=True, slots=True)
class Approvals:
    approvals: list[Approval]
    next_cursor: str | None


def _describe(approval: Approval) -> str:
    if approval.status == "pending":
        return f"{approval.id} waits for a person until {approval.expires_at[11:16]} UTC: {approval.summary}"
    return f"{approval.id} {_outcome(approval)}: {approval.summary}"


def _describe_all(found: Approvals) -> str:
    lines = [f"{_describe(approval)} (asked by {approval.asker})" for approval in found.approvals]
    return "\n".join(lines) or "Nothing waits."


@command(
    "POST /api/approvals", tool="request_approval", toolset="human", allow=SPEAK, status=201,
    emits=[ApprovalCreated], describe=_describe,
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
    emits=[ApprovalCreated], describe=_describe,
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
    order = "expires_at, id" if status == "pending" else "id DESC"
    rows = call.transaction.all(
        f"SELECT * FROM approval WHERE {condition} AND (:asker IS NULL OR asker = :asker)"  # noqa: S608 (constants)
        f" ORDER BY {order} LIMIT :limit OFFSET :offset",
        {"asker": asker, "limit": limit + 1, "offset": offset},
    )
    return Approvals([approval_of(row) for row in rows[:limit]], str(offset + limit) if len(rows) > limit else None)


@query("GET /api/approvals/{approval_id}", tool="get_approval", toolset="human", allow=READ, waits=True,
       describe=_describe)  # fmt: skip
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
    if row["status"] == "pending" and call.may_wait:
        raise NotYet(TEAM)
    return approval_of(row)


@command(
    "POST /api/approvals/{approval_id}/resolve", tool="resolve_approval", toolset="lead", allow=SPEAK,
    emits=[ApprovalChanged, StateChanged, GuardChanged, GuardCleared, *NOTICE_EVENTS], describe=_describe,
    repeatable=True, hidden=("hash", "even_if_stale"),
)  # fmt: skip
def resolve_approval(
    call: Call,
    *,
    approval_id: ApprovalId,
    approved: bool | None = None,
    answer: Annotated[str, Field(max_length=2000)] = "",
    comment: Note = "",
    hash: Annotated[str, Field(max_length=64)] | None = None,  # noqa: A002 (the name of the field it must equal)
    even_if_stale: bool = False,
) -> Approval:
    """Approve or reject a request, or answer a question. You cannot decide your own.

    Raises NotFound, NotAllowed, BadArgument, Conflict.
    """
    row = find_approval(call, approval_id)
    _check_decider(call, row)
    status = "answered" if row["kind"] in ("question", "guard") else "approved" if approved else "rejected"
    if row["status"] != "pending":
        if (row["decided_by"], row["status"], row["answer"]) == (call.caller.name, status, answer):
            return approval_of(row)
        raise _decided(row)
    if hash is not None and hash != row["hash"]:
        raise Conflict(
            f"ap_{row['id']} is not what you were shown.",
            hint="Read it again.",
            facts={"hash": row["hash"]},
            code="changed",
        )
    if row["kind"] == "question":
        if not answer.strip():
            raise BadArgument("A question wants an answer.", hint=_offered(row), field="answer")
    elif row["kind"] == "guard":
        decide_guard(call, _guard_asked_about(call, row), decision_of(answer))
    elif approved is None:
        raise BadArgument("Approve it or reject it.", field="approved")
    if row["stale"] and approved and not even_if_stale:
        raise Conflict(
            f"{row['project']}/{row['field']} has changed since ap_{row['id']} was proposed.",
            hint="Look at it again; to write it all the same, approve with even_if_stale.",
            code="stale",
        )
    fields = {"status": status, "decided_by": call.caller.name, "answer": answer, "comment": comment}
    decided = change_approval(call, row, {**fields, "decided_at": call.now, "snoozed_until": None})
    send_notice(call, decided.asker, _told(decided))
    call.wake_at(call.now)  # what was asked for may be due
    if status == "approved" and row["proposal"] is not None:
        _apply(call, row)
    return decided


@command("POST /api/approvals/{approval_id}/cancel", allow=SPEAK, emits=[ApprovalChanged], repeatable=True)
def cancel_approval(call: Call, *, approval_id: ApprovalId) -> Approval:
    """Take back a request of one's own.

    Raises NotFound, NotAllowed, Conflict.
    """
    row = find_approval(call, approval_id)
    call.require(row["asker"] == call.caller.name or call.caller.kind == "system", "Only who asked takes it back.")
    if row["status"] == "cancelled":
        return approval_of(row)
    if row["status"] != "pending":
        raise _decided(row)
    return change_approval(call, row, {"status": "cancelled", "decided_at": call.now})


@command("POST /api/approvals/{approval_id}/snooze", allow=SPEAK, emits=[ApprovalChanged])
def snooze_approval(
    call: Call, *, approval_id: ApprovalId, for_s: Annotated[int, Field(ge=60, le=LONGEST_S)]
) -> Approval:
    """Put a request aside for a while. It expires no sooner than it comes back and an hour has passed.

    Raises NotFound, NotAllowed, Conflict.
    """
    row = find_approval(call, approval_id)
    _check_decider(call, row)
    if row["status"] != "pending":
        raise _decided(row)
    until = call.now + for_s * 1000
    return change_approval(
        call, row, {"snoozed_until": until, "expires_at": max(row["expires_at"], until + USUAL_S * 1000)}
    )


@command("POST /api/approvals/{approval_id}/delegate", allow=SPEAK, emits=[ApprovalChanged, *NOTICE_EVENTS])
def delegate_approval(call: Call, *, approval_id: ApprovalId, to: MemberName) -> Approval:
    """Let another member decide one request. They are told.

    Raises NotFound, NotAllowed, BadArgument, Conflict.
    """
    row = find_approval(call, approval_id)
    _check_decider(call, row)
    if row["status"] != "pending":
        raise _decided(row)
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
        send_notice(call, expired.asker, _told(expired))
    due = call.transaction.one("SELECT min(expires_at) AS due FROM approval WHERE status = 'pending'")
    return None if due is None else due["due"]


def ask(
    call: Call,
    kind: str,
    *,
    summary: str,
    details: str = "",
    options: Sequence[str] = (),
    expires_s: int = USUAL_S,
    delegated_to: str | None = None,
    proposal: Mapping[str, Any] | None = None,
) -> Approval:
    """Put a request of the caller's before those who may decide. Everything that asks a person comes through here."""
    expires_at = call.now + expires_s * 1000
    shown = orjson.dumps([kind, call.caller.name, summary, details, list(options)])
    number = call.transaction.insert(
        "INSERT INTO approval (kind, asker, summary, details, options, hash, status, answer, comment, created_at,"
        " expires_at, delegated_to, project, field, proposal) VALUES (:kind, :asker, :summary, :details, :options,"
        " :hash, 'pending', '', '', :now, :expires, :delegated_to, :project, :field, :proposal)",
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
        },
    )
    call.wake_at(expires_at)
    approval = approval_of(find_approval(call, number))
    call.emit(ApprovalCreated(approval), subject=approval.id)
    return approval


def pending_approvals(call: Call) -> list[Approval]:
    """Return everything that waits for a decision."""
    rows = call.transaction.all("SELECT * FROM approval WHERE status = 'pending' ORDER BY expires_at, id LIMIT 200")
    return [approval_of(row) for row in rows]


def _apply(call: Call, row: Row) -> None:
    """Write what was proposed, in the name of who proposed it."""
    proposal = orjson.loads(row["proposal"])
    asker = Caller(row["asker"], "", "")
    reason = f"{proposal['reason']} (ap_{row['id']}, approved by {call.caller.name})".strip()
    write_field(call.acting_as(asker), row["project"], row["field"], proposal["text"], reason=reason, source="approval")


def _guard_asked_about(call: Call, row: Row) -> Row:
    guard = call.transaction.one("SELECT * FROM guard WHERE approval = :id", {"id": row["id"]})
    assert guard is not None
    return guard


def _check_decider(call: Call, row: Row) -> None:
    caller = call.caller
    call.require(caller.name != row["asker"], "Nobody decides their own request.", hint="Ask another person.")
    call.require(
        caller.role in ("chairman", "operator", "system") or caller.name == row["delegated_to"],
        f"ap_{row['id']} is not yours to decide.",
        hint="A chairman or an operator decides, or whom they name: POST …/delegate.",
    )


def _decided(row: Row) -> Conflict:
    by = row["decided_by"] or ("time" if row["status"] == "expired" else row["asker"])
    facts = {"status": row["status"], "decided_by": row["decided_by"], "answer": row["answer"]}
    return Conflict(
        f"ap_{row['id']} is {row['status']} already, by {by}.", hint="It stays so.", facts=facts, code="decided"
    )


def _offered(row: Row) -> str:
    options = orjson.loads(row["options"])
    return f"It offers: {', '.join(options)}." if options else ""


def _outcome(approval: Approval) -> str:
    if approval.status == "expired":
        return "was denied by time: nobody decided"
    if approval.status == "answered":
        return f"was answered by {approval.decided_by}: {approval.answer}"
    by = f" by {approval.decided_by}" if approval.decided_by else ""
    return f"was {approval.status}{by}" + (f" ({approval.comment})" if approval.comment else "")


def _told(approval: Approval) -> str:
    return f"{approval.id} “{approval.summary}” {_outcome(approval)}."
