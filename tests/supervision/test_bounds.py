"""What bounds an agent here is decided by what the system allows, and what is not in force is said."""

import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from server.config import AgentConfig, LimitsConfig
from server.config.model import RestartPolicy
from server.supervision.bounds import plan_bounds
from server.terminals import cgroup
from tests.conftest import Door, open_office, until

GIB = 1 << 30
WANTED = LimitsConfig(memory_bytes=4 * GIB, cpu=2, pids=512, open_files=4096)
EVERYTHING = frozenset({"memory", "pids", "cpu"})
HOG = """
import time
print("eating", flush=True)
eaten = []
for _ in range(60):
    eaten.append(bytearray(b"x" * (10 << 20)))
    time.sleep(0.05)
time.sleep(60)
"""


def test_where_a_control_group_is_delegated_all_is_in_force() -> None:
    plan = plan_bounds(WANTED, EVERYTHING, uid=0, processes=300)

    assert plan.group == {
        "memory.max": str(4 * GIB),
        "memory.swap.max": "0",
        "pids.max": "512",
        "cpu.max": "200000 100000",
    }
    assert {name: bound.by for name, bound in plan.bounds.items()} == {
        "memory": "cgroup",
        "cpu": "cgroup",
        "pids": "cgroup",
        "open_files": "rlimit",
    }
    assert (plan.watched_bytes, plan.rlimits["NOFILE"]) == (None, 4096)


@pytest.mark.parametrize(("uid", "pids_by", "rlimit"), [(0, "none", None), (1000, "rlimit", 812)])
def test_without_one_the_next_best_is_used_and_the_rest_is_told(uid: int, pids_by: str, rlimit: int | None) -> None:
    plan = plan_bounds(WANTED, frozenset(), uid, processes=300)

    assert plan.group == {}
    assert plan.watched_bytes == 4 * GIB
    assert plan.rlimits.get("NPROC") == rlimit
    assert [plan.bounds[name].by for name in ("memory", "cpu", "pids")] == ["watch", "none", pids_by]
    assert "not in force" in plan.bounds["cpu"].detail


def test_what_nobody_asked_for_is_no_limit() -> None:
    plan = plan_bounds(LimitsConfig(), EVERYTHING, uid=1000, processes=300)

    assert (plan.group, plan.watched_bytes, "NPROC" in plan.rlimits) == ({}, None, False)
    assert {bound.limit for name, bound in plan.bounds.items() if name != "open_files"} == {None}


def test_a_delegated_group_is_found_and_agents_get_groups_beside_the_office(tmp_path: Path) -> None:
    base = tmp_path / "sys" / "bullpen.service"
    (base / "office").mkdir(parents=True)
    (base / "cgroup.controllers").write_text("cpuset cpu io memory pids\n")
    (base / "cgroup.subtree_control").write_text("")
    own = tmp_path / "cgroup"
    own.write_text("1:name=systemd:/other\n0::/bullpen.service/office\n")

    assert cgroup.find_delegated(own, tmp_path / "sys") == base
    assert (base / "cgroup.subtree_control").read_text() == "+memory +pids +cpu"
    assert cgroup.controllers_of(base) >= EVERYTHING
    made = cgroup.make_group(base, "ada", {"pids.max": "60"})
    assert (made, (made / "pids.max").read_text()) == (base / "agent-ada", "60")
    cgroup.make_group(base, "ada", {})
    assert (made / "pids.max").read_text() == "max", "a limit that is taken out of the file is gone"

    own.write_text("0::/bullpen.service\n")
    assert cgroup.find_delegated(own, tmp_path / "sys") is None, "a group with processes of its own bounds no others"
    assert cgroup.find_delegated(tmp_path / "nothing", tmp_path / "sys") is None


async def _agent_if(door: Door, reason: str) -> dict[str, Any] | None:
    agent: dict[str, Any] = await door.get("/api/agents/hog")
    return agent if reason in agent["reason"] else None


async def test_a_memory_hog_is_ended_and_its_end_says_why_while_others_are_served(tmp_path: Path) -> None:
    hog = AgentConfig(
        name="hog",
        kind="custom",
        role="member",
        job="",
        workdir=tmp_path,
        command=(sys.executable, "-c", HOG),
        limits=LimitsConfig(memory_bytes=100 << 20, open_files=200),
        restart=RestartPolicy(policy="never"),
    )
    async with open_office(tmp_path / "data", agents=[hog]) as office:
        ended = await until(partial(_agent_if, office.chairman, "more memory than its limit of 100 MiB"), 20)

        assert ended["last_exit"]["reason"] == "oom"
        memory = ended["limits"]["memory"]
        assert memory["limit"] == 100 << 20
        assert memory["by"] in ("watch", "cgroup")
        assert ended["limits"]["open_files"] == {"limit": 200, "by": "rlimit", "detail": "of each process"}
        assert ended["limits"]["pids"]["by"] == "none"
