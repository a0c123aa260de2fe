"""An agent's screen as text or picture, on demand and in a worker process.

Emulating costs a second of processor time a megabyte, so it is done neither as bytes arrive nor in the server itself.
"""

import asyncio
import importlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing.connection import wait
from typing import cast

from server.core.errors import TooMany

MAX_BYTES = 64 * 1024
MAX_WAITING = 16
RENDER_TIMEOUT_S = 5
"""Of the worker's own time: how busy the machine is with other things does not count."""
LARGEST_SIDE = 500


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
        return cast(Screen, await self._run("server.terminals.emulator", "render", tail, columns, rows))

    async def draw(self, tail: bytes, columns: int, rows: int) -> bytes:
        """Return the same as a PNG. Raises TooMany, TimeoutError."""
        return cast(bytes, await self._run("server.terminals.drawing", "draw", tail, columns, rows))

    async def _run(self, module: str, function: str, tail: bytes, columns: int, rows: int) -> object:
        if self._waiting >= MAX_WAITING:
            raise TooMany("Too many screens are being drawn.", hint="Ask again in a second.", retry_after_s=1)
        self._waiting += 1
        arguments = (module, function, tail[-MAX_BYTES:], columns, rows)
        try:
            try:
                return await self._submit(*arguments)
            except BrokenProcessPool:  # somebody killed the worker; a new one is as good
                self.close()
                return await self._submit(*arguments)
        finally:
            self._waiting -= 1

    def close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None

    async def _submit(self, *arguments: object) -> object:
        if self._pool is None:
            context = multiprocessing.get_context("spawn")  # a fork would copy the server's threads and locks
            self._pool = ProcessPoolExecutor(1, mp_context=context, initializer=_become_worker)
        return await asyncio.get_running_loop().run_in_executor(self._pool, _work, *arguments)


def _work(*call: object) -> object:
    """Run in the worker what the worker alone loads: emulator and fonts would stay in the server's memory."""
    module, function, *arguments = call
    return getattr(importlib.import_module(str(module)), str(function))(*arguments)


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
