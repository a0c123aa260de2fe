"""`bullpen notify`: what is told to the outside, from the shell."""

import time
import uuid

import click

from server.cli import output
from server.cli.client import Client, Json, segment
from server.cli.connection import connect
from server.cli.failure import CommandFailed, ExitCode
from server.cli.options import ServerOptions, json_option, server_options

_TRIED_WITHIN_S = 60.0


@click.group()
def notify() -> None:
    """Show what is told to the outside, test it, try it again."""


@notify.command("list")
@click.option(
    "--status", type=click.Choice(["pending", "delivered", "failed", "all"]), default="all", show_default=True
)
@click.option("--target", metavar="NAME", help="Only what is for this target.")
@click.option("-n", "--limit", type=click.IntRange(1, 200), default=20, show_default=True)
@json_option
@server_options
def list_notifications(
    server: ServerOptions, status: str, target: str | None, limit: int, json_fields: str | None
) -> None:
    """List targets and how it goes with them, then what was told and what is to be, newest first."""
    client = connect(server)
    rows = client.get("/api/notifications", status=status, target=target, limit=limit)["notifications"]
    if json_fields is not None:
        output.json_rows(rows, json_fields)
        return
    found = client.get("/api/notifications/targets")
    targets = [
        (row["name"], row["type"], row["address"] or "-", ",".join(row["events"]), str(row["pending"]),
         str(row["failed"]), (row["last_delivered_at"] or "-")[:16], row["last_error"])
        for row in found["targets"]
    ]  # fmt: skip
    if not targets:
        output.say("There are no targets. Add some under notifications in agents.yaml: docs/notifications.md")
        return
    output.table(("TARGET", "TYPE", "ADDRESS", "TOLD OF", "PENDING", "FAILED", "LAST (UTC)", "LAST ERROR"), targets)
    for name in ("quiet_hours", "digest"):
        if found[name]:
            output.say(f"{name.replace('_', ' ').capitalize()}: {found[name]}")
    shown = [
        (row["id"], row["status"] + (" (quiet hours)" if row["held"] else ""), row["created_at"][:19], row["target"],
         row["kind"], row["title"], row["error"] or row["note"])
        for row in rows
    ]  # fmt: skip
    output.table(("ID", "STATUS", "SINCE (UTC)", "TARGET", "KIND", "WHAT", "WHY"), shown)


@notify.command()
@click.argument("target")
@server_options
def test(server: ServerOptions, target: str) -> None:
    """Send a test to TARGET, and tell whether it arrived."""
    client = connect(server)
    sent = client.post(f"/api/notifications/targets/{segment(target)}/test", {}, key=str(uuid.uuid4()))
    _await_try(client, sent)


@notify.command()
@click.argument("notification_id", metavar="ID")
@server_options
def retry(server: ServerOptions, notification_id: str) -> None:
    """Try a notification again now, and tell whether it arrived."""
    client = connect(server)
    path = f"/api/notifications/{segment(notification_id)}/retry"
    _await_try(client, client.post(path, {}, key=str(uuid.uuid4())))


def _await_try(client: Client, row: Json) -> None:
    until_s = time.monotonic() + _TRIED_WITHIN_S
    while row["status"] == "pending" and not row["error"] and time.monotonic() < until_s:
        row = client.get(f"/api/notifications/{row['id']}", wait_s=10)
    if row["status"] == "delivered":
        output.say(f"{row['id']} has arrived at {row['target']}.")
        return
    why = row["error"] or "nothing was heard of it yet"
    raise CommandFailed(
        f"{row['id']} has not arrived at {row['target']}: {why}.",
        hint="It is tried again by itself."
        if row["status"] == "pending"
        else f"Try again: bullpen notify retry {row['id']}",
        code=ExitCode.FAILED,
    )
