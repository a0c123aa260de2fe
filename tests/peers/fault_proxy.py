"""A TCP proxy that spoils what goes through it: late, slow, cut, reset in the middle of a frame, or silent for ever."""

import asyncio
import contextlib
import random
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass
class Faults:
    """What happens to each piece that passes, in either direction. It may be changed at any time."""

    latency_s: float = 0.0
    bytes_per_s: float | None = None
    cut_share: float = 0.0
    """Of pieces: before one of them both sides are closed."""
    reset_share: float = 0.0
    """Of pieces: half of one is passed on, then both sides are reset."""
    is_silent: bool = False
    """Nothing passes and nothing is closed: the other end looks as if it were there."""


@dataclass(eq=False)
class FaultProxy:
    """Listens on the loopback interface and passes on to another port of it, or to a unix socket."""

    faults: Faults = field(default_factory=Faults)
    target: int | str = 0
    port: int = 0
    connections: int = 0
    spoilt: int = 0
    """How often a connection was cut or reset."""
    chance: random.Random = field(default_factory=lambda: random.Random(15))  # noqa: S311 (no secret)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection until one end or a fault ends it."""
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        try:
            if isinstance(self.target, str):
                far_reader, far_writer = await asyncio.open_unix_connection(self.target)
            else:
                far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.transport.abort()
            self._tasks.discard(task)
            return
        ways = [
            asyncio.create_task(self._carry(reader, far_writer)),
            asyncio.create_task(self._carry(far_reader, writer)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            for end in (writer, far_writer):
                end.transport.abort() if self._is_reset(end) else end.close()
                with contextlib.suppress(OSError, asyncio.CancelledError):
                    await end.wait_closed()
            self._tasks.discard(task)

    async def close(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while piece := await reader.read(4096):
            faults = self.faults
            while self.faults.is_silent:  # noqa: ASYNC110 (faults are plain values that a test may set at any time)
                await asyncio.sleep(0.01)
            if faults.latency_s:
                await asyncio.sleep(faults.latency_s)
            if faults.bytes_per_s is not None:
                await asyncio.sleep(len(piece) / faults.bytes_per_s)
            if self.chance.random() < faults.cut_share:
                self.spoilt += 1
                return
            if self.chance.random() < faults.reset_share:
                self.spoilt += 1
                writer.write(piece[: len(piece) // 2])
                await writer.drain()
                _reset_when_closed(writer)
                return
            writer.write(piece)
            await writer.drain()

    @staticmethod
    def _is_reset(writer: asyncio.StreamWriter) -> bool:
        found: socket.socket | None = writer.get_extra_info("socket")
        if found is None or found.family == socket.AF_UNIX or found.fileno() < 0:
            return False
        return struct.unpack("ii", found.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8)) == (1, 0)


def _reset_when_closed(writer: asyncio.StreamWriter) -> None:
    found: socket.socket = writer.get_extra_info("socket")
    if found.family != socket.AF_UNIX:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@asynccontextmanager
async def fault_proxy() -> AsyncIterator[FaultProxy]:
    """Open a proxy on a free port; say later where it passes on to."""
    proxy = FaultProxy()
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        await proxy.close()
