"""What an agent with `isolation: bwrap` sees of this machine: a few folders, processes of its own, and the network.

bubblewrap makes the namespaces. It sees its own folders and what it works in, read-write; the system's programs, its
CLI and our bridge, read-only. Not there: the data folder, other agents, the holders, the person's home.
"""

import functools
import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from server.config import AgentConfig
from server.supervision.kinds.kind import CannotLaunch, Launch
from server.supervision.workplace import Workspace, read_workspace

_HIDDEN_OWN = frozenset({"run", "spool"})
"""Of an agent's own folder: the holder's socket and records, and the terminal's bytes."""
_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
_SETTINGS = (
    "alternatives", "bash.bashrc", "ca-certificates", "ca-certificates.conf", "crypto-policies", "environment",
    "fonts", "gai.conf", "gitconfig", "group", "host.conf", "hosts", "inputrc", "java", "ld.so.cache", "ld.so.conf",
    "ld.so.conf.d", "locale.alias", "locale.conf", "localtime", "login.defs", "mime.types", "nsswitch.conf",
    "os-release", "passwd", "pki", "profile", "profile.d", "protocols", "resolv.conf", "rpc", "services", "shells",
    "ssl", "terminfo", "timezone",
)  # fmt: skip
"""Of /etc, what programs need to run. The rest, which may hold secrets, is not there."""
_NAMESPACES = ("--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try")
_IGNORE_SIGNALS = 'trap "" HUP INT TERM; exec "$@"'
"""bubblewrap ends at a signal, and all in it are killed at once; the agent is to have the time to end by itself."""
_DEFAULT_SIGNALS = (
    "import os, signal, sys\n"
    "for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM): signal.signal(number, signal.SIG_DFL)\n"
    "try: os.execv(sys.argv[1], sys.argv[1:])\n"
    "except OSError as error: sys.stderr.write(f'{sys.argv[1]}: {error.strerror}\\n'); os._exit(127)"
)
_SHARED_GIT = ("objects", "refs", "logs")
"""What a commit in a worktree writes of its repository. Not the configuration and the hooks, which git obeys."""


def sandbox_problem(agent: AgentConfig) -> str | None:
    """Say in one sentence with its remedy why an agent cannot be closed in here, or None."""
    if agent.isolation.mode == "none":
        return None
    if sys.platform != "linux":
        return f"{agent.name} has isolation: bwrap, which is there on Linux alone: set isolation: none."
    failure = _trial()
    return None if failure is None else f"{agent.name} has isolation: bwrap, but {failure}"


def enclose(launch: Launch, agent: AgentConfig, agent_folder: Path) -> Launch:
    """Return what starts the same in a sandbox; with `isolation: none`, the same launch.

    The environment stays where it is, since words of a command can be read by others. Raises CannotLaunch.
    """
    if agent.isolation.mode == "none":
        return launch
    problem = sandbox_problem(agent)
    if problem is not None:
        raise CannotLaunch(problem)
    seen = _Seen(agent, agent_folder)
    for path in _programs(launch):
        seen.read(path)
    for path in launch.reads:
        seen.read(path)
    for path in (*agent.isolation.read, *agent.isolation.write):
        if not path.exists():
            raise CannotLaunch(f"{path} is not there: make it, or take it out of isolation of {agent.name}.")
    for path in agent.isolation.read:
        seen.read(path, stated=True)
    for path in agent.isolation.write:
        seen.write(path)
    seen.write(launch.working_directory)
    made = read_workspace(agent_folder)
    if made is not None and made.mode == "worktree" and made.path == str(agent.workdir):
        _show_repository(seen, made)
    seen.own(launch)
    python = sys.executable
    argv = (
        "/bin/sh", "-c", _IGNORE_SIGNALS, "sh", _bwrap(), *_base(), *seen.arguments(),
        "--chdir", str(launch.working_directory), "--", python, "-I", "-S", "-c", _DEFAULT_SIGNALS, *launch.argv,
    )  # fmt: skip
    return replace(launch, argv=argv)


def describe(agent: AgentConfig) -> str:
    """Say for people what the agent's isolation amounts to."""
    if agent.isolation.mode == "none":
        return "shares your account: your files, the database and other agents are within its reach"
    more = len(agent.isolation.read) + len(agent.isolation.write)
    return "sandboxed: sees its own folders, its work folder, the system's programs and the network" + (
        f", and {more} folders of your choice" if more else ""
    )


class _Seen:
    """The paths that a sandbox shows, and how."""

    def __init__(self, agent: AgentConfig, agent_folder: Path) -> None:
        self._agent = agent
        self._folder = agent_folder
        self._data = agent_folder.parents[1]
        self._options: dict[Path, tuple[str, str]] = {}
        """By the path inside: the option, and what it takes from outside."""

    def read(self, path: Path, *, stated: bool = False) -> None:
        """Show a path; one that is only implied is left out where it would show too much."""
        if any(path.is_relative_to(folder) for folder in _SYSTEM):
            return
        if self._shows_data(path):
            if stated:
                self._refuse(path)
            return
        self._options.setdefault(path, ("--ro-bind", str(path)))

    def write(self, path: Path) -> None:
        if self._shows_data(path):
            self._refuse(path)
        self._options[path] = ("--bind", str(path))

    def shared(self, path: Path, *, writable: bool) -> None:
        """Show a part of a repository, whatever else is shown of it."""
        self._options[path] = ("--bind" if writable else "--ro-bind", str(path))

    def own(self, launch: Launch) -> None:
        """Show the agent's own folders, and its token."""
        for child in self._folder.iterdir():
            if child.is_dir() and not child.is_symlink() and child.name not in _HIDDEN_OWN:
                self._options[child] = ("--bind", str(child))
        for compiled in (self._folder / "bridge").glob("compiled-*"):
            self._options[compiled] = ("--ro-bind", str(compiled))
        token = self._folder / "token"
        if token.exists():
            self._options[token] = ("--ro-bind", str(token))
        if launch.messaging_socket is not None:
            socket_folder = launch.messaging_socket.parent
            self._options[socket_folder] = ("--bind", str(socket_folder))

    def arguments(self) -> Iterable[str]:
        """Return options in an order in which none hides another: what is deeper comes later."""
        for path, (option, source) in sorted(self._options.items(), key=lambda item: len(item[0].parts)):
            yield from (option, source, str(path))

    def _shows_data(self, path: Path) -> bool:
        """Tell whether a path would show the data folder, or what is in it and not of this agent."""
        real = path.resolve()
        data, own = self._data.resolve(), self._folder.resolve()
        if real.is_relative_to(own) and real != own:
            return real.relative_to(own).parts[0] in _HIDDEN_OWN
        return data.is_relative_to(real) or real.is_relative_to(data)

    def _refuse(self, path: Path) -> None:
        raise CannotLaunch(
            f"{self._agent.name} has isolation: bwrap, and {path} would show it the data folder {self._data}: name a"
            " narrower folder, or another data folder."
        )


def _base() -> list[str]:
    arguments = [*_NAMESPACES, "--die-with-parent", "--cap-drop", "ALL", "--proc", "/proc", "--dev", "/dev"]
    for folder in map(Path, _SYSTEM):
        if folder.is_symlink():
            arguments += ["--symlink", str(folder.readlink()), str(folder)]
        elif folder.is_dir():
            arguments += ["--ro-bind", str(folder), str(folder)]
    for name in _SETTINGS:
        arguments += ["--ro-bind-try", f"/etc/{name}", f"/etc/{name}"]
    for empty in ("/tmp", "/var/tmp", "/run"):  # noqa: S108 - paths inside, each of this sandbox alone
        arguments += ["--tmpfs", empty]
    return arguments


def _show_repository(seen: _Seen, made: Workspace) -> None:
    git = Path(made.git_folder)
    seen.shared(git, writable=False)
    for name in _SHARED_GIT:
        (git / name).mkdir(exist_ok=True)
        seen.shared(git / name, writable=True)
    seen.shared(Path(made.worktree_folder), writable=True)


def _programs(launch: Launch) -> Iterable[Path]:
    """Return what the command needs to run: Python for us, the program with its packages, files that it names."""
    yield from (Path(sys.prefix), Path(sys.base_prefix))
    program = Path(launch.argv[0])
    real = program.resolve()
    packages = next((folder for folder in reversed(real.parents) if folder.name == "node_modules"), None)
    yield real if packages is None else packages
    if program.parent != packages:
        # A folder of programs has what they start, as node beside a CLI; another folder may have anything.
        yield program.parent if program.parent.name in ("bin", ".bin") else program
    for word in launch.argv[1:]:
        if word.startswith("/") and Path(word).is_file():
            yield Path(word)


def _bwrap() -> str:
    return shutil.which("bwrap") or "/usr/bin/bwrap"


@functools.cache
def _trial() -> str | None:
    """Try once whether the kernel lets us; return what is wrong, with its remedy."""
    if shutil.which("bwrap") is None:
        return "bubblewrap is not installed: apt install bubblewrap, or set isolation: none."
    try:
        done = subprocess.run(
            [_bwrap(), *_base(), "--", "/bin/true"],
            stdin=subprocess.DEVNULL, capture_output=True, timeout=10, check=False, text=True, errors="replace",
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as failure:
        return f"bubblewrap cannot be run ({failure}): set isolation: none."
    if done.returncode == 0:
        return None
    said = " ".join(done.stderr.split())[:200] or f"exit code {done.returncode}"
    return (
        f"this system does not let it make a sandbox ({said}): allow user namespaces (on Ubuntu an AppArmor profile for"
        " bwrap, in a container its security options), or set isolation: none."
    )


def agent_process(pid: int) -> int:
    """Return the process of the agent itself, where the one that was started is a sandbox around it."""
    while _read(pid, "comm") == "bwrap":
        children = _read(pid, f"task/{pid}/children").split()
        if not children:
            break
        pid = int(children[0])
    return pid


def _read(pid: int, name: str) -> str:
    try:
        return Path(f"/proc/{pid}/{name}").read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""
