"""The folder in which an agent works: a worktree or a clone of its own, made once, and never removed by us.

What an agent wrote can mislead git, which obeys a repository's configuration. So git runs in the person's repository
alone, never in a folder that an agent can write to.
"""

import asyncio
import contextlib
import datetime
import os
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from server.config import AgentConfig
from server.supervision.kinds.files import make_folder, read_json, write_private, write_private_json
from server.supervision.kinds.kind import CannotLaunch

RECORD_FILE = "workplace.json"
SETUP_LOG = "setup.log"
SETUP_WITHIN_S = 600.0
_GIT_WITHIN_S = 300.0
_QUIET_GIT = {"GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C.UTF-8"}
_TAIL_BYTES = 2048


class BrokenOff(Exception):
    """The set-up was ended because the agent is to stop."""


@dataclass(frozen=True)
class Workspace:
    """A worktree or clone that was made for an agent, as it is on record in the agent's folder."""

    mode: str
    repo: str
    path: str
    branch: str
    git_folder: str = ""
    """Of a worktree: the repository's own folder, as REPO/.git."""
    worktree_folder: str = ""
    """Of a worktree: what git keeps of it, as REPO/.git/worktrees/ID."""
    is_set_up: bool = False


def read_workspace(agent_folder: Path) -> Workspace | None:
    """Return what was made for an agent, or None."""
    content = read_json(agent_folder / RECORD_FILE)
    try:
        return Workspace(**content)
    except TypeError:
        return None


def provide(agent: AgentConfig, agent_folder: Path) -> None:
    """Make the folder in which an agent works, unless it is there. May take long: call it in a thread.

    Raises CannotLaunch.
    """
    match agent.workplace.mode:
        case "temp":
            _renew(agent.workdir)
        case "worktree" | "clone":
            made = read_workspace(agent_folder)
            is_same = made is not None and (made.mode, made.repo, made.path) == (
                agent.workplace.mode, agent.workplace.repo, str(agent.workdir),
            )  # fmt: skip
            if not is_same or not (agent.workdir / ".git").exists():
                _refuse_occupied(agent)
                make_folder(agent.workdir.parent)
                made = _add_worktree(agent) if agent.workplace.mode == "worktree" else _clone(agent)
                _copy_files(agent)
                _introduce(agent, agent_folder / "home")
                write_private_json(agent_folder / RECORD_FILE, asdict(made))


def needs_set_up(agent: AgentConfig, agent_folder: Path) -> bool:
    """Tell whether a new folder still waits for its set-up command, or the last one failed."""
    made = read_workspace(agent_folder)
    return bool(agent.workplace.setup) and made is not None and not made.is_set_up


async def set_up(
    agent: AgentConfig, agent_folder: Path, argv: Sequence[str], environment: Mapping[str, str], stop: asyncio.Event
) -> None:
    """Run the set-up command; its output is kept in the agent's folder. It ends when `stop` is set.

    Raises CannotLaunch if it fails, BrokenOff.
    """
    log = agent_folder / SETUP_LOG
    words = " ".join(agent.workplace.setup)
    write_private(log, f"$ {words}\n")
    with log.open("ab") as output:
        try:
            process = await asyncio.create_subprocess_exec(
                *argv, stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=output, env=dict(environment),
                cwd=agent.workdir, start_new_session=True,
            )  # fmt: skip
        except OSError as failure:
            raise CannotLaunch(f"The set-up of {agent.name} cannot be run: {words}: {failure.strerror}.") from None
        waiting = [asyncio.ensure_future(process.wait()), asyncio.ensure_future(stop.wait())]
        try:
            await asyncio.wait(waiting, timeout=SETUP_WITHIN_S, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting[1].cancel()
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # also what a set-up that has ended left running
            code = await waiting[0]
    if code == 0:
        made = read_workspace(agent_folder)
        if made is not None:
            write_private_json(agent_folder / RECORD_FILE, {**asdict(made), "is_set_up": True})
        return
    if stop.is_set():
        raise BrokenOff(f"The set-up of {agent.name} was ended.")
    why = f"ended with exit code {code}" if code > 0 else f"took longer than {SETUP_WITHIN_S / 60:.0f} minutes"
    raise CannotLaunch(f"The set-up of {agent.name} {why}: {words}. {_last_line(log)} All of its output: {log}")


def git_problem(agent: AgentConfig) -> str | None:
    """Say in one sentence with its remedy why an agent's folder cannot be made here, or None."""
    place = agent.workplace
    if place.mode not in ("worktree", "clone"):
        return None
    if shutil.which("git") is None:
        return f"{agent.name} works in a {place.mode}, and git is not installed: apt install git."
    if place.mode == "worktree" and _git_folder(Path(place.repo)) is None:
        return f"{place.repo} is no git repository: correct workdir.repo of {agent.name}."
    return None


def uncommitted(made: Workspace) -> int | None:
    """Count the changes in a worktree that are in no commit; None if that cannot be told."""
    if made.mode != "worktree" or not Path(made.worktree_folder).is_dir():
        return None
    own = {
        **_QUIET_GIT,
        "GIT_DIR": made.worktree_folder,
        "GIT_COMMON_DIR": made.git_folder,
        "GIT_WORK_TREE": made.path,
    }
    try:
        text = _git(
            ["-c", "core.fsmonitor=false", "status", "--porcelain", "--ignore-submodules=all"],
            Path(made.repo), environment=own,
        )  # fmt: skip
    except CannotLaunch:
        return None
    return len(text.splitlines())


def _renew(folder: Path) -> None:
    """Begin with an empty folder; what was in it lies beside it until the next time."""
    if folder.is_dir() and any(folder.iterdir()):
        before = folder.with_name(folder.name + "-before")
        shutil.rmtree(before, ignore_errors=True)
        folder.rename(before)
    make_folder(folder)


def _refuse_occupied(agent: AgentConfig) -> None:
    if agent.workdir.is_dir() and any(agent.workdir.iterdir()):
        raise CannotLaunch(
            f"{agent.workdir} is not empty and is no {agent.workplace.mode} that was made for {agent.name}: move it"
            f" away, or use it as it is with workdir: {{ mode: dir, path: {agent.workdir} }}."
        )


def _add_worktree(agent: AgentConfig) -> Workspace:
    repo = Path(agent.workplace.repo)
    git_folder = _git_folder(repo)
    if git_folder is None:
        raise CannotLaunch(git_problem(agent) or f"{repo} is no git repository.")
    _forget_gone(repo, agent.workdir)
    branch = _branch(agent)
    exists = _git_tells(["show-ref", "--verify", "--quiet", f"refs/heads/{branch}"], repo)
    if exists:
        arguments = [str(agent.workdir), branch]
    else:
        arguments = ["-b", branch, str(agent.workdir), *((agent.workplace.base,) if agent.workplace.base else ())]
    _git(["worktree", "add", *arguments], repo)
    pointer = (agent.workdir / ".git").read_text(encoding="utf-8").removeprefix("gitdir:").strip()
    return Workspace("worktree", agent.workplace.repo, str(agent.workdir), branch, str(git_folder), pointer)


def _forget_gone(repo: Path, path: Path) -> None:
    """Let git forget this one worktree if somebody has removed its folder; its branch stays."""
    listed = _git(["worktree", "list", "--porcelain"], repo).splitlines()
    if f"worktree {path}" in listed and not path.exists():
        _git(["worktree", "remove", "--force", str(path)], repo)


def _clone(agent: AgentConfig) -> Workspace:
    place = agent.workplace
    branch = _branch(agent)
    half = agent.workdir.with_name(f".{agent.workdir.name}.half")
    shutil.rmtree(half, ignore_errors=True)
    if agent.workdir.is_dir():
        agent.workdir.rmdir()  # empty: see _refuse_occupied
    # Hard links would let an agent change the objects of the repository that it was cloned from.
    _git(["clone", "--quiet", "--no-hardlinks", "--", place.repo, str(half)], agent.workdir.parent)
    if _git_tells(["show-ref", "--verify", "--quiet", f"refs/remotes/origin/{branch}"], half):
        _git(["switch", "--quiet", branch], half)
    else:
        _git(["switch", "--quiet", "-c", branch, *((place.base,) if place.base else ())], half)
    half.rename(agent.workdir)
    return Workspace("clone", place.repo, str(agent.workdir), branch)


def _copy_files(agent: AgentConfig) -> None:
    """Copy files into a new folder, before any agent has been there, and keep them out of commits.

    What the repository has under that name is left as it is: a copy would be committed.
    """
    place = agent.workplace
    repo = Path(place.repo)
    if not place.copy or not repo.is_dir():
        return
    exclude = _exclude_file(agent, repo)
    for name in place.copy:
        source, target = repo / name, agent.workdir / name
        if not source.is_file() or target.exists() or target.is_symlink():
            continue
        if not target.parent.resolve().is_relative_to(agent.workdir.resolve()):
            raise CannotLaunch(f"{target.parent} leads out of the folder of {agent.name}: {name} is not copied there.")
        if _git_tells(["ls-files", "--error-unmatch", "--", name], repo):
            continue
        _exclude(exclude, name)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
        target.chmod(0o600)


def _exclude_file(agent: AgentConfig, repo: Path) -> Path:
    if agent.workplace.mode == "clone":
        return agent.workdir / ".git" / "info" / "exclude"
    return (_git_folder(repo) or repo / ".git") / "info" / "exclude"


def _exclude(file: Path, name: str) -> None:
    line = "/" + name
    there = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
    if line not in there:
        file.parent.mkdir(exist_ok=True)
        file.write_text("\n".join([*there, line]) + "\n", encoding="utf-8")


def _introduce(agent: AgentConfig, home: Path) -> None:
    """Give the agent a name for its commits, unless its home has one: a person's own settings are out of its reach."""
    file = make_folder(home) / ".gitconfig"
    if not file.exists():
        write_private(file, f"[user]\n\tname = {agent.name}\n\temail = {agent.name}@agents.invalid\n")


def _branch(agent: AgentConfig) -> str:
    today = datetime.datetime.now(tz=datetime.UTC).date().isoformat()
    return agent.workplace.branch.replace("{date}", today)


def _git_folder(repo: Path) -> Path | None:
    """Return the folder that all worktrees of a repository share, or None if there is no repository."""
    if not repo.is_dir():
        return None
    try:
        found = _git(["rev-parse", "--git-common-dir"], repo).strip()
    except CannotLaunch:
        return None
    return (repo / found).resolve()


def _git(arguments: Sequence[str], folder: Path, environment: Mapping[str, str] = _QUIET_GIT) -> str:
    """Run git and return what it prints. Raises CannotLaunch with what it says is wrong."""
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, timeout=_GIT_WITHIN_S,
            check=False, env={**_outside_any_repository(), **environment}, text=True, encoding="utf-8",
            errors="replace",
        )  # fmt: skip
    except OSError as failure:
        raise CannotLaunch(f"git cannot be run in {folder}: {failure.strerror}.") from None
    except subprocess.TimeoutExpired:
        raise CannotLaunch(f"git took longer than {_GIT_WITHIN_S / 60:.0f} minutes in {folder}.") from None
    if done.returncode != 0:
        said = " ".join(done.stderr.split())[-400:] or f"exit code {done.returncode}"
        raise CannotLaunch(f"git {arguments[0]} failed in {folder}: {said}")
    return done.stdout


def _git_tells(arguments: Sequence[str], folder: Path) -> bool:
    try:
        _git(arguments, folder)
    except CannotLaunch:
        return False
    return True


def _outside_any_repository() -> dict[str, str]:
    """Return our environment without what would make git work elsewhere, as when we are started by one of its hooks."""
    return {
        name: value for name, value in os.environ.items() if not name.startswith("GIT_") or name == "GIT_SSH_COMMAND"
    }


def _last_line(log: Path) -> str:
    with log.open("rb") as opened:
        opened.seek(max(0, opened.seek(0, os.SEEK_END) - _TAIL_BYTES))
        lines = opened.read().decode(errors="replace").split("\n")
    said = [line.strip() for line in lines if line.strip()]
    return said[-1][:200] if len(said) > 1 else "It printed nothing."
