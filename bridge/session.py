"""The session of the handshake era, kept alive over restarts of the server without the CLI's knowledge."""

from __future__ import annotations

import _thread
import json

from bridge.exchange import messages
from bridge.http import Cut, Limit, NothingSent
from bridge.request import parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from bridge.endpoint import Endpoint
    from bridge.http import Response
    from bridge.journal import Journal

SESSION = "Mcp-Session-Id"
_INITIALIZED = b'{"jsonrpc":"2.0","method":"notifications/initialized"}'
_OWN_ID = "bridge-initialize"
_ACCEPT = {"Accept": "application/json, text/event-stream"}


class Session:
    """One session at a time; the first who finds it lost opens another for all."""

    def __init__(self, endpoint: Endpoint, journal: Journal) -> None:
        self._endpoint = endpoint
        self._journal = journal
        self._lock = _thread.allocate_lock()
        self._headers = journal.session
        """What every request after initialize carries; None: there is no session."""

    def ensure(self, limit: Limit) -> dict[str, str]:
        """Return the session's headers, of a new session if need be. Raises NothingSent, Refused."""
        headers = self._headers
        if headers is not None or self._journal.greeting is None:
            return headers or {}
        if not self._lock.acquire(timeout=max(0.0, limit.left_s())):
            raise NothingSent("another request is opening a session")
        try:
            if self._headers is None:
                self._open(self._journal.greeting, limit)
            return self._headers or {}
        finally:
            self._lock.release()

    def opened(self, response: Response, result: Any) -> None:
        """Take the server's answer to the CLI's own initialize."""
        self._headers = _headers_of(response, result)

    def lost(self, headers: dict[str, str]) -> None:
        """Take note that the server does not know a session, unless there is another by now."""
        with self._lock:
            if self._headers == headers:
                self._headers = None

    def forget(self) -> None:
        """Take note that the CLI greets anew."""
        with self._lock:
            self._headers = None

    def confirm(self, line: bytes, limit: Limit) -> None:
        """Pass the CLI's `initialized` on. If that fails the session is of no use; the next request opens another."""
        headers = self._headers
        if headers is None:
            return  # initialize was answered without the server
        if self.tell(line, limit):
            self._journal.keep_session(headers)
        else:
            self.lost(headers)

    def tell(self, line: bytes, limit: Limit) -> bool:
        """Pass on what has no answer. Without a session there is nobody to tell. Return whether it was taken."""
        if self._headers is None:
            return False
        try:
            response = self._endpoint.send("POST", "/mcp", {**_ACCEPT, **self._headers}, line, limit)
            try:
                response.body()
            finally:
                self._endpoint.done(response)
        except (NothingSent, Cut):
            return False
        return response.status < 300

    def close(self, limit: Limit) -> None:
        """Let the server forget the session, if it listens."""
        headers = self._headers
        if headers is None or SESSION not in headers:
            return
        try:
            self._endpoint.done(self._endpoint.send("DELETE", "/mcp", headers, b"", limit))
        except (NothingSent, Cut):
            pass

    def _open(self, greeting: bytes, limit: Limit) -> None:
        line = json.dumps({**(parse(greeting) or {}), "id": _OWN_ID}).encode()
        try:
            response = self._endpoint.send("POST", "/mcp", _ACCEPT, line, limit)
            try:
                for answer in messages(response):
                    if answer.message.get("id") == _OWN_ID and isinstance(answer.message.get("result"), dict):
                        self._headers = _headers_of(response, answer.message["result"])
            finally:
                self._endpoint.done(response)
        except Cut as error:
            raise NothingSent(str(error)) from None  # of the request that needs the session
        headers = self._headers
        if headers is None:
            raise NothingSent(f"no session: the server answered {response.status}")
        if not self.tell(_INITIALIZED, limit):
            self._headers = None
            raise NothingSent("no session: the server took no greeting")
        self._journal.keep_session(headers)


def _headers_of(response: Response, result: Any) -> dict[str, str]:
    headers = {"MCP-Protocol-Version": str(result.get("protocolVersion", ""))} if isinstance(result, dict) else {}
    session = response.headers.get(SESSION.lower())
    return headers if session is None else {**headers, SESSION: session}
