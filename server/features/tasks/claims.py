"""Claims: a task is held by exactly one, under a lease, proved by a number that only grows.

A lease is renewed by whatever its holder does to the task, and by evidence of life: an agent whose run is the one that
claimed, and which works, keeps what it holds. Who falls silent loses it, and is refused from then on.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field

from server.core.call import Call, Row
from server.core.errors import BadArgument, Conflict
from server.core.names import MemberName, Note
from server.core.operation import command
from server.core.permission import SPEAK, SYSTEM
from server.features.messages.sending import send_notice
from server.features.profiles import skills_of
from server.features.tasks.board import (
    CHANGED,
    DONE,
    Interval,
    Moment,
    moment,
    tell_assignee,
    tell_done,
    write_related,
)
from server.features.tasks.changes import change, require_version
from server.features.tasks.checkins import next_checkin
from server.features.tasks.model import (
    CLOSED,
    PRIORITIES,
    Body,
    ClaimNumber,
    Files,
    Labels,
    Percent,
    Priority,
    Status,
    Task,
    TaskId,
    Title,
    describe_task,
    find_task,
    json_text,
    may_lead,
    task_id,
    task_of,
)
from server.features.tasks.relations import set_dependencies, set_labels
from server.features.team import require_active

LONGEST_HOLD_MS = 24 * 3_600_000
"""Evidence of life keeps a claim no longer than that: an agent that works on something else for days holds nothing."""
_AT_ONCE = 100
_FREED: Mapping[str, Any] = {"lease_expires_at": None, "holder_run": None, "claimed_at": None}


@dataclass(frozen=True, slots=True)
class Claimed:
    """What a claim came to. `task` is None if nothing is free."""

    task: Task | None
    claim: int | None
    """Show it with every further call on this task."""
    lease_expires_at: str | None


def _describe_claimed(found: Claimed) -> str:
    if found.task is None:
        return "Nothing is free for you."
    until = (found.lease_expires_at or "")[11:19]
    head = f"claim={found.claim} until {until} UTC, renewed by every update_task"
    return f"{head}\n{describe_task(found.task)}\n{found.task.body}".rstrip()


@command(
    "POST /api/tasks/claim",
    tool="claim_task",
    toolset="tasks",
    allow=SPEAK,
    emits=CHANGED,
    describe=_describe_claimed,
    hidden=("capabilities",),
)
def claim_task(
    call: Call,
    *,
    task_id: TaskId | None = None,
    next: Annotated[bool, Field(description="Take the best free one.")] = False,  # noqa: A002 (the tool's name for it)
    labels: Labels = [],  # noqa: B006 (pydantic copies it)
    capabilities: Labels = [],  # noqa: B006 (pydantic copies it)
) -> Claimed:
    """Take a task, or the best free one with next=true. Nobody else gets it. If it is taken you learn by whom.

    Raises NotFound, Conflict, BadArgument.
    """
    if (task_id is None) == (not next):
        raise BadArgument("Name a task, or take the best with next=true.", field="task_id")
    row = (
        _best(call, labels, capabilities or skills_of(call.transaction, call.caller.name))
        if task_id is None
        else find_task(call.transaction, task_id)
    )
    if row is None:
        return Claimed(None, None, None)
    me = call.caller.name
    if row["lease_expires_at"] is not None and row["assignee"] == me:
        task = change(call, row, "renewed", {"lease_expires_at": call.now + row["lease_ttl_s"] * 1000})
        return Claimed(task, task.claim, task.lease_expires_at)
    _check_free(call, row)
    expires_at = call.now + row["lease_ttl_s"] * 1000
    call.wake_at(expires_at)
    task = change(
        call,
        row,
        "claimed",
        {
            "status": "doing",
            "assignee": me,
            "claim": row["claim"] + 1,
            "lease_expires_at": expires_at,
            "holder_run": call.caller.run_id,
            "claimed_at": call.now,
        },
    )
    return Claimed(task, task.claim, task.lease_expires_at)


@command(
    "PATCH /api/tasks/{task_id}",
    tool="update_task",
    toolset="tasks",
    allow=SPEAK,
    emits=DONE,
    repeatable=True,
    describe=lambda task: describe_task(task),
    hidden=("body", "weight", "result", "depends_on", "version", "checkin_interval", "files"),
)
def update_task(
    call: Call,
    *,
    task_id: TaskId,
    status: Status | None = None,
    reason: Note = "",
    note: Note = "",
    progress: Percent | None = None,
    assignee: MemberName | Literal[""] | None = None,
    priority: Priority | None = None,
    title: Title | None = None,
    due_date: Moment | Literal[""] | None = None,
    labels: Labels | None = None,
    claim: ClaimNumber | None = None,
    body: Body | None = None,
    weight: Annotated[int, Field(ge=1, le=1000)] | None = None,
    result: Body | None = None,
    depends_on: Annotated[list[TaskId], Field(max_length=50)] | None = None,
    version: int | None = None,
    checkin_interval: Interval | Literal[""] | None = None,
    files: Files | None = None,
) -> Task:
    """Change fields, add a note, or set status. blocked needs a reason; todo releases your claim. Renews your lease.

    Raises NotFound, NotAllowed, BadArgument, Conflict.
    """
    row = find_task(call.transaction, task_id)
    holds = check_claim(call, row, claim)
    require_version(row, version)
    fields = _given(
        title=title, body=body, weight=weight, progress=progress, result=result, status=status,
        priority=None if priority is None else PRIORITIES.index(priority),
        labels=None if labels is None else json_text(list(dict.fromkeys(labels))),
        files=None if files is None else json_text(list(dict.fromkeys(files))),
    )  # fmt: skip
    if due_date is not None:
        fields["due_at"] = moment(due_date or None)
    if checkin_interval is not None:
        fields["checkin_interval"] = checkin_interval or None
        fields["next_checkin_at"] = next_checkin(checkin_interval, call.now)
    if assignee is not None:
        if assignee:
            require_active(call.transaction, assignee, field="assignee")
        fields |= {"assignee": assignee or None, "assigned_by": call.caller.name if assignee else None}
    if status == "blocked":
        if not reason:
            raise BadArgument("What blocks it?", hint="Give a reason.", field="reason")
        fields["blocked_reason"] = reason
    _check_right(call, row, {*fields, *({"depends_on"} if depends_on is not None else ())})
    if depends_on is not None:
        needed = [find_task(call.transaction, number) for number in dict.fromkeys(depends_on)]
        set_dependencies(call, task_id, needed)
        fields["unmet"] = sum(other["status"] != "done" for other in needed)
    if labels is not None:
        set_labels(call.transaction, task_id, labels)
    if holds and status == "failed":
        return _failed(call, row, note or reason or "no reason given", fields)
    if status == "todo" and row["status"] in ("doing", "blocked") and assignee is None and row["assigned_by"] is None:
        fields["assignee"] = None
    if fields.get("assignee", row["assignee"]) != row["assignee"]:
        fields |= _FREED
    elif holds and row["lease_expires_at"] is not None and status not in ("todo", "review", *CLOSED):
        fields["lease_expires_at"] = call.now + row["lease_ttl_s"] * 1000
    task = change(call, row, "released" if status == "todo" and holds else "updated", fields, comment=note)
    if task.assignee != row["assignee"]:
        tell_assignee(call, task)
    elif status == "done" and row["status"] != "done":
        tell_done(call, task)
        write_related(call, row)
    return task


@command(
    "POST /api/tasks/{task_id}/done",
    tool="done_task",
    toolset="tasks",
    allow=SPEAK,
    emits=DONE,
    repeatable=True,
    describe=lambda task: f"done. {describe_task(task)}",
)
def done_task(call: Call, *, task_id: TaskId, result: Body, claim: ClaimNumber | None = None) -> Task:
    """Finish a task with a result others can use.

    Raises NotFound, NotAllowed, Conflict.
    """
    row = find_task(call.transaction, task_id)
    if row["status"] == "done" and row["assignee"] == call.caller.name and row["result"] == result:
        return task_of(row)
    check_claim(call, row, claim)
    if row["status"] in CLOSED:
        raise _closed(row)
    _check_right(call, row, {"status", "result"})
    task = change(call, row, "done", {"status": "done", "progress": 100, "result": result})
    tell_done(call, task)
    write_related(call, row)
    return task


@command(allow=SYSTEM, emits=CHANGED, timed=True)
def expire_claims(call: Call) -> int | None:
    """Free what is held by those who have left, whose run has ended, or who were silent beyond their lease."""
    now, most = call.now, _AT_ONCE
    for row in call.transaction.all(
        "SELECT task.* FROM task JOIN member ON member.name = task.assignee WHERE member.retired_at IS NOT NULL"
        " AND task.closed_at IS NULL AND task.deleted_at IS NULL ORDER BY task.id LIMIT :most",
        {"most": most},
    ):
        change(call, row, "left", {"status": "todo", "assignee": None, "assigned_by": None, **_FREED})
    for row in call.transaction.all(
        "SELECT task.* FROM task JOIN run ON run.run_id = task.holder_run"
        " WHERE task.lease_expires_at IS NOT NULL AND run.ended_at IS NOT NULL ORDER BY task.id LIMIT :most",
        {"most": most},
    ):
        _give_up(call, row, "run ended", counts=False)
    for row in call.transaction.all(
        "SELECT * FROM task WHERE lease_expires_at <= :now ORDER BY lease_expires_at LIMIT :most",
        {"now": now, "most": most},
    ):
        if _is_alive(call, row):
            change(call, row, "kept", {"lease_expires_at": now + row["lease_ttl_s"] * 1000})
        else:
            _give_up(call, row, "lease expired", counts=True)
    due = call.transaction.one("SELECT min(lease_expires_at) AS due FROM task WHERE lease_expires_at IS NOT NULL")
    return None if due is None else due["due"]


def check_claim(call: Call, row: Row, claim: int | None) -> bool:
    """Tell whether the caller holds the task. Raises Conflict for a claim that is not the present one."""
    mine = row["assignee"] == call.caller.name and row["lease_expires_at"] is not None
    if claim is None:
        return mine
    if row["status"] in CLOSED:
        raise _closed(row)
    if not mine or claim != row["claim"]:
        raise Conflict(
            f"Your claim {claim} on #{row['id']} holds no more.",
            hint="Stop working on it; claim_task may give it to you again.",
            facts={"current_claim": row["claim"], "current_assignee": row["assignee"], "status": row["status"]},
            code="stale_claim",
        )
    return True


def _check_free(call: Call, row: Row) -> None:
    me = call.caller.name
    if row["status"] in CLOSED:
        raise _closed(row)
    if row["unmet"]:
        pending = call.transaction.all(
            "SELECT needs FROM task_dependency JOIN task ON task.id = needs WHERE task_dependency.task = :id"
            " AND task.status <> 'done'",
            {"id": row["id"]},
        )
        waits = [task_id(other["needs"]) for other in pending]
        raise Conflict(
            f"#{row['id']} waits for other tasks.",
            facts={"pending": waits},
            hint="Take one of these.",
            code="dependencies_unmet",
        )
    if row["status"] != "todo" or row["assignee"] not in (None, me):
        raise Conflict(
            f"#{row['id']} is taken.",
            hint="Take another: claim_task next=true.",
            facts={"taken_by": row["assignee"], "status": row["status"]},
            code="taken",
        )


def _closed(row: Row) -> Conflict:
    facts = {"status": row["status"], "result": row["result"]}
    return Conflict(f"#{row['id']} is {row['status']}.", hint="It stays so.", facts=facts, code="closed")


def _best(call: Call, labels: list[str], capabilities: list[str]) -> Row | None:
    """Return the best task that is free for the caller: by priority, then age."""
    labelled = "" if not labels else (
        " AND EXISTS (SELECT 1 FROM task_label JOIN json_each(:labels) ON json_each.value = task_label.label"
        " WHERE task_label.task = task.id)"
    )  # fmt: skip
    return call.transaction.one(
        "SELECT * FROM task WHERE status = 'todo' AND unmet = 0 AND deleted_at IS NULL"  # noqa: S608 (constants)
        " AND (assignee IS NULL OR assignee = :me) AND (requires = '[]' OR NOT EXISTS (SELECT 1 FROM"
        " json_each(task.requires) AS needed WHERE needed.value NOT IN (SELECT value FROM json_each(:capabilities))))"
        f"{labelled} ORDER BY priority DESC, id LIMIT 1",
        {"me": call.caller.name, "capabilities": json_text(capabilities), "labels": json_text(labels)},
    )


def _check_right(call: Call, row: Row, fields: set[str]) -> None:
    if may_lead(call) or call.caller.name == row["creator"]:
        return
    mine = {"status", "blocked_reason", "progress", "result"} if call.caller.name == row["assignee"] else set()
    wrong = fields - mine
    call.require(
        not wrong,
        f"You may not change {', '.join(sorted(wrong))} of #{row['id']}.",
        hint=f"Its creator {row['creator']}, a lead or a person may. You may add a note.",
    )
    if row["status"] in CLOSED and fields:
        raise _closed(row)


def _failed(call: Call, row: Row, reason: str, fields: Mapping[str, Any]) -> Task:
    kept = {name: value for name, value in fields.items() if name not in ("status", "result")}
    change(call, row, "failing", kept, comment=reason)
    return _give_up(call, find_task(call.transaction, row["id"]), reason, counts=True)


def _give_up(call: Call, row: Row, why: str, *, counts: bool) -> Task:
    """Put a task back for others, or to the dead ones if it was given up too often. What was done is kept."""
    attempts = row["attempts"] + counts
    if attempts >= row["max_attempts"]:
        task = change(
            call,
            row,
            "dead",
            {"status": "failed", "attempts": attempts, "result": row["result"] or why, **_FREED},
            comment=why,
        )
        send_notice(call, row["creator"], f"Given up after {attempts} attempts ({why}): {describe_task(task)}")
        return task
    assigned = row["assigned_by"] is not None
    fields = {"status": "todo", "attempts": attempts, "assignee": row["assignee"] if assigned else None, **_FREED}
    return change(call, row, "requeued", fields, comment=why)


def _is_alive(call: Call, row: Row) -> bool:
    """Tell whether the supervisor knows that the holder works on: the same run, ready, working."""
    if row["holder_run"] is None or call.now - row["claimed_at"] >= LONGEST_HOLD_MS:
        return False
    agent = call.transaction.one(
        "SELECT 1 FROM agent WHERE name = :name AND run_id = :run AND state IN ('ready', 'degraded')"
        " AND activity = 'working'",
        {"name": row["assignee"], "run": row["holder_run"]},
    )
    return agent is not None


def _given(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
