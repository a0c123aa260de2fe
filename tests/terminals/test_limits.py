"""Limits are set before the agent begins: a fork bomb stays small, and its control group is joined and heard."""

import os
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from server.terminals.launch import DEFAULT_LIMITS, HolderTuning

from .conftest import PROGRAMS, Start, read_until, wait_for_exit

NOBODY = 54321
"""A user with no other process."""
MOST = 60


async def test_a_fork_bomb_stays_within_its_number_of_processes(start: Start, tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root to become a user without other processes; no control group is delegated to tests")
    tuning = HolderTuning(limits={**DEFAULT_LIMITS, "NPROC": MOST})
    began = time.monotonic()

    agent = await start(sys.executable, "-I", str(PROGRAMS / "fork_bomb.py"), str(NOBODY), tuning=tuning)
    said = await read_until(agent, b"after")
    end = await wait_for_exit(agent)

    assert b"REFUSED after" in said, said
    count = int(end.tail.partition("REFUSED after ")[2].split()[0])
    assert count < MOST
    assert end.survivors == ()
    assert time.monotonic() - began < 10


async def test_open_files_are_bounded(start: Start) -> None:
    tuning = replace(HolderTuning(), limits={**DEFAULT_LIMITS, "NOFILE": 99})

    agent = await start("sh", "-c", "ulimit -n", tuning=tuning)
    end = await wait_for_exit(agent)

    assert end.tail.strip() == "99"


async def test_the_agent_joins_its_group_and_a_kill_for_memory_is_its_reason(start: Start, tmp_path: Path) -> None:
    """The group is a folder of the test's: what the kernel would do in it, the agent does."""
    group = tmp_path / "agent-ada"
    group.mkdir()
    (group / "memory.events").write_text("low 0\noom 3\noom_kill 2\n")
    kill = f"echo 'oom_kill 3' > {group}/memory.events; kill -9 $$"

    agent = await start("sh", "-c", kill, tuning=HolderTuning(group=group))
    end = await wait_for_exit(agent)

    assert (group / "cgroup.procs").read_text() == "0"
    assert (end.signal, end.reason) == (9, "oom")


async def test_an_agent_whose_group_cannot_be_joined_is_not_started_unbounded(start: Start, tmp_path: Path) -> None:
    agent = await start("true", tuning=HolderTuning(group=tmp_path / "missing"))
    end = await wait_for_exit(agent)

    assert (end.code, end.reason) == (126, "not_started")
