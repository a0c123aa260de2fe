"""Decides by which means an agent is bounded here: a control group, limits of processes, a look now and then, or none.

Pure but for `processes_of_user`. What is not in force is said, with why.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from server.config import LimitsConfig
from server.features.agents import Bound
from server.terminals.cgroup import group_settings
from server.terminals.launch import DEFAULT_LIMITS

WATCHED = "watch"
_NO_GROUP = "no control group is delegated to the office"
_AS_ROOT = "the office runs as root, whom no number of processes bounds, and " + _NO_GROUP


@dataclass(frozen=True)
class Plan:
    """What a run is started with."""

    rlimits: Mapping[str, int]
    group: Mapping[str, str] = field(default_factory=dict)
    """Files of its control group; empty: it gets none."""
    watched_bytes: int | None = None
    """Memory above which the supervisor ends it, since nothing else would."""
    bounds: Mapping[str, Bound] = field(default_factory=dict)


def plan_bounds(limits: LimitsConfig, controllers: frozenset[str], uid: int, processes: int) -> Plan:
    """Return the means for what is wanted. `processes`: how many the user has now, threads counted."""
    rlimits = dict(DEFAULT_LIMITS)
    if limits.open_files is not None:
        rlimits["NOFILE"] = limits.open_files
    memory = limits.memory_bytes if "memory" in controllers else None
    pids = limits.pids if "pids" in controllers else None
    cpu = limits.cpu if "cpu" in controllers else None
    bounds = {"open_files": Bound(rlimits["NOFILE"], "rlimit", "of each process")}
    watched = None
    if limits.memory_bytes is None:
        bounds["memory"] = Bound(None, "none", "no limit was asked for")
    elif memory is not None:
        bounds["memory"] = Bound(memory, "cgroup", "of all its processes together, without swap")
    else:
        watched = limits.memory_bytes
        bounds["memory"] = Bound(
            watched, WATCHED, f"looked at every second while the server runs, since {_NO_GROUP}; above it, it is ended"
        )
    if limits.cpu is None:
        bounds["cpu"] = Bound(None, "none", "no limit was asked for")
    elif cpu is not None:
        bounds["cpu"] = Bound(cpu, "cgroup", "of all its processes together")
    else:
        bounds["cpu"] = Bound(limits.cpu, "none", f"not in force: {_NO_GROUP}")
    if limits.pids is None:
        bounds["pids"] = Bound(None, "none", "no limit was asked for")
    elif pids is not None:
        bounds["pids"] = Bound(pids, "cgroup", "of all its processes together")
    elif uid == 0:
        bounds["pids"] = Bound(limits.pids, "none", f"not in force: {_AS_ROOT}")
    else:
        rlimits["NPROC"] = processes + limits.pids
        bounds["pids"] = Bound(
            limits.pids, "rlimit", f"more than the {processes} that this user had at its start; those of others count"
        )
    return Plan(rlimits, group_settings(memory, pids, cpu), watched, bounds)


def processes_of_user(uid: int) -> int:
    """Return how many processes and threads a user has, as the kernel counts them for RLIMIT_NPROC."""
    count = 0
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if process.stat().st_uid == uid:
                count += len(list((process / "task").iterdir()))
        except OSError:
            continue
    return count
