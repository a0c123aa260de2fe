"""The limit of fan-out: for each event, one `os.write` of the same bytes to every socket. No rights, no log."""

import os
import socket
import time
from typing import Any

from benchmarks.child import serve_questions
from benchmarks.machine import free_port
from benchmarks.texts import MARK

_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\nevent: hello\n\n"


class WriteLoop:
    """Accepts subscribers and writes to them."""

    def __init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", free_port()), backlog=512)
        self._sockets: list[socket.socket] = []

    def answer(self, question: dict[str, Any]) -> object:
        if question["do"] == "listen":
            return {"port": self._listening.getsockname()[1]}
        if question["do"] == "accept":
            return self._accept(question["count"])
        return self._write(question["events"], question["bytes"], question["pause_s"])

    def _accept(self, count: int) -> dict[str, int]:
        for _ in range(count):
            accepted, _ = self._listening.accept()
            accepted.recv(65536)
            accepted.sendall(_ANSWER)
            self._sockets.append(accepted)
        return {"accepted": count}

    def _write(self, events: int, size: int, pause_s: float) -> dict[str, float]:
        descriptors = [each.fileno() for each in self._sockets]
        due, cpu = time.monotonic(), time.process_time()
        for _ in range(events):
            if pause_s:
                time.sleep(max(0.0, due - time.monotonic()))
                due += pause_s
            head = f"{MARK}{time.monotonic_ns():020d} "
            blob = head.encode().ljust(size - 2, b"x") + b"\n\n"
            for descriptor in descriptors:
                os.write(descriptor, blob)
        return {"cpu_s": time.process_time() - cpu}


if __name__ == "__main__":
    serve_questions(WriteLoop().answer)
