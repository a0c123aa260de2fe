"""The `bullpen` command as a person runs it: a process of its own, in a folder and a home of the test's own."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from server.cli.connection import is_alive, read_record

COMMAND = (sys.executable, "-P", "-m", "server.cli")


@dataclass
class Desk:
    """A folder to give commands in, and an environment without anything of ours but a free port."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def teams(self) -> Path:
        return Path(self.environment["XDG_DATA_HOME"]) / "bullpen"

    def bullpen(
        self, *arguments: str, stdin: str | None = None, timeout_s: float = 60, **environment: str
    ) -> "subprocess.CompletedProcess[str]":
        """Run one command to its end."""
        return subprocess.run(
            [*COMMAND, *arguments], cwd=self.folder, env=self.environment | environment, text=True, capture_output=True,
            timeout=timeout_s, check=False, encoding="utf-8",
            **({"stdin": subprocess.DEVNULL} if stdin is None else {"input": stdin}),
        )  # fmt: skip

    def start(self, *arguments: str, **environment: str) -> "subprocess.Popen[str]":
        """Start a command that goes on."""
        return subprocess.Popen(
            [*COMMAND, *arguments], cwd=self.folder, env=self.environment | environment, text=True, encoding="utf-8",
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip

    def pid(self, team: str = "demo") -> int:
        record = read_record(self.teams / team)
        assert record is not None
        return record.pid

    def url(self, team: str = "demo") -> str:
        record = read_record(self.teams / team)
        assert record is not None
        return record.url

    def clear(self) -> None:
        """Stop whatever still runs."""
        for folder in self.teams.glob("*"):
            record = read_record(folder)
            if record is not None:
                self.bullpen("down", "--data", str(folder), "--timeout", "30")
                if is_alive(record.pid):
                    os.kill(record.pid, signal.SIGKILL)


def new_desk(folder: Path) -> Desk:
    passed = {name: os.environ[name] for name in ("PATH", "LANG", "VIRTUAL_ENV") if name in os.environ}
    desk = Desk(
        folder / "work",
        {**passed, "HOME": str(folder / "home"), "XDG_DATA_HOME": str(folder / "share"), "BULLPEN_PORT": "0"},
    )
    for made in (desk.folder, folder / "home"):
        made.mkdir()
    return desk


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = new_desk(tmp_path)
    yield desk
    desk.clear()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A desk with a server that runs, for a file of tests that leave it as it is."""
    desk = new_desk(tmp_path_factory.mktemp("served"))
    done = desk.bullpen("up", "--detach", "--demo", "--only-server")
    assert done.returncode == 0, done.stderr
    yield desk
    desk.clear()
