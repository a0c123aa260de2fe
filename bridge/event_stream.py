"""The second thread: the agent's event stream, for pushes and list changes. While it is open we are there."""

from __future__ import annotations

import json
import time

from bridge.endpoint import Refused
from bridge.http import Cut, Limit, NothingSent
from bridge.notifications import push

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from bridge.endpoint import Endpoint

PATH = "/api/events?types=push,tools_changed"
SILENCE_S = 45.0
"""The server sends a comment every 15 s: three missed, and the connection is dead."""
REPORT_S = 5.0
FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 2.0


class EventStream:
    """Reads the stream for ever, through every end of the server."""

    def __init__(
        self,
        endpoint: Endpoint,
        agent: str,
        server_came: Callable[[str], None],
        menu_changed: Callable[[str], None],
    ) -> None:
        """Take whom to tell, each with the version of the agent's menu."""
        self._endpoint = endpoint
        self._agent = agent
        self._server_came = server_came
        self._menu_changed = menu_changed
        self._pause_s = FIRST_PAUSE_S

    def run(self) -> None:
        while True:
            try:
                self._follow()
            except (NothingSent, Cut, Refused):
                pass
            time.sleep(self._pause_s)
            self._pause_s = min(LONGEST_PAUSE_S, self._pause_s * 2)

    def _follow(self) -> None:
        response = self._endpoint.send("GET", PATH, {"Accept": "text/event-stream"}, b"", Limit(SILENCE_S))
        try:
            if response.status == 200 and response.is_stream:
                for name, data in response.events():
                    self._on_event(name, data)
        finally:
            self._endpoint.done(response)

    def _on_event(self, name: str, data: bytes) -> None:
        try:
            body = json.loads(data)
            if name == "hello":
                self._pause_s = FIRST_PAUSE_S
                self._server_came(_menu(body))
            elif name == "tools_changed":
                self._menu_changed(_menu(body))
            elif name == "push":
                problem = push(str(body["text"]))
                self._report({"id": body["id"], "ok": problem is None, "error": problem})
        except (ValueError, LookupError, TypeError, AttributeError):
            pass  # an event of a newer server: the stream goes on

    def _report(self, outcome: dict[str, Any]) -> None:
        path, body = f"/api/agents/{self._agent}/pushes", json.dumps(outcome).encode()
        for _ in range(2):  # it may be said twice; never said, and without a proof, the server offers it again
            try:
                response = self._endpoint.send("POST", path, {}, body, Limit(REPORT_S, REPORT_S))
                try:
                    response.body()
                finally:
                    self._endpoint.done(response)
                return
            except (NothingSent, Cut, Refused):
                pass


def _menu(body: Any) -> str:
    return str(body.get("menu") or "")
