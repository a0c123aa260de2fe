"""Raw terminal bytes → the cells that stand on the screen. Runs in a worker process: a megabyte takes a second."""

import re
import signal

import pyte

from server.terminals.screen import LARGEST_SIDE, MAX_BYTES, RENDER_TIMEOUT_S, Screen

_FRESH = re.compile(rb"\x1bc|\x1b\[[23]J|\x1b\[\?(?:47|1047|1049)h")
"""After any of these the screen owes nothing to what came before: reset, whole clear, switch to the other screen."""
_OTHER_SCREEN = re.compile(
    rb"\x1b\[\?(?:47|1047|1049)h(?:(?!\x1b\[\?(?:47|1047|1049)h).)*?\x1b\[\?(?:47|1047|1049)l", re.DOTALL
)
"""What was drawn on the other screen and left with it: pyte has but one screen."""
_FOREIGN = re.compile(
    r"\x1b\[[<=>][0-9;:]*[ -/]*[@-~]"  # keyboard protocols and the like, which pyte would print
    r"|\x1b\[[0-9;]*:[0-9;:]*m"  # colours in the colon form
    r"|\x1b[PX^_][^\x1b\x07]*(?:\x1b\\|\x07)?"  # device control strings, pictures
    r"|[\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]"  # invisible, or turning the direction of the text
)
_PIECES = re.compile(r"\x1b?[^\x1b]+|\x1b")


def render(tail: bytes, columns: int, rows: int) -> Screen:
    """Emulate a terminal over the newest 64 KiB and return its text. Raises TimeoutError after 5 s."""
    screen = emulate(tail, columns, rows)
    lines = tuple("".join(c if c.isprintable() else " " for c in line).rstrip() for line in screen.display)
    return Screen(lines, screen.cursor.x, screen.cursor.y)


def emulate(tail: bytes, columns: int, rows: int) -> pyte.Screen:
    """Emulate a terminal over the newest 64 KiB. Runs in a process's main thread. Raises TimeoutError after 5 s."""
    size = max(2, min(columns, LARGEST_SIDE)), max(2, min(rows, LARGEST_SIDE))
    text = _FOREIGN.sub("", _since_fresh(tail[-MAX_BYTES:]).decode("utf-8", "replace"))
    signal.signal(signal.SIGPROF, _be_too_slow)
    signal.setitimer(signal.ITIMER_PROF, RENDER_TIMEOUT_S)
    try:
        return _fed(size, text)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def _fed(size: tuple[int, int], text: str) -> pyte.Screen:
    screen = pyte.Screen(*size)
    try:
        pyte.Stream(screen).feed(text)
    except TimeoutError:
        raise
    except Exception:  # pyte raises anything (TypeError, KeyError, …) over sequences it does not know
        screen = pyte.Screen(*size)
        _feed_by_pieces(screen, text)
    return screen


def _feed_by_pieces(screen: pyte.Screen, text: str) -> None:
    """Feed sequence by sequence: one that pyte chokes on is lost, and not all that follow it."""
    stream = pyte.Stream(screen)
    for piece in _PIECES.findall(text):
        try:
            stream.feed(piece)
        except TimeoutError:
            raise
        except Exception:
            stream = pyte.Stream(screen)


def _since_fresh(data: bytes) -> bytes:
    """Drop what no longer shows; without a fresh start, drop what the cut has left of a sequence or character."""
    is_whole = len(data) < MAX_BYTES
    data = _OTHER_SCREEN.sub(b"", data)
    start = 0
    for found in _FRESH.finditer(data):
        start = found.start()
    if start or is_whole:
        return data[start:]
    first = min((at for at in (data.find(b"\x1b"), data.find(b"\n")) if at >= 0), default=0)
    return data[first:]


def _be_too_slow(*_: object) -> None:
    raise TimeoutError("the screen took too long to draw")
