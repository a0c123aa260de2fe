"""What Claude Code writes down of its use: tokens in its transcripts, cost and context by its status line.

Transcripts hold every request of a conversation and of its sub-agents, under an id of its own and without its price.
The status line is told the cost of everything this process asked for, also of what no transcript holds, as compaction.
"""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from server.supervision.kinds.files import read_json
from server.supervision.kinds.kind import AccountLimit, RequestRecord, UsageReading
from server.supervision.kinds.line_records import moment_ms, new_lines

_STATUS = "bullpen-status.json"
STATUS_COMMAND = f'cat > "$CLAUDE_CONFIG_DIR/{_STATUS}"'
"""The CLI hands its figures to this command whenever they change; it prints nothing, so no line is shown."""
_WINDOWS_S = {"five_hour": 5 * 3600, "seven_day": 7 * 86_400}
_OWN_MODELS = ("claude-", "anthropic/claude-", "anthropic.claude-", "us.anthropic.claude-", "eu.anthropic.claude-")
"""Of other models the CLI knows no price: what it counts for them is a guess, and is not taken."""
_NO_MODEL = "<synthetic>"
"""What the CLI says in the model's place, as of an error; nothing was asked for."""


def forget_status(configuration: Path) -> None:
    """Remove what the last process said of itself, and leave an empty file that only its owner reads."""
    file = configuration / _STATUS
    file.unlink(missing_ok=True)
    os.close(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600))


def read_usage(configuration: Path, marks: Mapping[str, int]) -> UsageReading:
    """Read all transcripts from where they were read to, and the last status."""
    requests: dict[str, RequestRecord] = {}
    read: dict[str, int] = {}
    compactions = 0
    projects = configuration / "projects"
    for file in sorted(projects.rglob("*.jsonl")):
        source = f"transcript:{file.relative_to(projects).as_posix()}"
        begin = marks.get(source, 0)
        data, end = new_lines(file, begin)
        if end == begin:
            continue
        read[source] = end
        for entry in _entries(data):
            if entry.get("type") == "system" and entry.get("subtype") == "compact_boundary":
                compactions += 1
            record = _request(entry)
            if record is not None:
                requests[record.key] = record
    return _with_status(read_json(configuration / _STATUS), list(requests.values()), read, compactions)


def _with_status(
    status: Mapping[str, Any], requests: list[RequestRecord], marks: Mapping[str, int], compactions: int
) -> UsageReading:
    model = _text(_part(status, "model"), "id")
    cost = _number(_part(status, "cost"), "total_cost_usd")
    window = _part(status, "context_window")
    size = _number(window, "context_window_size")
    limits = _part(status, "rate_limits")
    return UsageReading(
        requests,
        marks,
        cost if _is_priced(model) else None,
        model,
        _number(window, "used_percentage"),
        None if size is None else int(size),
        compactions,
        [_limit(name, value) for name, value in limits.items() if isinstance(value, dict)] if limits else None,
    )


def _entries(data: bytes) -> Iterator[dict[str, Any]]:
    for line in data.splitlines():
        if b'"usage"' not in line and b'"compact_boundary"' not in line:
            continue
        with suppress(ValueError):
            entry = json.loads(line)
            if isinstance(entry, dict):
                yield entry


def _request(entry: Mapping[str, Any]) -> RequestRecord | None:
    message, usage = _part(entry, "message"), _part(_part(entry, "message"), "usage")
    key = _text(entry, "requestId") or _text(message, "id")
    model = _text(message, "model")
    if entry.get("type") != "assistant" or not usage or not key or model == _NO_MODEL:
        return None
    return RequestRecord(
        key,
        model or "unknown",
        moment_ms(entry.get("timestamp")),
        input_tokens=int(_number(usage, "input_tokens") or 0),
        output_tokens=int(_number(usage, "output_tokens") or 0),
        cache_read_tokens=int(_number(usage, "cache_read_input_tokens") or 0),
        cache_write_tokens=int(_number(usage, "cache_creation_input_tokens") or 0),
        priced=_is_priced(model),
    )


def _limit(name: str, value: Mapping[str, Any]) -> AccountLimit:
    resets = _number(value, "resets_at")
    return AccountLimit(
        name,
        _number(value, "used_percentage") or 0.0,
        None if resets is None else int(resets * 1000),
        _WINDOWS_S.get(name),
    )


def _is_priced(model: str) -> bool:
    return model.startswith(_OWN_MODELS)


def _part(value: Mapping[str, Any], key: str) -> dict[str, Any]:
    part = value.get(key)
    return part if isinstance(part, dict) else {}


def _text(value: Mapping[str, Any], key: str) -> str:
    text = value.get(key)
    return text[:200] if isinstance(text, str) else ""


def _number(value: Mapping[str, Any], key: str) -> float | None:
    number = value.get(key)
    return number if isinstance(number, int | float) and not isinstance(number, bool) and number >= 0 else None
