"""The last good answers of an agent's menu, for when the server is late: an agent without tools is of no use."""

import json
import os
import threading
from typing import Any

KEPT = ("server/discover", "initialize", "tools/list")

_CAPABILITIES = {"tools": {"listChanged": True}}
_BUILT_IN: dict[str, dict[str, Any]] = {
    "server/discover": {
        "supportedVersions": ["2026-07-28"],
        "capabilities": _CAPABILITIES,
        "resultType": "complete",
        "ttlMs": 0,
        "cacheScope": "private",
        "_meta": {"io.modelcontextprotocol/serverInfo": {"name": "bullpen", "version": "0"}},
    },
    "initialize": {"capabilities": _CAPABILITIES, "serverInfo": {"name": "bullpen", "version": "0"}},
    "tools/list": {"tools": [], "resultType": "complete", "ttlMs": 0, "cacheScope": "private"},
}


class Cache:
    """Results by method, in one file."""

    def __init__(self, folder: str) -> None:
        self._path = os.path.join(folder, "menu.json")
        self._lock = threading.Lock()
        self._results: dict[str, Any] = {}
        try:
            with open(self._path, encoding="utf-8") as file:
                found = json.load(file)
            self._results = found if isinstance(found, dict) else {}
        except (OSError, ValueError):
            pass

    def keep(self, method: str, result: Any) -> None:
        """Remember a good answer; the file is replaced whole."""
        with self._lock:
            if self._results.get(method) == result:
                return
            self._results[method] = result
            new = self._path + ".new"
            try:
                with open(new, "w", encoding="utf-8") as file:
                    json.dump(self._results, file)
                os.replace(new, self._path)
            except OSError:
                pass  # the disk is full: the next start has an older menu

    def answer(self, method: str, params: dict[str, Any]) -> Any:
        """Return what can be said without the server."""
        result = dict(self._results.get(method) or _BUILT_IN[method])
        if method == "initialize":
            result["protocolVersion"] = params.get("protocolVersion", "2025-11-25")
        return result
