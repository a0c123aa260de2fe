"""From inside of a sandboxed agent nothing of another agent, the server or the holders can be reached."""

import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from server.config import AgentConfig, Isolation, Workplace
from server.supervision.kinds.files import read_json, socket_path
from server.supervision.kinds.kind import CannotLaunch, Launch
from server.supervision.sandbox import enclose
from tests.conftest import OfficeUnderTest, open_office, until
from tests.peers.sandbox import require_sandbox
from tests.supervision.test_workplaces import git

START_S = 15
INTRUDER = Path(__file__).parent / "programs" / "intruder.py"


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    folder = tmp_path / "shop"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    (folder / "README").write_text("shop")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "first")
    return folder


async def in_state(office: OfficeUnderTest, name: str, state: str) -> dict[str, Any] | None:
    found: dict[str, Any] = await office.chairman.get(f"/api/agents/{name}")
    return found if found["state"] == state else None


def mounts() -> str:
    return Path("/proc/self/mountinfo").read_text()


async def attempts_of(tmp_path: Path, repo: Path, isolation: Isolation) -> dict[str, str]:
    """Have agent ada try everything against bo and the server; return what came of each: nothing if it succeeded."""
    data = tmp_path / "data"
    for folder, content in ((tmp_path / "person", "canary"), (data / "agents/bo/home", "secret")):
        folder.mkdir(mode=0o700, parents=True)
        (folder / content).write_text("x")
    everyone: dict[str, Any] = {"kind": "custom", "role": "member", "job": "", "stop_grace_s": 0.2}
    ada = AgentConfig(
        name="ada", workdir=data / "agents/ada/work", isolation=isolation,
        workplace=Workplace("worktree", str(repo), branch="agents/ada"),
        command=(sys.executable, str(INTRUDER), str(data), str(repo), str(tmp_path / "person"), str(os.getpid())),
        **everyone,
    )  # fmt: skip
    bo = AgentConfig(name="bo", workdir=data / "agents/bo/work", command=("cat",), **everyone)
    async with open_office(data, agents=[ada, bo]) as office:
        other = await until(partial(in_state, office, "bo", "ready"), START_S)
        await until(partial(in_state, office, "ada", "ready"), START_S)
        (ada.workdir / "go.new").write_text(str(other["pid"]))
        (ada.workdir / "go.new").rename(ada.workdir / "go")
        await until((ada.workdir / "attempts").exists, START_S)
        found: dict[str, str] = json.loads((ada.workdir / "attempts").read_text())
        return found


async def test_nothing_that_a_sandboxed_agent_tries_against_others_succeeds(tmp_path: Path, repo: Path) -> None:
    require_sandbox()

    tried = await attempts_of(tmp_path, repo, Isolation("bwrap"))

    assert [name for name, failure in tried.items() if not failure] == []
    assert len(tried) == 25


async def test_without_a_sandbox_an_agent_is_not_kept_from_what_its_user_may_do(tmp_path: Path, repo: Path) -> None:
    """What docs/security.md says of `none`, and the proof that the attempts are real ones."""
    tried = await attempts_of(tmp_path, repo, Isolation())

    succeeded = {name for name, failure in tried.items() if not failure}
    assert {"token of another", "database", "operator's token", "own holder", "home of the person"} <= succeeded
    assert str(tmp_path) not in mounts(), "what it mounts is seen by itself alone"


def test_the_intruder_does_nothing_where_it_could_touch_the_machine(tmp_path: Path) -> None:
    """It is run by root, and its attempts succeed without a sandbox."""
    (tmp_path / "go").write_text("1")
    words = [sys.executable, str(INTRUDER), "/usr/data", "/usr", "/usr", str(os.getpid())]

    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=10, check=False)

    assert "is not a temporary folder" in done.stderr
    assert not (tmp_path / "attempts").exists()


async def test_a_sandboxed_program_has_the_time_to_end_by_itself_at_a_polite_stop(tmp_path: Path) -> None:
    require_sandbox()
    script = "trap 'echo bye > said; exit 7' TERM; touch ready; while :; do sleep 0.05; done"
    ada = AgentConfig(
        name="ada", kind="custom", role="member", job="", workdir=tmp_path / "data/agents/ada/work",
        isolation=Isolation("bwrap"), command=("sh", "-c", script),
    )  # fmt: skip
    async with open_office(tmp_path / "data", agents=[ada]) as office:
        await until((ada.workdir / "ready").exists, START_S)
        await until(partial(in_state, office, "ada", "ready"), START_S)
        await office.chairman.post("/api/agents/ada/stop")
        stopped = await until(partial(in_state, office, "ada", "stopped"), START_S)

    assert (ada.workdir / "said").read_text() == "bye\n"
    assert stopped["last_exit"]["code"] == 7
    assert stopped["isolation"] == "bwrap"


@pytest.mark.parametrize("shown", [".", "..", "agents/bo", "agents/ada/run"])
def test_a_folder_that_would_show_the_data_folder_is_refused(tmp_path: Path, shown: str) -> None:
    require_sandbox()
    data = tmp_path / "data"
    for folder in ("agents/bo", "agents/ada/run", "agents/ada/work"):
        (data / folder).mkdir(parents=True)
    work = data / "agents/ada/work"
    agent = AgentConfig(
        name="ada", kind="custom", role="member", job="", workdir=work, isolation=Isolation("bwrap", (data / shown,))
    )

    with pytest.raises(CannotLaunch, match="would show it the data folder"):
        enclose(Launch(("/bin/true",), {}, work), agent, data / "agents/ada")


def test_a_socket_whose_path_would_be_too_long_lies_in_a_folder_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    long = tmp_path / ("x" * 90)

    assert socket_path(long / "ada", "s").parent != socket_path(long / "bo", "s").parent


def test_a_link_that_an_agent_leaves_is_not_read_for_it(tmp_path: Path) -> None:
    (tmp_path / "theirs.json").write_text('{"token": "secret"}')
    (tmp_path / "settings.json").symlink_to(tmp_path / "theirs.json")

    assert read_json(tmp_path / "settings.json") == {}
