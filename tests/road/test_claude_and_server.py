"""The server is killed around a real Claude Code that works: what was owed and what was done stay true."""

import signal
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.conftest import Door, ServerProcess, until
from tests.peers.claude_cli import require_claude
from tests.peers.model_api import API_KEY, ModelApi, use_tool
from tests.road.conftest import CLI_PATIENCE_S, reply

TEAM = """
team: road
providers:
  scripted: {{ auth: api_key, token: "env:SCRIPTED_KEY", base_url: "{url}" }}
agents:
  ada:
    command: ["{program}"]
    workdir: "{folder}"
    model: {{ name: sonnet, provider: scripted }}
    permissions: {{ mode: auto, i_understand: true }}
    guards: {{ self_per_min: 0 }}
"""


async def _agent_if(door: Door, wanted: dict[str, object]) -> dict[str, Any] | None:
    agent: dict[str, Any] = await door.get("/api/agents/ada")
    return agent if all(agent[field] == value for field, value in wanted.items()) else None


async def _receipt_if(door: Door, message: str, state: str) -> bool:
    receipts = (await door.get(f"/api/messages/{message}/receipts"))["receipts"]
    return bool(receipts[0]["state"] == state)


async def test_a_server_killed_before_the_proof_came_finds_it_and_the_agent_never_noticed(
    tmp_path: Path, model_api: ModelApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCRIPTED_KEY", API_KEY)
    team = tmp_path / "agents.yaml"
    team.write_text(TEAM.format(url=model_api.url, program=require_claude(), folder=tmp_path))
    server = ServerProcess(tmp_path / "data", ("--config", str(team)))
    model_api.when(use_tool("Bash", {"command": "true"}), contains="start working", gate="tool", times=1)
    model_api.when_asked(reply("Changed over."), contains="use the other port")
    async with aiohttp.ClientSession() as session:

        def door() -> Door:
            return Door(server.url, (tmp_path / "data/run/operator.token").read_text().strip(), session)

        await server.start()
        try:
            port = int(server.url.rpartition(":")[2])
            ready = {"state": "ready", "connected": True, "activity": "idle"}
            before = await until(partial(_agent_if, door(), ready), CLI_PATIENCE_S)
            await door().send("general", "@ada start working")
            await model_api.wait_until(lambda request: "start working" in request.new_text)
            later = (await door().send("general", "@ada use the other port", delivery="next_step"))["id"]
            await until(partial(_receipt_if, door(), later, "pushed"), CLI_PATIENCE_S)

            await server.end(signal.SIGKILL)
            model_api.release("tool")  # its hooks and its call find nobody there
            await model_api.wait_until(lambda request: "use the other port" in request.new_text)
            await server.start(port)

            await until(partial(_receipt_if, door(), later, "handled"), CLI_PATIENCE_S)
            history = (await door().get("/api/history?channel=general"))["messages"]
            assert [message["content"] for message in history if message["from"] == "ada"] == ["Changed over."]
            after = await until(partial(_agent_if, door(), ready), CLI_PATIENCE_S)
            assert (after["pid"], after["restarts"]) == (before["pid"], 0)
            heard = [turn for turn in model_api.turns() if "use the other port" in turn.new_text]
            assert len(heard) == 1, "it was not offered twice"
        finally:
            if server.process is not None and server.process.returncode is not None:
                await server.start()
            assert await server.end(signal.SIGINT) == 0
