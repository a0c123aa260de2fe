"""Proposals to change shared state, by the paths that TeamMCP's clients know."""

from server.core.call import Call
from server.core.names import Note
from server.core.operation import command, query
from server.core.permission import READ, SPEAK
from server.features.approvals.deciding import resolve_approval
from server.features.approvals.model import Approval, ApprovalChanged, ApprovalId, approval_of
from server.features.approvals.queue import Approvals
from server.features.guards.model import GuardChanged, GuardCleared
from server.features.messages.sending import NOTICE_EVENTS
from server.features.state.model import StateChanged

_MOST = 200


@query("GET /api/state/approvals", allow=READ)
def get_state_approvals(call: Call) -> Approvals:
    """Changes of shared state that wait for the caller's decision, the next to expire first."""
    rows = call.transaction.all(
        "SELECT * FROM approval WHERE status = 'pending' AND kind = 'state' AND asker <> :me"
        " AND (delegated_to = :me OR :decides) ORDER BY expires_at, id LIMIT :most",
        {"me": call.caller.name, "decides": call.caller.role in ("chairman", "operator"), "most": _MOST},
    )
    return Approvals([approval_of(row) for row in rows], None)


@command(
    "POST /api/state/approvals/{approval_id}/resolve",
    allow=SPEAK,
    emits=[ApprovalChanged, StateChanged, GuardChanged, GuardCleared, *NOTICE_EVENTS],
    repeatable=True,
)
def resolve_state_approval(
    call: Call, *, approval_id: ApprovalId, approved: bool, comment: Note = "", even_if_stale: bool = False
) -> Approval:
    """Approve or reject a change of shared state.

    Raises NotFound, NotAllowed, BadArgument, Conflict.
    """
    return resolve_approval(
        call, approval_id=approval_id, approved=approved, comment=comment, even_if_stale=even_if_stale
    )
