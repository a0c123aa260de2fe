"""Runs to prepare, and the other ends that a real CLI needs."""

import uuid
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from server.config import AgentConfig
from server.supervision.kinds.kind import Run
from tests.peers.claude_cli import require_claude
from tests.peers.hook_server import HookServer
from tests.peers.model_api import ModelApi

TOKEN = "bp_test_0123456789ABCDEFGHIJabcdefghijklABCDEF12"
MakeRun = Callable[..., Run]


@pytest.fixture
def make_run(tmp_path: Path) -> MakeRun:
    """Build a run of an agent in a folder of its own; keywords are fields of AgentConfig, and `server_url`."""

    def make(kind: str = "claude", server_url: str = "http://127.0.0.1:9", **fields: Any) -> Run:
        folder = tmp_path / "agents" / "ada"
        folder.mkdir(mode=0o700, parents=True)
        token_file = folder / "token"
        token_file.write_text(TOKEN + "\n")
        token_file.chmod(0o600)
        settings = {"name": "ada", "role": "member", "job": "developer", "workdir": folder / "work", **fields}
        agent = AgentConfig(kind=kind, **settings)
        return Run(agent, uuid.uuid4().hex, 1, str(uuid.uuid4()), folder, agent.workdir, server_url, token_file, TOKEN)

    return make


@pytest.fixture
def claude_program() -> str:
    """The real Claude Code, or the test is skipped and says how to install it."""
    return require_claude()


@pytest.fixture
async def model_api() -> AsyncIterator[ModelApi]:
    async with ModelApi() as api:
        yield api


@pytest.fixture
async def hook_server() -> AsyncIterator[HookServer]:
    async with HookServer() as server:
        yield server
