"""The limit of terminals: a program in a bare pseudo-terminal, read by `os.read`; nothing kept, nobody told."""

import os
import pty
import selectors
import signal
import time
from typing import Any

import pyte

from benchmarks.child import serve_questions


def _answer(question: dict[str, Any]) -> object:
    if question["do"] == "echo":
        return _echo_ms(question["command"], question["count"])
    if question["do"] == "drain":
        return _drain_cpu_s(question["command"])
    return _feed_s(question["size"], question["count"])


def _spawn(command: list[str]) -> tuple[int, int]:
    pid, master = pty.fork()
    if pid == 0:
        os.execvp(command[0], command)  # noqa: S606 (a command of our own)
    return pid, master


def _echo_ms(command: list[str], count: int) -> list[float]:
    pid, master = _spawn(command)
    while not os.read(master, 100).endswith(b"up"):
        pass
    took = []
    for _ in range(count):
        started = time.perf_counter()
        os.write(master, b"x")
        os.read(master, 100)
        took.append((time.perf_counter() - started) * 1000)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    os.close(master)
    return took


def _drain_cpu_s(command: list[str]) -> float:
    """Return the CPU time of reading all that a program prints."""
    started = time.process_time()
    pid, master = _spawn(command)
    with selectors.DefaultSelector() as selector:
        selector.register(master, selectors.EVENT_READ)
        while True:
            selector.select()
            try:
                if not os.read(master, 65536):
                    break
            except OSError:  # Linux reports the end of a pseudo-terminal as EIO
                break
    took = time.process_time() - started
    os.waitpid(pid, 0)
    os.close(master)
    return took


def _feed_s(size: int, count: int) -> float:
    """Return the CPU time of one `pyte.Screen.feed` of such a stream."""
    text = stream(size).decode()
    started = time.process_time()
    for _ in range(count):
        pyte.Stream(pyte.Screen(120, 40)).feed(text)
    return (time.process_time() - started) / count


def stream(size: int) -> bytes:
    """Return what a full-screen program prints: moves, colours, text."""
    piece = b"".join(
        b"\x1b[%d;1H\x1b[38;5;%dmline %d\x1b[0m some words of a tool's output, \x1b[1mbold\x1b[0m\x1b[K"
        % (row, row, row)
        for row in range(1, 41)
    )
    return (piece * (size // len(piece) + 1))[:size]


if __name__ == "__main__":
    serve_questions(_answer)
