"""A fresh emulator that is fed from where a replay begins shows what one shows that was fed everything."""

from pathlib import Path

import pyte
import pytest

from server.terminals.replay import SCROLLBACK_BYTES, find_replay

COLUMNS, ROWS = 80, 24
_LINES = b"".join(b"\x1b[3%dmline %06d\x1b[0m and some words\r\n" % (number % 8, number) for number in range(12_000))
_FRAME = b"\x1b[2J\x1b[H\x1b[7mtop of the frame\x1b[0m\x1b[24;1Hbottom of the frame"
_TICKS = b"".join(b"\x1b[12;40H%06d" % number for number in range(25_000))
_MARGINS = b"\x1b[5;15r\x1b[5;1H"
_ORIGIN = b"\x1b[3;20r\x1b[?6h\x1b[?25l\x1b(0"


@pytest.mark.parametrize(
    "output",
    [
        pytest.param(b"short \x1b[1mand bold\x1b[0m\r\n$ ", id="short"),
        pytest.param(_LINES, id="long lines"),
        pytest.param(_LINES + _FRAME + _TICKS, id="a frame, drawn once, and 275 KB of ticks"),
        pytest.param(_LINES + _FRAME + _TICKS + _FRAME + b"\x1b[3;3Hnew", id="drawn anew"),
        pytest.param(_MARGINS + _LINES, id="margins set long ago"),
        pytest.param(_FRAME + _ORIGIN + _LINES, id="origin mode, hidden cursor and line drawing set long ago"),
    ],
)
def test_a_replay_ends_with_the_very_screen(tmp_path: Path, output: bytes) -> None:
    fill(tmp_path, output)
    replay = find_replay(tmp_path, 0)
    assert len(output) - replay.offset < 2 * SCROLLBACK_BYTES
    whole, fresh = fed(output), fed(replay.preamble + output[replay.offset :])
    # Where nothing has been drawn anew since a cut, only what scrolled through is the same.
    same = slice(4, 15) if output.startswith(_MARGINS) else slice(2, 20) if _ORIGIN in output else slice(None)
    assert fresh.display[same] == whole.display[same]
    assert (fresh.cursor.x, fresh.cursor.y, fresh.cursor.hidden) == (
        whole.cursor.x,
        whole.cursor.y,
        whole.cursor.hidden,
    )
    assert fresh.margins == whole.margins


def test_an_earlier_run_is_not_replayed(tmp_path: Path) -> None:
    fill(tmp_path, b"earlier\r\n\x1b[?1049hnow")
    assert find_replay(tmp_path, 9).offset == 9


def test_the_other_screen_is_entered_before_anything_is_drawn_on_it(tmp_path: Path) -> None:
    fill(tmp_path, b"\x1b[?2004h\x1b[?1049h\x1b[?25l\x1b[?25h" + _TICKS * 5)
    assert find_replay(tmp_path, 0).preamble == b"\x1b[?1049h\x1b[?2004h\x1b[?25h"


def fill(spool: Path, output: bytes, segment: int = 200_000) -> None:
    """Write the files that a holder would have written."""
    for base in range(0, len(output), segment):
        (spool / f"{base:020d}.raw").write_bytes(output[base : base + segment])


def fed(output: bytes) -> pyte.Screen:
    screen = pyte.Screen(COLUMNS, ROWS)
    pyte.ByteStream(screen).feed(output)
    return screen
