"""A person at a terminal: runs a full-screen program in a pseudo-terminal, reads its screen, types into it."""

import asyncio
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import ptyprocess
import pyte

COLUMNS, ROWS = 120, 40


class _Screen(pyte.Screen):
    """A screen whose answers to a program's questions (cursor position and the like) go back to the program."""

    def __init__(self, answer: Callable[[str], None]) -> None:
        self._answer = answer
        super().__init__(COLUMNS, ROWS)

    def write_process_input(self, data: str) -> None:
        self._answer(data)

    def select_graphic_rendition(self, *attributes: int, **private: bool) -> None:
        if not private:  # a question about the keyboard, which pyte takes for a colour
            super().select_graphic_rendition(*attributes)


class Terminal:
    """A program in a pseudo-terminal of its own; it is killed, with its process group, when the block ends."""

    def __init__(self, argv: Sequence[str], environment: Mapping[str, str], directory: Path) -> None:
        self._argv, self._environment, self._directory = list(argv), dict(environment), directory
        self._screen = _Screen(self.write)
        self._stream = pyte.ByteStream(self._screen)
        self._changed = asyncio.Event()
        self._ended = False
        self.raw = bytearray()

    async def __aenter__(self) -> Self:
        self._process = ptyprocess.PtyProcess.spawn(
            self._argv, cwd=str(self._directory), env=self._environment, dimensions=(ROWS, COLUMNS)
        )
        os.set_blocking(self._process.fd, False)
        asyncio.get_running_loop().add_reader(self._process.fd, self._read)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
        if not self._ended:
            asyncio.get_running_loop().remove_reader(self._process.fd)
        await asyncio.to_thread(self._process.wait)
        self._process.fileobj.close()
        self._process.closed = True

    @property
    def pid(self) -> int:
        return int(self._process.pid)

    @property
    def text(self) -> str:
        """What the screen shows now."""
        return "\n".join(line.rstrip() for line in self._screen.display).rstrip()

    def write(self, data: str | bytes) -> None:
        if not self._ended:
            os.write(self._process.fd, data.encode() if isinstance(data, str) else data)

    def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        """Send a signal to the program and its process group, if it still runs."""
        if self._process.isalive():
            os.killpg(self._process.pid, number)

    async def wait_until_shown(self, text: str, timeout: float = 15.0) -> str:  # noqa: ASYNC109
        """Return the screen as soon as it shows the text. Raises AssertionError with the screen if it never does."""
        return await self.wait_until(lambda screen: text in screen, timeout)

    async def wait_until(self, condition: Callable[[str], bool], timeout: float = 15.0) -> str:  # noqa: ASYNC109
        """Return the screen as soon as the condition holds for it. Raises AssertionError with the screen if never."""
        try:
            async with asyncio.timeout(timeout):
                while not condition(self.text) and not self._ended:
                    await self._changed.wait()
        except TimeoutError:
            raise AssertionError(f"not shown in {timeout} s; the screen is:\n{self.text}") from None
        if not condition(self.text):
            code = await self.wait_until_ended()
            raise AssertionError(f"not shown, and the program has ended with {code}; the screen is:\n{self.text}")
        return self.text

    async def wait_until_ended(self, timeout: float = 15.0) -> int:  # noqa: ASYNC109
        """Return the exit code, or the negative signal number."""
        async with asyncio.timeout(timeout):
            while not self._ended:
                await self._changed.wait()
            await asyncio.to_thread(self._process.wait)
        return -self._process.signalstatus if self._process.signalstatus else int(self._process.exitstatus)

    def _read(self) -> None:
        try:
            data = os.read(self._process.fd, 65536)
        except BlockingIOError:
            return
        except OSError:  # Linux reports the end of a pseudo-terminal as EIO
            data = b""
        if not data:
            self._ended = True
            asyncio.get_running_loop().remove_reader(self._process.fd)
        self.raw += data
        self._stream.feed(data)
        self._changed.set()
        self._changed = asyncio.Event()
