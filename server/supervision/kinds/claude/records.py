"""What Claude Code writes down by itself: one record per running session, one transcript per conversation."""

import contextlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from server.supervision.kinds.files import read_json
from server.supervision.kinds.kind import Activity
from server.supervision.kinds.process import own_number
from server.supervision.prompt_text import find_push_ids

_ACTIVITIES = {
    "idle": ("idle", "waits for a prompt", "prompt"),
    "busy": ("working", "in a turn", "turn"),
    "waiting": ("needs_you", "waits for an answer", "question"),
}
_WAITS_FOR = {"permission prompt": "permission", "input needed": "question"}
_SPOKEN = ("user", "assistant", "attachment")
"""Kinds of transcript line that are part of the conversation; a message that came in mid-turn is an attachment."""


def read_activity(configuration: Path, pid: int) -> Activity | None:
    """Return what the session of a process says of itself; None if it says nothing, or the record is a dead one's."""
    record = read_json(configuration / "sessions" / f"{own_number(pid)}.json")
    if not record or not _is_of_process(record, pid):
        return None
    activity, reason, code = _ACTIVITIES.get(str(record.get("status")), ("", "", ""))
    if not activity:
        return None
    waits_for = record.get("waitingFor")
    if activity == "needs_you" and isinstance(waits_for, str):
        reason, code = f"waits: {waits_for[:120]}", _WAITS_FOR.get(waits_for, "question")
    return Activity(activity, reason, "session file", code, progressed_at=_progressed_at(configuration, record))


def _progressed_at(configuration: Path, record: dict[str, Any]) -> int | None:
    """Return when the conversation was last written to: a spinner on the screen is no progress."""
    times = []
    for file in _transcripts(configuration, str(record.get("sessionId", ""))):
        with contextlib.suppress(OSError):
            times.append(file.stat().st_mtime_ns // 1_000_000)
    return max(times, default=None)


def has_conversation(configuration: Path, session_id: str) -> bool:
    """Tell whether there is something to resume: a transcript in which somebody spoke."""
    return any(True for file in _transcripts(configuration, session_id) for _ in _lines(file))


def discard_empty_conversation(configuration: Path, session_id: str) -> None:
    """Remove a transcript in which nobody spoke: it can be neither resumed nor begun again under its id."""
    for file in _transcripts(configuration, session_id):
        if not any(True for _ in _lines(file)):
            file.unlink(missing_ok=True)


def find_pushes(configuration: Path, push_ids: Iterable[str]) -> frozenset[str]:
    """Return those of the pushes that stand in any conversation of this agent."""
    wanted = set(push_ids)
    found: set[str] = set()
    for file in configuration.glob("projects/*/*.jsonl"):
        if found == wanted:
            break
        for line in _lines(file, having="[bp-"):
            found |= wanted.intersection(find_push_ids(line))
    return frozenset(found)


def _transcripts(configuration: Path, session_id: str) -> list[Path]:
    return list(configuration.glob(f"projects/*/{session_id}.jsonl"))


def _lines(file: Path, having: str = "") -> Iterator[str]:
    """Yield the lines of a transcript in which somebody speaks and a text stands; a torn last line is none."""
    try:
        with file.open(encoding="utf-8", errors="replace") as opened:
            for line in opened:
                if having in line and _kind(line) in _SPOKEN:
                    yield line
    except OSError:
        return


def _kind(line: str) -> str | None:
    try:
        entry: Any = json.loads(line)
    except ValueError:
        return None
    kind = entry.get("type") if isinstance(entry, dict) else None
    return kind if isinstance(kind, str) else None


def _is_of_process(record: dict[str, Any], pid: int) -> bool:
    """Tell a live record from that of an earlier process with the same number, by the start time in clock ticks."""
    started = record.get("procStart")
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return False
    return not isinstance(started, str) or stat.rpartition(")")[2].split()[19] == started
