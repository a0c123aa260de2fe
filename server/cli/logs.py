"""`bullpen logs`: the server's log, or what an agent's terminal printed."""

import json
import sys
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import click

from server.cli import output
from server.cli.client import Client, segment
from server.cli.connection import connect, meant
from server.cli.failure import CommandFailed, ExitCode
from server.cli.logging_setup import log_file
from server.cli.options import ServerOptions, server_options
from server.config import locate

_LOOK_S = 0.5
_MOST_LINES = 5000


@click.command()
@click.argument("agent", required=False)
@click.option("-n", "--lines", type=click.IntRange(1, 5000), default=100, show_default=True, help="How many lines.")
@click.option("-f", "--follow", is_flag=True, help="Go on with what comes, until Ctrl-C.")
@click.option("--grep", metavar="TEXT", help="Only lines that hold TEXT.")
@click.option("--json", "as_json", is_flag=True, help="The server's log as it is stored: JSON lines.")
@click.option("--raw", is_flag=True, help="AGENT's bytes as they came, escape sequences and all: for a file.")
@server_options
def logs(
    server: ServerOptions, agent: str | None, lines: int, follow: bool, grep: str | None, as_json: bool, raw: bool
) -> None:
    """Show the server's log, or the last lines of AGENT's terminal."""
    if agent is not None:
        if as_json:
            raise click.UsageError("An agent's terminal is text: leave --json out.")
        if raw and (follow or grep is not None):
            raise click.UsageError("Bytes are neither followed nor searched: leave --follow and --grep out.")
        if raw and sys.stdout.isatty():
            raise click.UsageError(f"They would steer this terminal: bullpen logs {agent} --raw > {agent}.raw")
        client, name = connect(server), agent.removeprefix("@")
        if raw:
            client.download(f"/api/agents/{segment(name)}/logs/download?raw=1", sys.stdout.buffer)
        else:
            _agent(client, name, lines, follow=follow, grep=grep)
        return
    if raw:
        raise click.UsageError("The server's log has no bytes of a terminal: name an agent, or take --json.")
    file = log_file(locate(meant(server.settings)).data)
    if not file.exists():
        raise CommandFailed(
            f"There is no log yet: {file}.", hint="Start the server: bullpen up", code=ExitCode.NOT_FOUND
        )
    for line in _last(file, lines, follow, grep):
        output.data(line if as_json else _readable(line))


def _agent(client: Client, name: str, lines: int, *, follow: bool, grep: str | None) -> None:
    path, since = f"/api/agents/{segment(name)}/logs", None
    while True:
        answer = client.get(path, lines=lines if since is None else _MOST_LINES, grep=grep, since=since)
        for line in answer["lines"]:
            output.data(line)
        if not follow:
            return
        since = answer["offset"]
        time.sleep(_LOOK_S)


def _readable(line: str) -> str:
    """Return a line of the log as people read it; what is no JSON as it stands."""
    try:
        entry = json.loads(line)
        shown = f"{entry['at']} {entry['level'].upper()} {entry['logger']}: {entry['message']}"
    except (ValueError, KeyError, TypeError, AttributeError):
        return line
    return f"{shown}\n{entry['exception']}" if "exception" in entry else shown


def _last(file: Path, lines: int, follow: bool, grep: str | None) -> Iterator[str]:
    """Yield the last lines that hold a text, then those that are added; a log that begins anew is read from there."""
    text = grep or ""
    with file.open(encoding="utf-8", errors="replace") as stream:
        for line in deque((line for line in stream if text in line), maxlen=lines):
            yield line.rstrip("\n")
        position = stream.tell()
    while follow:
        time.sleep(_LOOK_S)
        position = 0 if file.stat().st_size < position else position
        with file.open(encoding="utf-8", errors="replace") as stream:
            stream.seek(position)
            yield from (line.rstrip("\n") for line in stream if text in line)
            position = stream.tell()
