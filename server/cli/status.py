"""`bullpen status`: every agent, its state, why and since when."""

import time
from collections.abc import Sequence
from fnmatch import fnmatchcase

import click

from server.cli import output
from server.cli.client import Client, Json
from server.cli.connection import connect
from server.cli.failure import CommandFailed, ExitCode
from server.cli.options import ServerOptions, json_option, server_options

FAILING = ("fatal", "blocked", "backoff", "unknown")
"""Process states that somebody should look at."""
_WATCH_S = 2.0


@click.command()
@click.argument("agents", nargs=-1, metavar="[AGENT]…")
@click.option("-w", "--watch", is_flag=True, help="Show it again every 2 s until Ctrl-C.")
@json_option
@server_options
def status(server: ServerOptions, agents: tuple[str, ...], watch: bool, json_fields: str | None) -> None:
    """Show every agent, its state and why. Names may be patterns, as api-*.

    Ends with 3 if an agent is failing or no server runs.
    """
    try:
        client = connect(server)
        rows = matching(list_agents(client), agents)
    except CommandFailed as failure:
        if failure.code == ExitCode.UNREACHABLE:
            failure.code = ExitCode.UNHEALTHY
        raise
    while watch:
        click.clear()
        _show(rows)
        time.sleep(_WATCH_S)
        rows = matching(list_agents(client), agents)
    if json_fields is None:
        _show(rows)
    else:
        output.json_rows(rows, json_fields)
    if any(row["state"] in FAILING for row in rows):
        raise SystemExit(ExitCode.UNHEALTHY)


def list_agents(client: Client) -> list[Json]:
    """Return every agent of the team."""
    rows: list[Json] = []
    cursor: str | None = None
    while True:
        page = client.get("/api/agents", cursor=cursor)
        rows += page["agents"]
        cursor = page.get("next_cursor")
        if not cursor:
            return rows


def matching(rows: Sequence[Json], patterns: Sequence[str]) -> list[Json]:
    """Return the agents that any pattern names, all without patterns. Raises CommandFailed if one names none."""
    for pattern in patterns:
        if not any(fnmatchcase(row["name"], pattern.removeprefix("@")) for row in rows):
            known = ", ".join(row["name"] for row in rows) or "none"
            raise CommandFailed(f"No agent “{pattern}”.", hint=f"Agents: {known}", code=ExitCode.NOT_FOUND)
    if not patterns:
        return list(rows)
    return [row for row in rows if any(fnmatchcase(row["name"], pattern.removeprefix("@")) for pattern in patterns)]


def _show(rows: Sequence[Json]) -> None:
    if not rows:
        output.say("No agents yet. Write them into agents.yaml (bullpen init), then: bullpen up")
        return
    headings = ("AGENT", "STATE", "WHY", "SINCE", "UP", "RST", "KIND")
    output.table(headings, [_row(row) for row in rows])
    waiting = [row["name"] for row in rows if _state(row) == "NEEDS YOU"]
    failing = [row["name"] for row in rows if row["state"] in FAILING]
    if waiting:
        output.say(f"{len(waiting)} needs you: bullpen attach {waiting[0]} --input")
    if failing:
        output.say(f"{len(failing)} failing: bullpen logs {failing[0]} -n 40")


def _row(row: Json) -> tuple[object, ...]:
    alive = row["state"] in ("ready", "degraded")
    speaks = alive and row.get("activity") not in (None, "unknown")
    why = row.get("activity_reason") if speaks else row.get("reason")
    source = f"{row['activity_source']}: " if speaks and row.get("activity_source") else ""
    since = row.get("activity_since") if speaks else row.get("since")
    up = output.span(row.get("started_at")) if alive else "-"
    return (
        row["name"], _state(row), source + (why or "-"), output.span(since), up, row.get("restarts", 0), row["kind"],
    )  # fmt: skip


def _state(row: Json) -> str:
    """Say what an agent does if it is alive and that is known, else the state of its process."""
    activity = row.get("activity")
    if row["state"] != "ready" or activity in (None, "unknown"):
        return str(row["state"])
    return "NEEDS YOU" if activity == "needs_you" else str(activity)
