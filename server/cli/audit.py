"""`bullpen audit`: who changed what, and whether the trail is whole."""

import csv
import json
import sys
from collections.abc import Iterator
from itertools import takewhile

import click

from server.cli import output
from server.cli.client import Client, Json
from server.cli.connection import connect
from server.cli.failure import CommandFailed
from server.cli.options import ServerOptions, json_option, server_options

_FIELDS = ("seq", "at", "actor", "door", "operation", "kind", "subject", "call_id", "body", "before")
_PAGE = 200


@click.group(invoke_without_command=True)
@click.option("--actor", metavar="NAME", help="Who did it.")
@click.option("--operation", help="By which operation, as send_message.")
@click.option("--kind", help="What it was, as task.changed.")
@click.option("--subject", help="On what, as task_3 or general.")
@click.option("--door", help="How they came in: rest, mcp, dashboard, cli, server.")
@click.option("--since", metavar="TIME", help="As 2026-11-21T09:00:00Z.")
@click.option("--until", metavar="TIME")
@click.option("-n", "limit", default=50, show_default=True, help="How many at most, newest first.")
@click.option("-f", "--follow", is_flag=True, help="Go on with what comes, until Ctrl-C.")
@click.option("--export", type=click.Choice(["csv", "jsonl"]), help="Print all that match, with before and after.")
@json_option
@server_options
@click.pass_context
def audit(
    context: click.Context,
    /,
    server: ServerOptions,
    json_fields: str | None,
    export: str | None,
    limit: int,
    follow: bool,
    **query: object,
) -> None:
    """Show who changed what, newest first."""
    if context.invoked_subcommand is not None:
        return
    client = connect(server)
    if export is not None:
        _export(_entries(client, {**query, "details": "true"}, None), export)
        return
    if follow:
        _follow(client, query, limit)
        return
    rows = list(_entries(client, query, limit))
    if json_fields is not None:
        output.json_rows(rows, json_fields)
        return
    output.table(("SEQ", "AT", "WHO", "DOOR", "OPERATION", "ON"), [_columns(row) for row in rows])


@audit.command()
@server_options
def verify(server: ServerOptions) -> None:
    """Check the whole trail: was a row changed, taken out or moved? Prints where it ends, to be kept elsewhere."""
    found = connect(server).get("/api/audit/verify")
    for broken in found["broken"]:
        output.data(f"{broken['seq']}: {broken['what']}")
    if not found["ok"]:
        raise CommandFailed(
            f"The audit trail does not hold in {len(found['broken'])} place(s) of {found['rows']} rows.",
            hint="Somebody changed the database by another way than the server. Compare with a backup.",
        )
    output.data(found["head"])
    output.say(f"{found['rows']} rows, all of them as they were written.")


def _entries(client: Client, query: Json, limit: int | None) -> Iterator[Json]:
    """Yield entries page by page, up to a limit."""
    left, cursor = limit, None
    while left is None or left > 0:
        wanted = _PAGE if left is None else min(left, _PAGE)
        page = client.get("/api/audit", **query, limit=wanted, cursor=cursor)
        yield from page["entries"]
        cursor = page["next_cursor"]
        left = None if left is None else left - len(page["entries"])
        if cursor is None:
            return


def _follow(client: Client, query: Json, limit: int) -> None:
    """Print the last entries, oldest first, then each that comes, for ever."""
    since = last = client.get("/api/snapshot")["seq"]
    for row in reversed(list(_entries(client, query, limit))):
        last = max(last, row["seq"])
        output.data("  ".join(map(str, _columns(row))))
    while True:
        # The stream says only that there is news: what it is about may not be for this reader, its entry is.
        since = client.get("/api/events/poll", since=since, wait_s=25, limit=500)["next"]
        for row in reversed(_newer_than(last, _entries(client, query, None))):
            last = row["seq"]
            output.data("  ".join(map(str, _columns(row))))


def _newer_than(seq: int, rows: Iterator[Json]) -> list[Json]:
    return list(takewhile(lambda row: bool(row["seq"] > seq), rows))


def _columns(row: Json) -> tuple[str | int, ...]:
    return row["seq"], row["at"][:19], row["actor"], row["door"], row["operation"], row["subject"]


def _export(rows: Iterator[Json], form: str) -> None:
    if form == "jsonl":
        for row in rows:
            output.data(json.dumps(row, ensure_ascii=False))
        return
    writer = csv.writer(sys.stdout)
    writer.writerow(_FIELDS)
    for row in rows:
        writer.writerow([_cell(row[name]) for name in _FIELDS])


def _cell(value: object) -> str:
    """Return a value as a spreadsheet may have it: never the beginning of a formula."""
    text = output.plain(value if isinstance(value, str | int) else "" if value is None else json.dumps(value))
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t") else text
