"""Agents of the tests that have no model: they fetch what they are owed over MCP, and answer all of it, always."""

import asyncio
import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from server.supervision.kinds.demo_agent import Message, read_messages
from tests.conftest import Door

_PROTOCOL = "2026-07-28"


async def call_tool(door: Door, tool: str, **arguments: object) -> tuple[str, bool]:
    """Call a tool as an agent's CLI does, and return its text and whether it is an error."""
    envelope = {
        "io.modelcontextprotocol/protocolVersion": _PROTOCOL,
        "io.modelcontextprotocol/clientInfo": {"name": "scripted", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    params = {"name": tool, "arguments": arguments, "_meta": envelope}
    headers = {
        "Authorization": f"Bearer {door.token}",
        "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": _PROTOCOL,
        "Mcp-Method": "tools/call",
        "Mcp-Name": tool,
    }
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    async with door.session.post(f"{door.url}/mcp", json=body, headers=headers) as response:
        text = await response.text()
    lines = [line.removeprefix("data:") for line in text.splitlines() if line.startswith("data:")]
    result: dict[str, Any] = json.loads(lines[-1] if lines else text)["result"]
    return result["content"][0]["text"], bool(result["isError"])


Answer = Callable[[Message], dict[str, object]]
"""What an agent sends when it has read a message: arguments of send_message."""


@dataclass
class Scripted:
    """One agent that answers whatever it is woken by."""

    name: str
    door: Door
    answer: Answer
    told: list[str] = field(default_factory=list)
    """What its tool calls were answered."""
    sent: int = 0
    is_waiting: bool = False

    async def run(self) -> None:
        """Answer for ever."""
        while True:
            self.is_waiting = True
            text, _ = await call_tool(self.door, "check_in", wait_s=10)
            self.is_waiting = False
            for message in read_messages(text):
                told, is_error = await call_tool(self.door, "send_message", **self.answer(message))
                self.told.append(told)
                self.sent += not is_error


def different(text: Callable[[Message], str]) -> Callable[[Message], str]:
    """Return a text that is never the same twice."""
    numbers = itertools.count(1)
    return lambda message: f"{text(message)} {next(numbers)}"


async def until_quiet(agents: list[Scripted], still_s: float = 0.3) -> None:
    """Wait until every agent waits and none has been woken for a while: long beside what an answer takes."""
    async with asyncio.timeout(20):
        before, since = -1, asyncio.get_running_loop().time()
        while True:
            now, sent = asyncio.get_running_loop().time(), sum(len(agent.told) for agent in agents)
            if sent != before or not all(agent.is_waiting for agent in agents):
                before, since = sent, now
            elif now - since > still_s:
                return
            await asyncio.sleep(0.01)
