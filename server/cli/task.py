"""`bullpen task`: the board from the shell."""

import uuid

import click

from server.cli import output
from server.cli.client import Json, segment
from server.cli.connection import connect
from server.cli.options import ServerOptions, json_option, server_options

_PRIORITIES = ["urgent", "high", "medium", "low"]


@click.group()
def task() -> None:
    """Add, list, take and finish tasks."""


@task.command()
@click.argument("title")
@click.option("--body", help="What is to be done, at length.")
@click.option("--to", "assignee", metavar="NAME", help="Who is to do it.")
@click.option("--priority", type=click.Choice(_PRIORITIES))
@click.option("--due", "due_date", metavar="DATE", help="As 2026-11-24 or 2026-11-24T17:00:00Z.")
@click.option("--label", "labels", multiple=True)
@click.option("--after", "depends_on", multiple=True, metavar="TASK", help="Wait until this task is done.")
@click.option("--parent", "parent_id", metavar="TASK", help="The task this one is a part of.")
@server_options
def add(server: ServerOptions, **fields: object) -> None:
    """Add a task. Prints its number."""
    body = {name: list(value) if isinstance(value, tuple) else value for name, value in fields.items() if value}
    made = connect(server).post("/api/tasks", body, key=str(uuid.uuid4()))
    output.data(_number(made))
    output.say(f"{made['assignee']} is told." if made["assignee"] else "Free for anybody: bullpen task claim")


@task.command("list")
@click.option("--status", help="One or several, as todo,doing. Open ones without.")
@click.option("--of", "assignee", metavar="NAME", help="Whose.")
@click.option("--label")
@click.option("-n", "limit", default=50, show_default=True, help="How many at most.")
@json_option
@server_options
def list_tasks(server: ServerOptions, json_fields: str | None, **query: object) -> None:
    """List tasks, most urgent first."""
    found = connect(server).get("/api/tasks", **query)
    if json_fields is not None:
        output.json_rows(found["tasks"], json_fields)
        return
    rows = [
        (
            _number(row),
            row["status"],
            row["priority"],
            row["assignee"] or "-",
            f"{row['progress']}%",
            output.span(row["updated_at"]),
            row["title"],
        )
        for row in found["tasks"]
    ]
    output.table(("TASK", "STATUS", "PRIORITY", "WHO", "DONE", "AGE", "TITLE"), rows)
    if found["next_cursor"]:
        output.say(f"{len(rows)} of {found['total']}. More: -n 200, or narrow it with --status, --of, --label.")


@task.command()
@click.argument("task_id", metavar="TASK")
@server_options
def show(server: ServerOptions, task_id: str) -> None:
    """Show one task with its subtasks, what it waits for, and its notes."""
    found = connect(server).get(_path(task_id))
    row = found["task"]
    output.data(f"{_number(row)} {row['title']}")
    who = row["assignee"] or "nobody"
    output.data(f"{row['status']}, {row['progress']}%, {row['priority']}, {who}, made by {row['creator']}")
    for text in (row["blocked_reason"], row["body"], row["result"]):
        if text:
            output.data(text)
    for heading, name in (("subtasks", "children"), ("waits for", "depends_on"), ("others wait for it", "blocks")):
        for other in found[name]:
            output.data(f"  {heading}: {_number(other)} {other['status']} {other['title']}")
    for note in found["comments"]:
        output.data(f"  {note['created_at'][:16]} {note['actor']}: {note['comment']}")


@task.command()
@click.argument("task_id", metavar="TASK", required=False)
@server_options
def claim(server: ServerOptions, task_id: str | None) -> None:
    """Take TASK, or the best free one. Prints its number; the claim is for you alone."""
    body: Json = {"next": True} if task_id is None else {"task_id": task_id}
    found = connect(server).post("/api/tasks/claim", body)
    if found["task"] is None:
        output.say("Nothing is free for you.")
        return
    output.data(_number(found["task"]))
    output.say(f"claim {found['claim']}, yours until {found['lease_expires_at']}: {found['task']['title']}")


@task.command()
@click.argument("task_id", metavar="TASK")
@click.argument("status", type=click.Choice(["todo", "doing", "review", "cancelled"]))
@server_options
def move(server: ServerOptions, task_id: str, status: str) -> None:
    """Put TASK into another column."""
    _told(connect(server).patch(_path(task_id), {"status": status}))


@task.command()
@click.argument("task_id", metavar="TASK")
@click.argument("result")
@server_options
def done(server: ServerOptions, task_id: str, result: str) -> None:
    """Finish TASK with a RESULT that others can use."""
    _told(connect(server).post(f"{_path(task_id)}/done", {"result": result}))


@task.command()
@click.argument("task_id", metavar="TASK")
@click.argument("reason")
@server_options
def block(server: ServerOptions, task_id: str, reason: str) -> None:
    """Say what holds TASK up."""
    _told(connect(server).patch(_path(task_id), {"status": "blocked", "reason": reason}))


@task.command()
@click.argument("task_id", metavar="TASK")
@click.argument("name")
@server_options
def assign(server: ServerOptions, task_id: str, name: str) -> None:
    """Give TASK to NAME, who is told."""
    _told(connect(server).patch(_path(task_id), {"assignee": name.removeprefix("@")}))


def _path(task_id: str) -> str:
    return f"/api/tasks/{segment(task_id.removeprefix('#'))}"


def _number(row: Json) -> str:
    return "#" + str(row["id"]).removeprefix("task_")


def _told(row: Json) -> None:
    output.say(f"{_number(row)} {row['title']}: {row['status']}, {row['assignee'] or 'nobody'}")
