"""What a model reads of a result or an error: compact text, bounded, with the next step at its end."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import orjson

from server.core.errors import BullpenError
from server.core.operation import Operation

LONGEST_RESULT = 45_000
"""UTF-16 units. Claude Code shows up to 50 000 and puts anything longer into a file (measured)."""
_ERROR_WORDS = 60
_NARROWING = ("limit", "before", "after", "cursor", "detail_limit", "thread")


def result_text(operation: Operation, value: Any, arguments: Collection[str]) -> str:
    """Return the compact text of a result. `arguments` are those by which the caller could ask for less."""
    text = operation.describe(value) if operation.describe is not None else _json_lines(value)
    return _bounded(text, [name for name in _NARROWING if name in arguments])


def error_text(failure: BullpenError) -> str:
    """Return code, what is wrong and what to do, in at most 60 words."""
    facts = "".join(f" {name}: {_compact(value)}." for name, value in failure.facts.items())
    words = f"{failure.code}: {failure.message}{facts} {failure.hint}".split()
    return " ".join(words[:_ERROR_WORDS]) + (" …" if len(words) > _ERROR_WORDS else "")


def badge_text(new: int, mentions: int, mentioned_by: Sequence[str]) -> str:
    """Return the line by which any result may say that something waits."""
    names = ", ".join(mentioned_by[:3])
    named = f" ({mentions} mention{'s' if mentions > 1 else ''} from {names})" if mentions else ""
    return f"inbox: {'99+' if new > 99 else new} new{named} → check_in"


def _json_lines(value: Any) -> str:
    """Return one line of JSON for each item of the one list there is, or one line for the whole."""
    plain = orjson.loads(orjson.dumps(value))
    if isinstance(plain, dict):
        lists = [name for name, part in plain.items() if isinstance(part, list) and part and isinstance(part[0], dict)]
        if len(lists) == 1:
            items = plain.pop(lists[0])
            head = _without_nothing(plain)
            lines = [_compact(item) for item in items]
            return "\n".join([*([_compact(head)] if head else []), *lines])
    return _compact(plain)


def _compact(value: Any) -> str:
    return orjson.dumps(_without_nothing(value)).decode()


def _without_nothing(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: part for name, part in value.items() if part is not None and part != ""}
    return value


def _bounded(text: str, narrowing: Sequence[str]) -> str:
    units = text.encode("utf-16-le", "replace")
    if len(units) <= 2 * LONGEST_RESULT:
        return text
    kept = units[: 2 * (LONGEST_RESULT - 200)].decode("utf-16-le", "ignore")
    kept = kept[: kept.rfind("\n") + 1] or kept  # whole lines, unless there is but one
    how = f"Ask for less with {' or '.join(narrowing[:3])}." if narrowing else "Ask for something narrower."
    return f"{kept}… {len(text) - len(kept)} of {len(text)} characters left out. {how}"
