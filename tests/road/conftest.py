"""An office with real Claude Codes in it, whose model is scripted, and what a test asks of it."""

import contextlib
import os
import re
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from server.config import AgentConfig, Provider, SecretReference
from tests.conftest import OfficeUnderTest, open_office, until
from tests.peers.claude_cli import require_claude
from tests.peers.model_api import API_KEY, Block, ModelApi, ModelRequest, use_tool

CLI_PATIENCE_S = 40.0
"""A real CLI starts in about 2 s on an idle machine."""


@dataclass
class Office:
    """An office, the model of its agents, and their cards."""

    office: OfficeUnderTest
    api: ModelApi

    async def agent(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = await self.office.chairman.get(f"/api/agents/{name}")
        return found

    async def wait_until_agent(self, name: str, **wanted: object) -> dict[str, Any]:
        """Wait until an agent's card shows these values."""
        found: dict[str, Any] = await until(partial(self._agent_if, name, wanted), CLI_PATIENCE_S)
        return found

    async def say(self, channel: str, content: str, **more: object) -> str:
        """Send in the chairman's name and return the message's id."""
        return str((await self.office.chairman.send(channel, content, **more))["id"])

    async def receipt(self, message: str) -> dict[str, Any]:
        (receipt,) = (await self.office.chairman.get(f"/api/messages/{message}/receipts"))["receipts"]
        return dict(receipt)

    async def wait_until_receipt(self, message: str, *states: str) -> dict[str, Any]:
        """Wait until a message has come as far as one of these states."""
        found: dict[str, Any] = await until(partial(self._receipt_if, message, states), CLI_PATIENCE_S)
        return found

    async def wait_until_kept(self, name: str, *texts: str) -> None:
        """Wait until a CLI's own record of its conversation holds these texts: it writes a moment after it spoke."""
        folder = self.office.config.data / "agents" / name

        def is_kept() -> bool:
            records = [path.read_text(errors="replace") for path in folder.rglob("*.json*") if path.is_file()]
            return any(all(text in record for text in texts) for record in records)

        await until(is_kept, CLI_PATIENCE_S)

    async def contents(self, channel: str, sender: str) -> list[str]:
        """Everything a member said in a channel, in order."""
        history = await self.office.chairman.get(f"/api/history?channel={channel}&limit=200")
        return [message["content"] for message in history["messages"] if message["from"] == sender]

    async def wait_until_said(self, channel: str, sender: str, count: int) -> list[str]:
        """Wait until a member has said that many things in a channel, and return them."""
        found: list[str] = await until(partial(self._said, channel, sender, count), CLI_PATIENCE_S)
        return found

    async def _agent_if(self, name: str, wanted: dict[str, object]) -> dict[str, Any] | None:
        agent = await self.agent(name)
        assert agent["state"] != "fatal" or "state" in wanted, agent
        return agent if all(agent[field] == value for field, value in wanted.items()) else None

    async def _receipt_if(self, message: str, states: tuple[str, ...]) -> dict[str, Any] | None:
        receipt = await self.receipt(message)
        return receipt if receipt["state"] in states else None

    async def _said(self, channel: str, sender: str, count: int) -> list[str] | None:
        said = await self.contents(channel, sender)
        return said if len(said) >= count else None


def reply(content: str) -> Callable[[ModelRequest], list[Block]]:
    """Return an answer that replies to the last message of a push, where it was written."""

    def answer(request: ModelRequest) -> list[Block]:
        places = re.findall(r"channel='([^']+)'", request.new_text)
        messages = re.findall(r"^(msg_\d+) in ", request.new_text, re.MULTILINE)
        arguments = {"channel": places[-1], "content": content, "reply_to": messages[-1]}
        return [use_tool("mcp__team__send_message", arguments)]

    return answer


def bridge_pid(road: Office, name: str, other_than: int = 0) -> int | None:
    """Find the bridge of an agent: the Python among the processes that run with its token file."""
    token_file = str(road.office.config.data / "agents" / name / "token").encode()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if token_file in words and b"-S" in words and b"python" in words[0]:
            pid = int(folder.name)
            if pid != other_than:
                return pid
    return None


def end_bridge(road: Office, name: str) -> None:
    """Kill an agent's bridge with the shell loop that would start another: its CLI has none from here on."""
    pid = bridge_pid(road, name)
    assert pid is not None
    parent = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    assert Path(f"/proc/{parent}/comm").read_text().strip() in ("sh", "dash")
    os.kill(parent, signal.SIGKILL)
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


OpenRoad = Callable[..., AbstractAsyncContextManager[Office]]


@pytest.fixture
async def model_api() -> AsyncIterator[ModelApi]:
    async with ModelApi() as api:
        yield api


@pytest.fixture
def open_road(tmp_path: Path, model_api: ModelApi, monkeypatch: pytest.MonkeyPatch) -> OpenRoad:
    """Open an office in which each of the names is a real Claude Code; it is ready when the office is."""
    program = require_claude()
    monkeypatch.setenv("SCRIPTED_KEY", API_KEY)

    def claude(name: str, fields: dict[str, Any]) -> AgentConfig:
        provider = Provider("scripted", "api_key", model_api.url, SecretReference("env", "SCRIPTED_KEY"))
        settings: dict[str, Any] = {"role": "member", "job": "developer", "workdir": tmp_path / "work" / name, **fields}
        return AgentConfig(name=name, kind="claude", command=(program,), provider=provider, **settings)

    @asynccontextmanager
    async def opened(*names: str, **fields: Any) -> AsyncIterator[Office]:
        agents = [claude(name, fields) for name in names]
        for agent in agents:
            agent.workdir.mkdir(parents=True, exist_ok=True)
        async with open_office(tmp_path / "data", agents=agents) as office:
            road = Office(office, model_api)
            try:
                for name in names:
                    await road.wait_until_agent(name, state="ready", activity="idle", connected=True)
                yield road
            finally:
                for name in names:
                    await office.chairman.post(f"/api/agents/{name}/stop")
                for name in names:
                    await road.wait_until_agent(name, state="stopped")

    return opened
