"""One request of the CLI: its era, its headers, its key, and the connection that carries it."""

from __future__ import annotations

import _thread
import json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from bridge.http import Connection

PROTOCOL_VERSION = "io.modelcontextprotocol/protocolVersion"
TOOL_USE = "claudecode/toolUseId"
LISTINGS = ("server/discover", "initialize", "tools/list")
_NAMED = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}


class Request:
    """A JSON-RPC request line as it came, and what must be known of it."""

    def __init__(self, message: dict[str, Any], line: bytes, key: str = "") -> None:
        self.id = message["id"]
        self.name = name_of(self.id)
        self.method = str(message["method"])
        params = message.get("params")
        self.params: dict[str, Any] = params if isinstance(params, dict) else {}
        self.line = line
        meta = self.params.get("_meta")
        self._meta: dict[str, Any] = meta if isinstance(meta, dict) else {}
        # The CLI's own id of the call: it stays the same however often we send it.
        self.key = str(self._meta.get(TOOL_USE) or key)
        self.attempts = 0
        self.progress = 0.0
        """The last that the CLI was told."""
        self.is_cancelled = False
        self._connection: Connection | None = None
        self._lock = _thread.allocate_lock()

    @property
    def is_modern(self) -> bool:
        return PROTOCOL_VERSION in self._meta

    @property
    def is_call(self) -> bool:
        return self.method == "tools/call"

    @property
    def is_listing(self) -> bool:
        """It can be answered without the server. A further page of a listing cannot."""
        return self.method in LISTINGS and not self.params.get("cursor")

    @property
    def progress_token(self) -> object:
        return self._meta.get("progressToken")

    def headers(self) -> dict[str, str]:
        """Return the headers that the server compares with the body, and the key."""
        headers = {"Accept": "application/json, text/event-stream"}
        if self.is_call:
            headers["Idempotency-Key"] = _header(self.key)
            headers["X-Bullpen-Attempt"] = str(self.attempts)
        if self.is_modern:
            headers["MCP-Protocol-Version"] = _header(str(self._meta[PROTOCOL_VERSION]))
            headers["Mcp-Method"] = _header(self.method)
            named = _NAMED.get(self.method)
            if named and isinstance(self.params.get(named), str):
                headers["Mcp-Name"] = _header(self.params[named])
        return headers

    def carried_by(self, connection: Connection) -> None:
        """Take note of the connection that carries it now. It is of no use if the request is cancelled."""
        with self._lock:
            self._connection = connection
            if self.is_cancelled:
                connection.interrupt()

    def cancel(self) -> None:
        """Stop working on it: its connection closes, which the server takes for the wish to stop."""
        with self._lock:
            self.is_cancelled = True
            if self._connection is not None:
                self._connection.interrupt()

    def carried_no_more(self) -> None:
        """Forget the connection: it may serve another request from now on."""
        with self._lock:
            self._connection = None


def name_of(request_id: object) -> str:
    """Return a name for an id by which 1 and "1" stay apart."""
    return json.dumps(request_id)


def parse(line: bytes) -> dict[str, Any] | None:
    """Return a JSON-RPC message, or None if the line is none."""
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return message if isinstance(message, dict) else None


def _header(value: str) -> str:
    """Return a value as a header may carry it: plain, or wrapped as base64 of UTF-8."""
    plain = value.isascii() and value.isprintable() and value == value.strip() and not value.startswith("=?")
    if plain:
        return value
    import binascii  # seldom needed

    encoded = binascii.b2a_base64(value.encode("utf-8", "surrogatepass"), newline=False).decode()
    return f"=?base64?{encoded}?="
