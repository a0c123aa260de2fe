"""What Codex writes down by itself: one rollout per conversation, a line for each thing that happens in it."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from server.supervision.kinds.files import read_json, write_private_json
from server.supervision.kinds.kind import Activity
from server.supervision.kinds.line_records import last_lines, lines_of, moment_ms, parsed
from server.supervision.kinds.refusals import NO_CREDIT, NO_MODEL, OVERLOADED, RATE, failed, refused
from server.supervision.kinds.telling import short
from server.supervision.prompt_text import find_push_ids

_SOURCE = "session file"
_BEGIN, _ENDS = "task_started", ("task_complete", "turn_aborted")


def choose_conversation(configuration: Path, session_id: str) -> str | None:
    """Return the conversation to go on with: the newest since this session id was first seen; None: a new one.

    Codex chooses its own ids, so what was there before a session id came to be is written down with it.
    """
    note = configuration / "bullpen.json"
    known = read_json(note)
    if known.get("session_id") != session_id:
        write_private_json(note, {"session_id": session_id, "earlier": sorted(_conversations(configuration))})
        return None
    return find_conversation(configuration, session_id)


def find_conversation(configuration: Path, session_id: str) -> str | None:
    """Return the newest conversation of a session id, if anybody spoke in one."""
    known = read_json(configuration / "bullpen.json")
    if known.get("session_id") != session_id:
        return None
    earlier = set(known.get("earlier", ()))
    own = {name: file for name, file in _conversations(configuration).items() if name not in earlier}
    return max(own, key=lambda name: own[name].stat().st_mtime_ns, default=None)


def read_activity(configuration: Path, session_id: str, since_ms: int) -> Activity | None:
    """Return how the last turn ended; None in a turn, of which hooks tell more. `since_ms`: when the process began."""
    conversation = find_conversation(configuration, session_id)
    if conversation is None:
        return Activity("idle", "waits for its first prompt", _SOURCE, "prompt")
    for line in last_lines(_conversations(configuration)[conversation]):
        entry = parsed(line)
        event = entry.get("payload")
        if entry.get("type") != "event_msg" or not isinstance(event, dict):
            continue
        if event.get("type") == _BEGIN:
            is_over = moment_ms(entry.get("timestamp")) < since_ms  # cut off with an earlier process
            return Activity("idle", "its last turn was cut off", _SOURCE, "prompt") if is_over else None
        if event.get("type") in _ENDS:
            return _end(event.get("error"))
    return None


def find_pushes(configuration: Path, push_ids: Iterable[str]) -> frozenset[str]:
    """Return those of the pushes that stand in any conversation of this agent."""
    wanted = set(push_ids)
    found: set[str] = set()
    for file in _conversations(configuration).values():
        for line in lines_of(file):
            if "[bp-" in line and parsed(line).get("type") == "response_item":
                found |= wanted.intersection(find_push_ids(line))
    return frozenset(found)


def _end(error: object) -> Activity:
    if not isinstance(error, Mapping):
        return Activity("idle", "turn finished", _SOURCE, "turn")
    detail, kind = str(error.get("message", "")), error.get("codex_error_info")
    if isinstance(kind, Mapping):  # {"http_connection_failed": {"http_status_code": 401}}
        inner = next(iter(kind.values()), None)
        status = inner.get("http_status_code") if isinstance(inner, Mapping) else None
        return refused(status if isinstance(status, int) else None, _refusal(detail), _SOURCE)
    match kind:
        case "usage_limit_exceeded" if "billing" in detail.lower():
            return Activity("needs_you", NO_CREDIT, _SOURCE, "billing")
        case "usage_limit_exceeded":
            return Activity("limited", f"{RATE}: {short(detail)}", _SOURCE, "rate_limit")
        case "server_overloaded":
            return Activity("limited", f"{OVERLOADED}: {short(detail)}", _SOURCE, "overloaded")
        case "model_not_found":
            return Activity("needs_you", NO_MODEL, _SOURCE, "model")
        case "unauthorized":
            return refused(401, detail, _SOURCE)
        case _:
            return failed(detail, _SOURCE)


def _refusal(message: str) -> str:
    """Return what the service said: without the address it was asked at."""
    return message.partition(", url: ")[0].removeprefix("unexpected status ")


def _conversations(configuration: Path) -> dict[str, Path]:
    """Return the rollout of each conversation that a person could have: those of sub-agents are not."""
    found = {}
    for file in configuration.glob("sessions/*/*/*/rollout-*.jsonl"):
        first = parsed(next(lines_of(file), "")).get("payload")
        if isinstance(first, dict) and first.get("source") == "cli" and isinstance(first.get("id"), str):
            found[first["id"]] = file
    return found
