"""What an agent's CLI asks while its tool waits: permission to run it, or a question of its own.

The answer goes back by the way the request came, which the supervision holds open. A request whose asker has gone on
without it, or has gone, is closed, and says so.
"""

from typing import Any

from server.core.call import Call, Caller
from server.core.moment import iso
from server.core.names import MemberName
from server.core.operation import command
from server.core.permission import SYSTEM
from server.features.approvals.model import (
    Approval,
    ApprovalChanged,
    ApprovalCreated,
    ToolRequest,
    approval_of,
    close_approval,
    find_approval,
)
from server.features.approvals.queue import ask

_LONGEST_SUMMARY = 300


@command(allow=SYSTEM, emits=[ApprovalCreated])
def relay_request(
    call: Call,
    *,
    agent: MemberName,
    run_id: str,
    kind: str,
    summary: str,
    details: str,
    options: list[str],
    request: dict[str, Any],
    expires_s: float | None,
) -> Approval:
    """Put before a person what an agent's CLI asks and waits for."""
    asker = call.acting_as(Caller(agent, "agent", "member", run_id=run_id))
    return ask(
        asker, kind, summary=summary[:_LONGEST_SUMMARY], details=details, options=options, expires_s=expires_s,
        request=ToolRequest(**request), run_id=run_id,
    )  # fmt: skip


@command(allow=SYSTEM, emits=[ApprovalChanged])
def close_request(call: Call, *, approval_id: int, comment: str) -> Approval:
    """Close what was answered elsewhere, or cannot be answered any more. What is decided stays so."""
    row = find_approval(call, approval_id)
    if row["status"] != "pending":
        return approval_of(row)
    call.wake_at(call.now)  # it may stand in its terminal still
    gone = call.transaction.one(
        "SELECT run.ended_at FROM run JOIN agent ON agent.name = run.agent"
        " WHERE run.run_id = :run_id AND (run.ended_at IS NOT NULL OR agent.state = 'stopping')",
        {"run_id": row["run_id"]},
    )
    return close_approval(call, row, comment if gone is None else _gone(row["asker"], gone["ended_at"] or call.now))


@command(allow=SYSTEM, emits=[ApprovalChanged])
def close_unheld_requests(call: Call, *, comment: str) -> None:
    """Close what CLIs asked of a server that is not there any more: nobody holds their calls open."""
    call.wake_at(call.now)
    for row in call.transaction.all("SELECT * FROM approval WHERE status = 'pending' AND run_id IS NOT NULL"):
        close_approval(call, row, comment)


@command(allow=SYSTEM, emits=[ApprovalChanged], timed=True)
def close_requests_of_the_gone(call: Call) -> None:
    """Close what was asked in runs that have ended since: nobody is there to hear the answer."""
    for row in call.transaction.all(
        "SELECT approval.*, run.ended_at FROM approval JOIN run ON run.run_id = approval.run_id"
        " WHERE approval.status = 'pending' AND run.ended_at IS NOT NULL"
    ):
        close_approval(call, row, _gone(row["asker"], row["ended_at"]))


def _gone(agent: str, at: int) -> str:
    return f"{agent} stopped at {iso(at)[11:16]} UTC"
