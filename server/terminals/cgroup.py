"""Control groups of agents (cgroup v2), where the system has left a part of its tree to us; knows files alone.

The office has to stand in a leaf named `office`, as `DelegateSubgroup=` of systemd puts it, below a group that it may
write: only a group without processes of its own can bound others. Each agent gets a leaf beside it.
"""

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
OWN = Path("/proc/self/cgroup")
OFFICE = "office"
CONTROLLERS = ("memory", "pids", "cpu")
CPU_PERIOD_US = 100_000


def find_delegated(own: Path = OWN, root: Path = ROOT) -> Path | None:
    """Return the group in which agents can be given groups of their own, or None."""
    try:
        lines = own.read_text(encoding="ascii").splitlines()
        path = next(line.removeprefix("0::") for line in lines if line.startswith("0::"))
        leaf = root / path.lstrip("/")
        base = leaf.parent
        if leaf.name != OFFICE or not os.access(base / "cgroup.subtree_control", os.W_OK):
            return None
        there = (base / "cgroup.controllers").read_text(encoding="ascii").split()
        wanted = [name for name in CONTROLLERS if name in there]
        (base / "cgroup.subtree_control").write_text(" ".join(f"+{name}" for name in wanted), encoding="ascii")
    except (OSError, StopIteration):
        return None
    return base if wanted else None


def controllers_of(base: Path) -> frozenset[str]:
    """Return what can be bounded below a group."""
    try:
        return frozenset((base / "cgroup.controllers").read_text(encoding="ascii").split())
    except OSError:
        return frozenset()


def make_group(base: Path, name: str, settings: Mapping[str, str]) -> Path:
    """Make an agent's group, or take the one that is there, and write its bounds. Raises OSError."""
    group = base / f"agent-{name}"
    group.mkdir(exist_ok=True)
    for file, value in settings.items():
        (group / file).write_text(value, encoding="ascii")
    for file in ("memory.max", "pids.max", "cpu.max"):
        if file not in settings and (group / file).exists():
            with contextlib.suppress(OSError):
                (group / file).write_text("max", encoding="ascii")
    return group


def group_settings(memory_bytes: int | None, pids: int | None, cpu: float | None) -> dict[str, str]:
    """Return what is written into a group for these bounds."""
    settings: dict[str, str] = {}
    if memory_bytes is not None:
        settings["memory.max"] = str(memory_bytes)
        settings["memory.swap.max"] = "0"
    if pids is not None:
        settings["pids.max"] = str(pids)
    if cpu is not None:
        settings["cpu.max"] = f"{round(cpu * CPU_PERIOD_US)} {CPU_PERIOD_US}"
    return settings
