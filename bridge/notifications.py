"""What the bridge itself tells the CLI: one line at a time on stdout, list changes, progress; and pushes by socket."""

import _socket
import json
import os
import threading
from typing import Any

SUBSCRIPTION = "io.modelcontextprotocol/subscriptionId"


class Output:
    """Stdout, a whole line at a time."""

    def __init__(self, descriptor: int = 1) -> None:
        self._descriptor = descriptor
        self._lock = threading.Lock()

    def write(self, line: bytes) -> None:
        data = memoryview(line + b"\n")
        with self._lock:
            while data:
                data = data[os.write(self._descriptor, data) :]

    def say(self, message: dict[str, Any]) -> None:
        self.write(json.dumps({"jsonrpc": "2.0", **message}).encode())

    def result(self, request_id: object, result: Any) -> None:
        self.say({"id": request_id, "result": result})

    def error(self, request_id: object, code: int, text: str) -> None:
        self.say({"id": request_id, "error": {"code": code, "message": text}})

    def tool_error(self, request_id: object, text: str) -> None:
        """Answer a call with a text that the model reads."""
        self.result(
            request_id, {"content": [{"type": "text", "text": text}], "isError": True, "resultType": "complete"}
        )

    def progress(self, token: object, amount: float, text: str) -> None:
        params = {"progressToken": token, "progress": amount, "message": text}
        self.say({"method": "notifications/progress", "params": params})


class Listeners:
    """Who listens for list changes. The stream is ended here: no connection stays open for it."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._lock = threading.Lock()
        self._open: list[object] = []
        self.is_older_era = False

    def listen(self, request_id: object) -> None:
        with self._lock:
            if request_id not in self._open:
                self._open.append(request_id)
        params = {"_meta": {SUBSCRIPTION: request_id}, "notifications": {"toolsListChanged": True}}
        self._output.say({"method": "notifications/subscriptions/acknowledged", "params": params})

    def hang_up(self, request_id: object) -> bool:
        with self._lock:
            if request_id in self._open:
                self._open.remove(request_id)
                return True
        return False

    def tell_list_changed(self) -> None:
        """Tell the CLI that its tool list changed: it asks for it anew within 0.02 s (measured)."""
        method = "notifications/tools/list_changed"
        if self.is_older_era:
            self._output.say({"method": method})
        with self._lock:
            listeners = list(self._open)
        for request_id in listeners:
            self._output.say({"method": method, "params": {"_meta": {SUBSCRIPTION: request_id}}})


def push(text: str) -> str | None:
    """Hand a text to the CLI's messaging socket; return why that could not be done, or None.

    The socket answers nothing: that it took the text is no proof that the model sees it.
    """
    path = os.environ.get("CLAUDE_CODE_MESSAGING_SOCKET")
    if not path:
        return "the CLI has no messaging socket"
    frames: list[dict[str, Any]] = []
    token = os.environ.get("CLAUDE_CODE_MESSAGING_TOKEN")
    if token:
        frames.append({"type": "auth", "token": token})
    frames.append({"type": "user", "message": {"role": "user", "content": text}})
    peer = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    try:
        peer.settimeout(5.0)
        peer.connect(path)
        peer.sendall("".join(json.dumps(frame) + "\n" for frame in frames).encode())
    except OSError as error:
        return f"the messaging socket: {error.strerror or error}"
    finally:
        peer.close()
    return None
