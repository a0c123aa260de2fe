"""Argument model → the JSON schema a model reads: small, flat, and the same bytes every time."""

from collections.abc import Mapping
from typing import Any

from server.core.operation import Operation

IDEM_KEY = "idem_key"
_IDEM_KEY_SCHEMA = {"type": "string"}
_KEPT = ("type", "description", "enum", "const", "items", "properties", "required", "minimum", "maximum", "default")
"""Lengths and patterns are left out: they teach little, and we check them anyway."""


def takes_idem_key(operation: Operation) -> bool:
    """Tell whether a tool shows `idem_key`: where a repeat would be a second effect."""
    return operation.changes and not operation.repeatable and not operation.waits


def input_schema(operation: Operation) -> dict[str, Any]:
    """Return the schema of an operation's arguments without what the tool hides.

    Every character of it is in every agent's context: that unknown arguments are refused, the refusal itself tells.
    """
    whole = operation.arguments.model_json_schema()
    compact = _Compact(whole.get("$defs", {}))
    properties = {
        name: compact.schema(schema)
        for name, schema in whole.get("properties", {}).items()
        if name not in operation.hidden
    }
    if takes_idem_key(operation):
        properties[IDEM_KEY] = _IDEM_KEY_SCHEMA
    schema: dict[str, Any] = {"type": "object", "properties": properties}
    required = {*whole.get("required", ()), *operation.required_in_tool}
    if required - operation.hidden:
        schema["required"] = [name for name in properties if name in required]
    return schema


class _Compact:
    def __init__(self, definitions: Mapping[str, Any]) -> None:
        self._definitions = definitions

    def schema(self, schema: Mapping[str, Any]) -> dict[str, Any]:
        if "$ref" in schema:
            # Endless for a type that contains itself: no argument may be one.
            return self.schema(self._definitions[schema["$ref"].rpartition("/")[2]])
        if "anyOf" in schema:
            return self._choice(schema)
        kept: dict[str, Any] = {name: schema[name] for name in _KEPT if name in schema}
        if kept.get("default") in (None, "", [], {}):
            kept.pop("default", None)
        if "items" in kept:
            kept["items"] = self.schema(kept["items"])
        if "properties" in kept:
            kept["properties"] = {name: self.schema(part) for name, part in kept["properties"].items()}
        return kept

    def _choice(self, schema: Mapping[str, Any]) -> dict[str, Any]:
        """Drop null and the empty text from a choice: an argument is left out, and what clears a field is a detail."""
        parts = [
            self.schema(part) for part in schema["anyOf"] if part.get("type") != "null" and part.get("const") != ""
        ]
        rest = self.schema({name: value for name, value in schema.items() if name != "anyOf"})
        return {**parts[0], **rest} if len(parts) == 1 else {"anyOf": parts, **rest}
