"""`bullpen search`."""

import json
import sys

import click

from server.cli import output
from server.cli.connection import connect
from server.cli.options import ServerOptions, server_options


@click.command()
@click.argument("query", nargs=-1, required=True)
@click.option("-n", "--limit", type=click.IntRange(1, 100), default=20, show_default=True, help="How many at most.")
@click.option("--newest", is_flag=True, help="The newest first, not the best.")
@click.option("--json", "as_json", is_flag=True, help="One message a line, as JSON.")
@server_options
def search(server: ServerOptions, query: tuple[str, ...], limit: int, newest: bool, as_json: bool) -> None:
    """Search messages: words, "phrases", prefix*, from:ada in:general after:7d before:2026-11-24 has:file is:pinned."""
    sort = "newest" if newest else "best"
    found = connect(server).get("/api/search", q=" ".join(query), limit=limit, sort=sort)
    for hit in found["results"]:
        if as_json:
            output.data(json.dumps(hit, ensure_ascii=False))
            continue
        text = "".join(_marked(piece) for piece in hit["snippet"])
        place = hit["channel"] if hit["channel"].startswith("dm:") else f"#{hit['channel']}"
        output.data(f"{hit['id']} {hit['created_at'][:16]} {place} {hit['from']}: {' '.join(text.split())}")
    for note in found["notes"]:
        output.say(note)
    if not found["results"]:
        output.say("Nothing was found. Words must be whole: write deploy* to find deployed.")
    elif found["next_cursor"]:
        output.say("There are more: narrow it, or raise -n.")


def _marked(piece: dict[str, object]) -> str:
    text = str(piece["text"])
    return click.style(text, bold=True) if piece["mark"] and sys.stdout.isatty() else text
