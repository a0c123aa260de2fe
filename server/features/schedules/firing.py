"""Firing: what is due is done in its creator's name, with the rights they have now. A failure holds up no other."""

import logging
from typing import Any

from server.core.call import Call, Caller, Row
from server.core.errors import BullpenError, NotAllowed
from server.core.operation import command
from server.core.permission import OPERATE, SPEAK, SYSTEM, Permission
from server.features.agents import AgentAsked, AgentStatus, find_agent, start_agent
from server.features.messages.sending import NOTICE_EVENTS, send_message, send_notice
from server.features.schedules.calendar import check_own, find_visible, plan
from server.features.schedules.model import (
    Schedule,
    ScheduleFired,
    ScheduleId,
    audience,
    change_schedule,
    describe_schedule,
    run_of,
    schedule_of,
    timing_of,
)
from server.features.tasks.board import CHANGED, create_task
from server.features.tasks.model import TaskCreated

logger = logging.getLogger(__name__)

LATE_MS = 60_000
"""A run is late, and the rule for missed runs holds, if it is later than that."""
_LOOK_AGAIN_MS = 30_000
_AT_ONCE = 100
_KEPT_RUNS = 500
_EVENTS = (ScheduleFired, TaskCreated, AgentAsked, AgentStatus, *CHANGED, *NOTICE_EVENTS)


@command("POST /api/schedules/{schedule_id}/run", allow=SPEAK, emits=_EVENTS, describe=describe_schedule)
def run_schedule(call: Call, *, schedule_id: ScheduleId) -> Schedule:
    """Run a schedule now, whatever its rules. Its next run stays.

    Raises NotFound, NotAllowed.
    """
    row = find_visible(call, schedule_id)
    check_own(call, row)
    return _run(call, row, call.now, by=call.caller.name)


@command(allow=SYSTEM, emits=_EVENTS, timed=True)
def fire_schedules(call: Call) -> int | None:
    """Do what is due. A run that was missed is made up for once at most, however many there were."""
    rows = call.transaction.all(
        "SELECT * FROM schedule WHERE due_at <= :now ORDER BY due_at, id LIMIT :most",
        {"now": call.now, "most": _AT_ONCE},
    )
    for row in rows:
        try:
            with call.attempt():
                _fire(call, row)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
            logger.exception("sch_%d failed inside, and is paused", row["id"])
            paused = {"status": "paused", "reason": "failed inside: see the server's log"}
            change_schedule(call, row, {**paused, "planned_at": None, "due_at": None})
    due = call.transaction.one("SELECT min(due_at) AS due FROM schedule WHERE due_at IS NOT NULL")
    return None if due is None else due["due"]


def _fire(call: Call, row: Row) -> None:
    if row["missed"] == "skip" and not row["is_queued"] and call.now - row["due_at"] > LATE_MS:
        _note(call, row, "missed", "the server was not there in time")
    elif row["overlap"] != "allow" and (open_still := _open(call, row)):
        if row["overlap"] == "queue":
            if not row["is_queued"]:
                _note(call, row, "queued", open_still, plans=False)
            change_schedule(call, row, {"is_queued": 1, "due_at": call.now + _LOOK_AGAIN_MS})
            return
        _note(call, row, "skipped", open_still)
    else:
        _run(call, row, row["planned_at"], by="clock")


def _run(call: Call, row: Row, planned_at: int, *, by: str) -> Schedule:
    creator = call.transaction.one(
        "SELECT name, kind, role FROM member WHERE name = :name AND retired_at IS NULL", {"name": row["creator"]}
    )
    if creator is None:
        row = change_schedule(call, row, {"status": "paused", "reason": f"{row['creator']} has left"})
        return _note(call, row, "failed", f"{row['creator']} has left", planned_at=planned_at, by=by)
    failed_before = _last_outcome(call, row) == "failed"
    caller = Caller(creator["name"], creator["kind"], creator["role"])
    try:
        with call.attempt():
            made = _do(call.acting_as(caller), row)
    except BullpenError as error:
        if not failed_before:  # once, and not at every run
            send_notice(call, row["creator"], f"Your schedule sch_{row['id']} could not run: {error}")
        return _note(call, row, "failed", str(error)[:500], planned_at=planned_at, by=by)
    row = change_schedule(call, row, {"runs": row["runs"] + 1, "made": made})
    return _note(call, row, "done", "", made=made, planned_at=planned_at, by=by)


def _do(call: Call, row: Row) -> str | None:
    """Do what a schedule says in its creator's name, and return what it made."""
    match row["action"]:
        case "task":
            _require(call, SPEAK)
            return create_task(call, title=row["title"], body=row["content"], assignee=row["agent"]).id
        case "start":
            _require(call, OPERATE)
            start_agent(call, name=row["agent"], reason=f"sch_{row['id']}")
            return None
        case "prompt" if row["agent"] == call.caller.name:
            notice = send_notice(call, row["agent"], row["content"])
            return None if notice is None else notice["id"]
    _require(call, SPEAK)
    sent = send_message(call, channel=row["channel"], content=row["content"], metadata={"schedule": f"sch_{row['id']}"})
    starts = row["action"] == "prompt" and OPERATE.admits(call.caller.role)
    if starts and find_agent(call.transaction, row["agent"]).wanted != "running":
        start_agent(call, name=row["agent"], reason=f"sch_{row['id']} has work for it")
    return sent["id"]


def _require(call: Call, permission: Permission) -> None:
    if not permission.admits(call.caller.role):
        raise NotAllowed(f"{call.caller.name} may not do that any more ({permission.name}).", hint="Ask an operator.")


def _open(call: Call, row: Row) -> str:
    """Tell what of the last run is open still, or nothing."""
    made = row["made"]
    if made is None:
        return ""
    kind, _, number = made.partition("_")
    if kind == "task":
        task = call.transaction.one(
            "SELECT 1 FROM task WHERE id = :id AND closed_at IS NULL AND deleted_at IS NULL", {"id": int(number)}
        )
        return f"{made} is open still" if task else ""
    unseen = call.transaction.one(
        "SELECT recipient FROM delivery WHERE message = :id AND state IN ('stored', 'pushed') LIMIT 1",
        {"id": int(number)},
    )
    return f"{unseen['recipient']} has not seen {made} yet" if unseen else ""


def _note(
    call: Call,
    row: Row,
    outcome: str,
    reason: str,
    *,
    made: str | None = None,
    planned_at: int | None = None,
    by: str = "clock",
    plans: bool = True,
) -> Schedule:
    """Put one run on record, plan the next, and tell of both."""
    number = call.transaction.insert(
        "INSERT INTO schedule_run (schedule, planned_at, ran_at, outcome, reason, by, made)"
        " VALUES (:schedule, :planned, :now, :outcome, :reason, :by, :made)",
        {
            "schedule": row["id"],
            "planned": row["planned_at"] or call.now if planned_at is None else planned_at,
            "now": call.now,
            "outcome": outcome,
            "reason": reason,
            "by": by,
            "made": made,
        },
    )
    call.transaction.run(
        "DELETE FROM schedule_run WHERE schedule = :schedule AND id <= (SELECT id FROM schedule_run"
        " WHERE schedule = :schedule ORDER BY id DESC LIMIT 1 OFFSET :kept)",
        {"schedule": row["id"], "kept": _KEPT_RUNS},
    )
    if plans and by == "clock":
        row = change_schedule(call, row, _planned_after(call, row))
    schedule = schedule_of(row)
    run = call.transaction.one("SELECT * FROM schedule_run WHERE id = :id", {"id": number})
    assert run is not None
    call.emit(ScheduleFired(schedule, run_of(run)), subject=schedule.id, audience=audience(call, row))
    return schedule


def _planned_after(call: Call, row: Row) -> dict[str, Any]:
    # From the later of the two: a clock that was put back does not run it again, one put forward runs it once.
    return plan(row, timing_of(row), max(call.now, row["planned_at"] or 0))


def _last_outcome(call: Call, row: Row) -> str | None:
    last = call.transaction.one(
        "SELECT outcome FROM schedule_run WHERE schedule = :id ORDER BY id DESC LIMIT 1", {"id": row["id"]}
    )
    return None if last is None else str(last["outcome"])
