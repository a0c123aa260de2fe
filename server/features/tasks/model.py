"""What a task is: its row, its shape outside, its words."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import orjson
from pydantic import Field, StringConstraints

from server.core.call import Call, Row, Transaction
from server.core.errors import NotFound
from server.core.event import Event, event
from server.core.moment import iso, iso_or_none
from server.core.names import FilePath, message_id, numbered

Status = Literal["todo", "doing", "blocked", "review", "done", "failed", "cancelled"]
OPEN = ("todo", "doing", "blocked", "review")
"""In the order of a board."""
CLOSED = ("done", "failed", "cancelled")
"""Terminal: only a person, a lead or the creator opens such a task again, and whoever held it holds nothing."""
PRIORITIES = ("low", "medium", "high", "urgent")
"""By rank, as stored."""
Priority = Literal["low", "medium", "high", "urgent"]

TaskId = Annotated[int, numbered("task"), Field(description="As `#42`.")]
Title = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Body = Annotated[str, Field(max_length=20_000)]
Label = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=40)]
Labels = Annotated[list[Label], Field(max_length=20)]
Files = Annotated[list[FilePath], Field(max_length=100)]
Percent = Annotated[int, Field(ge=0, le=100)]
ClaimNumber = Annotated[int, Field(ge=0, description="What claim_task gave you.")]


@dataclass(frozen=True, slots=True)
class Task:
    """One task. `progress` is its own, or that of its subtasks by weight where it has any."""

    id: str
    seq: int
    version: int
    kind: str
    title: str
    body: str
    status: Status
    blocked_reason: str
    priority: Priority
    weight: int
    progress: int
    creator: str
    assignee: str | None
    parent_id: str | None
    source_msg: str | None
    channel: str | None
    labels: list[str]
    requires: list[str]
    files: list[str]
    """Paths of the project that it is about."""
    due_date: str | None
    checkin_interval: str | None
    result: str
    related_project: str | None
    related_state: str | None
    """The field that is written when it is done."""
    target_value: Any
    waits_for: int
    """Dependencies that are not done yet."""
    attempts: int
    max_attempts: int
    claim: int
    """Grows with every claim and never falls."""
    lease_ttl_s: int
    lease_expires_at: str | None
    created_at: str
    updated_at: str
    closed_at: str | None
    deleted: bool


@event("task.created", collection="tasks", key="id")
class TaskCreated(Event):
    task: Task


@event("task.changed", collection="tasks", key="id")
class TaskChanged(Event):
    task: Task
    action: str


def task_id(number: int) -> str:
    """Return the id as people and programs see it."""
    return f"task_{number}"


def task_of(row: Row) -> Task:
    """Build a task from a row of the table."""
    progress = row["progress"] if row["progress"] is not None else (100 if row["status"] == "done" else 0)
    return Task(
        id=task_id(row["id"]),
        seq=row["seq"],
        version=row["version"],
        kind=row["kind"],
        title=row["title"],
        body=row["body"],
        status=row["status"],
        blocked_reason=row["blocked_reason"],
        priority=PRIORITIES[row["priority"]],  # type: ignore[arg-type]
        weight=row["weight"],
        progress=progress,
        creator=row["creator"],
        assignee=row["assignee"],
        parent_id=None if row["parent"] is None else task_id(row["parent"]),
        source_msg=None if row["source_message"] is None else message_id(row["source_message"]),
        channel=row["channel"],
        labels=orjson.loads(row["labels"]),
        requires=orjson.loads(row["requires"]),
        files=orjson.loads(row["files"]),
        due_date=iso_or_none(row["due_at"]),
        checkin_interval=row["checkin_interval"],
        result=row["result"],
        related_project=row["related_project"],
        related_state=row["related_state"],
        target_value=None if row["target_value"] is None else orjson.loads(row["target_value"]),
        waits_for=row["unmet"],
        attempts=row["attempts"],
        max_attempts=row["max_attempts"],
        claim=row["claim"],
        lease_ttl_s=row["lease_ttl_s"],
        lease_expires_at=iso_or_none(row["lease_expires_at"]),
        created_at=iso(row["created_at"]),
        updated_at=iso(row["updated_at"]),
        closed_at=iso_or_none(row["closed_at"]),
        deleted=row["deleted_at"] is not None,
    )


def find_task(transaction: Transaction, number: int) -> Row:
    """Return the row of a task. Raises NotFound."""
    row = transaction.one("SELECT * FROM task WHERE id = :id AND deleted_at IS NULL", {"id": number})
    if row is None:
        raise NotFound(f"No task #{number}.", hint="Look: list_tasks, GET /api/tasks", field="task_id")
    return row


def may_lead(call: Call) -> bool:
    """Tell whether the caller may change any task: people who operate, and leads."""
    return call.caller.role in ("chairman", "operator", "lead", "system")


def describe_task(task: Task) -> str:
    """Return a task as one compact line for a model."""
    who = f" @{task.assignee}" if task.assignee else ""
    state = f"{task.status} ({task.blocked_reason})" if task.status == "blocked" else task.status
    waits = f", waits for {task.waits_for}" if task.waits_for else ""
    due = f", due {task.due_date[:10]}" if task.due_date else ""
    return (
        f"#{task.id.removeprefix('task_')} {state}{who} [{task.priority}] {task.title} · {task.progress}%{waits}{due}"
    )


def json_text(value: object) -> str:
    return orjson.dumps(value).decode()


Changes = Mapping[str, Any]
