"""`bullpen retention`: how long messages are kept."""

import click

from server.cli import output
from server.cli.client import segment
from server.cli.connection import connect
from server.cli.options import ServerOptions, json_option, server_options


@click.command()
@click.argument("channel", required=False)
@click.argument("keep", required=False)
@json_option
@server_options
def retention(server: ServerOptions, channel: str | None, keep: str | None, json_fields: str | None) -> None:
    """Show how long messages are kept, or have CHANNEL keep them KEEP: forever, 30d, 10000 (messages), or team."""
    client = connect(server)
    if channel is not None and keep is not None:
        path = f"/api/channels/{segment(channel.removeprefix('#'))}/retention"
        changed = client.put(path, {"keep": None if keep == "team" else keep})
        output.say(f"{changed['channel']} keeps its messages: {changed['keep']}.")
        return
    found = client.get("/api/retention")
    rows = [row for row in found["channels"] if channel in (None, row["channel"], "#" + row["channel"])]
    if json_fields is not None:
        output.json_rows(rows, json_fields)
        return
    by = {"team file": "agents.yaml", "command": "a command"}
    table = [(row["channel"], row["keep"], by[row["source"]] if row["is_own"] else "as the team") for row in rows]
    output.table(("CHANNEL", "KEEPS", "BY"), table)
    output.say(f"The team keeps messages {found['messages']}, the audit trail {found['audit']}.")
