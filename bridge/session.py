"""The session of the older protocol era, kept alive over restarts of the server without the CLI's knowledge."""

import json
import threading
from collections.abc import Callable
from typing import Any

INITIALIZED = b'{"jsonrpc":"2.0","method":"notifications/initialized"}'

Post = Callable[[bytes, dict[str, str]], tuple[int, dict[str, str], bytes]]
"""Send a body with headers; return status, headers and body. Raises NothingSent, Cut."""


class Session:
    """One session id at a time; whoever finds it lost renews it once for all."""

    def __init__(self, post: Post, greeting: str | None) -> None:
        self._post = post
        self._lock = threading.Lock()
        self._greeting = greeting
        self._id: str | None = None
        self._version = ""

    @property
    def greeting(self) -> str | None:
        return self._greeting

    def headers(self) -> dict[str, str]:
        """Return what every request of this era carries after initialize."""
        if self._id is None:
            return {}
        return {"Mcp-Session-Id": self._id, "MCP-Protocol-Version": self._version}

    def greet(self, line: str) -> None:
        """Take the CLI's own initialize line, to be sent again whenever a session is lost."""
        self._greeting = line

    def opened(self, headers: dict[str, str], result: Any) -> None:
        """Take the server's answer to it."""
        self._id = headers.get("mcp-session-id")
        if isinstance(result, dict):
            self._version = str(result.get("protocolVersion", ""))

    def needs_opening(self) -> bool:
        return self._id is None and self._greeting is not None

    def renew(self, lost: dict[str, str]) -> None:
        """Open a session anew, unless another thread has since the lost one. Raises NothingSent, Cut."""
        with self._lock:
            if self.headers() != lost or self._greeting is None:
                return
            request = json.loads(self._greeting)
            request["id"] = "bridge-initialize"
            status, headers, body = self._post(json.dumps(request).encode(), {})
            if status != 200:
                return
            answer = json.loads(_last_data(body) if headers.get("content-type", "").startswith("text/event") else body)
            self.opened(headers, answer.get("result"))
            self._post(INITIALIZED, self.headers())


def _last_data(body: bytes) -> bytes:
    return [line[5:].strip() for line in body.split(b"\n") if line.startswith(b"data:")][-1]
