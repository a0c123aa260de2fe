"""The holder's spool by itself: what is kept, and what happens when nothing can be kept."""

from pathlib import Path

from server.terminals.holder.spool import TAIL_BYTES, Spool
from server.terminals.spool import Bounds, Gap, Output, read_bounds, read_spool, read_tail


def test_a_disk_that_takes_nothing_costs_history_and_never_output(tmp_path: Path) -> None:
    folder, away = tmp_path / "spool", tmp_path / "away"
    spool = Spool(str(folder), segment_bytes=4, after_offset=0)
    spool.append(b"kept")
    folder.rename(away)  # from here on no new segment can be made
    spool.append(b"lost")
    assert spool.read(0, 100) == (0, b"keptlost"), "a live reader is served from memory"
    away.rename(folder)
    spool.retry_at = 0.0
    spool.append(b"more")
    assert read_spool(folder, 0, 100) == [Output(0, b"kept"), Gap(4, 8), Output(8, b"more")]
    assert read_tail(folder, 100) == Output(8, b"more")


def test_a_reader_behind_the_oldest_segment_is_told_where_it_can_go_on(tmp_path: Path) -> None:
    spool = Spool(str(tmp_path / "spool"), segment_bytes=TAIL_BYTES, after_offset=0)
    block = bytes(range(256)) * 256
    for _ in range(40):
        spool.append(block)
    start, data = spool.read(0, 100)
    assert start == spool.base == spool.end - 2 * TAIL_BYTES
    assert data == block[:100]


def test_a_spool_goes_on_in_the_segment_that_is_there(tmp_path: Path) -> None:
    folder = tmp_path / "spool"
    Spool(str(folder), segment_bytes=100, after_offset=0).append(b"first ")
    spool = Spool(str(folder), segment_bytes=100, after_offset=0)
    spool.append(b"second")
    assert [path.name for path in folder.iterdir()] == ["00000000000000000000.raw"]
    assert spool.read(0, 100) == (0, b"first second")
    assert read_bounds(folder) == Bounds(0, 12)


def test_an_agent_that_never_wrote_has_nothing_to_read(tmp_path: Path) -> None:
    assert read_bounds(tmp_path / "spool") == Bounds(0, 0)
    assert read_spool(tmp_path / "spool", 0, 100) == []
    assert read_tail(tmp_path / "spool", 100) == Output(0, b"")
