# ruff: noqa: PTH112, PTH113, PTH118, PTH123, PTH208
"""The agent's processes: start one, signal it, collect and kill all that came of it."""

import ctypes
import os
import resource
import signal
import time

from ptyprocess import PtyProcess

from .record import start_ticks
from .spec import Spec

KILL_TIMEOUT_S = 5.0
KILL_QUIET_S = 0.1

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_CHILD_SUBREAPER = 1, 4, 36
libc = ctypes.CDLL(None)


def adopt_orphans_and_hide() -> None:
    """Become parent of all orphaned descendants, and close the holder's memory to others of its user."""
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)


class Tree:
    """The agent and all its descendants. As subreaper the holder becomes the parent of every orphan among them."""

    def __init__(self) -> None:
        self.pid: int | None = None
        self.start_ticks: int | None = None
        self.process: object = None
        """Kept for life: ptyprocess closes the terminal when its object goes."""
        self.status: int | None = None
        self.usage: resource.struct_rusage | None = None
        self.is_empty = False
        """The agent and all that came of it are gone: nothing is left that could fork."""
        self.failure: tuple[int, str] | None = None
        """Exit code (126, 127 as a shell has them) and sentence, if the command could not be started."""

    def spawn(self, spec: Spec) -> int | None:
        """Start the agent in a new pseudo-terminal and return the master side; None if the command cannot start."""
        command = find_command(spec)
        if not os.path.isdir(spec.cwd):
            self.failure = (126, f"The working folder {spec.cwd} is not there.")
        elif command is None:
            self.failure = (127, f"The command {spec.argv[0]} was not found.")
        if command is None or self.failure:
            return None
        holder = os.getpid()
        try:
            process = PtyProcess.spawn(
                [command, *spec.argv[1:]],
                env=spec.environment,
                dimensions=(spec.rows, spec.columns),
                preexec_fn=lambda: become_agent(spec, holder),
            )
        except Exception as error:  # ptyprocess raises whatever class the child has named
            if os.getpid() != holder:
                os._exit(126)  # the fork itself, failing before its exec, must not go on as a second holder
            self.failure = (126, f"The command {spec.argv[0]} could not be started: {error}")
            self.reap()
            return None
        self.process, self.pid = process, process.pid
        self.start_ticks = start_ticks(process.pid)
        master: int = process.fd
        os.set_blocking(master, False)
        os.set_inheritable(master, False)
        return master

    def reap(self) -> None:
        """Collect every child that has ended; the agent's status and resource usage are kept."""
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid == self.pid:
                self.status, self.usage = status, usage

    def kill(self) -> list[int]:
        """Kill all descendants until none has shown for a while; return the pids of those that would not go.

        A tight loop, because a process that forks and exits every millisecond outruns anything that rests. What a
        killed process leaves behind becomes a child of the holder and is met in the next round.
        """
        deadline = time.monotonic() + KILL_TIMEOUT_S
        quiet_since: float | None = None
        while not self.is_empty:
            pids = children()
            now = time.monotonic()
            if pids:
                quiet_since = None
                for pid in pids:
                    try:
                        os.kill(pid, signal.SIGKILL)
                    except OSError:
                        continue  # ended, or of another user and not ours to kill: then it is a survivor
                self.reap()
                if now > deadline:
                    return pids
            elif quiet_since is None:
                quiet_since = now
            elif now - quiet_since >= KILL_QUIET_S:
                self.is_empty = True
        return []

    def send_signal(self, number: int, target: str, master: int | None) -> bool:
        """Signal the terminal's foreground group, or the agent's process group. False if there is none any more."""
        if self.pid is None or self.status is not None or master is None:
            return False
        try:
            group = os.tcgetpgrp(master) if target == "foreground" else self.pid
            if group <= 1 or group == os.getpgrp():
                return False
            os.killpg(group, number)
        except OSError:
            return False
        return True


def find_command(spec: Spec) -> str | None:
    """Find the program on the agent's own PATH; ptyprocess would look on the holder's."""
    name = spec.argv[0]
    folders = [""] if "/" in name else spec.environment.get("PATH", os.defpath).split(":")
    for folder in folders:
        path = os.path.join(spec.cwd, folder, name)
        if os.path.isfile(path) and os.access(path, os.X_OK):
            return path
    return None


def become_agent(spec: Spec, holder: int) -> None:
    """Set up the child between fork and exec: undo what the holder chose for itself, take the agent's limits."""
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != holder:
        os._exit(1)  # the holder died before the line above
    for number in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    for name, value in spec.limits.items():
        kind = getattr(resource, f"RLIMIT_{name}")
        hard = resource.getrlimit(kind)[1]
        allowed = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (allowed, allowed))
    if spec.group:
        with open(f"{spec.group}/cgroup.procs", "w", encoding="ascii") as file:
            file.write("0")
    os.umask(spec.umask)
    os.chdir(spec.cwd)


def children() -> list[int]:
    """Return the pids of all children, ended but uncollected ones too."""
    own = os.getpid()
    try:
        with open(f"/proc/self/task/{own}/children", "rb") as file:
            return [int(pid) for pid in file.read().split()]
    except FileNotFoundError:  # a kernel without CONFIG_PROC_CHILDREN: slower, and a fast chain may outrun it
        return [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if parent(pid) == own]


def parent(pid: int) -> int | None:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return int(file.read().rpartition(b") ")[2].split()[1])
    except OSError:
        return None
