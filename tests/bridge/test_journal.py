"""The journal: what it knows of its own loop, and of others, and how much room it takes."""

import contextlib
import json
import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bridge.journal import Journal
from bridge.stdin import Stdin, record

DEAD = "4194305"
"""Above the highest pid there can be."""

Feed = tuple[Stdin, Callable[[bytes], object]]


@pytest.fixture(params=["pipe", "socket"])
def feed(request: pytest.FixtureRequest) -> Iterator[Feed]:
    """Stdin of one kind, and how to write to its other end."""
    if request.param == "pipe":
        reading, writing = os.pipe()
        yield Stdin(reading), lambda data: os.write(writing, data)
        os.close(reading)
        os.close(writing)
    else:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            stdin = Stdin(ours.fileno())
            yield stdin, theirs.sendall
            stdin._peer.close()


@contextlib.contextmanager
def opened(folder: Path, feed: Feed, launch: str, *, compact_bytes: int = 4096, data: bytes = b"") -> Iterator[Journal]:
    """Open a journal, and let it take some data; it is left as a kill leaves it."""
    journal = Journal(str(folder), feed[0], launch, compact_bytes)
    if data:
        take_all(journal, feed, data)
    try:
        yield journal
    finally:
        if journal._file is not None:
            os.close(journal._file)


def take_all(journal: Journal, feed: Feed, data: bytes) -> None:
    feed[1](data)
    for each in journal.read() or ():
        journal.take(json.loads(each)["id"], each)


def line(number: int, text: str = "x") -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": {"name": text}}).encode()


def test_a_loop_that_has_the_pid_of_an_earlier_one_starts_with_nothing(tmp_path: Path, feed: Feed) -> None:
    with opened(tmp_path, feed, "7.0", data=line(1) + b"\n"):
        pass
    with opened(tmp_path, feed, "7.1") as again:
        assert again.owed() == [line(1)]
        assert again.is_resumed
    with opened(tmp_path, feed, "7.0") as other:
        assert other.owed() == []
        assert not other.is_resumed


def test_without_a_loop_nothing_is_written(tmp_path: Path, feed: Feed) -> None:
    with opened(tmp_path, feed, "", data=line(1) + b"\n") as journal:
        assert journal.owed() == [line(1)]
    assert list(tmp_path.iterdir()) == []


def test_journals_of_loops_that_have_ended_are_removed_and_no_others(tmp_path: Path, feed: Feed) -> None:
    ended = subprocess.Popen(["/bin/true"])
    ended.wait()
    for name in (f"journal-{ended.pid}", f"journal-{DEAD}.new", f"journal-{os.getpid()}", "menu.json"):
        (tmp_path / name).write_bytes(b"")
    with opened(tmp_path, feed, f"{os.getppid()}.0"):
        left = {path.name for path in tmp_path.iterdir()}
    assert left == {f"journal-{os.getpid()}", "menu.json", f"journal-{os.getppid()}"}


def test_it_stays_small_and_keeps_what_is_owed(tmp_path: Path, feed: Feed) -> None:
    greeting = json.dumps({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {}}).encode()
    with opened(tmp_path, feed, "7.0", compact_bytes=10_000, data=greeting + b"\n") as journal:
        journal.greet(greeting)
        journal.answered(0)
        journal.keep_session({"Mcp-Session-Id": "s1"})
        journal.keep_menu("menu-3")
        take_all(journal, feed, line(1, "held") + b"\n")
        key = journal.key_for(1)
        for number in range(2, 2000):
            take_all(journal, feed, line(number, "y" * 100) + b"\n")
            journal.key_for(number)
            journal.answered(number)
        take_all(journal, feed, line(2001)[:20])
    assert (tmp_path / "journal-7").stat().st_size < 30_000
    with opened(tmp_path, feed, "7.1") as found:
        assert found.owed() == [line(1, "held")]
        assert found.begun == line(2001)[:20]
        assert found.key_for(1) == key
        assert (found.greeting, found.session, found.menu) == (greeting, {"Mcp-Session-Id": "s1"}, "menu-3")
        feed[1](line(2001)[20:] + b"\n")
        assert found.read() == [line(2001)]


def test_a_record_that_a_kill_cut_short_harms_no_other(tmp_path: Path, feed: Feed) -> None:
    with opened(tmp_path, feed, "7.0", data=line(1) + b"\n" + line(2) + b"\n"):
        pass
    path = tmp_path / "journal-7"
    whole = path.read_bytes()
    for tail in (b"A", b'K bridge-1 "', b"I999", b"P0000000099\nhalf", b"S{", b"\xff\n", b"Ix\n", record(b"")):
        path.write_bytes(whole + tail)
        with opened(tmp_path, feed, "7.1") as found:
            assert found.owed() == [line(1), line(2)], tail


def test_what_was_spliced_before_its_length_was_told_counts(tmp_path: Path, feed: Feed) -> None:
    (tmp_path / "journal-7").write_bytes(record(b"") + line(1) + b"\n" + line(2)[:9])
    with opened(tmp_path, feed, "7.1") as found:
        assert (found.owed(), found.begun) == ([line(1)], line(2)[:9])


def test_what_was_peeked_at_counts_once_whether_it_was_taken_or_not(tmp_path: Path) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        feed = Stdin(ours.fileno()), theirs.sendall
        peeked = b"P" + record(line(1) + b"\n")[1:]
        (tmp_path / "journal-7").write_bytes(peeked)
        with opened(tmp_path, feed, "7.1") as taken:  # it is not in the socket any more
            assert taken.owed() == [line(1)]
        (tmp_path / "journal-7").write_bytes(peeked)
        theirs.sendall(line(1) + b"\n" + line(2) + b"\n")
        with opened(tmp_path, feed, "7.2") as not_taken:
            assert not_taken.owed() == []
            assert not_taken.read() == [line(1), line(2)]
        feed[0]._peer.close()


def test_a_disk_that_is_full_stops_nothing(tmp_path: Path, feed: Feed) -> None:
    with opened(tmp_path, feed, "7.0") as journal:
        assert journal._file is not None
        full = os.open("/dev/full", os.O_RDWR)
        os.dup2(full, journal._file)
        os.close(full)
        (tmp_path / "journal-7.new").mkdir()  # nor can it be compacted
        take_all(journal, feed, line(1) + b"\n" + line(2))
        take_all(journal, feed, b"\n" + line(3)[:5])
        assert journal.owed() == [line(1), line(2)]
        assert journal.begun == line(3)[:5]
        (tmp_path / "journal-7.new").rmdir()
        take_all(journal, feed, line(3)[5:] + b"\n")
    with opened(tmp_path, feed, "7.1") as found:
        assert found.owed() == [line(1), line(2), line(3)]
