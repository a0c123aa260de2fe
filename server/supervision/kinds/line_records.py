"""Records that a CLI keeps as lines, mostly of JSON: read from the front, or from the end."""

import json
import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

_TAIL_BYTES = 256 * 1024
"""Of a record, read from its end."""
_READ_AT_ONCE = 8 << 20


def lines_of(file: Path) -> Iterator[str]:
    """Yield a file's lines; none, if it cannot be read."""
    try:
        with file.open(encoding="utf-8", errors="replace") as opened:
            yield from opened
    except OSError:
        return


def last_lines(file: Path) -> Iterator[str]:
    """Yield the whole lines of a file's end, the newest first."""
    try:
        with file.open("rb") as opened:
            size = opened.seek(0, 2)
            opened.seek(max(0, size - _TAIL_BYTES))
            lines = opened.read().decode("utf-8", "replace").split("\n")
    except OSError:
        return
    yield from reversed(lines[1:] if size > _TAIL_BYTES else lines)


def parsed(line: str) -> dict[str, Any]:
    """Return the JSON object of a line; an empty one for a torn line or something else."""
    try:
        entry = json.loads(line)
    except ValueError:
        return {}
    return entry if isinstance(entry, dict) else {}


def moment_ms(text: object) -> int:
    """Return the UTC milliseconds of an ISO 8601 time; 0 for what is none."""
    try:
        return round(datetime.fromisoformat(str(text)).timestamp() * 1000)
    except ValueError:
        return 0


def new_lines(file: Path, begin: int) -> tuple[bytes, int]:
    """Return the whole lines since an offset, and where they end. A file that shrank is read from its beginning."""
    try:
        with file.open("rb") as opened:
            size = opened.seek(0, os.SEEK_END)
            if size == begin:
                return b"", begin
            start = begin if size > begin else 0
            opened.seek(start)
            data = opened.read(_READ_AT_ONCE)
    except OSError:
        return b"", begin
    whole = data.rfind(b"\n") + 1
    if not whole and len(data) == _READ_AT_ONCE:
        whole = len(data)  # no request is so long: something else that is gone by
    return data[:whole], start + whole
