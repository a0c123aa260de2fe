"""What is read of this machine and its processes: folders, ports, CPU time, memory."""

import contextlib
import os
import platform
import random
import resource
import socket
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.child import ROOT


@contextlib.contextmanager
def scratch_folder() -> Iterator[Path]:
    """A folder on the disk of the checkout: elsewhere it could be memory, where a sync costs nothing."""
    cache = ROOT / ".cache"
    cache.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache, prefix="bench-") as folder:
        yield Path(folder)


def free_port() -> int:
    """Return a free port below the ephemeral range, where no client's socket can take it first."""
    while True:
        port = random.randrange(20000, 32000)  # noqa: S311 (no secret)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def allow_many_files(wanted: int = 4096) -> None:
    """Raise the limit of open files, for this process and those it starts."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted if hard < 0 else min(wanted, hard), hard))


def cpu_s(pid: int) -> float:
    """Return the CPU time of a process and its threads that live, in seconds."""
    tasks = Path(f"/proc/{pid}/task")
    try:
        return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks.iterdir()) / 1e9
    except FileNotFoundError:  # a kernel without scheduler statistics: ticks of 10 ms
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_kib(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0])


def described() -> str:
    """Return one line on this machine."""
    try:
        model = Path("/proc/cpuinfo").read_text().partition("model name")[2].partition(":")[2].partition("\n")[0]
    except FileNotFoundError:
        model = platform.processor()
    load = os.getloadavg()[0]
    return (
        f"{os.cpu_count()} x {model.strip() or platform.machine()}, Python {platform.python_version()},"
        f" SQLite {sqlite3.sqlite_version}, load {load:.1f} before"
    )
