"""`bullpen read`: a channel's last messages, and those that come."""

import json

import click

from server.cli import output
from server.cli.client import Client, Json
from server.cli.connection import connect
from server.cli.failure import CommandFailed, ExitCode
from server.cli.options import ServerOptions, server_options
from server.cli.send import destination


@click.command()
@click.argument("target", default="general")
@click.option("-n", "--limit", type=click.IntRange(1, 200), default=20, show_default=True, help="How many messages.")
@click.option("-f", "--follow", is_flag=True, help="Go on with what comes, until Ctrl-C.")
@click.option("--ack", is_flag=True, help="Mark what was shown as read.")
@click.option("--json", "as_json", is_flag=True, help="One message a line, as JSON.")
@server_options
def read(server: ServerOptions, target: str, limit: int, follow: bool, ack: bool, as_json: bool) -> None:
    """Read TARGET: #general (the default), a channel's id, or @ada for the direct messages with ada."""
    client = connect(server)
    channel = _channel(client, target)
    # The position first, then the history: what comes between is in both and is shown once.
    since = client.get("/api/snapshot")["seq"] if follow else 0
    messages = client.get("/api/history", channel=channel, limit=limit)["messages"]
    for message in messages:
        _show(message, as_json)
    if messages and ack:
        client.post("/api/inbox/ack", {"items": [{"channel": messages[-1]["channel"], "ack_id": messages[-1]["id"]}]})
    if not messages and not follow:
        output.say(f"Nothing in {target} yet. Write: bullpen send '{target}' 'Hello'")
    if follow:
        shown = {message["id"] for message in messages}
        _follow(client, channel, since, shown, as_json)


def _channel(client: Client, target: str) -> str:
    """Return a channel's id; that of direct messages has both names, in order."""
    place = destination(target)
    if "to" not in place:
        return place["channel"]
    return "dm:" + ":".join(sorted((client.get("/api/me")["name"], place["to"])))


def _follow(client: Client, channel: str, since: int, shown: set[str], as_json: bool) -> None:
    """Show messages as they come; a lost connection is taken up again where it ended."""
    while True:
        try:
            for kind, data in client.events(since, types="message.created", channels=channel):
                if kind == "reset":
                    raise CommandFailed(
                        "The stream has begun anew; what came meanwhile is in the history.", hint="Read again."
                    )
                since = max(since, int(data.get("seq", since)))
                message = data.get("message")
                if kind == "message.created" and isinstance(message, dict) and message["id"] not in shown:
                    _show(message, as_json)
        except CommandFailed as failure:
            if failure.code != ExitCode.UNREACHABLE or client.healthy(timeout_s=10.0) is None:
                raise


def _show(message: Json, as_json: bool) -> None:
    if as_json:
        output.data(json.dumps(message, ensure_ascii=False))
        return
    output.data(line_of(message))


def line_of(message: Json) -> str:
    """Return a message as it is shown."""
    content = "(deleted)" if message.get("deleted") else message["content"]
    answer = f" ↳ {message['reply_to']}" if message.get("reply_to") else ""
    return f"{message['created_at'][11:19]} {message['from']}{answer}: {content}"
