"""How fast a message wakes the real Claude Code, idle at its prompt: from `POST /api/send` to the request it makes of
its model, beside a bare push into its messaging socket. The model is scripted and on this machine.

Left out where Claude Code is not installed (`make test-deps` installs it).
"""

import asyncio
import json
import os
import socket
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from unittest import mock

from benchmarks.figure import Effort, Figure, compared
from benchmarks.machine import free_port, scratch_folder
from server.config import AgentConfig, Provider, SecretReference
from server.supervision.kinds.files import socket_path
from server.supervision.prompt_text import PromptMessage, compose_push
from tests.conftest import OfficeUnderTest, open_office, until
from tests.peers.claude_cli import find_claude
from tests.peers.model_api import API_KEY, ModelApi

NAME = "ada"
_STARTS_WITHIN_S = 60.0
_APART_S = 2.2
"""The CLI takes one push in two seconds, and the courier keeps to it."""


def measure(effort: Effort) -> list[Figure]:
    """Compare the way of a message with a bare push."""
    program = find_claude()
    if program is None:
        print("push: left out, Claude Code is not installed (make test-deps)", file=sys.stderr)
        return []
    with scratch_folder() as folder, mock.patch.dict(os.environ, {"BENCH_KEY": API_KEY}):
        (folder / "work").mkdir()
        ours, bare = asyncio.run(_rounds(folder, program, effort.rounds))
    name = "Claude Code woken by POST /api/send / by a bare push"
    return [compared(name, "ms", ours, bare, goal=1.5, floor=6.0, at_most=True)]


async def _rounds(folder: Path, program: str, rounds: int) -> tuple[Sequence[float], Sequence[float]]:
    async with ModelApi() as model:
        provider = Provider("scripted", "api_key", model.url, SecretReference("env", "BENCH_KEY"))
        agent = AgentConfig(NAME, "claude", "member", "", folder / "work", provider=provider, command=(program,))
        async with open_office(folder / "data", agents=[agent], port=free_port()) as office:
            await until(lambda: _is_idle(office), _STARTS_WITHIN_S)
            door = socket_path(folder / "data" / "agents" / NAME / "push", "claude.sock")
            ours, bare = [], []
            for number in range(rounds + 1):
                ours.append(await _by_message(office, model, f"message-{number}"))
                bare.append(await _by_push(office, model, f"push-{number}", door))
            await office.chairman.post(f"/api/agents/{NAME}/stop")
            await until(lambda: _is_stopped(office), _STARTS_WITHIN_S)
    return ours[1:], bare[1:]


async def _by_message(office: OfficeUnderTest, model: ModelApi, word: str) -> float:
    await _rest(office)
    started = time.perf_counter()
    await office.chairman.send("general", f"@{NAME} {word}")
    await model.wait_until(lambda request: word in request.new_text)
    return (time.perf_counter() - started) * 1000


async def _by_push(office: OfficeUnderTest, model: ModelApi, word: str, door: Path) -> float:
    await _rest(office)
    message = PromptMessage("msg_1", "#general", "chairman", "human", "chairman", word)
    text = compose_push(word.replace("-", ""), [message])
    line = json.dumps({"type": "user", "message": {"role": "user", "content": text}}) + "\n"
    started = time.perf_counter()
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(door))
        client.sendall(line.encode())
    await model.wait_until(lambda request: word in request.new_text)
    return (time.perf_counter() - started) * 1000


async def _rest(office: OfficeUnderTest) -> None:
    """Wait until it is idle again and may be pushed."""
    await asyncio.sleep(_APART_S)
    await until(lambda: _is_idle(office), _STARTS_WITHIN_S)


async def _is_idle(office: OfficeUnderTest) -> bool:
    agent = await office.chairman.get(f"/api/agents/{NAME}")
    return bool(agent["state"] == "ready" and agent["activity"] == "idle" and agent["connected"])


async def _is_stopped(office: OfficeUnderTest) -> bool:
    return bool((await office.chairman.get(f"/api/agents/{NAME}"))["state"] == "stopped")
