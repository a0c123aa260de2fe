"""Stopping an agent by its button ends everything that it has started, however it hides."""

from functools import partial
from pathlib import Path
from typing import Any

from server.config import AgentConfig
from tests.conftest import OfficeUnderTest, open_office, until
from tests.terminals.test_tree import KINDS, HostileTree

ATTEMPTS = 5


async def _in_state(office: OfficeUnderTest, state: str) -> dict[str, Any] | None:
    agent: dict[str, Any] = await office.chairman.get("/api/agents/wild")
    return agent if agent["state"] == state else None


async def test_stopping_by_the_api_leaves_no_process_of_a_hostile_tree(tmp_path: Path) -> None:
    for attempt in range(ATTEMPTS):
        folder = tmp_path / str(attempt)
        folder.mkdir()
        tree = HostileTree(folder)
        wild = AgentConfig(
            name="wild", kind="custom", role="member", job="", workdir=folder, command=tree.command, stop_grace_s=0.3
        )
        async with open_office(folder / "data", agents=[wild]) as office:
            await until(tree.is_complete, 15)
            await until(partial(_in_state, office, "ready"), 15)
            assert len(tree.survivors()) >= len(KINDS) - 1

            await office.chairman.post("/api/agents/wild/stop", {"reason": "enough"})
            stopped = await until(partial(_in_state, office, "stopped"), 15)

            assert tree.survivors() == set()
            assert (stopped["wanted"], stopped["pid"]) == ("stopped", None)
            assert stopped["last_exit"]["reason"] == "asked"
