"""Links that decide one harmless request from elsewhere: once, in the name of the person they were made for.

The code travels in bodies and in the fragment of an address, never in a request's line; only its hash is kept.
Looking with it changes nothing.
"""

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from server.core.call import Call, Caller, Row
from server.core.errors import Conflict, NotSignedIn
from server.core.event import OPERATORS, Event, event
from server.core.moment import iso
from server.core.names import MemberName, Note
from server.core.operation import command, query
from server.core.permission import ANYBODY, SPEAK
from server.core.secret import hashed, new_code
from server.features.approvals.deciding import resolve_approval
from server.features.approvals.model import (
    Approval,
    ApprovalChanged,
    ApprovalId,
    approval_of,
    find_approval,
    require_decider,
    require_pending,
)
from server.features.members import get_member
from server.features.messages.sending import NOTICE_EVENTS
from server.features.state.model import StateChanged

USUAL_S, LONGEST_S = 900, 86_400
Code = Annotated[str, Field(max_length=100)]


@dataclass(frozen=True, slots=True)
class DecisionLink:
    """Shown once: whoever opens it may decide this one request, once."""

    path: str
    """Behind the team's address. The code is in its fragment, which browsers send to nobody."""
    code: str
    approval_id: str
    member: str
    expires_at: str


@dataclass(frozen=True, slots=True)
class Decision:
    """What a link is about, and in whose name it decides."""

    approval: Approval
    member: str
    expires_at: str


@event("approval.link_created")
class DecisionLinkCreated(Event):
    approval_id: str
    member: str


@command("POST /api/approvals/{approval_id}/links", allow=SPEAK, emits=[DecisionLinkCreated], status=201, secret=True)
def create_decision_link(
    call: Call,
    *,
    approval_id: ApprovalId,
    expires_s: Annotated[int, Field(ge=60, le=LONGEST_S)] = USUAL_S,
    member: MemberName | None = None,
) -> DecisionLink:
    """Make a link that decides one request of low risk, once, in your name. The server makes it for any `member`.

    Raises NotFound, NotAllowed, Conflict.
    """
    row = find_approval(call, approval_id)
    name = member or call.caller.name
    call.require(name == call.caller.name or call.caller.kind == "system", "A link decides in your own name only.")
    require_decider(call if name == call.caller.name else call.acting_as(_caller(call, name)), row)
    require_pending(row)
    if row["risk"] != "low":
        raise Conflict(
            f"ap_{row['id']} is not of low risk: it is decided where it is shown whole.",
            hint=f"Open it: /needs/ap_{row['id']}",
            code="too_risky",
        )
    code, expires_at = new_code(call.random), call.now + expires_s * 1000
    call.transaction.run(
        "INSERT INTO approval_link (hash, approval_id, member, created_at, expires_at)"
        " VALUES (:hash, :approval, :member, :now, :expires_at)",
        {"hash": hashed(code), "approval": row["id"], "member": name, "now": call.now, "expires_at": expires_at},
    )
    call.emit(DecisionLinkCreated(f"ap_{row['id']}", name), subject=f"ap_{row['id']}", audience=OPERATORS)
    return DecisionLink(f"/decide#{code}", code, f"ap_{row['id']}", name, iso(expires_at))


@query("POST /api/decisions/look", allow=ANYBODY)
def look_at_decision(call: Call, *, code: Code) -> Decision:
    """Show the whole request that a link is about. Decides nothing, and does not use the link up.

    Raises NotSignedIn.
    """
    link = _find_link(call, code)
    approval = approval_of(find_approval(call, link["approval_id"]))
    return Decision(approval, link["member"], iso(link["expires_at"]))


@command("POST /api/decisions", allow=ANYBODY, emits=[ApprovalChanged, StateChanged, *NOTICE_EVENTS])
def decide_by_link(
    call: Call,
    *,
    code: Code,
    approved: bool | None = None,
    answer: Annotated[str, Field(max_length=2000)] = "",
    comment: Note = "",
    hash: Annotated[str, Field(max_length=64)] | None = None,  # noqa: A002 (the name of the field it must equal)
) -> Approval:
    """Decide the request of a link, in the name of whom it was made for. The link is used up.

    Raises NotSignedIn, NotAllowed, BadArgument, Conflict.
    """
    link = _find_link(call, code)
    acting = call.acting_as(_caller(call, link["member"]))
    acting.door = "link"
    decided = resolve_approval(
        acting, approval_id=link["approval_id"], approved=approved, answer=answer, comment=comment, hash=hash
    )
    call.transaction.run("UPDATE approval_link SET used_at = :now WHERE hash = :hash", {**link, "now": call.now})
    return decided


def _find_link(call: Call, code: str) -> Row:
    link = call.transaction.one(
        "SELECT * FROM approval_link WHERE hash = :hash AND used_at IS NULL AND expires_at > :now",
        {"hash": hashed(code), "now": call.now},
    )
    if link is None:
        raise NotSignedIn("This link was used or has expired.", hint="Open the dashboard: the request stands there.")
    return link


def _caller(call: Call, name: str) -> Caller:
    """Return whom a link stands for, with the rights that they have now. Raises NotAllowed if they have left."""
    member = get_member(call.transaction, name)
    call.require(not member.retired, f"{name} is not on the team any more.")
    return Caller(member.name, member.kind, member.role)
