"""`bullpen needs approve reject answer snooze`: what waits for a person."""

import click

from server.cli import output
from server.cli.client import Client, Json, segment
from server.cli.connection import connect
from server.cli.options import ServerOptions, json_option, server_options
from server.config.section import duration_s

_WORDS = {
    "action": "wants to",
    "spending": "wants to spend",
    "agent": "wants an agent",
    "question": "asks",
    "guard": "asks",
}


@click.command()
@click.argument("approval_id", metavar="[ID]", required=False)
@json_option
@server_options
def needs(server: ServerOptions, json_fields: str | None, approval_id: str | None) -> None:
    """Show what waits for a person to decide, the next to expire first; with ID one request, whole."""
    client = connect(server)
    if approval_id is not None:
        _show(_read(client, approval_id))
        return
    rows = client.get("/api/approvals", limit=200)["approvals"]
    if json_fields is not None:
        output.json_rows(rows, json_fields)
        return
    if not rows:
        output.say("Nothing waits for you.")
        return
    table = [
        (row["id"], row["asker"], row["kind"], output.span(row["created_at"]), row["expires_at"][11:16], row["summary"])
        for row in rows
    ]
    output.table(("ID", "WHO", "KIND", "WAITS", "UNTIL", "WHAT"), table)
    output.say("See one: bullpen needs ID    Decide: bullpen approve ID, reject ID -m WHY, answer ID TEXT")


@click.command()
@click.argument("approval_id", metavar="ID")
@click.option("-m", "comment", metavar="TEXT", default="", help="A word to who asked.")
@server_options
def approve(server: ServerOptions, approval_id: str, comment: str) -> None:
    """Approve the request ID. Who asked is told."""
    _decide(connect(server), approval_id, {"approved": True, "comment": comment})


@click.command()
@click.argument("approval_id", metavar="ID")
@click.option("-m", "comment", metavar="TEXT", default="", help="Why not.")
@server_options
def reject(server: ServerOptions, approval_id: str, comment: str) -> None:
    """Reject the request ID. Who asked is told."""
    _decide(connect(server), approval_id, {"approved": False, "comment": comment})


@click.command()
@click.argument("approval_id", metavar="ID")
@click.argument("text")
@server_options
def answer(server: ServerOptions, approval_id: str, text: str) -> None:
    """Answer the question ID with TEXT. Who asked is told."""
    _decide(connect(server), approval_id, {"answer": text})


@click.command()
@click.argument("approval_id", metavar="ID")
@click.argument("duration")
@server_options
def snooze(server: ServerOptions, approval_id: str, duration: str) -> None:
    """Put the request ID aside for DURATION, as 30m or 2h."""
    seconds = duration_s(duration)
    if seconds is None or seconds < 60:
        raise click.UsageError("DURATION is at least a minute, as 30m or 2h.")
    row = connect(server).post(f"{_path(approval_id)}/snooze", {"for_s": int(seconds)})
    output.say(f"{row['id']} comes back at {row['snoozed_until']}.")


def _decide(client: Client, approval_id: str, decision: Json) -> None:
    """Decide what is there now: the hash says that it is what was read."""
    shown = _read(client, approval_id)
    row = client.post(f"{_path(approval_id)}/resolve", {**decision, "hash": shown["hash"]})
    output.say(f"{row['id']} is {row['status']}: {row['summary']}. {row['asker']} is told.")


def _read(client: Client, approval_id: str) -> Json:
    return client.get(_path(approval_id))


def _path(approval_id: str) -> str:
    return f"/api/approvals/{segment(approval_id)}"


def _show(row: Json) -> None:
    output.data(f"{row['id']}  {row['asker']} {_WORDS.get(row['kind'], row['kind'])}: {row['summary']}")
    if row["details"]:
        output.data(row["details"])
    if row["options"]:
        output.data("Options: " + ", ".join(row["options"]))
    if row["status"] == "pending":
        output.data(f"Denied by time at {row['expires_at']}.")
    else:
        by = f" by {row['decided_by']}" if row["decided_by"] else ""
        output.data(f"{row['status']}{by}. {row['answer']}{row['comment']}")
