# ruff: noqa: PTH103, PTH108, PTH118, PTH208
"""The agent's output on disk."""

import os
import time

TAIL_BYTES = 256 * 1024


class Segment:
    """One spool file: bytes from offset `base` on."""

    def __init__(self, folder: str, base: int) -> None:
        self.base = base
        self.path = os.path.join(folder, f"{base:020d}.raw")
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        self.fd = os.open(self.path, flags, 0o600)
        self.size = os.fstat(self.fd).st_size

    @property
    def end(self) -> int:
        return self.base + self.size

    def remove(self) -> None:
        os.close(self.fd)
        os.unlink(self.path)


class Spool:
    """The agent's output: appended to at most two segment files, read back by byte offset.

    Offsets go on from run to run. The newest bytes are in memory too, so a live reader costs no disk read, and a full
    disk costs history but never the agent.
    """

    def __init__(self, folder: str, segment_bytes: int, after_offset: int) -> None:
        os.makedirs(folder, 0o700, exist_ok=True)
        self.folder = folder
        self.segment_bytes = segment_bytes
        bases = sorted(int(name[:-4]) for name in os.listdir(folder) if name.endswith(".raw") and name[:-4].isdigit())
        self.segments = [Segment(folder, base) for base in bases]
        self.end = max(self.segments[-1].end if self.segments else 0, after_offset)
        self.tail = bytearray()
        self.retry_at = 0.0
        self._limit()

    @property
    def base(self) -> int:
        """Return the oldest offset that can still be read."""
        tail_base = self.end - len(self.tail)
        return min(self.segments[0].base, tail_base) if self.segments else tail_base

    def append(self, data: bytes) -> None:
        self.tail += data
        del self.tail[:-TAIL_BYTES]
        now = time.monotonic()
        if now >= self.retry_at:
            try:
                self._write(data)
            except OSError:  # a full disk: these bytes live in the tail alone, and reading them later shows a gap
                self.retry_at = now + 1.0
        self.end += len(data)

    def read(self, offset: int, limit: int) -> tuple[int, bytes]:
        """Return bytes from `offset`, or from the next offset that is still held, with the offset they begin at."""
        tail_base = self.end - len(self.tail)
        if offset < tail_base:
            for segment in self.segments:
                if offset < segment.end:
                    start = max(offset, segment.base)
                    data = os.pread(segment.fd, min(limit, segment.end - start), start - segment.base)
                    if data:
                        return start, data
        start = max(offset, tail_base)
        return start, bytes(self.tail[start - tail_base : start - tail_base + limit])

    def _write(self, data: bytes) -> None:
        current = self.segments[-1] if self.segments else None
        if current is None or current.size >= self.segment_bytes or current.end != self.end:
            current = Segment(self.folder, self.end)
            self.segments.append(current)
            self._limit()
        view = memoryview(data)
        while view:
            written = os.write(current.fd, view)
            current.size += written
            view = view[written:]

    def _limit(self) -> None:
        while len(self.segments) > 2:
            self.segments.pop(0).remove()
