"""`bullpen token`: by HTTP where a server runs, else on the data folder itself."""

import asyncio
import os
from collections.abc import Callable
from dataclasses import asdict

import click

from server.app import offline
from server.cli import data_folder, output
from server.cli.client import Client, Json, segment
from server.cli.connection import connect, meant, running, sign_in_link
from server.cli.options import ServerOptions, json_option, server_options
from server.config import Config, load_config
from server.config.section import duration_s


@click.group()
def token() -> None:
    """Make, list, rotate and revoke tokens. A token is shown once and stored as a hash."""


@token.command()
@click.argument("name")
@click.option("--kind", type=click.Choice(["human", "agent", "bot"]), help="What the member is, if it is a new one.")
@click.option(
    "--role", type=click.Choice(["chairman", "operator", "viewer", "lead", "member"]),
    help="chairman, operator, viewer for a human; lead, member for an agent or a bot.",
)  # fmt: skip
@click.option("--label", help="What the token is for.")
@click.option("--expires", metavar="DURATION", help="When it ends, as 12h or 30d; never without.")
@server_options
def create(
    server: ServerOptions, name: str, kind: str | None, role: str | None, label: str | None, expires: str | None
) -> None:
    """Print a new token for NAME and nothing else. A member that does not exist needs --kind."""
    body: Json = {"name": name, "kind": kind, "role": role, "label": label, "expires_in_s": _seconds(expires)}
    given = {key: value for key, value in body.items() if value is not None}
    minted = _ask(server, lambda client: client.post("/api/tokens", given), "create_token", given)
    output.data(minted["token"])


@token.command("list")
@json_option
@server_options
def list_tokens(server: ServerOptions, json_fields: str | None) -> None:
    """List tokens without their secrets."""
    rows = _ask(server, lambda client: client.get("/api/tokens"), "list_tokens", {})["tokens"]
    if json_fields is not None:
        output.json_rows(rows, json_fields)
        return
    headings = ("ID", "MEMBER", "LABEL", "MADE", "BY", "EXPIRES", "REVOKED")
    output.table(headings, [_row(row) for row in rows])


@token.command()
@click.argument("token_id", metavar="ID")
@server_options
def rotate(server: ServerOptions, token_id: str) -> None:
    """Revoke the token ID (as tok_3) and print another for the same member."""
    path = f"/api/tokens/{segment(token_id)}/rotate"
    output.data(_ask(server, lambda client: client.post(path), "rotate_token", {"id": token_id})["token"])


@token.command()
@click.argument("token_id", metavar="ID")
@server_options
def revoke(server: ServerOptions, token_id: str) -> None:
    """Revoke the token ID (as tok_3): it is refused from now on."""
    path = f"/api/tokens/{segment(token_id)}"
    revoked = _ask(server, lambda client: client.delete(path), "revoke_token", {"id": token_id})
    output.say(f"Revoked {revoked['id']} of {revoked['member']}.")


@token.command()
@click.argument("name", required=False)
@server_options
def link(server: ServerOptions, name: str | None) -> None:
    """Print a link to the dashboard that signs NAME in (you, if not given): once, within 15 minutes."""
    output.data(sign_in_link(connect(server), name))


def _row(row: Json) -> tuple[object, ...]:
    expires, revoked = row["expires_at"] or "never", row["revoked_at"] or "-"
    return (
        row["id"],
        row["member"],
        row["label"],
        row["created_at"][:10],
        row["created_by"],
        expires[:10],
        revoked[:10],
    )


def _ask(server: ServerOptions, by_http: Callable[[Client], Json], operation: str, arguments: Json) -> Json:
    """Ask the running server, or run the operation on the data folder if none runs."""
    if server.url or os.environ.get("BULLPEN_URL") or running(server) is not None:
        return by_http(connect(server))
    config = load_config(meant(server.settings))
    data_folder.prepare(config.data)
    return asyncio.run(_offline(config, operation, arguments))


async def _offline(config: Config, operation: str, arguments: Json) -> Json:
    async with offline(config) as office:
        result = await office.run(operation, **arguments)
    return asdict(result)


def _seconds(text: str | None) -> int | None:
    if text is None:
        return None
    seconds = duration_s(text)
    if seconds is None or seconds < 60:
        raise click.UsageError("--expires takes a duration of at least a minute, as 12h or 30d.")
    return int(seconds)
