"""The board: tasks are created, listed, read, edited and commented here."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import orjson
from pydantic import Field, JsonValue

from server.core.call import Call, Row
from server.core.errors import BadArgument, BullpenError, Conflict, NotFound
from server.core.moment import iso, iso_or_none, milliseconds
from server.core.names import Cursor, Limit, MemberName, MessageId, offset_of
from server.core.operation import command, query
from server.core.permission import READ, SPEAK
from server.events.log import next_seq
from server.features.channels import may_read, require_readable
from server.features.messages import NOTICE_EVENTS, send_notice
from server.features.state.model import FieldName, ProjectId, encoded
from server.features.state.store import STATE_EVENTS, Change, put
from server.features.tasks.changes import change, note_change, roll_up
from server.features.tasks.checkins import next_checkin
from server.features.tasks.model import (
    CLOSED,
    OPEN,
    PRIORITIES,
    Body,
    Label,
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
_COUNTED_AT_MOST = 1000
_LONGEST_LEASE_S = 86_400
_DEEPEST = 100

Moment = Annotated[str, Field(max_length=40, description="As 2026-11-24 or 2026-11-24T17:00:00Z.")]
Interval = Annotated[str, Field(max_length=200, description="daily, weekly, biweekly, or cron: how often to report.")]
Statuses = Annotated[str, Field(max_length=100, description="One or several, as `todo,doing`. Open ones by default.")]
Sort = Literal["-priority", "created_at", "-created_at", "updated_at", "-updated_at", "due_date", "status", "title"]
_ORDERS = {
    "-priority": "priority DESC, id",
    "created_at": "id",
    "-created_at": "id DESC",
    "updated_at": "seq",
    "-updated_at": "seq DESC",
    "due_date": "due_at IS NULL, due_at, id",
    "status": "status, priority DESC, id",
    "title": "title, id",
}


@dataclass(frozen=True, slots=True)
class Tasks:
    tasks: list[Task]
    total: int
    """How many match; a thousand means a thousand or more."""
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class TaskChange:
    """One line of a task's history."""

    id: int
    actor: str
    action: str
    changes: dict[str, Any]
    """Field → [before, after]."""
    comment: str
    created_at: str


@dataclass(frozen=True, slots=True)
class TaskHistory:
    history: list[TaskChange]


@dataclass(frozen=True, slots=True)
class TaskRun:
    """One time that somebody held a task."""

    claim: int
    member: str
    run_id: str | None
    began_at: str
    ended_at: str | None
    outcome: str
    """What ended it: done, released, requeued, dead, left …; empty while it goes on."""


@dataclass(frozen=True, slots=True)
class TaskDetails:
    """One task and what belongs to it."""

    task: Task
    children: list[Task]
    depends_on: list[Task]
    blocks: list[Task]
    comments: list[TaskChange]
    runs: list[TaskRun]


def _describe_list(found: Tasks) -> str:
    head = f"{len(found.tasks)} of {found.total}{'+' if found.total >= _COUNTED_AT_MOST else ''}"
    lines = [describe_task(task) for task in found.tasks]
    more = [f'… more: cursor="{found.next_cursor}"'] if found.next_cursor else []
    return "\n".join([head, *lines, *more]) if lines else "No tasks match."


def _describe_details(found: TaskDetails) -> str:
    task = found.task
    lines = [describe_task(task), f"version {task.version}, created by {task.creator}"]
    lines += [task.body] if task.body else []
    lines += [f"result: {task.result}"] if task.result else []
    for name, tasks in (("subtasks", found.children), ("waits for", found.depends_on), ("blocks", found.blocks)):
        lines += [f"{name}:", *(f"  {describe_task(other)}" for other in tasks)] if tasks else []
    lines += [f"{note.created_at[:16]} {note.actor}: {note.comment}" for note in found.comments]
    return "\n".join(lines)


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
        " max_attempts, lease_ttl_s, related_project, related_state, target_value, checkin_interval,"
        " next_checkin_at, created_at, updated_at)"
        " VALUES (:seq, 1, :kind, :title, :body, 'todo', '', :priority, :weight, :creator, :assignee, :assigned_by,"
        " :parent, :source, :channel, :labels, :requires, :due_at, '', :unmet, :max_attempts, :lease_ttl_s,"
        " :related_project, :related_state, :target_value, :checkin_interval, :next_checkin_at, :now, :now)",
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
    _source_channel(call, message_id)
    row = call.transaction.one("SELECT content FROM message WHERE id = :id", {"id": message_id})
    assert row is not None
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


@query(
    "GET /api/tasks",
    tool="list_tasks",
    toolset="tasks",
    allow=READ,
    describe=_describe_list,
    hidden=("creator", "parent_id", "priority", "sort", "since_seq"),
)
def list_tasks(
    call: Call,
    *,
    status: Statuses | None = None,
    assignee: MemberName | None = None,
    creator: MemberName | None = None,
    priority: Annotated[str, Field(max_length=60)] | None = None,
    parent_id: TaskId | None = None,
    label: Label | None = None,
    sort: Sort = "-priority",
    since_seq: Annotated[int, Field(ge=0, description="Only what changed after this seq.")] | None = None,
    limit: Limit = 50,
    cursor: Cursor | None = None,
) -> Tasks:
    """Tasks, open ones by default, most urgent first.

    Raises BadArgument.
    """
    wanted = _words(status, (*OPEN, *CLOSED), "status") if status is not None else list(OPEN)
    ranks = None if priority is None else [PRIORITIES.index(word) for word in _words(priority, PRIORITIES, "priority")]
    offset = offset_of(cursor)
    where = ["deleted_at IS NULL"]
    values: dict[str, Any] = {"limit": limit + 1, "offset": offset, "depth": offset + limit + 1, "label": label}
    if ranks is not None:
        where.append(_among("priority", ranks, values))
    for column, value in (("assignee", assignee), ("creator", creator), ("parent", parent_id)):
        if value is not None:
            where.append(f"{column} = :{column}")
            values[column] = value
    if since_seq is not None:
        where.append("seq > :since")
        values["since"] = since_seq
    statuses = [] if since_seq is not None and status is None else wanted
    found = _label_ids if label is not None else _task_ids
    ids, counting = found(" AND ".join(where), statuses, sort, values)
    rows = call.transaction.all(f"SELECT * FROM task WHERE id IN ({ids}) ORDER BY {_ORDERS[sort]}", values)  # noqa: S608
    counted = call.transaction.one(f"SELECT count(*) AS total FROM ({counting} LIMIT {_COUNTED_AT_MOST})", values)  # noqa: S608
    assert counted is not None
    more = str(offset + limit) if len(rows) > limit else None
    return Tasks([task_of(row) for row in rows[:limit]], counted["total"], more)


def _task_ids(where: str, statuses: list[str], sort: str, values: dict[str, Any]) -> tuple[str, str]:
    """Return SQL for the ids of one page, and for those to be counted.

    Each status is read by itself in the wanted order, from an index, and only as deep as the page reaches.
    """
    order = _ORDERS[sort]
    page = f"ORDER BY {order} LIMIT :limit OFFSET :offset"
    if not statuses:
        return f"SELECT id FROM task WHERE {where} {page}", f"SELECT 1 FROM task WHERE {where}"  # noqa: S608
    among = _among("status", statuses, values)
    parts = [
        f"SELECT * FROM (SELECT id, seq, status, priority, due_at, title FROM task WHERE status = :status_{number}"  # noqa: S608
        f" AND {where} ORDER BY {order} LIMIT :depth)"
        for number in range(len(statuses))
    ]
    counting = f"SELECT 1 FROM task WHERE {among} AND {where}"  # noqa: S608
    return f"SELECT id FROM ({' UNION ALL '.join(parts)}) {page}", counting  # noqa: S608


def _label_ids(where: str, statuses: list[str], sort: str, values: dict[str, Any]) -> tuple[str, str]:
    """Return the same for one label: its rows hold what the usual order and the status need."""
    among = f" AND {_among('task_label.status', statuses, values)}" if statuses else ""
    found = f"FROM task_label WHERE label = :label{among}"
    if where == "deleted_at IS NULL" and sort == "-priority":
        live = "" if statuses else " AND task_label.status <> ''"
        order = "ORDER BY priority DESC, task LIMIT :limit OFFSET :offset"
        return f"SELECT task {found}{live} {order}", f"SELECT 1 {found}{live}"
    labelled = f"FROM task WHERE {where} AND id IN (SELECT task {found})"
    return f"SELECT id {labelled} ORDER BY {_ORDERS[sort]} LIMIT :limit OFFSET :offset", f"SELECT 1 {labelled}"


@query("GET /api/tasks/{task_id}", tool="get_task", toolset="tasks", allow=READ, describe=_describe_details)
def get_task(call: Call, *, task_id: TaskId) -> TaskDetails:
    """One task with its subtasks, dependencies and comments.

    Raises NotFound.
    """
    transaction, values = call.transaction, {"id": task_id}
    task = task_of(find_task(transaction, task_id))
    live = " AND task.deleted_at IS NULL ORDER BY task.priority DESC, task.id"
    children = transaction.all(f"SELECT * FROM task WHERE parent = :id{live}", values)  # noqa: S608 (a constant)
    needs = transaction.all(
        f"SELECT task.* FROM task_dependency JOIN task ON task.id = needs WHERE task_dependency.task = :id{live}",  # noqa: S608
        values,
    )
    blocks = transaction.all(
        "SELECT task.* FROM task_dependency JOIN task ON task.id = task_dependency.task"  # noqa: S608
        f" WHERE needs = :id{live}",
        values,
    )
    notes = transaction.all("SELECT * FROM task_change WHERE task = :id AND comment <> '' ORDER BY id", values)
    held = transaction.all("SELECT * FROM task_run WHERE task = :id ORDER BY claim", values)
    runs = [
        TaskRun(
            row["claim"],
            row["member"],
            row["run_id"],
            iso(row["began_at"]),
            iso_or_none(row["ended_at"]),
            row["outcome"],
        )
        for row in held
    ]
    others = [[task_of(row) for row in rows] for rows in (children, needs, blocks)]
    return TaskDetails(task, others[0], others[1], others[2], [_change_of(row) for row in notes], runs)


@query("GET /api/tasks/{task_id}/history", allow=READ)
def get_task_history(call: Call, *, task_id: TaskId) -> TaskHistory:
    """Every change of a task, oldest first: who, what, from which value to which.

    Raises NotFound.
    """
    find_task(call.transaction, task_id)
    rows = call.transaction.all("SELECT * FROM task_change WHERE task = :id ORDER BY id", {"id": task_id})
    return TaskHistory([_change_of(row) for row in rows])


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
    row = call.transaction.one("SELECT channel FROM message WHERE id = :id", {"id": number})
    if row is None or not may_read(call.caller, require_readable(call, row["channel"])):
        raise NotFound(f"No message msg_{number}.", field="source_msg")
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


def _words(text: str, known: Sequence[str], field: str) -> list[str]:
    words = [word.strip() for word in text.split(",") if word.strip()]
    for word in words:
        if word not in known:
            raise BadArgument(f"“{word}” is no {field}.", hint=f"It is one of: {', '.join(known)}.", field=field)
    return words or list(known)


def _among(column: str, wanted: Sequence[object], values: dict[str, Any]) -> str:
    """Return a condition, and put its values among the others."""
    names = [f"{column.rpartition('.')[2]}_{number}" for number in range(len(wanted))]
    values.update(zip(names, wanted, strict=True))
    return f"{column} IN ({', '.join(f':{name}' for name in names)})"


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


def _change_of(row: Row) -> TaskChange:
    return TaskChange(
        row["id"], row["actor"], row["action"], orjson.loads(row["changes"]), row["comment"], iso(row["at"])
    )


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
