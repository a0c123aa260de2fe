"""What Codex writes down of its use: after each request the tokens of it, in the rollout of the conversation.

It knows no prices. A total that grows with each request names the request, for it is told again when limits change.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from server.supervision.kinds.kind import AccountLimit, RequestRecord, UsageReading
from server.supervision.kinds.line_records import last_lines, moment_ms, new_lines, parsed

_WINDOW_NAMES = {300: "five_hour", 10_080: "seven_day"}


def read_usage(configuration: Path, marks: Mapping[str, int]) -> UsageReading:
    """Read all rollouts from where they were read to."""
    requests: dict[str, RequestRecord] = {}
    read: dict[str, int] = {}
    compactions, percent, size = 0, None, None
    limits: list[AccountLimit] | None = None
    for file in sorted(configuration.glob("sessions/*/*/*/rollout-*.jsonl")):
        source = f"rollout:{file.name}"
        data, end = new_lines(file, marks.get(source, 0))
        if end == marks.get(source, 0):
            continue
        read[source] = end
        model = ""
        for line in data.decode("utf-8", "replace").splitlines():
            entry = parsed(line)
            payload = _part(entry, "payload")
            if entry.get("type") == "turn_context":
                model = str(payload.get("model") or "")
            compactions += entry.get("type") == "compacted"
            if payload.get("type") != "token_count":
                continue
            limits = _limits(_part(payload, "rate_limits")) or limits
            info = _part(payload, "info")
            total, last = _part(info, "total_token_usage"), _part(info, "last_token_usage")
            size = _count(info, "model_context_window") or size
            if not last or not _count(total, "total_tokens"):
                continue
            percent = None if not size else min(100.0, round(100 * _count(last, "total_tokens") / size, 1))
            key = f"{file.stem}:{_count(total, 'total_tokens')}"
            cached = _count(last, "cached_input_tokens")
            requests[key] = RequestRecord(
                key,
                model or _model_of(file),
                moment_ms(entry.get("timestamp")),
                input_tokens=max(0, _count(last, "input_tokens") - cached),
                output_tokens=_count(last, "output_tokens"),
                cache_read_tokens=cached,
            )
    return UsageReading(
        list(requests.values()),
        read,
        context_percent=percent,
        context_size=size,
        compactions=compactions,
        limits=limits,
    )


def _limits(told: Mapping[str, Any]) -> list[AccountLimit]:
    found = []
    for word in ("primary", "secondary"):
        window = _part(told, word)
        minutes, resets = _count(window, "window_minutes"), _count(window, "resets_at")
        used = window.get("used_percent")
        if isinstance(used, int | float):
            found.append(
                AccountLimit(_WINDOW_NAMES.get(minutes, word), float(used), resets * 1000 or None, minutes * 60 or None)
            )
    return found


def _model_of(file: Path) -> str:
    """Return the model of the last turn, which may have begun before what was read now."""
    for line in last_lines(file):
        if '"turn_context"' in line:
            return str(_part(parsed(line), "payload").get("model") or "unknown")
    return "unknown"


def _part(value: Mapping[str, Any], key: str) -> dict[str, Any]:
    part = value.get(key)
    return part if isinstance(part, dict) else {}


def _count(value: Mapping[str, Any], key: str) -> int:
    number = value.get(key)
    return int(number) if isinstance(number, int | float) and number >= 0 else 0
