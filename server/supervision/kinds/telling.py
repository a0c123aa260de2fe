"""What an agent is doing in a few words, from what its CLI says; nothing in that is to be trusted."""

from collections.abc import Mapping
from typing import Any

from server.supervision.prompt_text import clean_text

LONGEST_DETAIL = 120
_TELLING_ARGUMENTS = ("command", "file_path", "pattern", "url", "query", "channel", "description")


def short(value: object) -> str:
    """Return a text on one line, cleaned and cut; nothing for what is no text."""
    text = " ".join(clean_text(value[: 10 * LONGEST_DETAIL]).split()) if isinstance(value, str) else ""
    return text if len(text) <= LONGEST_DETAIL else text[: LONGEST_DETAIL - 1] + "…"


def tool_in_words(payload: Mapping[str, object], own_tools: str) -> str:
    """Name the tool of a hook call with the argument that says most. `own_tools`: what our tools' names begin with."""
    name = short(payload.get("tool_name")).removeprefix(own_tools)
    arguments: Any = payload.get("tool_input")
    if not isinstance(arguments, dict):
        return name
    for key in _TELLING_ARGUMENTS:
        if isinstance(arguments.get(key), str):
            return f"{name}: {short(arguments[key])}"
    return name
