"""`bullpen state`: what the team holds to be so, from the shell."""

import json

import click

from server.cli import output
from server.cli.connection import connect
from server.cli.options import ServerOptions, json_option, server_options


@click.group()
def state() -> None:
    """Read and write shared state."""


@state.command()
@click.argument("project_id", metavar="PROJECT")
@click.argument("field")
@server_options
def get(server: ServerOptions, project_id: str, field: str) -> None:
    """Print the value of FIELD as JSON."""
    (found,) = connect(server).get("/api/state", project_id=project_id, field=field)["items"]
    output.data(json.dumps(found["value"], ensure_ascii=False))
    output.say(f"version {found['version']}, by {found['updated_by']} {output.span(found['updated_at'])} ago")


@state.command("set")
@click.argument("project_id", metavar="PROJECT")
@click.argument("field")
@click.argument("value")
@click.option("--reason", "-m", help="Why.")
@click.option("--expect", "expected_version", type=int, metavar="VERSION", help="Only if it is still this version.")
@click.option("--owner", metavar="NAME", help="Who writes it at once; * is everybody.")
@server_options
def set_state(server: ServerOptions, value: str, **fields: object) -> None:
    """Write VALUE, as JSON; what is no JSON is taken as text."""
    try:
        parsed = json.loads(value)
    except ValueError:
        parsed = value
    given = {name: each for name, each in fields.items() if each is not None}
    written = connect(server).post("/api/state", {**given, "value": parsed})
    if written["pending_approval"]:
        output.say(f"It waits for a decision: {written['approval_id']}")
    else:
        output.say(f"{written['field']} is version {written['version']}.")


@state.command("list")
@click.argument("project_id", metavar="PROJECT", required=False)
@click.option("--prefix", help="Only fields that begin so.")
@json_option
@server_options
def list_state(server: ServerOptions, project_id: str | None, prefix: str | None, json_fields: str | None) -> None:
    """List the fields of PROJECT; without it, the projects."""
    client = connect(server)
    if project_id is None:
        rows = client.get("/api/state/projects")["projects"]
        if json_fields is not None:
            output.json_rows(rows, json_fields)
            return
        output.table(("PROJECT", "FIELDS"), [(row["project_id"], str(row["fields"])) for row in rows])
        return
    rows = client.get("/api/state", project_id=project_id, prefix=prefix or "", limit=200)["items"]
    if json_fields is not None:
        output.json_rows(rows, json_fields)
        return
    shown = [
        (row["field"], str(row["version"]), row["owner"], output.span(row["updated_at"]), json.dumps(row["value"])[:80])
        for row in rows
    ]
    output.table(("FIELD", "VERSION", "OWNER", "AGE", "VALUE"), shown)


@state.command()
@click.argument("project_id", metavar="PROJECT")
@click.argument("field")
@server_options
def history(server: ServerOptions, project_id: str, field: str) -> None:
    """Show every value that FIELD had, newest first."""
    rows = connect(server).get("/api/state/history", project_id=project_id, field=field, limit=200)["history"]
    shown = [
        (str(row["version"]), row["at"][:16], row["changed_by"], json.dumps(row["value"])[:80], row["reason"])
        for row in rows
    ]
    output.table(("VERSION", "AT (UTC)", "BY", "VALUE", "WHY"), shown)
