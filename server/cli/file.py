"""`bullpen file`: shared files from the shell."""

import sys
import uuid
from pathlib import Path

import click

from server.cli import output
from server.cli.client import Json, segment
from server.cli.connection import connect
from server.cli.failure import CommandFailed, ExitCode
from server.cli.options import ServerOptions, json_option, server_options
from server.cli.send import destination, upload_path


@click.group()
def file() -> None:
    """Put, get, list and remove shared files."""


@file.command()
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--to", "target", metavar="TARGET", help="Share it in #general, or with @ada. Yours alone without.")
@click.option("--task", metavar="TASK", help="Share it with a task.")
@click.option("--name", help="Another name than that of PATH.")
@server_options
def put(server: ServerOptions, path: Path, target: str | None, task: str | None, name: str | None) -> None:
    """Share the file at PATH, or standard input with - and --name. Prints its id."""
    place = {} if target is None else destination(target)
    channel = f"dm:{place['to']}" if "to" in place else place.get("channel")
    client = connect(server)
    query = {"channel": channel, "task_id": task}
    if str(path) == "-":
        if not name:
            raise click.UsageError("Standard input has no name. Give one: --name NAME")
        added = client.upload("/api/files", name, sys.stdin.buffer, key=str(uuid.uuid4()), **query)
    else:
        added = upload_path(client, path, key=str(uuid.uuid4()), name=name, **query)
    output.data(added["id"])
    output.say(f"{added['name']}, {added['size']} bytes, {_place(added)}")


@file.command()
@click.argument("file_id", metavar="FILE")
@click.argument("path", required=False, type=click.Path(path_type=Path))
@server_options
def get(server: ServerOptions, file_id: str, path: Path | None) -> None:
    """Save FILE, as file_3, here under its name, at PATH, or on standard output with -. Never replaces a file."""
    client = connect(server)
    address = f"/api/files/{segment(file_id)}"
    if str(path) == "-":
        client.download(address, sys.stdout.buffer)
        return
    target = path or Path(client.get(f"{address}/meta")["name"])
    try:
        with target.open("xb") as opened:
            try:
                client.download(address, opened)
            except BaseException:
                target.unlink()
                raise
    except FileExistsError:
        raise CommandFailed(
            f"There is a file {target} already.", hint="Give another PATH.", code=ExitCode.CONFLICT
        ) from None
    except OSError as error:
        raise CommandFailed(f"{target} cannot be written: {error.strerror}.") from None
    output.data(str(target))


@file.command("list")
@click.argument("target", required=False)
@click.option("--task", "task_id", metavar="TASK", help="Those of a task.")
@click.option("-n", "limit", default=50, show_default=True, help="How many at most.")
@json_option
@server_options
def list_files(
    server: ServerOptions, target: str | None, task_id: str | None, limit: int, json_fields: str | None
) -> None:
    """List the files of TARGET (#general, @ada), or all you may have, newest first."""
    place = {} if target is None else destination(target)
    channel = f"dm:{place['to']}" if "to" in place else place.get("channel")
    found = connect(server).get("/api/files", channel=channel, task_id=task_id, limit=limit)
    if json_fields is not None:
        output.json_rows(found["files"], json_fields)
        return
    rows = [
        (row["id"], str(row["size"]), row["uploaded_by"], _place(row), output.span(row["created_at"]), row["name"])
        for row in found["files"]
    ]
    output.table(("FILE", "BYTES", "WHO", "WHERE", "AGE", "NAME"), rows)


@file.command()
@click.argument("file_id", metavar="FILE")
@server_options
def rm(server: ServerOptions, file_id: str) -> None:
    """Remove FILE: your own, or any if you operate."""
    removed = connect(server).delete(f"/api/files/{segment(file_id)}")
    output.say(f"{removed['name']} is removed.")


def _place(row: Json) -> str:
    return str(row["channel"] or row["task_id"] or "yours alone")
