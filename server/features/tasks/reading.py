"""Reading: tasks are listed by filter, and read with what belongs to them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import orjson
from pydantic import Field

from server.core.call import Call, Row
from server.core.errors import BadArgument
from server.core.moment import iso, iso_or_none
from server.core.names import Cursor, Limit, MemberName, offset_of
from server.core.operation import query
from server.core.permission import READ
from server.features.tasks.model import CLOSED, OPEN, PRIORITIES, Label, Task, TaskId, describe_task, find_task, task_of
from server.features.usage.model import Used, used_in_claims

_COUNTED_AT_MOST = 1000

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
    usage: list[Used]
    """What its holder used for it, by who pays."""


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
    used = used_in_claims(call, task_id)
    runs = [
        TaskRun(
            row["claim"],
            row["member"],
            row["run_id"],
            iso(row["began_at"]),
            iso_or_none(row["ended_at"]),
            row["outcome"],
            used.get(row["claim"], []),
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


def _change_of(row: Row) -> TaskChange:
    return TaskChange(
        row["id"], row["actor"], row["action"], orjson.loads(row["changes"]), row["comment"], iso(row["at"])
    )
