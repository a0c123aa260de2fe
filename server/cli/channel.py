"""`bullpen channel`: which channels there are, who is in them, and how they are kept."""

import click

from server.cli import output
from server.cli.client import Client, Json, segment
from server.cli.connection import connect
from server.cli.options import ServerOptions, json_option, server_options


@click.group()
def channel() -> None:
    """List, create, show, archive, join and leave channels."""


@channel.command("list")
@click.option("--archived", is_flag=True, help="Archived ones too.")
@json_option
@server_options
def list_channels(server: ServerOptions, archived: bool, json_fields: str | None) -> None:
    """List the channels you may read, with what is unread in them."""
    rows = [row for row in connect(server).get("/api/channels")["channels"] if archived or not row["archived"]]
    if json_fields is not None:
        output.json_rows(rows, json_fields)
        return
    shown = [
        (
            row["id"],
            "archived" if row["archived"] else row["type"],
            row["unread"],
            row["mentions"],
            len(row["members"]),
            row["description"],
        )
        for row in rows
    ]
    output.table(("ID", "TYPE", "UNREAD", "MENTIONS", "MEMBERS", "WHAT FOR"), shown)


@channel.command()
@click.argument("name")
@click.option("--closed", is_flag=True, help="A topic: only its members read it.")
@click.option("--title", help="A name for people.")
@click.option("--description", default="", help="What it is for.")
@click.option("--member", "members", multiple=True, metavar="MEMBER", help="Somebody who is in it; may be repeated.")
@server_options
def create(
    server: ServerOptions, name: str, closed: bool, title: str | None, description: str, members: tuple[str, ...]
) -> None:
    """Create the channel NAME, with you in it. Prints its id."""
    plain = name.removeprefix("#")
    body: Json = {"id": plain, "description": description, "members": list(members)}
    if closed:
        body |= {"id": plain if plain.startswith("topic:") else f"topic:{plain}", "type": "topic"}
    if title:
        body["name"] = title
    output.data(connect(server).post("/api/channels", body)["id"])


@channel.command()
@click.argument("name")
@server_options
def show(server: ServerOptions, name: str) -> None:
    """Show what a channel is for, who is in it, and what is pinned there."""
    client = connect(server)
    found = _find(client, name)
    output.data(f"{found['id']} ({found['type']}){' archived' if found['archived'] else ''}: {found['name']}")
    if found["description"]:
        output.data(found["description"])
    output.data(f"Created by {found['created_by']} on {found['created_at'][:10]}.")
    output.data(f"Members: {', '.join(found['members']) or 'nobody'}")
    for pin in client.get(f"{_path(found['id'])}/pins")["pins"]:
        first = pin["content"].split("\n")[0][:100]
        output.data(f"Pinned by {pin['pinned_by']}: {pin['message_id']} {pin['from_agent']}: {first}")


@channel.command()
@click.argument("name")
@click.option("--undo", is_flag=True, help="Open it again.")
@server_options
def archive(server: ServerOptions, name: str, undo: bool) -> None:
    """Close a channel: it can be read, and nothing more is written in it."""
    _ask(server, name, "unarchive" if undo else "archive", "is open again" if undo else "is archived")


@channel.command()
@click.argument("name")
@server_options
def join(server: ServerOptions, name: str) -> None:
    """Become a member of a channel you may read."""
    _ask(server, name, "join", "has you as a member")


@channel.command()
@click.argument("name")
@server_options
def leave(server: ServerOptions, name: str) -> None:
    """Leave a channel. An open one can still be read."""
    _ask(server, name, "leave", "is left")


def _ask(server: ServerOptions, name: str, what: str, outcome: str) -> None:
    found = connect(server).post(f"{_path(name)}/{what}", {})
    output.say(f"{found['id']} {outcome}.")


def _find(client: Client, name: str) -> Json:
    # Asked for by itself first, so that a wrong name is answered with the nearest ones.
    members = client.get(f"{_path(name)}/members")
    return next(row for row in client.get("/api/channels")["channels"] if row["id"] == members["channel"])


def _path(name: str) -> str:
    return f"/api/channels/{segment(name.removeprefix('#'))}"
