"""The last good answers of an agent's menu, for when the server is late: an agent without tools is of no use."""

from __future__ import annotations

import _thread
import json
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from bridge.request import Request

_CAPABILITIES = {"tools": {"listChanged": True}}
_SERVER = {"name": "bullpen", "version": "0"}
_BUILT_IN: dict[str, dict[str, Any]] = {
    "server/discover": {
        "supportedVersions": ["2026-07-28"],
        "capabilities": _CAPABILITIES,
        "_meta": {"io.modelcontextprotocol/serverInfo": _SERVER},
    },
    "initialize": {"capabilities": _CAPABILITIES, "serverInfo": _SERVER},
    "tools/list": {"tools": []},
}
_OF_ITS_ERA = {"resultType", "ttlMs", "cacheScope", "nextCursor", "_meta"}


class Cache:
    """Results by method, in one file."""

    def __init__(self, folder: str) -> None:
        self._path = os.path.join(folder, "menu.json")
        self._lock = _thread.allocate_lock()
        self._results: dict[str, Any] = {}
        try:
            with open(self._path, encoding="utf-8") as file:
                found = json.load(file)
            self._results = found if isinstance(found, dict) else {}
        except (OSError, ValueError, RecursionError):
            pass

    def keep(self, method: str, result: Any) -> None:
        """Remember a good answer; the file is replaced whole."""
        with self._lock:
            if self._results.get(method) == result:
                return
            self._results[method] = result
            new = f"{self._path}.{os.getpid()}"  # two bridges of one agent may write at once
            try:
                with open(new, "w", encoding="utf-8") as file:
                    json.dump(self._results, file)
                os.replace(new, self._path)
            except OSError:
                pass  # the disk is full: the next start has an older menu

    def answer(self, request: Request) -> dict[str, Any]:
        """Return what can be said without the server."""
        kept = self._results.get(request.method)
        result = dict(kept if isinstance(kept, dict) else _BUILT_IN[request.method])
        if request.method == "initialize":
            result["protocolVersion"] = request.params.get("protocolVersion", "2025-11-25")
        if request.method == "tools/list":  # one list for both eras
            result = {name: value for name, value in result.items() if name not in _OF_ITS_ERA}
        if request.is_modern:
            result |= {"resultType": "complete", "ttlMs": 0, "cacheScope": "private"}
        return result
