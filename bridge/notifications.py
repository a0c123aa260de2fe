"""What the bridge itself tells the CLI: one line at a time on stdout, list changes, progress; and pushes by socket."""

from __future__ import annotations

import _socket
import _thread
import json
import os
import select

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

SUBSCRIPTION = "io.modelcontextprotocol/subscriptionId"
_AT_ONCE = 4096
"""Bytes that a pipe takes whole or not at all."""
_PUSH_TIMEOUT_S = 5.0


class Output:
    """Stdout, a whole line at a time."""

    def __init__(self, long_line: Callable[[bool], None], descriptor: int = 1) -> None:
        """Take whom to tell that a long line is begun, and written."""
        self._long_line = long_line
        self._descriptor = descriptor
        self._lock = _thread.allocate_lock()

    def write(self, line: bytes) -> None:
        data = line + b"\n"
        with self._lock:
            if len(data) <= _AT_ONCE:
                self._write(data)
                return
            self._long_line(True)
            self._write(data)
            self._long_line(False)

    def say(self, message: dict[str, Any]) -> None:
        self.write(json.dumps({"jsonrpc": "2.0", **message}).encode())

    def result(self, request_id: object, result: Any) -> None:
        self.say({"id": request_id, "result": result})

    def error(self, request_id: object, code: int, text: str) -> None:
        self.say({"id": request_id, "error": {"code": code, "message": text}})

    def tool_error(self, request_id: object, text: str, *, is_modern: bool) -> None:
        """Answer a call with a text that the model reads."""
        result: dict[str, Any] = {"content": [{"type": "text", "text": text}], "isError": True}
        self.result(request_id, result | ({"resultType": "complete"} if is_modern else {}))

    def progress(self, token: object, amount: float, text: str) -> None:
        params = {"progressToken": token, "progress": amount, "message": text}
        self.say({"method": "notifications/progress", "params": params})

    def _write(self, data: bytes) -> None:
        left = memoryview(data)
        while left:
            try:
                left = left[os.write(self._descriptor, left) :]
            except BlockingIOError:  # the CLI has made it so
                select.select([], [self._descriptor], [])
            except OSError:
                os._exit(0)  # the CLI has gone: there is nobody to work for


class Listeners:
    """Who listens for list changes. The stream ends here: no connection to the server stays open for it."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._lock = _thread.allocate_lock()
        self._open: list[object] = []
        self.is_handshake_era = False

    def listen(self, request_id: object, params: dict[str, Any]) -> None:
        wanted = params.get("notifications")
        with self._lock:
            if request_id not in self._open:
                self._open.append(request_id)
        granted = {"toolsListChanged": True} if isinstance(wanted, dict) and wanted.get("toolsListChanged") else {}
        told = {"_meta": {SUBSCRIPTION: request_id}, "notifications": granted}
        self._output.say({"method": "notifications/subscriptions/acknowledged", "params": told})

    def hang_up(self, request_id: object) -> bool:
        with self._lock:
            if request_id in self._open:
                self._open.remove(request_id)
                return True
        return False

    def tell_list_changed(self) -> None:
        """Tell the CLI that its tool list changed: it asks for it anew within 0.02 s (measured)."""
        method = "notifications/tools/list_changed"
        if self.is_handshake_era:
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
        peer.settimeout(_PUSH_TIMEOUT_S)
        peer.connect(path)
        peer.sendall("".join(json.dumps(frame) + "\n" for frame in frames).encode())
    except OSError as error:
        return f"the messaging socket: {error.strerror or error}"
    finally:
        peer.close()
    return None
