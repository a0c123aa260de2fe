"""`bullpen inbox`: what one has not read, by channel."""

from typing import Any

import click

from server.cli import output
from server.cli.client import Client, Json
from server.cli.connection import connect
from server.cli.options import ServerOptions, server_options
from server.cli.read import line_of


@click.command()
@click.option(
    "--only",
    type=click.Choice(["all", "mentions", "withheld"]),
    help="What names you, or what your notification levels hold back.",
)
@click.option("-n", "--limit", type=click.IntRange(1, 50), default=10, show_default=True, help="Messages of a channel.")
@click.option("--ack", is_flag=True, help="Mark as read what was shown whole.")
@click.option("--json", "as_json", is_flag=True, help="Print the whole answer.")
@server_options
def inbox(server: ServerOptions, only: str | None, limit: int, ack: bool, as_json: bool) -> None:
    """Show what you have not read; of busy channels what names you and what came last. Marks nothing without --ack."""
    client = connect(server)
    found = _whole(client, only, limit)
    if as_json:
        output.raw_json(found)
    else:
        _show(found)
    items = [{"channel": part["channel"], "ack_id": part["ack_id"]} for part in found["channels"] if part["ack_id"]]
    changes = found["changes_ack_id"]
    if ack and (items or changes):
        client.post("/api/inbox/ack", {"items": items, **({"changes": changes} if changes else {})})


def _whole(client: Client, only: str | None, limit: int) -> Json:
    """Read page after page: a channel that goes on in the next keeps what was shown of it."""
    query: dict[str, Any] = {"detail_limit": limit, **({"only": only} if only else {})}
    found = client.get("/api/inbox", **query)
    parts = {part["channel"]: part for part in found["channels"]}
    while found["next_cursor"]:
        page = client.get("/api/inbox", **query, cursor=found["next_cursor"])
        for part in page["channels"]:
            before = parts.get(part["channel"], {"messages": []})
            parts[part["channel"]] = {**part, "messages": [*before["messages"], *part["messages"]]}
        found = {**found, "next_cursor": page["next_cursor"]}
    return {**found, "channels": list(parts.values())}


def _show(found: Json) -> None:
    for part in found["channels"]:
        name = part["channel"] if part["channel"].startswith("dm:") else f"#{part['channel']}"
        unread = "999+" if part["unread_count"] >= 1000 else part["unread_count"]
        named = f", {part['mentions']} with your name" if part["mentions"] else ""
        withheld = f", {part['withheld']} held back by your notification level" if part["withheld"] else ""
        output.data(f"{name}: {unread} unread{named}{withheld}")
        for message in part["messages"]:
            output.data(f"  {line_of(message)}")
        left = part["unread_count"] - len(part["messages"])
        if left > 0:
            output.say(f"  {left} more: bullpen read '{name}'")
    for change in found["changes"]:
        output.data(f"{change['at'][11:19]} {change['text']}")
    if not found["channels"] and not found["changes"]:
        output.say("Nothing unread.")
