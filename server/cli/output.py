"""What commands print: data on stdout, everything else on stderr; tables, JSON, colour where it is seen.

Texts written by agents reach a person's terminal here, so control characters are taken out of everything printed.
"""

import json
import os
import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import IO, Any

import click

# C0 but tab and line feed, DEL, C1, and the marks that reorder text.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def plain(text: object) -> str:
    """Return a text without anything that a terminal would obey."""
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", str(text).replace("\r\n", "\n"))


def cell(text: object) -> str:
    """Return a text for one cell of a table: one line."""
    return " ".join(plain(text).split())


def say(text: object) -> None:
    """Tell the person something that is no data."""
    click.echo(plain(text), err=True)


def data(text: object) -> None:
    """Print data that a script may read."""
    click.echo(plain(text))


def raw_json(value: object) -> None:
    """Print one value as JSON, indented only for people."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2 if sys.stdout.isatty() else None))


def json_rows(rows: Sequence[Mapping[str, Any]], fields: str) -> None:
    """Print rows as one JSON list: whole, or only the fields named (`name,state`)."""
    if fields == ALL_FIELDS:
        raw_json([dict(row) for row in rows])
        return
    wanted = [field.strip() for field in fields.split(",") if field.strip()]
    known = sorted({key for row in rows for key in row})
    for field in wanted:
        if known and field not in known:
            raise click.UsageError(
                f"There is no field “{field}”. Fields: {', '.join(known)}. Put --json last, or as --json=name,state."
            )
    raw_json([{field: row.get(field) for field in wanted} for row in rows])


ALL_FIELDS = "*"


def table(headings: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print columns as wide as they need; the last one is cut at the terminal's edge."""
    cells = [list(headings), *([cell(value) for value in row] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(headings))]
    for number, row in enumerate(cells):
        line = "  ".join(value.ljust(width) for value, width in zip(row, widths, strict=True)).rstrip()
        if sys.stdout.isatty():
            line = line[: shutil.get_terminal_size().columns]
        click.echo(styled(line, "bold", stream=sys.stdout) if number == 0 else line)


def styled(text: str, style: str, *, stream: IO[Any]) -> str:
    """Colour a text if the stream is a terminal that wants it."""
    if not wants_colour(stream):
        return text
    return click.style(text, bold=True) if style == "bold" else click.style(text, fg=style)


def wants_colour(stream: IO[Any]) -> bool:
    """Tell whether colour is wanted: on a terminal, without NO_COLOR, not on a dumb one."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def span(since: str | None, now: datetime | None = None) -> str:
    """Return how long ago an ISO time was, as 12s, 4m, 3h12, 2d; a dash without a time."""
    if not since:
        return "-"
    seconds = max(0, int(((now or datetime.now(UTC)) - datetime.fromisoformat(since)).total_seconds()))
    if seconds < 60:
        return f"{seconds}s"
    if seconds < 3600:
        return f"{seconds // 60}m"
    if seconds < 86400:
        return f"{seconds // 3600}h{seconds % 3600 // 60:02}"
    return f"{seconds // 86400}d"
