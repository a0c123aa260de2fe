"""Agents' processes without their holder: found by descent, session and run id, and ended.

The second best way. As long as the holder lives, it is the parent of every orphan and misses none; without it, nobody
finds a process that wiped its environment, left its session and lost its parent before anyone looked.
"""

import time
from collections.abc import Iterable
from pathlib import Path

from server.terminals.identity import ProcessIdentity, ProcessStat, open_process, read_boot_id, read_stat

RUN_ID_VARIABLE = "BULLPEN_RUN_ID"
KILL_TIMEOUT_S = 5.0
QUIET_S = 0.2
STOP_ROUNDS = 10
SIGKILL, SIGSTOP = 9, 19


def find_marked(run_id: str) -> list[ProcessIdentity]:
    """Return the live processes that have the run id in their environment."""
    boot_id = read_boot_id()
    return [ProcessIdentity(boot_id, s.pid, s.start_ticks) for s in _running() if _is_marked(s.pid, run_id)]


def kill_orphans(run_id: str, roots: Iterable[ProcessIdentity]) -> list[ProcessIdentity]:
    """Kill the roots, their descendants, all of the roots' sessions and all with the run id; return those still alive.

    Blocks for up to 5 s: call it in a thread. They are stopped first, so that none forks while it is being looked for.
    """
    boot_id = read_boot_id()
    roots = [root for root in roots if root.boot_id == boot_id]
    known: set[ProcessIdentity] = set()
    for _ in range(STOP_ROUNDS):
        found = _belonging(boot_id, run_id, roots, known)
        _send(found - known, SIGSTOP)
        if found <= known:
            break
        known |= found
    deadline = time.monotonic() + KILL_TIMEOUT_S
    quiet_since = None
    while True:
        alive = _belonging(boot_id, run_id, roots, known)
        known |= alive
        now = time.monotonic()
        if alive:
            quiet_since = None
            _send(alive, SIGKILL)
            if now > deadline:
                return sorted(alive, key=lambda process: process.pid)
        elif quiet_since is None:
            quiet_since = now
        elif now - quiet_since >= QUIET_S:
            return []
        time.sleep(0.01)


def _send(processes: Iterable[ProcessIdentity], number: int) -> None:
    for process in processes:
        handle = open_process(process)
        if handle is not None:
            with handle:
                handle.send_signal(number)


def _belonging(
    boot_id: str, run_id: str, roots: Iterable[ProcessIdentity], known: Iterable[ProcessIdentity]
) -> set[ProcessIdentity]:
    running = {stat.pid: stat for stat in _running()}
    wanted = {process for process in (*roots, *known) if _is(running.get(process.pid), process)}
    pids = {process.pid for process in wanted}
    for root in roots:
        leader = running.get(root.pid)
        if leader is None or leader.start_ticks == root.start_ticks:  # else the number is another session's now
            pids |= {s.pid for s in running.values() if s.session == root.pid and s.start_ticks >= root.start_ticks}
    pids |= {pid for pid in running if pid not in pids and _is_marked(pid, run_id)}
    by_parent: dict[int, list[int]] = {}
    for stat in running.values():
        by_parent.setdefault(stat.parent, []).append(stat.pid)
    frontier = list(pids)
    while frontier:
        for pid in by_parent.get(frontier.pop(), []):
            if pid not in pids:
                pids.add(pid)
                frontier.append(pid)
    return {ProcessIdentity(boot_id, pid, running[pid].start_ticks) for pid in pids}


def _is(stat: ProcessStat | None, process: ProcessIdentity) -> bool:
    return stat is not None and stat.start_ticks == process.start_ticks


def _running() -> list[ProcessStat]:
    stats = (read_stat(int(entry.name)) for entry in Path("/proc").iterdir() if entry.name.isdigit())
    return [stat for stat in stats if stat is not None and stat.state not in "ZX"]


def _is_marked(pid: int, run_id: str) -> bool:
    try:
        environment = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:  # ended, of another user, or hidden: not one of ours
        return False
    return f"{RUN_ID_VARIABLE}={run_id}".encode() in environment.split(b"\0")
