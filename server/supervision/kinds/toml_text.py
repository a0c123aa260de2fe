"""TOML, written: the standard library reads it only."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def toml_text(content: Mapping[str, Any]) -> str:
    """Return a mapping of texts, numbers, booleans, lists and mappings as TOML; anything else is left out."""
    return "\n".join(_table(content, ())) + "\n"


def _table(table: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[str]:
    below = {name: value for name, value in table.items() if isinstance(value, Mapping)}
    values = {name: _value(value) for name, value in table.items() if name not in below}
    if path and (values or not below):
        yield f"\n[{'.'.join(map(_key, path))}]"
    for name, text in values.items():
        if text is not None:
            yield f"{_key(name)} = {text}"
    for name, inner in below.items():
        yield from _table(inner, (*path, name))


def _value(value: object) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, Mapping):
        pairs = ((name, _value(inner)) for name, inner in value.items())
        return "{" + ", ".join(f"{_key(name)} = {text}" for name, text in pairs if text is not None) + "}"
    if isinstance(value, Sequence):
        return "[" + ", ".join(text for item in value if (text := _value(item)) is not None) + "]"
    return None


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else _text(name)


def _text(text: str) -> str:
    """Return a basic string. JSON's escapes are TOML's too, once surrogate pairs and DEL are out of the way."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
