"""Puts each guard that tripped before the people: one notice where it happened, which wakes nobody, and one request."""

from typing import Annotated

from pydantic import StringConstraints

from server.core.call import SYSTEM_CALLER, Call
from server.core.operation import command
from server.core.permission import SPEAK, SYSTEM
from server.features.approvals.model import ApprovalChanged, ApprovalCreated, change_approval, find_approval
from server.features.approvals.queue import ask
from server.features.channels import find_channel
from server.features.deliveries import MessageDelivery
from server.features.guards.decisions import OPTIONS, Decision, decide_guard, describe_pause
from server.features.guards.model import (
    Guard,
    GuardChanged,
    GuardCleared,
    GuardId,
    change_guard,
    find_guard,
)
from server.features.messages.sending import NOTICE_EVENTS, post_notice

_AT_ONCE = 20
Comment = Annotated[str, StringConstraints(strip_whitespace=True, max_length=1000)]


@command(allow=SYSTEM, emits=[GuardChanged, ApprovalCreated, *NOTICE_EVENTS], timed=True)
def ask_about_guards(call: Call) -> int | None:
    """Tell of each guard that tripped, once, and ask what is to become of those it pauses."""
    rows = call.transaction.all(
        "SELECT * FROM guard WHERE notice IS NULL AND state = 'open' ORDER BY id LIMIT :most", {"most": _AT_ONCE}
    )
    for row in rows:
        pause = describe_pause(call, row)
        channel = find_channel(call.transaction, row["channel"])
        assert channel is not None
        notice = post_notice(
            call,
            channel,
            f"{pause} What they say to each other is kept here and wakes none of them until a person decides.",
        )
        asked = ask(
            call.acting_as(SYSTEM_CALLER),
            "guard",
            summary=pause[:300],
            details="What they wrote is stored and shown. Until you decide it wakes none of these agents; what people "
            "write to them arrives as ever.",
            options=list(OPTIONS),
            expires_s=None,
        )
        change_guard(call, row["id"], {"notice": notice, "approval": int(asked.id.removeprefix("ap_"))})
    return call.now if len(rows) == _AT_ONCE else None


@command(
    "POST /api/guards/{guard_id}/resolve", allow=SPEAK, repeatable=True,
    emits=[GuardChanged, GuardCleared, ApprovalChanged, MessageDelivery, *NOTICE_EVENTS],
)  # fmt: skip
def resolve_guard(call: Call, *, guard_id: GuardId, decision: Decision, comment: Comment = "") -> Guard:
    """Decide what becomes of agents that a guard has paused: continue, keep (paused), or stop.

    Raises NotFound, NotAllowed, Conflict.
    """
    row = find_guard(call.transaction, guard_id)
    guard = decide_guard(call, row, decision)
    if row["approval"] is not None:
        asked = find_approval(call, row["approval"])
        if asked["status"] == "pending":
            words = next(words for words, meant in OPTIONS.items() if meant == decision)
            fields = {"status": "answered", "decided_by": call.caller.name, "answer": words, "comment": comment}
            change_approval(call, asked, {**fields, "decided_at": call.now, "snoozed_until": None})
    return guard
