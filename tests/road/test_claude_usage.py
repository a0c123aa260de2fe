"""What a real Claude Code used is counted exactly as its model told it, whoever is killed; its budget stops it."""

import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.conftest import Door, ServerProcess, until
from tests.peers.claude_cli import require_claude
from tests.peers.model_api import API_KEY, ModelApi, say, use_tool
from tests.road.conftest import CLI_PATIENCE_S, reply
from tests.road.test_claude_and_server import TEAM

KINDS = {
    "input_tokens": "input_tokens",
    "output_tokens": "output_tokens",
    "cache_read_tokens": "cache_read_input_tokens",
    "cache_write_tokens": "cache_creation_input_tokens",
}


@dataclass
class Served:
    """A server as a process of its own, with a real Claude Code in it."""

    server: ServerProcess
    session: aiohttp.ClientSession
    api: ModelApi

    @property
    def door(self) -> Door:
        token = (self.server.data / "run" / "operator.token").read_text().strip()
        return Door(self.server.url, token, self.session)

    async def agent_if(self, **wanted: object) -> dict[str, Any] | None:
        agent: dict[str, Any] = await self.door.get("/api/agents/ada")
        return agent if all(agent[field] == value for field, value in wanted.items()) else None

    async def agent(self, **wanted: object) -> dict[str, Any]:
        found: dict[str, Any] = await until(partial(self.agent_if, **wanted), CLI_PATIENCE_S)
        return found

    async def counted(self) -> dict[str, int]:
        """Return what the office counts, in the model's words."""
        totals = (await self.door.get("/api/usage"))["totals"]
        assert [total["billing"] for total in totals] in ([], ["api"])
        return {"requests": sum(total["requests"] for total in totals)} | {
            theirs: sum(total[ours] for total in totals) for ours, theirs in KINDS.items()
        }

    async def told(self) -> dict[str, int]:
        """Return what the model told of the answers that reached the CLI."""
        used = list(self.api.used.values())
        return {"requests": len(used)} | {name: sum(usage[name] for usage in used) for name in KINDS.values()}

    async def agree(self) -> bool:
        return await self.counted() == await self.told()


@asynccontextmanager
async def _served(tmp_path: Path, api: ModelApi, more: str = "") -> AsyncIterator[Served]:
    team = tmp_path / "agents.yaml"
    team.write_text(TEAM.format(url=api.url, program=require_claude(), folder=tmp_path) + more)
    server = ServerProcess(tmp_path / "data", ("--config", str(team)))
    async with aiohttp.ClientSession() as session:
        await server.start()
        served = Served(server, session, api)
        try:
            await served.agent(state="ready", connected=True, activity="idle")
            yield served
        finally:
            if server.process is not None and server.process.returncode is not None:
                await server.start()
            assert await server.end(signal.SIGINT) == 0


async def test_use_is_counted_as_the_model_told_it_over_kills_of_the_cli_and_of_the_server(
    tmp_path: Path, model_api: ModelApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCRIPTED_KEY", API_KEY)
    model_api.when(use_tool("mcp__team__claim_task", {"task_id": "1"}), contains="take the task", with_results=False)
    model_api.when(say("never heard"), contains="be killed", gate="killed", times=1)
    model_api.when_asked(reply("Here again."), contains="be killed")
    async with _served(tmp_path, model_api) as served:
        await served.door.post("/api/tasks", {"title": "Look into it"})
        await served.door.send("general", "@ada take the task")
        await until(served.agree, CLI_PATIENCE_S)
        port = int(served.server.url.rpartition(":")[2])
        before = await served.agent(activity="idle")
        await served.door.send("general", "@ada be killed")
        await model_api.wait_until(lambda request: "be killed" in request.new_text)

        os.kill(before["pid"], signal.SIGKILL)
        await served.server.end(signal.SIGKILL)
        await served.server.start(port)

        await until(lambda: any("Here again." in str(turn.body) for turn in model_api.turns()), CLI_PATIENCE_S)
        await served.agent(state="ready", activity="idle")
        await until(served.agree, CLI_PATIENCE_S)
        counted = await served.counted()
        (usage,) = (await served.door.get("/api/usage/agents"))["agents"]
        assert usage["context_size"] > 0
        assert usage["context_percent"] is not None
        (today,) = usage["today"]
        assert today["cost_usd"] > 0
        assert today["unpriced_tokens"] == 0
        (run, *_) = (await served.door.get("/api/tasks/1"))["runs"]
        (used,) = run["usage"]
        assert 0 < used["requests"] < counted["requests"]

        await served.server.end(signal.SIGKILL)
        await served.server.start(port)
        await served.agent(state="ready", activity="idle")
        assert await served.counted() == counted, "nothing twice"
        model_api.release("killed")


async def test_a_budget_that_is_used_up_ends_the_turn_and_holds_what_is_owed_until_it_is_raised(
    tmp_path: Path, model_api: ModelApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCRIPTED_KEY", API_KEY)
    model_api.when(use_tool("Bash", {"command": "true", "description": "d"}), contains="go on for ever", times=1)
    model_api.when(use_tool("Bash", {"command": "true", "description": "d"}), with_results=True, times=2)
    model_api.when(say("late"), with_results=True, gate="never", times=1)
    budget = "    budget: { per_day: 0.01usd, on_exceed: pause_and_ask }\n"
    async with _served(tmp_path, model_api, budget) as served:
        await served.door.send("general", "@ada go on for ever")

        paused = await served.agent(paused_by="budget")
        assert "of $0.01" in paused["paused_reason"]
        await served.agent(activity="idle")
        (asked,) = (await served.door.get("/api/approvals"))["approvals"]
        assert asked["kind"] == "budget"
        await served.door.send("general", "@ada are you there?")
        turns = len(model_api.turns())

        raised = {"approved": True, "answer": "raise by 100usd"}
        await served.door.post(f"/api/approvals/{asked['id']}/resolve", raised)

        await served.agent(paused_at=None)
        await model_api.wait_until(lambda request: "are you there?" in request.new_text)
        heard = next(at for at, turn in enumerate(model_api.turns()) if "are you there?" in turn.new_text)
        assert heard >= turns, "nothing was told while it was paused"
        model_api.release("never")
