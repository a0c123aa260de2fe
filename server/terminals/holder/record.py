# ruff: noqa: PTH105, PTH123
"""The small JSON files a holder writes, and the facts of the kernel in them that name a process beyond its pid."""

import json
import os
import time


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def boot_id() -> str:
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        return file.read().strip()


def start_ticks(pid: int) -> int | None:
    """Return when a process started, in clock ticks since boot, which tells it from one that has its pid later."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return int(file.read().rpartition(b") ")[2].split()[19])
    except OSError:
        return None


def write_json(name: str, value: dict[str, object]) -> None:
    """Replace a file in the current folder so that a reader, or a power cut, finds the old or the new one whole."""
    temporary = f".{name}.new"
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(temporary, flags, 0o600), "wb") as file:
        file.write(json.dumps(value).encode())
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, name)
    folder = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
