"""One request of the CLI: its era, its headers, its key."""

import json
import os
from typing import Any

PROTOCOL_VERSION = "io.modelcontextprotocol/protocolVersion"
TOOL_USE = "claudecode/toolUseId"
_NAMED = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}


class Request:
    """A JSON-RPC request line as it came, and what must be known of it."""

    def __init__(self, message: dict[str, Any], line: bytes, key: str = "") -> None:
        self.id = message["id"]
        self.method = str(message["method"])
        params = message.get("params")
        self.params: dict[str, Any] = params if isinstance(params, dict) else {}
        self.line = line
        meta = self.params.get("_meta")
        self._meta: dict[str, Any] = meta if isinstance(meta, dict) else {}
        # The CLI's own id of the call, the same however often we send it; where there is none, one of ours.
        self.key = key or str(self._meta.get(TOOL_USE) or f"bridge-{os.urandom(12).hex()}")[:255]
        self.is_cancelled = False

    @property
    def is_modern(self) -> bool:
        return PROTOCOL_VERSION in self._meta

    @property
    def is_call(self) -> bool:
        return self.method == "tools/call"

    @property
    def progress_token(self) -> object:
        return self._meta.get("progressToken")

    def headers(self) -> dict[str, str]:
        """Return the headers that the server compares with the body, and the key."""
        headers = {"Idempotency-Key": _header(self.key)} if self.is_call else {}
        if self.is_modern:
            headers["MCP-Protocol-Version"] = _header(str(self._meta[PROTOCOL_VERSION]))
            headers["Mcp-Method"] = _header(self.method)
            named = _NAMED.get(self.method)
            if named and isinstance(self.params.get(named), str):
                headers["Mcp-Name"] = _header(self.params[named])
        return headers


def _header(value: str) -> str:
    """Return a value as a header may carry it: plain, or wrapped as base64 of UTF-8."""
    plain = value.isascii() and value.isprintable() and value == value.strip() and not value.startswith("=?")
    if plain:
        return value
    import binascii

    encoded = binascii.b2a_base64(value.encode("utf-8", "surrogatepass"), newline=False).decode()
    return f"=?base64?{encoded}?="


def parse(line: bytes) -> dict[str, Any] | None:
    """Return a JSON-RPC message, or None if the line is none."""
    try:
        message = json.loads(line)
    except ValueError:
        return None
    return message if isinstance(message, dict) else None
