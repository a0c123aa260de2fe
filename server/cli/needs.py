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
_GROUPS = ("now", "others", "snoozed", "done")


@click.command()
@click.argument("approval_id", metavar="[ID]", required=False)
@click.option("--group", type=click.Choice(_GROUPS), default="now", help="What is yours now, or the rest.")
@json_option
@server_options
def needs(server: ServerOptions, json_fields: str | None, group: str, approval_id: str | None) -> None:
    """Show what waits for you, the dearest to wait first; with ID one request, whole."""
    client = connect(server)
    if approval_id is not None:
        _show(_read(client, approval_id))
        return
    found = client.get("/api/needs-you", group=group, limit=200)
    rows, counts = found["items"], found["counts"]
    if json_fields is not None:
        output.json_rows(rows, json_fields)
        return
    if not rows:
        output.say("Nothing waits for you." if group == "now" else "Nothing is there.")
    else:
        table = [
            (row["id"], row["who"], row["kind"], output.span(row["since"]), _until(row["approval"]), row["summary"])
            for row in rows
        ]
        output.table(("ID", "WHO", "KIND", "WAITS", "UNTIL", "WHAT"), table)
        output.say("See one: bullpen needs ID    Decide: bullpen approve ID, reject ID -m WHY, answer ID TEXT")
    beside = [f"{counts[name]} {name}" for name in ("others", "snoozed") if counts[name] and name != group]
    if beside:
        output.say(f"Beside: {', '.join(beside)} (bullpen needs --group NAME)")


@click.command()
@click.argument("approval_id", metavar="ID")
@click.option("-m", "comment", metavar="TEXT", default="", help="A word to who asked.")
@click.option(
    "--scope", type=click.Choice(("once", "session", "always")), default="once",
    help="For how long a tool's pattern is allowed.",
)  # fmt: skip
@server_options
def approve(server: ServerOptions, approval_id: str, comment: str, scope: str) -> None:
    """Approve the request ID. Who asked is told."""
    _decide(connect(server), approval_id, {"approved": True, "comment": comment, "scope": scope})


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


@click.command()
@click.argument("approval_id", metavar="ID")
@server_options
def dismiss(server: ServerOptions, approval_id: str) -> None:
    """Put away the trouble ID of an agent. It comes back only if the trouble does."""
    row = connect(server).post(f"{_path(approval_id)}/done", {})
    output.say(f"{row['id']} is put away.")


def _until(approval: Json | None) -> str:
    return "" if approval is None or approval["expires_at"] is None else str(approval["expires_at"])[11:16]


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
    if row["request"] is not None:
        output.data(f"In {row['request']['folder']}, by the tool {row['request']['tool']}.")
        if row["request"]["pattern"] is not None:
            output.data(f"For the session it would allow: {row['request']['pattern']} (--scope session)")
        if not row["request"]["is_whole"]:
            output.data("It is too large to be shown whole: look at it in the agent's terminal.")
    if row["status"] == "pending":
        if row["expires_at"] is not None:
            output.data(f"Denied by time at {row['expires_at']}.")
    else:
        by = f" by {row['decided_by']}" if row["decided_by"] else ""
        output.data(f"{row['status']}{by}. {row['answer']}{row['comment']}")
