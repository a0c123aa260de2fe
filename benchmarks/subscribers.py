"""Subscribers in a process of their own, which only count: every event has one mark in it, and a time behind it."""

import select
import socket
import time
from typing import Any

from benchmarks.child import serve_questions
from benchmarks.texts import MARK

_LONGEST_WAIT_S = 20.0
_MARK = MARK.encode()
_DIGITS = 20
_BUFFER = memoryview(bytearray(256 * 1024))


class Subscribers:
    """Open streams, read together."""

    def __init__(self) -> None:
        self._sockets: dict[int, socket.socket] = {}
        self._poll = select.epoll()

    def answer(self, question: dict[str, Any]) -> object:
        if question["do"] == "connect":
            at_once = question["count"] if question.get("at_once") else 100  # not more than the server's backlog holds
            return self._connect(question["port"], question["requests"], question["count"], at_once)
        return self._read(question["deliveries"], timed=question["timed"])

    def _connect(self, port: int, requests: list[str], count: int, at_once: int) -> dict[str, int]:
        opened = []
        for number in range(count):
            connection = socket.create_connection(("127.0.0.1", port), timeout=_LONGEST_WAIT_S)
            connection.sendall(requests[number % len(requests)].encode())
            opened.append(connection)
            if number % at_once == at_once - 1:
                _wait_for_hello(opened[-at_once:])
        _wait_for_hello(opened[len(opened) // at_once * at_once :])
        for connection in opened:
            connection.setblocking(False)
            self._sockets[connection.fileno()] = connection
            self._poll.register(connection.fileno(), select.EPOLLIN)
        return {"connected": len(self._sockets)}

    def _read(self, deliveries: int, *, timed: bool) -> dict[str, float]:
        """Read until so many events have come, and say when the last did and, if they tell, how long they took."""
        came, size, took, busy, started = 0, 0, [], time.process_time(), time.monotonic()
        while came < deliveries:
            found = self._poll.poll(_LONGEST_WAIT_S)
            if not found:
                break
            for descriptor, _ in found:
                length = self._sockets[descriptor].recv_into(_BUFFER)
                if not length:
                    raise ConnectionResetError("the server ended a stream")
                received = bytes(_BUFFER[:length])
                marks = received.count(_MARK)
                came += marks
                size += length
                at = received.find(_MARK) + 1
                if timed and marks == 1 and at + _DIGITS <= length:
                    took.append(time.monotonic_ns() - int(received[at : at + _DIGITS]))
        ended = time.monotonic()
        took.sort()
        return {
            "came": came,
            "bytes": size / max(1, came),
            "ended": ended,
            "p50_ms": took[len(took) // 2] / 1e6 if took else 0.0,
            "p99_ms": took[len(took) * 99 // 100] / 1e6 if took else 0.0,
            "busy": (time.process_time() - busy) / (ended - started),
        }


def _wait_for_hello(connections: list[socket.socket]) -> None:
    for connection in connections:
        received = b""
        while b"event: hello" not in received or not received.endswith((b"\n\n", b"\r\n")):
            more = connection.recv(65536)
            if not more:
                raise ConnectionResetError(received.decode(errors="replace"))
            received += more


if __name__ == "__main__":
    serve_questions(Subscribers().answer)
