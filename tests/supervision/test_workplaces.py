"""Where agents work: worktrees and clones of their own, set up once, and nothing of a person's ever removed."""

import subprocess
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from server.config import AgentConfig, Workplace
from server.supervision.workplace import provide, read_workspace, uncommitted
from tests.conftest import OfficeUnderTest, open_office, until

START_S = 15


def git(folder: Path, *words: str) -> str:
    command = ["git", "-c", "user.name=p", "-c", "user.email=p@x", *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    folder = tmp_path / "shop"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    (folder / "README").write_text("shop")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "first")
    (folder / ".env").write_text("PASSWORD=canary")
    return folder


def agent(data: Path, mode: str, repo: Path | str = "", name: str = "ada", **fields: Any) -> AgentConfig:
    workdir = data / "agents" / name / ("work-temp" if mode == "temp" else "work")
    place = Workplace(mode, str(repo), branch=f"agents/{name}", **fields)
    return AgentConfig(
        name=name, kind="custom", role="member", job="", workdir=workdir, workplace=place, command=("sh", "-c", "cat"),
        stop_grace_s=0.3,
    )  # fmt: skip


async def state(office: OfficeUnderTest, *states: str) -> dict[str, Any] | None:
    found: dict[str, Any] = await office.chairman.get("/api/agents/ada")
    return found if found["state"] in states else None


@pytest.mark.parametrize("mode", ["worktree", "clone"])
async def test_an_agent_works_on_a_branch_of_its_own_and_copied_files_stay_out_of_its_commits(
    tmp_path: Path, repo: Path, mode: str
) -> None:
    setup = ("sh", "-c", "cat .env > made && echo made ready")
    ada = agent(tmp_path / "data", mode, repo, copy=(".env", "README", "none"), setup=setup)
    async with open_office(tmp_path / "data", agents=[ada]) as office:
        await until(partial(state, office, "ready"), START_S)

    work = ada.workdir
    assert git(work, "branch", "--show-current").strip() == "agents/ada"
    assert (work / "made").read_text() == "PASSWORD=canary"
    assert (work / ".env").stat().st_mode & 0o777 == 0o600
    assert git(work, "status", "--porcelain").splitlines() == ["?? made"]
    assert git(repo, "status", "--porcelain").splitlines() in ([], ["?? .env"])
    assert "made ready" in (tmp_path / "data/agents/ada/setup.log").read_text()


async def test_a_failed_set_up_is_said_with_its_last_line_and_tried_again_at_the_next_start(
    tmp_path: Path, repo: Path
) -> None:
    setup = ("sh", "-c", "test -e ../allowed || { echo no compiler; exit 3; }")
    ada = agent(tmp_path / "data", "worktree", repo, setup=setup)
    async with open_office(tmp_path / "data", agents=[ada]) as office:
        failed = await until(partial(state, office, "fatal"), START_S)
        (ada.workdir.parent / "allowed").touch()
        await office.chairman.post("/api/agents/ada/start")
        await until(partial(state, office, "ready"), START_S)

    assert "exit code 3" in failed["reason"]
    assert "no compiler" in failed["reason"]
    assert "setup.log" in failed["reason"]


async def test_a_stop_ends_a_set_up_that_takes_long(tmp_path: Path, repo: Path) -> None:
    ada = agent(tmp_path / "data", "worktree", repo, setup=("sleep", "600"))
    async with open_office(tmp_path / "data", agents=[ada]) as office:
        await until((tmp_path / "data/agents/ada/setup.log").exists, START_S)
        await office.chairman.post("/api/agents/ada/stop")
        await until(partial(state, office, "stopped"), START_S)


def test_what_was_made_is_used_again_with_all_that_is_in_it(tmp_path: Path, repo: Path) -> None:
    data = tmp_path / "data"
    ada = agent(data, "worktree", repo)
    provide(ada, data / "agents/ada")
    (ada.workdir / "draft").write_text("half done")

    provide(ada, data / "agents/ada")

    made = read_workspace(data / "agents/ada")
    assert (ada.workdir / "draft").read_text() == "half done"
    assert made is not None
    assert uncommitted(made) == 1


def test_a_worktree_whose_folder_somebody_removed_is_made_again_on_its_branch(tmp_path: Path, repo: Path) -> None:
    data = tmp_path / "data"
    ada = agent(data, "worktree", repo)
    provide(ada, data / "agents/ada")
    (ada.workdir / "new").write_text("x")
    git(ada.workdir, "add", ".")
    git(ada.workdir, "commit", "-qm", "kept")
    subprocess.run(["rm", "-r", str(ada.workdir)], check=True)

    provide(ada, data / "agents/ada")

    assert (ada.workdir / "new").read_text() == "x"


def test_what_an_agent_configures_in_its_worktree_is_not_run_by_us(tmp_path: Path, repo: Path) -> None:
    data = tmp_path / "data"
    ada = agent(data, "worktree", repo)
    provide(ada, data / "agents/ada")
    made = read_workspace(data / "agents/ada")
    assert made is not None
    evil = ada.workdir / "evil"
    git(tmp_path, "init", "-q", str(evil))
    git(evil, "config", "core.fsmonitor", f"touch {tmp_path / 'ran'}; false")
    (Path(made.worktree_folder) / "commondir").write_text(str(evil / ".git"))
    (ada.workdir / ".git").write_text(f"gitdir: {evil / '.git'}\n")

    uncommitted(made)
    provide(ada, data / "agents/ada")

    assert not (tmp_path / "ran").exists()


def test_a_temporary_folder_is_empty_at_each_start_and_the_last_one_lies_beside_it(tmp_path: Path) -> None:
    ada = agent(tmp_path / "data", "temp")
    provide(ada, ada.workdir.parent)
    (ada.workdir / "notes").write_text("x")

    provide(ada, ada.workdir.parent)

    assert list(ada.workdir.iterdir()) == []
    assert (ada.workdir.parent / "work-temp-before/notes").read_text() == "x"
