"""A screen as text: what a person would see, whatever the bytes try."""

import asyncio
import os
import subprocess
import sys
import unicodedata
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.core.errors import TooMany
from server.terminals.emulator import render
from server.terminals.screen import MAX_BYTES, MAX_WAITING, ScreenRenderer

from .conftest import wait_until


@pytest.fixture
async def renderer() -> AsyncIterator[ScreenRenderer]:
    renderer = ScreenRenderer()
    yield renderer
    renderer.close()


async def test_text_colours_and_cursor_moves_become_lines(renderer: ScreenRenderer) -> None:
    screen = await renderer.render(b"\x1b[2J\x1b[3;5H\x1b[1;32mgr\xc3\xbcn\x1b[0m\r\nnext\x1b[1;1Htop", 20, 5)
    assert screen.lines == ("top", "", "    grün", "next", "")
    assert (screen.cursor_column, screen.cursor_row) == (3, 0)
    assert screen.text == "top\n\n    grün\nnext"


async def test_drawing_leaves_the_event_loop_free(renderer: ScreenRenderer) -> None:
    await renderer.render(b"", 80, 24)  # the worker starts
    beats = 0
    drawing = asyncio.ensure_future(renderer.render(b"\x1b[31mred text here \x1b[0m\r\n" * 4000, 120, 40))
    while not drawing.done():
        await asyncio.sleep(0.002)
        beats += 1
    assert (await drawing).lines[0] == "red text here"
    assert beats > 5


@pytest.mark.parametrize("fresh", [b"\x1b[2J", b"\x1b[3J", b"\x1bc", b"\x1b[?1049h", b"\x1b[?47h"])
def test_what_was_before_the_last_fresh_start_does_not_show(fresh: bytes) -> None:
    assert render(b"old\r\n" * 30 + fresh + b"\x1b[Hnew", 20, 4).text == "new"


def test_a_cut_in_the_middle_of_a_sequence_shows_no_remains_of_it() -> None:
    sequence = b"\x1b[38;5;196mtext\x1b[0m\r\n"
    for cut in range(1, len(sequence)):
        data = sequence[cut:] + sequence * 4000
        assert set(render(data[-MAX_BYTES:], 30, 5).lines[:-1]) == {"text"}


def test_sequences_that_the_emulator_does_not_know_neither_show_nor_spoil_the_rest() -> None:
    foreign = (
        b"\x1b[>1u\x1b[<u\x1b[=1;1u\x1b[?2026h\x1b[>4;2m\x1b[38:2::1:2:3m\x1bPq#0;2;0\x1b\\\x1b_Gpicture\x1b\\\x1b]0;title\x07"
        b"\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\\x1b[?1;2c\x1b[999999999L\x1b[999999999;1H\x1b[H"
    )
    assert render(foreign + b"after", 30, 5).lines[0] == "after"


def test_text_that_turns_direction_is_laid_bare() -> None:
    assert render("safe\u202eexe.txt\u2066\u200bend".encode(), 40, 3).text == "safeexe.txtend"


@settings(max_examples=150, deadline=None, database=None)
@given(st.lists(st.binary(max_size=30) | st.sampled_from([b"\x1b[", b"\x1b]", b"?", b";", b"m", b"9" * 9, b"H", b"r"])))
def test_no_bytes_make_it_fail_or_let_control_characters_through(pieces: list[bytes]) -> None:
    screen = render(b"".join(pieces), 40, 10)
    assert len(screen.lines) == 10
    for character in "".join(screen.lines):
        assert unicodedata.category(character) not in ("Cc", "Cf"), hex(ord(character))


async def test_a_killed_worker_is_replaced(renderer: ScreenRenderer) -> None:
    await renderer.render(b"", 80, 24)
    (worker,) = children_of(os.getpid())
    os.kill(worker, 9)
    await wait_until(lambda: worker not in children_of(os.getpid()))
    assert (await renderer.render(b"again", 80, 24)).text == "again"


async def test_more_screens_than_can_be_drawn_are_refused(renderer: ScreenRenderer) -> None:
    asked = [asyncio.ensure_future(renderer.render(b"one", 80, 24)) for _ in range(MAX_WAITING + 3)]
    results = await asyncio.gather(*asked, return_exceptions=True)
    assert sum(isinstance(result, TooMany) for result in results) == 3


async def test_the_worker_ends_with_a_server_that_is_killed() -> None:
    program = (
        "import asyncio, server.terminals.screen as s\n"
        "async def main():\n"
        "    await s.ScreenRenderer().render(b'', 80, 24)\n"
        "    print('drawn', flush=True)\n"
        "    await asyncio.sleep(60)\n"
        "if __name__ == '__main__': asyncio.run(main())\n"
    )
    server = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)  # noqa: ASYNC220
    assert server.stdout is not None
    try:
        assert await asyncio.to_thread(server.stdout.readline) == b"drawn\n"
        workers = children_of(server.pid)
        assert workers
    finally:
        server.kill()
        server.wait()
        server.stdout.close()
    await wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers))


def children_of(pid: int) -> set[int]:
    """Return the workers of a process, without Python's own keeper of shared resources."""
    found = {int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}
    return {child for child in found if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()}
