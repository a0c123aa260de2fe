"""An agent's output read from its files, with or without a holder. Written by the holder alone."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Output:
    """Bytes of the terminal from `offset` on. Offsets count an agent's bytes over all its runs."""

    offset: int
    data: bytes

    @property
    def end(self) -> int:
        return self.offset + len(self.data)


@dataclass(frozen=True)
class Gap:
    """Bytes from `start` up to `end` that are no longer, or not yet again, to be had."""

    start: int
    end: int


@dataclass(frozen=True)
class Bounds:
    """The oldest offset that can be read, and the offset after the newest byte."""

    base: int
    end: int


def read_bounds(spool: Path) -> Bounds:
    """Return (0, 0) for an agent that never wrote."""
    segments = _segments(spool)
    if not segments:
        return Bounds(0, 0)
    return Bounds(segments[0][0], max(base + size for base, size, _ in segments))


def read_spool(spool: Path, offset: int, limit: int) -> list[Output | Gap]:
    """Return up to `limit` bytes from `offset` on, with the gaps between them.

    The holder may remove the oldest segment meanwhile; what it held then shows as a gap.
    """
    pieces: list[Output | Gap] = []
    for base, _, path in _segments(spool):
        if limit <= 0:
            break
        try:
            with path.open("rb") as file:
                file.seek(max(0, offset - base))
                data = file.read(limit)
        except FileNotFoundError:
            continue
        if not data:
            continue
        start = max(offset, base)
        if start > offset:
            pieces.append(Gap(offset, start))
        pieces.append(Output(start, data))
        offset = start + len(data)
        limit -= len(data)
    return pieces


def read_tail(spool: Path, limit: int) -> Output:
    """Return the newest bytes, at most `limit`, without a gap in them."""
    end = read_bounds(spool).end
    last = Output(end, b"")
    for piece in read_spool(spool, max(0, end - limit), limit):
        if isinstance(piece, Output):
            joins = last.data and last.end == piece.offset
            last = Output(last.offset, last.data + piece.data) if joins else piece
    return last


def _segments(spool: Path) -> list[tuple[int, int, Path]]:
    found: list[tuple[int, int, Path]] = []
    for path in sorted(spool.glob("*.raw")):
        try:
            found.append((int(path.stem), path.stat().st_size, path))
        except (FileNotFoundError, ValueError):
            continue
    return found
