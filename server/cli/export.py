"""`bullpen export`: a whole channel as JSON Lines or Markdown."""

import os
import sys
from pathlib import Path

import click

from server.cli import output
from server.cli.client import segment
from server.cli.connection import connect
from server.cli.failure import CommandFailed, ExitCode
from server.cli.options import ServerOptions, server_options
from server.cli.send import destination


@click.command()
@click.argument("target")
@click.option(
    "--format", "form", type=click.Choice(["jsonl", "markdown"]), default="jsonl", show_default=True,
    help="For programs, or for people.",
)  # fmt: skip
@click.option("-o", "--output", "file", type=click.Path(path_type=Path, dir_okay=False), help="File; else printed.")
@server_options
def export(server: ServerOptions, target: str, form: str, file: Path | None) -> None:
    """Print all messages of TARGET (#general, a channel's id, or @ada) that you may read."""
    client = connect(server)
    where = destination(target)
    path = f"/api/channels/{segment(where.get('channel') or 'dm:' + where['to'])}/export"
    pieces = client.pieces(path, format=form)
    if file is None:
        # Control characters of others' texts must not reach a terminal; into a pipe it goes as it is.
        for piece in pieces:
            if sys.stdout.isatty():
                click.echo(output.plain(piece.decode("utf-8", "replace")), nl=False)
            else:
                sys.stdout.buffer.write(piece)
        return
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as opened:
            for piece in pieces:
                opened.write(piece)
    except OSError as error:
        raise CommandFailed(f"{file} cannot be written: {error.strerror}.", code=ExitCode.USAGE) from None
    output.say(f"{file}: {file.stat().st_size} bytes.")
