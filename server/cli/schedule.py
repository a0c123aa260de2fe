"""`bullpen schedule`: what happens by the clock, from the shell."""

import uuid

import click

from server.cli import output
from server.cli.client import Json, segment
from server.cli.connection import connect
from server.cli.options import ServerOptions, json_option, server_options


@click.group()
def schedule() -> None:
    """Try out, add, list, pause, run and remove schedules."""


def _when(command: click.decorators.FC) -> click.decorators.FC:
    for option in (
        click.option("--tz", default="UTC", show_default=True, help="Time zone, as Europe/Berlin."),
        click.option("--at", metavar="TIME", help="Once, as 2026-11-24T17:00."),
        click.option("--every", metavar="SPAN", help="As 15m, 2h, 1d."),
        click.argument("cron_expr", metavar="[CRON]", required=False),
    ):
        command = option(command)
    return command


@schedule.command()
@_when
@server_options
def preview(server: ServerOptions, **when: object) -> None:
    """Say in a sentence when CRON, as "0 9 * * 1-5", would run, and its next runs."""
    _show(connect(server).get("/api/schedules/preview", **when))


@schedule.command()
@_when
@click.option("--say", "content", help="The text of the message, the prompt or the task.")
@click.option("--in", "channel", metavar="CHANNEL", help="Send the text to a channel.")
@click.option("--task", "title", metavar="TITLE", help="Add a task.")
@click.option("--prompt", "prompted", metavar="AGENT", help="Send the text to an agent, and start it if need be.")
@click.option("--start", "started", metavar="AGENT", help="Start an agent.")
@click.option("--name", help="A name for people.")
@server_options
def add(
    server: ServerOptions, title: str | None, prompted: str | None, started: str | None, **fields: str | None
) -> None:
    """Have something done at CRON, as "0 9 * * 1-5". Prints its id, and when it will run."""
    what: Json = {"action": "message"}
    if title:
        what = {"action": "task", "title": title}
    elif prompted or started:
        what = {"action": "prompt" if prompted else "start", "agent": prompted or started}
    given = {name: value for name, value in fields.items() if value}
    made = connect(server).post("/api/schedules", {**what, **given}, key=str(uuid.uuid4()))
    output.data(made["id"])
    _show(made["preview"])


@schedule.command("list")
@json_option
@server_options
def list_schedules(server: ServerOptions, json_fields: str | None) -> None:
    """List schedules, the next to run first."""
    rows = connect(server).get("/api/schedules")["schedules"]
    if json_fields is not None:
        output.json_rows(rows, json_fields)
        return
    shown = [
        (
            row["id"],
            row["status"],
            (row["next_run_at"] or "-")[:16],
            row["creator"],
            row["action"],
            row["channel"] or row["agent"] or row["title"],
            row["sentence"],
        )
        for row in rows
    ]
    output.table(("ID", "STATUS", "NEXT (UTC)", "BY", "DOES", "WHERE", "WHEN"), shown)


@schedule.command()
@click.argument("schedule_id", metavar="ID")
@server_options
def history(server: ServerOptions, schedule_id: str) -> None:
    """Show what became of each run, newest first."""
    rows = connect(server).get(f"{_path(schedule_id)}/runs")["runs"]
    output.table(
        ("RAN (UTC)", "OUTCOME", "BY", "MADE", "WHY"),
        [(row["ran_at"][:19], row["outcome"], row["by"], row["made"] or "-", row["reason"]) for row in rows],
    )


@schedule.command()
@click.argument("schedule_id", metavar="ID")
@server_options
def run(server: ServerOptions, schedule_id: str) -> None:
    """Run a schedule now. Its next run stays."""
    connect(server).post(f"{_path(schedule_id)}/run", {})
    (last,) = connect(server).get(f"{_path(schedule_id)}/runs", limit=1)["runs"]
    output.say(f"{last['outcome']} {last['made'] or ''} {last['reason']}".strip())


@schedule.command()
@click.argument("schedule_id", metavar="ID")
@server_options
def pause(server: ServerOptions, schedule_id: str) -> None:
    """Let a schedule rest."""
    _changed(server, schedule_id, paused=True)


@schedule.command()
@click.argument("schedule_id", metavar="ID")
@server_options
def resume(server: ServerOptions, schedule_id: str) -> None:
    """Let a schedule go on. What it missed is not made up for."""
    _changed(server, schedule_id, paused=False)


@schedule.command()
@click.argument("schedule_id", metavar="ID")
@server_options
def rm(server: ServerOptions, schedule_id: str) -> None:
    """Remove a schedule. Its history stays."""
    connect(server).delete(_path(schedule_id))
    output.say(f"{schedule_id} is removed.")


def _changed(server: ServerOptions, schedule_id: str, **fields: object) -> None:
    found = connect(server).patch(_path(schedule_id), fields)
    output.say(f"{found['id']} is {found['status']}. Next run: {found['next_run_at'] or 'none'}")


def _path(schedule_id: str) -> str:
    return f"/api/schedules/{segment(schedule_id)}"


def _show(preview: Json) -> None:
    output.data(preview["sentence"])
    for moment in preview["local"]:
        output.data(f"  {moment}")
    for warning in preview["warnings"]:
        output.say(f"Mind: {warning}")
