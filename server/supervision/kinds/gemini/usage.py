"""What Gemini CLI writes down of its use: with each answer of the model its tokens, in the file of the chat."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from server.supervision.kinds.kind import RequestRecord, UsageReading
from server.supervision.kinds.line_records import moment_ms, new_lines, parsed


def read_usage(configuration: Path, marks: Mapping[str, int]) -> UsageReading:
    """Read all chats from where they were read to."""
    requests: dict[str, RequestRecord] = {}
    read: dict[str, int] = {}
    for file in sorted(configuration.glob("tmp/*/chats/session-*.jsonl")):
        source = f"chat:{file.parent.parent.name}/{file.name}"
        data, end = new_lines(file, marks.get(source, 0))
        if end == marks.get(source, 0):
            continue
        read[source] = end
        for line in data.decode("utf-8", "replace").splitlines():
            entry = parsed(line)
            tokens, key = entry.get("tokens"), entry.get("id")
            if entry.get("type") != "gemini" or not isinstance(tokens, dict) or not isinstance(key, str):
                continue
            cached = _count(tokens, "cached")
            requests[key] = RequestRecord(
                key,
                str(entry.get("model") or "unknown")[:200],
                moment_ms(entry.get("timestamp")),
                input_tokens=max(0, _count(tokens, "input") - cached) + _count(tokens, "tool"),
                output_tokens=_count(tokens, "output") + _count(tokens, "thoughts"),
                cache_read_tokens=cached,
            )
    return UsageReading(list(requests.values()), read)


def _count(value: Mapping[str, Any], key: str) -> int:
    number = value.get(key)
    return int(number) if isinstance(number, int | float) and number >= 0 else 0
