"""The board: tasks are put on it, taken off it, and told of."""

from typing import Annotated, Literal

import orjson
from pydantic import Field, JsonValue

from server.core.call import Call, Row
from server.core.errors import BadArgument, BullpenError, Conflict
from server.core.moment import milliseconds
from server.core.names import MemberName, MessageId
from server.core.operation import command
from server.core.permission import SPEAK
from server.events.log import next_seq
from server.features.messages.model import require_message
from server.features.messages.sending import NOTICE_EVENTS, send_notice
from server.features.state.model import FieldName, ProjectId, encoded
from server.features.state.store import STATE_EVENTS, Change, put
from server.features.tasks.changes import change, note_change, roll_up
from server.features.tasks.checkins import next_checkin
from server.features.tasks.model import (
    PRIORITIES,
    Body,
    Files,
    Labels,
    Priority,
    Task,
    TaskChanged,
    TaskCreated,
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

CHANGED = (TaskChanged, *NOTICE_EVENTS)
DONE = (*CHANGED, *STATE_EVENTS)
"""What finishing a task may emit."""
_LONGEST_LEASE_S = 86_400

Moment = Annotated[str, Field(max_length=40, description="As 2026-11-24 or 2026-11-24T17:00:00Z.")]
Interval = Annotated[str, Field(max_length=200, description="daily, weekly, biweekly, or cron: how often to report.")]


@command(
    "POST /api/tasks",
    tool="create_task",
    toolset="tasks",
    allow=SPEAK,
    status=201,
    emits=[TaskCreated, *CHANGED],
    describe=lambda task: f"created {describe_task(task)}",
    hidden=(
        "source_msg",
        "kind",
        "weight",
        "max_attempts",
        "lease_ttl_s",
        "requires",
        "related_project",
        "related_state",
        "target_value",
        "files",
    ),
)
def create_task(
    call: Call,
    *,
    title: Title,
    body: Body = "",
    assignee: MemberName | None = None,
    priority: Priority = "medium",
    parent_id: TaskId | None = None,
    depends_on: Annotated[list[TaskId], Field(max_length=50)] = [],  # noqa: B006 (pydantic copies it)
    due_date: Moment | None = None,
    labels: Labels = [],  # noqa: B006 (pydantic copies it)
    requires: Labels = [],  # noqa: B006 (pydantic copies it)
    source_msg: MessageId | None = None,
    kind: Literal["task", "milestone"] = "task",
    weight: Annotated[int, Field(ge=1, le=1000)] = 1,
    max_attempts: Annotated[int, Field(ge=1, le=100)] = 5,
    lease_ttl_s: Annotated[int, Field(ge=5, le=_LONGEST_LEASE_S)] = 300,
    related_project: ProjectId | None = None,
    related_state: FieldName | None = None,
    target_value: JsonValue = None,
    checkin_interval: Interval | None = None,
    files: Files = [],  # noqa: B006 (pydantic copies it)
) -> Task:
    """Create a task. depends_on blocks it until all listed tasks are done.

    Raises NotFound, BadArgument, Conflict.
    """
    if assignee is not None:
        require_active(call.transaction, assignee, field="assignee")
    channel = None if source_msg is None else _source_channel(call, source_msg)
    if (related_project is None) != (related_state is None):
        raise BadArgument("A field has a project and a name.", hint="Give both.", field="related_project")
    if parent_id is not None:
        find_task(call.transaction, parent_id)
    needed = [find_task(call.transaction, number) for number in dict.fromkeys(depends_on)]
    number = call.transaction.insert(
        "INSERT INTO task (seq, version, kind, title, body, status, blocked_reason, priority, weight, creator,"
        " assignee, assigned_by, parent, source_message, channel, labels, requires, due_at, result, unmet,"
        " max_attempts, lease_ttl_s, related_project, related_state, target_value, checkin_interval, files,"
        " next_checkin_at, created_at, updated_at)"
        " VALUES (:seq, 1, :kind, :title, :body, 'todo', '', :priority, :weight, :creator, :assignee, :assigned_by,"
        " :parent, :source, :channel, :labels, :requires, :due_at, '', :unmet, :max_attempts, :lease_ttl_s,"
        " :related_project, :related_state, :target_value, :checkin_interval, :files, :next_checkin_at, :now, :now)",
        {
            "seq": next_seq(call.transaction),
            "kind": kind,
            "title": title,
            "body": body,
            "priority": PRIORITIES.index(priority),
            "weight": weight,
            "creator": call.caller.name,
            "assignee": assignee,
            "assigned_by": None if assignee is None else call.caller.name,
            "parent": parent_id,
            "source": source_msg,
            "channel": channel,
            "labels": json_text(list(dict.fromkeys(labels))),
            "requires": json_text(list(dict.fromkeys(requires))),
            "due_at": moment(due_date),
            "unmet": sum(row["status"] != "done" for row in needed),
            "max_attempts": max_attempts,
            "lease_ttl_s": lease_ttl_s,
            "checkin_interval": checkin_interval,
            "files": json_text(list(dict.fromkeys(files))),
            "next_checkin_at": next_checkin(checkin_interval, call.now),
            "related_project": related_project,
            "related_state": related_state,
            "target_value": None if related_state is None else encoded(target_value),
            "now": call.now,
        },
    )
    set_dependencies(call, number, needed)
    set_labels(call.transaction, number, labels)
    note_change(call, number, "created", {}, "")
    task = task_of(find_task(call.transaction, number))
    call.emit(TaskCreated(task), subject=task.id)
    if parent_id is not None:
        roll_up(call, parent_id)
    tell_assignee(call, task)
    return task


@command(
    "POST /api/messages/{message_id}/task",
    tool="pin_task",
    toolset="tasks",
    allow=SPEAK,
    status=201,
    emits=[TaskCreated, *CHANGED],
    describe=lambda task: f"created {describe_task(task)}",
)
def pin_task(
    call: Call,
    *,
    message_id: MessageId,
    title: Title | None = None,
    assignee: MemberName | None = None,
    priority: Priority = "medium",
    due_date: Moment | None = None,
) -> Task:
    """Turn a message into a task.

    Raises NotFound, Conflict, BadArgument.
    """
    row, _ = require_message(call, message_id)
    words = " ".join(row["content"].split())
    return create_task(
        call,
        title=title or words[:100],
        body=row["content"] if len(words) > 100 else "",
        assignee=assignee,
        priority=priority,
        due_date=due_date,
        source_msg=message_id,
    )


@command("DELETE /api/tasks/{task_id}", allow=SPEAK, emits=[TaskChanged], destructive=True, repeatable=True)
def delete_task(call: Call, *, task_id: TaskId) -> Task:
    """Take a task off the board. Its history stays.

    Raises NotFound, NotAllowed.
    """
    row = find_task(call.transaction, task_id)
    call.require(
        may_lead(call) or call.caller.name == row["creator"], "Only its creator, leads and people delete a task."
    )
    return change(call, row, "deleted", {"deleted_at": call.now, "lease_expires_at": None, "holder_run": None})


def tell_assignee(call: Call, task: Task) -> None:
    """Owe the assignment to the one it is given to, unless they took it themselves."""
    if task.assignee is not None and task.assignee != call.caller.name:
        send_notice(
            call, task.assignee, f"{call.caller.name} gave you a task.\n{describe_task(task)}\n{task.body}".strip()
        )


def tell_done(call: Call, task: Task) -> None:
    """Tell who wanted it that a task is done."""
    if task.creator != call.caller.name:
        send_notice(call, task.creator, f"{call.caller.name} finished {describe_task(task)}\n{task.result}".strip())


def _source_channel(call: Call, number: int) -> str:
    row, _ = require_message(call, number)
    if row["deleted_at"] is not None:
        raise Conflict(f"msg_{number} was deleted.", hint="Create a task without it.", field="source_msg")
    taken = call.transaction.one(
        "SELECT id FROM task WHERE source_message = :id AND deleted_at IS NULL", {"id": number}
    )
    if taken is not None:
        raise Conflict(
            f"msg_{number} is a task already: #{taken['id']}.",
            facts={"task_id": task_id(taken["id"])},
            field="source_msg",
        )
    return str(row["channel"])


def moment(text: str | None) -> int | None:
    """Read a time of a request. Raises BadArgument."""
    if text is None:
        return None
    try:
        return milliseconds(text)
    except (ValueError, OverflowError):
        raise BadArgument(
            f"“{text}” is not a time.", hint="Write it as 2026-11-24T17:00:00Z.", field="due_date"
        ) from None


def write_related(call: Call, row: Row) -> None:
    """Write the field that a finished task is about, by the rules for whoever finished it: it may become a proposal."""
    if row["related_state"] is None:
        return
    change_wanted = Change(
        field=row["related_state"],
        value=orjson.loads(row["target_value"]),
        reason=f"#{row['id']} {row['title']}"[:1000],
    )
    try:
        with call.attempt():
            written = put(call, row["related_project"], change_wanted, source="task")
    except BullpenError as error:
        outcome = f"could not be written: {error}"
    else:
        outcome = f"waits for {written.approval_id}" if written.pending_approval else f"is version {written.version}"
    note_change(call, row["id"], "state", {}, f"{row['related_project']}/{row['related_state']} {outcome}")
