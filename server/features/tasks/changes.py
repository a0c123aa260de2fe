"""One change of a task: its new row, its history, its event, and what follows for tasks around it."""

from collections.abc import Mapping
from typing import Any

from server.core.call import Call, Row
from server.core.errors import Conflict
from server.events.log import next_seq
from server.features.tasks.model import CLOSED, OPEN, Task, TaskChanged, json_text, task_of

_SHOWN = {"parent": "parent_id", "source_message": "source_msg", "due_at": "due_date"}
"""Column → the name under which a history shows it."""


def change(call: Call, row: Row, action: str, fields: Mapping[str, Any], *, comment: str = "") -> Task:
    """Store new values of a task, with who changed what, and tell. Nothing is stored if nothing differs.

    Closing frees the claim and what waits for the task; a parent's progress follows.
    """
    before = dict(row)
    values = {name: value for name, value in fields.items() if before[name] != value}
    if "status" in values:
        values |= _follow_status(call, before, str(values["status"]))
    if not values and not comment:
        return task_of(row)
    values |= {"version": before["version"] + 1, "updated_at": call.now, "seq": next_seq(call.transaction)}
    call.transaction.run(
        f"UPDATE task SET {', '.join(f'{name} = :{name}' for name in values)} WHERE id = :id",  # noqa: S608 (columns)
        {**values, "id": before["id"]},
    )
    note_change(call, before["id"], action, _difference(before, values), comment)
    _note_run(call, before, values, action)
    task = task_of({**before, **values})
    _tell(call, task, action)
    if before["parent"] is not None and values.keys() & {"status", "progress", "weight", "deleted_at"}:
        roll_up(call, before["parent"])
    return task


def note_change(call: Call, number: int, action: str, changes: Mapping[str, Any], comment: str) -> None:
    """Write one line of a task's history."""
    call.transaction.run(
        "INSERT INTO task_change (task, actor, action, changes, comment, at)"
        " VALUES (:task, :actor, :action, :changes, :comment, :now)",
        {
            "task": number,
            "actor": call.caller.name,
            "action": action,
            "changes": json_text(changes),
            "comment": comment,
            "now": call.now,
        },
    )


def require_version(row: Row, version: int | None) -> None:
    """Raise Conflict, with the present version, if the caller's is not the present one."""
    if version is not None and version != row["version"]:
        raise Conflict(
            f"#{row['id']} has changed: it has version {row['version']}, you sent {version}.",
            hint="Read it again, and decide whether your change still holds.",
            facts={"current_version": row["version"], "assignee": row["assignee"], "status": row["status"]},
        )


def _follow_status(call: Call, before: Mapping[str, Any], status: str) -> dict[str, Any]:
    """Return what else changes with a status: the lease, when it was closed, who waits for it."""
    values: dict[str, Any] = {"status": status}
    if status != "blocked":
        values["blocked_reason"] = ""
    if status in CLOSED and before["closed_at"] is None:
        values["closed_at"] = call.now
    elif status not in CLOSED and before["closed_at"] is not None:
        values["closed_at"] = None
    if status not in ("doing", "blocked"):
        values |= {"lease_expires_at": None, "holder_run": None, "claimed_at": None}
    was_done, is_done = before["status"] == "done", status == "done"
    if was_done != is_done:
        for waiting in call.transaction.all(
            "SELECT task.* FROM task_dependency JOIN task ON task.id = task_dependency.task"
            " WHERE task_dependency.needs = :id AND task.deleted_at IS NULL",
            {"id": before["id"]},
        ):
            change(call, waiting, "dependency", {"unmet": waiting["unmet"] + (-1 if is_done else 1)})
    return {name: value for name, value in values.items() if name == "status" or before[name] != value}


def _note_run(call: Call, before: Row, values: Mapping[str, Any], action: str) -> None:
    """Put on record that somebody begins or ends to hold a task."""
    if before["lease_expires_at"] is not None and values.get("lease_expires_at", 0) is None:
        call.transaction.run(
            "UPDATE task_run SET ended_at = :now, outcome = :action WHERE task = :task AND claim = :claim",
            {"now": call.now, "action": action, "task": before["id"], "claim": before["claim"]},
        )
    if "claim" in values:
        call.transaction.run(
            "INSERT INTO task_run (task, claim, member, run_id, began_at) VALUES (:task, :claim, :member, :run, :now)",
            {
                "task": before["id"],
                "claim": values["claim"],
                "member": call.caller.name,
                "run": values.get("holder_run", before["holder_run"]),
                "now": call.now,
            },
        )


def roll_up(call: Call, parent: int) -> None:
    """Let a parent's progress follow from its subtasks, by weight; cancelled ones do not count.

    A milestone is done with the last of them.
    """
    row = call.transaction.one("SELECT * FROM task WHERE id = :id AND deleted_at IS NULL", {"id": parent})
    found = call.transaction.one(
        "SELECT sum(weight) AS total, sum(status <> 'done') AS unfinished,"
        " sum(weight * CASE status WHEN 'done' THEN 100 ELSE coalesce(progress, 0) END)"
        " AS achieved FROM task WHERE parent = :id AND status <> 'cancelled' AND deleted_at IS NULL",
        {"id": parent},
    )
    if row is None or found is None or not found["total"]:
        return
    progress = round(found["achieved"] / found["total"])
    fields: dict[str, Any] = {"progress": progress}
    if row["kind"] == "milestone" and row["status"] in OPEN and found["unfinished"] == 0:
        fields["status"] = "done"
    change(call, row, "reached" if "status" in fields else "progress", fields)


def _difference(before: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, list[Any]]:
    silent = ("version", "updated_at", "seq", "holder_run", "claimed_at", "closed_at")
    return {_SHOWN.get(name, name): [before[name], value] for name, value in values.items() if name not in silent}


def _tell(call: Call, task: Task, action: str) -> None:
    call.emit(TaskChanged(task, action), subject=task.id)
