"""Raw terminal bytes → the text that stands on the screen, on demand and in a worker process.

Emulating costs a second of processor time a megabyte, so it is done neither as bytes arrive nor in the server itself.
"""

import asyncio
import multiprocessing
import os
import re
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing.connection import wait

import pyte

from server.core.errors import TooMany

MAX_BYTES = 64 * 1024
MAX_WAITING = 16
RENDER_TIMEOUT_S = 5
LARGEST_SIDE = 500

_FRESH = re.compile(rb"\x1bc|\x1b\[[23]J|\x1b\[\?(?:47|1047|1049)h")
"""After any of these the screen owes nothing to what came before: reset, whole clear, switch to the other screen."""
_FOREIGN = re.compile(
    r"\x1b\[[<=>][0-9;:]*[ -/]*[@-~]"  # keyboard protocols and the like, which pyte would print
    r"|\x1b\[[0-9;]*:[0-9;:]*m"  # colours in the colon form
    r"|\x1b[PX^_][^\x1b\x07]*(?:\x1b\\|\x07)?"  # device control strings, pictures
    r"|[\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]"  # invisible, or turning the direction of the text
)
_PIECES = re.compile(r"\x1b?[^\x1b]+|\x1b")


@dataclass(frozen=True)
class Screen:
    """What a person at the terminal would see: plain characters, no escape sequence among them."""

    lines: tuple[str, ...]
    """Top to bottom, without blanks at their ends; as many as the terminal has rows."""
    cursor_column: int
    cursor_row: int

    @property
    def text(self) -> str:
        """Return the screen without the empty lines below."""
        return "\n".join(self.lines).rstrip()


class ScreenRenderer:
    """One worker process, started by the first screen asked for. Close it at the end."""

    def __init__(self) -> None:
        self._pool: ProcessPoolExecutor | None = None
        self._waiting = 0

    async def render(self, tail: bytes, columns: int, rows: int) -> Screen:
        """Return the screen after these bytes, the newest of the terminal's output. Raises TooMany, TimeoutError."""
        if self._waiting >= MAX_WAITING:
            raise TooMany("Too many screens are being drawn.", hint="Ask again in a second.", retry_after_s=1)
        self._waiting += 1
        try:
            try:
                return await self._submit(tail, columns, rows)
            except BrokenProcessPool:  # somebody killed the worker; a new one is as good
                self.close()
                return await self._submit(tail, columns, rows)
        finally:
            self._waiting -= 1

    def close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None

    async def _submit(self, tail: bytes, columns: int, rows: int) -> Screen:
        if self._pool is None:
            context = multiprocessing.get_context("spawn")  # a fork would copy the server's threads and locks
            self._pool = ProcessPoolExecutor(1, mp_context=context, initializer=_become_worker)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, render, tail[-MAX_BYTES:], columns, rows)


def render(tail: bytes, columns: int, rows: int) -> Screen:
    """Emulate a terminal over the newest 64 KiB. Runs in a process's main thread. Raises TimeoutError after 5 s."""
    screen = pyte.Screen(max(2, min(columns, LARGEST_SIDE)), max(2, min(rows, LARGEST_SIDE)))
    text = _FOREIGN.sub("", _since_fresh(tail[-MAX_BYTES:]).decode("utf-8", "replace"))
    signal.signal(signal.SIGALRM, _be_too_slow)
    signal.alarm(RENDER_TIMEOUT_S)
    try:
        _feed(screen, text)
    finally:
        signal.alarm(0)
    lines = tuple("".join(c if c.isprintable() else " " for c in line).rstrip() for line in screen.display)
    return Screen(lines, screen.cursor.x, screen.cursor.y)


def _feed(screen: pyte.Screen, text: str) -> None:
    """Feed sequence by sequence: one that pyte chokes on is lost, and not all that follow it."""
    stream = pyte.Stream(screen)
    for piece in _PIECES.findall(text):
        try:
            stream.feed(piece)
        except TimeoutError:
            raise
        except Exception:  # pyte raises anything (TypeError, KeyError, …) over sequences it does not know
            stream = pyte.Stream(screen)


def _since_fresh(data: bytes) -> bytes:
    """Drop what no longer shows; without a fresh start, drop what the cut has left of a sequence or character."""
    start = 0
    for found in _FRESH.finditer(data):
        start = found.start()
    if start or len(data) < MAX_BYTES:
        return data[start:]
    first = min((at for at in (data.find(b"\x1b"), data.find(b"\n")) if at >= 0), default=0)
    return data[first:]


def _be_too_slow(*_: object) -> None:
    raise TimeoutError("the screen took too long to draw")


def _become_worker() -> None:
    """Leave Ctrl-C to the server, be polite to it, and end with it however it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(5)
    parent = multiprocessing.parent_process()
    assert parent is not None
    threading.Thread(target=_end_with, args=(parent.sentinel, os._exit), daemon=True).start()


def _end_with(sentinel: int, end: Callable[[int], None]) -> None:
    wait([sentinel])
    end(0)
