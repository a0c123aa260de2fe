"""What Gemini CLI writes down by itself: one chat file per conversation, and a log of what it does."""

import contextlib
import os
import re
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from server.supervision.kinds.kind import Activity
from server.supervision.kinds.line_records import last_lines, lines_of, moment_ms, parsed
from server.supervision.kinds.refusals import failed, refused
from server.supervision.prompt_text import find_push_ids

LOG = "bullpen-debug.log"
_SOURCE = "session file"
_BEGINS = re.compile(
    r"\[(?P<at>[^]]+)\] \[DEBUG\] (?:Hook execution for (?=SessionStart)|Created execution plan for (?!SessionStart))"
    r"(?P<event>SessionStart|BeforeAgent|AfterAgent|BeforeTool|AfterTool|Notification):"
)
"""It takes prompts a while after its first hook has been answered; the others count from when they begin."""
_SETTLE_MS = 2000
"""What is typed into a resumed conversation before is lost: it draws itself anew."""
_RETRIES = re.compile(r"\[[^]]+\] \[WARN\] Attempt \d+ failed(?: with status (\d{3}))?[.:](.*)")
_STATUS = re.compile(r'"code":\s*(\d{3})')
_MESSAGE = re.compile(r'"message":\s*"([^"]*)"')
_REFUSED = "[API Error: "
_CANCELLED = "Request cancelled."
_SAME_MOMENT_MS = 50
_LARGEST_LOG_BYTES = 4 << 20
"""It writes the whole conversation into it at every tool call."""


def has_conversation(configuration: Path, session_id: str) -> bool:
    """Tell whether there is something to resume: a conversation in which somebody spoke."""
    return any(
        parsed(line).get("type") == "user" for file in _chats(configuration, session_id) for line in lines_of(file)
    )


def discard_empty_conversation(configuration: Path, session_id: str) -> None:
    """Remove a conversation in which nobody spoke: it can be neither resumed nor begun again under its id."""
    if not has_conversation(configuration, session_id):
        for file in _chats(configuration, session_id):
            file.unlink(missing_ok=True)


def read_activity(configuration: Path, session_id: str) -> Activity | None:
    """Return how its last turn ended, or that it is being refused; None in a turn, of which hooks tell more."""
    for line in last_lines(configuration / LOG):
        retried = _RETRIES.match(line)
        if retried is not None:
            return _refusal(retried[1] or _found(_STATUS, line), _found(_MESSAGE, line) or retried[2])
        begun = _BEGINS.match(line)
        if begun is None:
            continue
        match begun["event"]:
            case "SessionStart" if time.time() * 1000 - moment_ms(begun["at"]) < _SETTLE_MS:
                return None
            case "SessionStart":
                return Activity("idle", "waits for its first prompt", _SOURCE, "prompt")
            case "AfterAgent":
                return _end(configuration, session_id) or Activity("idle", "turn finished", _SOURCE, "turn")
            case _:
                end = _end(configuration, session_id)
                return end if end is not None and end.code == "cancelled" else None
    return None


def shorten_log(configuration: Path) -> None:
    """Empty the log once it is long; the CLI goes on at its new end."""
    log = configuration / LOG
    with contextlib.suppress(OSError):
        if log.stat().st_size > _LARGEST_LOG_BYTES:
            os.truncate(log, 0)


def find_pushes(configuration: Path, push_ids: Iterable[str]) -> frozenset[str]:
    """Return those of the pushes that stand in any conversation of this agent."""
    wanted = set(push_ids)
    found: set[str] = set()
    for file in _chats(configuration):
        for line in lines_of(file):
            if "[bp-" in line and parsed(line).get("type") == "user":
                found |= wanted.intersection(find_push_ids(line))
    return frozenset(found)


def _end(configuration: Path, session_id: str) -> Activity | None:
    """Return how the last turn ended, if its conversation holds more than the answer.

    After a cancelled turn the CLI writes anew, at the same moment, what was said before it.
    """
    newest = 0
    for kind, content, at in _last_entries(configuration, session_id):
        if kind == "error":
            return _failure(content) if newest - at <= _SAME_MOMENT_MS else None
        if kind == "info" and _CANCELLED in content:
            return (
                Activity("idle", "its turn was cancelled", _SOURCE, "cancelled")
                if newest - at <= _SAME_MOMENT_MS
                else None
            )
        if kind in ("user", "gemini"):
            if newest - at > _SAME_MOMENT_MS:
                return None
            newest = max(newest, at)
    return None


def _last_entries(configuration: Path, session_id: str) -> Iterator[tuple[str, str, int]]:
    chats = sorted(_chats(configuration, session_id), key=lambda file: file.stat().st_mtime_ns)
    for line in last_lines(chats[-1]) if chats else ():
        entry = parsed(line)
        yield str(entry.get("type", "")), str(entry.get("content", "")), moment_ms(entry.get("timestamp"))


def _failure(text: str) -> Activity:
    detail = text.removeprefix(_REFUSED).removesuffix("]")
    status = _found(_STATUS, detail)
    if status is None and not text.startswith(_REFUSED):
        return failed(text, _SOURCE)
    return refused(int(status) if status else None, _found(_MESSAGE, detail) or detail, _SOURCE)


def _refusal(status: str | None, detail: str) -> Activity:
    """Return how an agent stands whose request was refused and is made again: in its turn still."""
    told = refused(int(status) if status else None, detail, _SOURCE)
    return Activity("limited", f"{told.reason}; it tries again", _SOURCE, "retry")


def _found(pattern: "re.Pattern[str]", text: str) -> str | None:
    match = pattern.search(text)
    return match[1] if match else None


def _chats(configuration: Path, session_id: str = "") -> list[Path]:
    """Return the files of a conversation; a resumed one can have another beside its first."""
    return list(configuration.glob(f"tmp/*/chats/session-*-{session_id[:8] or '*'}.jsonl"))
