"""Where to begin with an agent's output so that a fresh emulator ends up with the very screen the agent has."""

import re
from dataclasses import dataclass
from pathlib import Path

from server.terminals.spool import Output, read_bounds, read_spool

SCROLLBACK_BYTES = 256 * 1024
SEARCHED_BYTES = 1024 * 1024
"""How far back a whole redraw is looked for. A screen that was drawn before that, and since then only in part, is not
whole before its program draws it anew."""
_PIECE_BYTES = 256 * 1024
_LONGEST_SEQUENCE = 64

_FRESH = re.compile(rb"\x1bc|\x1b\[[23]J|\x1b\[\?(?:47|1047|1049)h")
_MODE = re.compile(rb"\x1bc|\x1b\[!p|\x1b\[\?([0-9;]{1,40})([hl])|\x1b\[([0-9;]{0,20})r|\x1b([()])([0-9A-Za-z])")
_OTHER_SCREEN = (b"47", b"1047", b"1049")
_WITHOUT_EFFECT = frozenset({b"2026", b"1048"})
"""A frame that is being drawn, and a saved cursor: over by the time of a replay."""


@dataclass(frozen=True)
class Replay:
    """Feed `preamble` to a fresh emulator, then the output from `offset` on."""

    offset: int
    preamble: bytes = b""


def find_replay(spool: Path, run_offset: int, limit: int = SCROLLBACK_BYTES) -> Replay:
    """Return where to begin: with the run, if that is short, else with a whole redraw, else with a whole line.

    Reads the run's output up to there for the modes it had set; call it beside the event loop.
    """
    bounds = read_bounds(spool)
    first = max(run_offset, bounds.base)
    if bounds.end - first <= limit:
        return Replay(first, _modes(spool, run_offset, first)) if first > run_offset else Replay(first)
    cut = bounds.end - limit
    window_at = max(first, bounds.end - max(SEARCHED_BYTES, limit))
    window = _read(spool, window_at, cut)
    fresh = [found.start() for found in _FRESH.finditer(window)]
    if fresh:
        start = window_at + fresh[-1]
    else:
        head = _read(spool, cut, cut + 8192)
        start = cut + _whole(head)
    return Replay(start, _modes(spool, first, start))


def _whole(data: bytes) -> int:
    """Return the first place that lies neither in a sequence nor in a character."""
    found = [at for at in (data.find(b"\x1b"), data.find(b"\n") + 1) if at > 0]
    return min(found, default=0)


def _modes(spool: Path, start: int, end: int) -> bytes:
    """Return sequences that set what the output from `start` to `end` had left set."""
    private: dict[bytes, bytes] = {}
    charsets: dict[bytes, bytes] = {}
    margins = b""
    rest = b""
    for at in range(start, end, _PIECE_BYTES):
        data = rest + _read(spool, at, min(end, at + _PIECE_BYTES))
        for found in _MODE.finditer(data):
            modes, switch, margin, slot, charset = found.groups()
            if modes is not None:
                for mode in modes.split(b";"):
                    private.pop(mode, None)
                    private[mode] = switch
            elif margin is not None:
                margins = margin
            elif slot is not None:
                charsets[slot] = charset
            else:
                private, charsets, margins = {}, {}, b""
        # A sequence that the pieces cut in two is found in the second.
        tail = data[-_LONGEST_SEQUENCE:]
        rest = tail[tail.rfind(b"\x1b") :] if b"\x1b" in tail and not _MODE.search(tail, tail.rfind(b"\x1b")) else b""
    set_modes = [mode for mode, switch in private.items() if mode not in _WITHOUT_EFFECT]
    # The other screen first: margins belong to the screen they are set on.
    set_modes.sort(key=lambda mode: mode not in _OTHER_SCREEN)
    sequences = [b"\x1b[?" + mode + private[mode] for mode in set_modes]
    sequences += [b"\x1b[" + margins + b"r"] if margins else []
    sequences += [b"\x1b" + slot + charset for slot, charset in charsets.items() if charset != b"B"]
    return b"".join(sequences)


def _read(spool: Path, start: int, end: int) -> bytes:
    pieces = read_spool(spool, start, end - start) if end > start else []
    return b"".join(piece.data for piece in pieces if isinstance(piece, Output))
