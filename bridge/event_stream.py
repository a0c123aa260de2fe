"""The second thread: the agent's event stream, for pushes and list changes. While it is open we are there."""

import json
import time
from collections.abc import Callable

from bridge.http import Address, Connection, Cut, NothingSent, Response
from bridge.notifications import push
from bridge.token_file import TokenFile

SILENCE_S = 45.0
"""The server sends a comment every 15 s: three missed, and the connection is dead."""
FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 2.0
VERSION = "1"


class EventStream:
    """Reads the stream for ever, through every end of the server."""

    def __init__(
        self,
        address: Address,
        token: TokenFile,
        agent: str,
        run_id: str,
        server_came: Callable[[str], None],
        list_changed: Callable[[], None],
    ) -> None:
        self._address = address
        self._token = token
        self._agent = agent
        self._headers = {"X-Bullpen-Client": f"bridge/{VERSION}", "X-Bullpen-Run": run_id}
        self._server_came = server_came
        self._list_changed = list_changed
        self._pause_s = FIRST_PAUSE_S

    def run(self) -> None:
        while True:
            try:
                self._follow()
            except (NothingSent, Cut, ValueError):
                pass
            time.sleep(self._pause_s)
            self._pause_s = min(LONGEST_PAUSE_S, self._pause_s * 2)

    def _follow(self) -> None:
        connection = Connection(self._address)
        try:
            head = self._head("GET", "/api/events?types=push,tools_changed", 0, {"Accept": "text/event-stream"})
            response = connection.request(head, b"", SILENCE_S)
            if response.status == 401:
                self._token.reload()
            if response.status != 200:
                raise Cut(f"status {response.status}")
            for name, data in response.events():
                self._on_event(name, data)
        finally:
            connection.close()

    def _on_event(self, name: str, data: str) -> None:
        if name == "hello":
            self._pause_s = FIRST_PAUSE_S
            self._server_came(str(json.loads(data).get("menu", "")))
        elif name == "tools_changed":
            self._list_changed()
        elif name == "push":
            body = json.loads(data)
            problem = push(str(body["text"]))
            self._report({"id": body["id"], "ok": problem is None, "error": problem})

    def _report(self, outcome: dict[str, object]) -> None:
        body = json.dumps(outcome).encode()
        path = f"/api/agents/{self._agent}/pushes"
        try:
            connection = Connection(self._address)
            try:
                response: Response = connection.request(self._head("POST", path, len(body), {}), body, 5.0)
                response.body()
            finally:
                connection.close()
        except (NothingSent, Cut):
            pass  # without a report and without a receipt the server offers it again

    def _head(self, method: str, path: str, length: int, headers: dict[str, str]) -> bytes:
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self._address.header}", f"Content-Length: {length}"]
        every = {"Content-Type": "application/json", **self._headers, **self._token.header(), **headers}
        lines += [f"{name}: {value}" for name, value in every.items()]
        return "\r\n".join([*lines, "", ""]).encode("latin-1", "replace")
