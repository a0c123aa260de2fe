"""The README's commands, in its order, as a newcomer gives them. `make up` itself is in test_fresh_clone."""

import re
import shlex
from pathlib import Path

from tests.command.conftest import Desk, new_desk

README = Path(__file__).parents[2] / "README.md"


def blocks() -> list[list[list[str]]]:
    """Return the words of each command of each shell block."""
    found = re.findall(r"^```sh\n(.*?)^```", README.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    return [[shlex.split(line) for line in block.splitlines() if line.strip()] for block in found]


def run(desk: Desk, words: list[str], *more: str, codes: tuple[int, ...] = (0,)) -> str:
    assert words[0].rpartition("/")[2] == "bullpen", words
    done = desk.bullpen(*words[1:], *more)
    assert done.returncode in codes, (words, done.stdout, done.stderr)
    return done.stdout


def test_every_command_of_the_readme_does_what_it_says(tmp_path: Path) -> None:
    make_up, look, install, installed, first, talk, work = blocks()
    assert make_up == [["make", "up"]]
    assert install == [["pipx", "install", "."]]
    assert work == [["make", "test"], ["make", "lint"]]
    desk = new_desk(tmp_path)
    try:
        assert desk.bullpen("up", "--detach", "--demo").returncode == 0
        for words in look:
            run(desk, words)
        assert "@ada-demo hello" in desk.bullpen("read").stdout
        assert desk.bullpen("down").returncode == 0

        for words in installed:
            run(desk, words)

        init, doctor, up = first
        run(desk, init)
        run(desk, doctor, codes=(0, 3))  # 3 where Claude Code is not installed: it says so
        run(desk, up, "--detach", "--only-server")
        for words in talk:
            run(desk, words)
    finally:
        desk.clear()
