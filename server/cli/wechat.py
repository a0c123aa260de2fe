"""`bullpen wechat`: the WeChat bridge, signed in by a code in the terminal that a phone scans."""

import time
from collections.abc import Sequence

import click

from server.cli import output
from server.cli.client import Json
from server.cli.connection import connect
from server.cli.failure import CommandFailed, ExitCode
from server.cli.options import ServerOptions, json_option, server_options

_LOOK_EVERY_S = 1.0
_BORDER = 2
_HALVES = {("0", "0"): "█", ("0", "1"): "▀", ("1", "0"): "▄", ("1", "1"): " "}
"""Two rows in one line of text. Light on dark: a code is read by its light ground."""


@click.group()
def wechat() -> None:
    """Sign the WeChat bridge in and out."""


@wechat.command()
@json_option
@server_options
def status(server: ServerOptions, json_fields: str | None) -> None:
    """Show how it goes with the bridge, who is reached by it, and who wrote without being on the list."""
    found = connect(server).get("/api/wechat/status")
    if json_fields is not None:
        output.json_rows([found], json_fields)
        return
    if not found["configured"]:
        output.say("There is no bridge. Add a target of type wechat in agents.yaml: docs/notifications.md")
        return
    output.data(found["state"] + (f": {found['reason']}" if found.get("reason") else ""))
    for member, is_reached in found.get("people", {}).items():
        output.data(f"  {member}: {'can be written to' if is_reached else 'must write first'}")
    for row in found.get("refused", []):
        output.data(f"  not on the list, and not heard: {row['sender']} ({row['count']} times)")


@wechat.command()
@click.option("--timeout", type=click.IntRange(1), default=300, show_default=True, help="Seconds.")
@server_options
def login(server: ServerOptions, timeout: int) -> None:
    """Show a code, and wait until it was scanned and confirmed in WeChat."""
    client = connect(server)
    found = client.post("/api/wechat/login", {})
    if found["matrix"]:
        output.data("\n".join(_drawn(found["matrix"])))
        output.say("Scan it with WeChat, and confirm.")
    until_s = time.monotonic() + timeout
    while not found["connected"] and found["loginInProgress"] and time.monotonic() < until_s:
        time.sleep(_LOOK_EVERY_S)
        found = client.get("/api/wechat/status")
    _end(found)


@wechat.command()
@server_options
def logout(server: ServerOptions) -> None:
    """Forget the sign-in."""
    connect(server).post("/api/wechat/disconnect", {})
    output.say("The bridge is signed out.")


def _end(found: Json) -> None:
    if found["connected"]:
        output.say(f"The bridge is signed in. You are {found['user_id']} there.")
        return
    why = found["reason"] or "it was not confirmed in time"
    raise CommandFailed(
        f"The bridge is not signed in: {why}.", hint="Again: bullpen wechat login", code=ExitCode.TIMED_OUT
    )


def _drawn(matrix: Sequence[str]) -> list[str]:
    """Draw a code with half blocks, two rows a line, and the border that a camera needs."""
    width = len(matrix[0]) + 2 * _BORDER
    empty = "0" * width
    side = "0" * _BORDER
    rows = [*[empty] * _BORDER, *(side + row + side for row in matrix), *[empty] * _BORDER]
    rows += [empty] * (len(rows) % 2)
    return ["".join(_HALVES[pair] for pair in zip(upper, lower, strict=True)) for upper, lower in
            zip(rows[::2], rows[1::2], strict=True)]  # fmt: skip
