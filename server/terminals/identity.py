"""Which process a pid means: a pid is reused, but not with its boot id and start time, and a pidfd holds it fast."""

import asyncio
import os
import select
import signal
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self


@dataclass(frozen=True)
class ProcessIdentity:
    """One process on this machine, ever."""

    boot_id: str
    pid: int
    start_ticks: int


@dataclass(frozen=True)
class ProcessStat:
    """What the kernel tells anyone about a process."""

    pid: int
    state: str
    """R, S, D, T, Z …"""
    parent: int
    group: int
    session: int
    start_ticks: int


class ProcessHandle:
    """A process held by its pidfd: a signal through it reaches this process or nobody. Close it, or use `with`."""

    def __init__(self, pid: int, descriptor: int) -> None:
        self.pid = pid
        self._descriptor = descriptor

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def is_alive(self) -> bool:
        """Tell whether it runs still; one that ended and was not collected does not."""
        poll = select.poll()
        poll.register(self._descriptor, select.POLLIN)
        return not poll.poll(0)

    def send_signal(self, number: int) -> bool:
        """Return False if it has ended, or belongs to another user."""
        try:
            signal.pidfd_send_signal(self._descriptor, number)
        except (ProcessLookupError, PermissionError):
            return False
        return True

    async def wait_until_ended(self) -> None:
        """Wait without a thread and without being its parent."""
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()
        loop.add_reader(self._descriptor, ended.set)
        try:
            await ended.wait()
        finally:
            loop.remove_reader(self._descriptor)


def read_boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def read_stat(pid: int) -> ProcessStat | None:
    """Return None if there is no such process."""
    try:
        content = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return None
    fields = content.rpartition(b") ")[2].split()  # the name before it may hold anything, also ") "
    return ProcessStat(
        pid, fields[0].decode(), int(fields[1]), int(fields[2]), int(fields[3]), start_ticks=int(fields[19])
    )


def identify(pid: int) -> ProcessIdentity | None:
    """Return the identity of the process that has this pid now."""
    stat = read_stat(pid)
    return None if stat is None else ProcessIdentity(read_boot_id(), pid, stat.start_ticks)


def open_process(identity: ProcessIdentity) -> ProcessHandle | None:
    """Hold exactly this process, or return None if it has ended.

    The pidfd comes first and the check after it: the other way round the pid could be reused between the two.
    """
    if identity.boot_id != read_boot_id():
        return None
    try:
        descriptor = os.pidfd_open(identity.pid)
    except OSError:
        return None
    handle = ProcessHandle(identity.pid, descriptor)
    stat = read_stat(identity.pid)
    if stat is None or stat.start_ticks != identity.start_ticks or not handle.is_alive():
        handle.close()
        return None
    return handle
