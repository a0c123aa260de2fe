"""`bullpen send`."""

import sys
import uuid
from pathlib import Path

import click

from server.cli import output
from server.cli.client import Client, Json
from server.cli.connection import connect
from server.cli.failure import CommandFailed, ExitCode
from server.cli.options import ServerOptions, server_options


@click.command()
@click.argument("target")
@click.argument("text", required=False)
@click.option("--reply-to", metavar="MESSAGE", help="Answer to a message, as msg_91.")
@click.option("--file", "paths", multiple=True, type=click.Path(path_type=Path), help="Send a file with it.")
@click.option("--priority", type=click.Choice(["now", "next", "later"]), help="How soon it should reach an agent.")
@click.option("--idempotency-key", metavar="KEY", help="Repeat the command with the same key, and it is sent once.")
@click.option("--json", "as_json", is_flag=True, help="Print the whole answer.")
@server_options
def send(
    server: ServerOptions, target: str, text: str | None, reply_to: str | None, paths: tuple[Path, ...],
    priority: str | None, idempotency_key: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Send TEXT to TARGET: #general, a channel's id, or @ada for a direct message.

    Without TEXT, or with -, it is read from standard input. Prints the message's id. A text beyond
    32 KiB is sent as a file, with an excerpt.
    """
    content = _content(text)
    client = connect(server)
    key = idempotency_key or str(uuid.uuid4())
    files = [upload_path(client, path, key=f"{path.name} {number} of {key}")["id"] for number, path in enumerate(paths)]
    body = {
        "content": content, "reply_to": reply_to, "priority": priority, "files": files or None, "long_text": "file",
        **destination(target),
    }  # fmt: skip
    sent = client.post(
        "/api/send", {name: value for name, value in body.items() if value is not None},
        key=key,
    )  # fmt: skip
    if as_json:
        output.raw_json(sent)
        return
    output.data(sent["id"])
    for recipient in sent.get("recipients", []):
        output.say(f"  {recipient['name']}: {recipient['will']}")
    if not sent.get("recipients"):
        output.say("Nobody is woken by it. Name somebody: @ada …")


def upload_path(client: Client, path: Path, *, key: str, name: str | None = None, **query: object) -> Json:
    """Upload the file at a path. Raises CommandFailed if it cannot be read."""
    try:
        with path.open("rb") as opened:
            return client.upload("/api/files", name or path.name, opened, key=key[:255], **query)
    except OSError as error:
        raise CommandFailed(f"{path} cannot be read: {error.strerror}.", code=ExitCode.USAGE) from None


def destination(target: str) -> dict[str, str]:
    """Read `@ada` as a member and everything else as a channel."""
    return {"to": target[1:]} if target.startswith("@") else {"channel": target.removeprefix("#")}


def _content(text: str | None) -> str:
    if text not in (None, "-"):
        return str(text)
    if text is None and sys.stdin.isatty():
        raise click.UsageError("What shall be sent? Give TEXT, or - to read it from standard input.")
    content = sys.stdin.read()
    if not content.strip():
        raise click.UsageError("There was nothing on standard input.")
    return content
