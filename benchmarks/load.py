"""HTTP clients in a process of their own: so many connections, each asking again as soon as it is answered."""

import select
import socket
import time
from typing import Any

from benchmarks.child import serve_questions

_LONGEST_WAIT_S = 20.0


class _Connection:
    """One connection and the answer it waits for. Answers have a Content-Length."""

    __slots__ = ("asked_at", "missing", "socket")

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.missing = 0
        """Bytes of the answer's body that have not come yet."""
        self.asked_at = 0.0

    def ask(self, request: bytes) -> None:
        self.asked_at = time.perf_counter()
        self.socket.sendall(request)

    def is_answered(self) -> bool:
        received = self.socket.recv(65536)
        if self.missing:
            self.missing -= len(received)
        else:
            head, _, body = received.partition(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 20"):
                raise RuntimeError(received.decode(errors="replace"))
            length = int(head.lower().partition(b"content-length:")[2].partition(b"\r")[0])
            self.missing = length - len(body)
        return self.missing == 0


def ask(question: dict[str, Any]) -> dict[str, float]:
    """Send requests for some seconds, or so many of them, and say how many were answered and how fast."""
    requests = [text.encode() for text in question["requests"]]
    connections = [_Connection(question["port"]) for _ in range(question["connections"])]
    most = question.get("count", 1 << 62)
    waiting = {connection.socket.fileno(): connection for connection in connections}
    poll = select.epoll()
    for descriptor in waiting:
        poll.register(descriptor, select.EPOLLIN)
    started, busy = time.perf_counter(), time.process_time()
    until = started + question.get("seconds", _LONGEST_WAIT_S)
    sent, took = 0, []
    for connection in connections:
        connection.ask(requests[sent % len(requests)])
        sent += 1
    while waiting:
        found = poll.poll(_LONGEST_WAIT_S)
        if not found:
            raise TimeoutError("no answer")
        for descriptor, _ in found:
            connection = waiting[descriptor]
            if not connection.is_answered():
                continue
            now = time.perf_counter()
            took.append(now - connection.asked_at)
            if now < until and sent < most:
                connection.ask(requests[sent % len(requests)])
                sent += 1
            else:
                del waiting[descriptor]
                poll.unregister(descriptor)
    elapsed = time.perf_counter() - started
    for connection in connections:
        connection.socket.close()
    took.sort()
    return {
        "rate": len(took) / elapsed,
        "p50_ms": took[len(took) // 2] * 1000,
        "p99_ms": took[len(took) * 99 // 100] * 1000,
        "busy": (time.process_time() - busy) / elapsed,
    }


if __name__ == "__main__":
    serve_questions(ask)
