# ruff: noqa: PTH106, PTH123
"""The agent's control group, as the holder needs it: who was killed in it for memory, and its removal."""

import os


def group_kills(group: str) -> int:
    """Return how many processes the kernel has killed in a group for want of memory; 0 without a group."""
    if not group:
        return 0
    try:
        with open(f"{group}/memory.events", encoding="ascii") as file:
            counts = dict(line.split() for line in file)
        return int(counts.get("oom_kill", 0))
    except (OSError, ValueError):
        return 0


def forget_group(group: str) -> None:
    """Remove a group in which nobody is any more."""
    try:
        os.rmdir(group)
    except OSError:
        return
