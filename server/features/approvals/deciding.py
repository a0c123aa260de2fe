"""Deciding a request: once, about what was shown, and never by who asked. The asker is owed the decision.

Who waits for it inside its CLI is told there; everybody else by a message.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import orjson
from pydantic import Field

from server.core.call import Call, Caller, Row
from server.core.errors import BadArgument, Conflict
from server.core.names import Note
from server.core.operation import command
from server.core.permission import SPEAK
from server.features.approvals.model import (
    TROUBLES,
    Approval,
    ApprovalChanged,
    ApprovalId,
    ToolRequest,
    approval_of,
    change_approval,
    decided,
    find_approval,
    require_decider,
)
from server.features.approvals.wording import describe_approval, told_of
from server.features.guards.decisions import decide_guard, decision_of
from server.features.guards.model import GuardChanged, GuardCleared
from server.features.messages.sending import NOTICE_EVENTS, send_notice
from server.features.state.changes import write_field
from server.features.state.model import StateChanged

Scope = Literal["once", "session", "always"]
_SCOPES = ("once", "session", "always")


@command(
    "POST /api/approvals/{approval_id}/resolve", tool="resolve_approval", toolset="lead", allow=SPEAK,
    emits=[ApprovalChanged, StateChanged, GuardChanged, GuardCleared, *NOTICE_EVENTS], describe=describe_approval,
    repeatable=True, hidden=("hash", "even_if_stale", "scope", "changed_input", "answers"),
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
    scope: Annotated[Scope, Field(description="For how long the pattern of a tool is allowed.")] = "once",
    changed_input: Annotated[dict[str, Any] | None, Field(description="What the tool is to run with instead.")] = None,
    answers: Annotated[dict[str, str], Field(max_length=10, description="To several questions, by their words.")] = {},  # noqa: B006
) -> Approval:
    """Approve or reject a request, or answer a question. You cannot decide your own.

    Raises NotFound, NotAllowed, BadArgument, Conflict.
    """
    row = find_approval(call, approval_id)
    require_decider(call, row)
    answer = _answer(row, answer, answers)
    status = _status(row["kind"], approved)
    if row["status"] != "pending":
        if (row["decided_by"], row["status"], row["answer"]) == (call.caller.name, status, answer):
            return approval_of(row)
        raise decided(row)
    if hash is not None and hash != row["hash"]:
        raise Conflict(
            f"ap_{row['id']} is not what you were shown.",
            hint="Read it again.",
            facts={"hash": row["hash"]},
            code="changed",
        )
    _check_decision(call, row, approved, answer, scope, changed_input)
    if row["stale"] and approved and not even_if_stale:
        raise Conflict(
            f"{row['project']}/{row['field']} has changed since ap_{row['id']} was proposed.",
            hint="Look at it again; to write it all the same, approve with even_if_stale.",
            code="stale",
        )
    if row["kind"] == "guard":
        decide_guard(call, _guard_asked_about(call, row), decision_of(answer))
    fields: dict[str, Any] = {"status": status, "decided_by": call.caller.name, "answer": answer, "comment": comment}
    if row["kind"] == "permission" and approved:
        fields["scope"] = scope
        fields["changed_input"] = None if changed_input is None else orjson.dumps(changed_input).decode()
    done = change_approval(call, row, {**fields, "decided_at": call.now, "snoozed_until": None})
    if done.run_id is None:  # else its CLI waits for the answer, and tells the model
        send_notice(call, done.asker, told_of(done))
    call.wake_at(call.now)  # what was asked for may be due
    if status == "approved" and row["proposal"] is not None:
        _apply(call, row)
    return done


def _status(kind: str, approved: bool | None) -> str:
    if kind == "guard" or (kind == "question" and approved is not False):
        return "answered"
    return "approved" if approved else "rejected"


def _answer(row: Row, answer: str, answers: Mapping[str, str]) -> str:
    """Return one text for the answers to several questions, each on a line of its own."""
    return "\n".join(f"{question} {given}" for question, given in answers.items()) if answers and not answer else answer


def _check_decision(
    call: Call, row: Row, approved: bool | None, answer: str, scope: Scope, changed_input: Mapping[str, Any] | None
) -> None:
    """Raise unless the decision is one that this request takes."""
    if row["kind"] in TROUBLES:
        raise BadArgument(
            f"ap_{row['id']} is trouble, not a request.", hint="Mend it, or put it away: POST …/done.", field="approved"
        )
    if row["kind"] == "question":
        if not answer.strip() and approved is not False:
            raise BadArgument("A question wants an answer.", hint=_offered(row), field="answer")
    elif row["kind"] == "guard":
        decision_of(answer)
    elif approved is None:
        raise BadArgument("Approve it or reject it.", field="approved")
    request = None if row["kind"] != "permission" else approval_of(row).request
    if request is None:
        if changed_input is not None or scope != "once":
            raise BadArgument("Only a tool's permission can be changed or given for longer.", field="scope")
    elif approved:
        _check_grant(call, row, request, scope, changed_input)


def _check_grant(
    call: Call, row: Row, request: ToolRequest, scope: Scope, changed_input: Mapping[str, Any] | None
) -> None:
    if not request.is_whole and changed_input is None:
        raise Conflict(
            f"ap_{row['id']} is too large to be shown whole.",
            hint="Look at it in the agent's terminal and answer there, or reject it.",
            code="too_large_to_show",
        )
    if scope == "once":
        return
    if request.pattern is None:
        raise BadArgument("There is no pattern to allow: it is allowed once or not.", field="scope")
    if _SCOPES.index(scope) > _SCOPES.index("once" if request.remember == "none" else request.remember):
        raise BadArgument(
            f"agents.yaml lets {row['asker']} remember: {request.remember}.",
            hint="Change permissions.remember there, or allow it for less.",
            field="scope",
        )
    call.require(
        scope != "always" or call.caller.role == "chairman", "Only a chairman allows something for always.",
        hint="Allow it for the session.",
    )  # fmt: skip


def _offered(row: Row) -> str:
    options = orjson.loads(row["options"])
    return f"It offers: {', '.join(options)}." if options else ""


def _guard_asked_about(call: Call, row: Row) -> Row:
    guard = call.transaction.one("SELECT * FROM guard WHERE approval = :id", {"id": row["id"]})
    assert guard is not None
    return guard


def _apply(call: Call, row: Row) -> None:
    """Write what was proposed, in the name of who proposed it."""
    proposal = orjson.loads(row["proposal"])
    asker = Caller(row["asker"], "", "")
    reason = f"{proposal['reason']} (ap_{row['id']}, approved by {call.caller.name})".strip()
    write_field(call.acting_as(asker), row["project"], row["field"], proposal["text"], reason=reason, source="approval")
