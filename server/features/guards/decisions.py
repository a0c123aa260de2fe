"""What becomes of agents that a guard has paused: a person is asked once, decides, and it is done."""

from dataclasses import dataclass
from typing import Literal

import orjson

from server.core.call import SYSTEM_CALLER, Call, Row
from server.core.errors import BadArgument, Conflict
from server.core.operation import query
from server.core.permission import READ
from server.features.channels import find_channel
from server.features.deliveries import release_held
from server.features.guards.model import Guard, change_guard, guard_of, is_told
from server.features.messages.model import shown_channel
from server.features.messages.sending import send_notice

Decision = Literal["continue", "keep", "stop"]
OPTIONS: dict[str, Decision] = {
    "Let them continue": "continue",
    "Keep paused": "keep",
    "Tell them to stop": "stop",
}
"""What a person is offered, in the words of the button."""


@dataclass(frozen=True, slots=True)
class Guards:
    guards: list[Guard]


@query("GET /api/guards", allow=READ)
def list_guards(call: Call, *, status: Literal["open", "all"] = "open") -> Guards:
    """Guards that tripped, newest first: whom they pause, why, and what was decided."""
    rows = call.transaction.all(
        "SELECT * FROM guard WHERE state = 'open' OR :status = 'all' ORDER BY id DESC LIMIT 200", {"status": status}
    )
    return Guards([guard_of(row) for row in rows if is_told(call, row)])


def decision_of(answer: str) -> Decision:
    """Return what an option means. Raises BadArgument."""
    for words, decision in OPTIONS.items():
        if answer.strip().lower() in (words.lower(), decision):
            return decision
    raise BadArgument(f"“{answer[:60]}” is none of the choices.", hint=f"Choose: {', '.join(OPTIONS)}.", field="answer")


def decide_guard(call: Call, row: Row, decision: Decision) -> Guard:
    """Do what a person decided of a guard. Raises NotAllowed, Conflict if it is cleared already."""
    call.require(
        call.caller.kind == "human" and call.caller.role in ("chairman", "operator"),
        "What becomes of paused agents is for a person to decide.",
        hint="A chairman or an operator does.",
    )
    if row["state"] == "cleared":
        if row["decision"] == decision:
            return guard_of(row)
        raise Conflict(
            f"guard_{row['id']} is cleared already, by {row['decided_by']}: {row['decision']}.",
            hint="It stays so.",
            facts={"decision": row["decision"], "decided_by": row["decided_by"]},
            code="decided",
        )
    decided = {"decision": decision, "decided_by": call.caller.name, "decided_at": call.now}
    if decision == "keep":
        return change_guard(call, row["id"], decided)
    newest = call.transaction.one("SELECT max(id) AS id FROM message")
    assert newest is not None
    guard = change_guard(call, row["id"], {**decided, "state": "cleared", "counted_to": newest["id"]})
    if decision == "continue":
        release_held(call, row["id"])
    else:
        _tell_to_stop(call, guard)
    return guard


def describe_pause(call: Call, row: Row) -> str:
    """Say whom a guard pauses, where and why, without what only members of a channel may know."""
    names = orjson.loads(row["members"])
    shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    channel = find_channel(call.transaction, row["channel"])
    place = "a channel of their own"
    if channel is not None:
        place = {"group": shown_channel(channel.id), "dm": "direct messages"}.get(channel.type, place)
    return f"Loop guard: {shown} in {place}. {row['evidence']}"


def _tell_to_stop(call: Call, guard: Guard) -> None:
    for name in guard.members:
        others = ", ".join(other for other in guard.members if other != name)
        send_notice(
            call.acting_as(SYSTEM_CALLER),
            name,
            f"{call.caller.name} says: stop the exchange with {others} in {shown_channel(guard.channel)}. "
            "Do not answer it and do not answer this. Go on with your own work, or wait for a person.",
        )
