"""A real endpoint on loopback: database, feed, dispatch, gate and all, with the operations of probe.py added."""

import asyncio
import contextlib
import io
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import httpx2
import pytest
from aiohttp import web
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import TextContent
from mcp_types.version import LATEST_MODERN_VERSION

from server.core.operation import Registry
from server.dispatch import Dispatch, wall_clock
from server.events.feed import Feed
from server.features import channels, members, sessions
from server.features.catalogue import FEATURES
from server.features.messages import text_index
from server.storage.sqlite import SqliteDatabase
from server.supervision.prompt_text import clean_text
from server.web.errors import answer_errors
from server.web.identity import Identity
from server.web.mcp import Mcp
from server.web.routes import add_operations
from server.web.security import Gate
from server.web.stream import SseFraming
from server.web.tools import Tools
from tests.conftest import UNHURRIED
from tests.mcp import probe

ENVELOPE = {
    "io.modelcontextprotocol/protocolVersion": LATEST_MODERN_VERSION,
    "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}
ERAS = pytest.mark.parametrize("era", ["auto", "legacy"])


@dataclass
class Endpoint:
    """The endpoint under test."""

    url: str
    dispatch: Dispatch
    tools: Tools
    mcp: Mcp
    session: aiohttp.ClientSession
    runner: web.AppRunner
    tokens: dict[str, str] = field(default_factory=dict)

    async def join(self, name: str, *, kind: str = "agent", role: str = "member") -> str:
        """Return the token of a new member."""
        minted = await self.dispatch.as_system("create_token", name=name, kind=kind, role=role)
        self.tokens[name] = minted.token
        return str(minted.token)

    @contextlib.asynccontextmanager
    async def client(self, name: str, era: str = "auto", **options: Any) -> AsyncIterator[Client]:
        """Open the SDK's client for a member."""
        headers = {"Authorization": f"Bearer {self.tokens[name]}", **options.pop("headers", {})}
        async with httpx2.AsyncClient(headers=headers, timeout=30) as http:
            transport = streamable_http_client(f"{self.url}/mcp", http_client=http)
            async with Client(transport, mode=era, **options) as client:
                yield client

    def post(self, name: str, body: Any, **headers: str) -> Any:
        """Post bytes or JSON to the endpoint as a member; use it with `async with`."""
        headers = {
            "Authorization": f"Bearer {self.tokens[name]}",
            "Accept": "application/json, text/event-stream",
            **headers,
        }
        content = {"data": body} if isinstance(body, bytes | io.BytesIO) else {"json": body}
        return self.session.post(f"{self.url}/mcp", headers=headers, **content)

    def modern(self, name: str, method: str, params: dict[str, Any] | None = None, **headers: str) -> Any:
        """Post one request of the modern era."""
        params = dict(params or {})
        params["_meta"] = {**ENVELOPE, **params.get("_meta", {})}
        routing = {"MCP-Protocol-Version": LATEST_MODERN_VERSION, "Mcp-Method": method}
        if "name" in params:
            routing["Mcp-Name"] = params["name"]
        return self.post(name, {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}, **routing | headers)


def text_of(result: Any) -> str:
    """Return the text of a tool's result."""
    (content,) = result.content
    assert isinstance(content, TextContent)
    return content.text


@pytest.fixture
async def endpoint(tmp_path: Path) -> AsyncIterator[Endpoint]:
    async with open_endpoint(tmp_path / "team.sqlite3") as opened:
        yield opened


@contextlib.asynccontextmanager
async def open_endpoint(file: Path, *, progress_s: float = 0.05) -> AsyncIterator[Endpoint]:
    """Open an endpoint with a chairman `ada`, an agent `dev` and a lead `pm`."""
    database = SqliteDatabase(file, finish=[text_index.index_new_text])
    await database.open()
    feed = Feed(database, channels.access_of, SseFraming())
    registry = Registry([*FEATURES, probe])
    dispatch = Dispatch(registry, database, feed)
    await dispatch.as_system("found_team", team="test")
    await feed.open()
    database.writer.after_commit = dispatch.committed
    following = asyncio.create_task(feed.run())
    listening = socket.create_server(("127.0.0.1", 0))
    host = f"127.0.0.1:{listening.getsockname()[1]}"
    identity = Identity(database, members.find_caller, sessions.find_session, wall_clock)
    dispatch.access_changed = identity.forget
    app = web.Application(
        middlewares=[answer_errors, Gate(identity, [host], dispatch.record_denial).middleware],
        client_max_size=1024 * 1024,
    )
    tools = Tools(registry, dispatch, clean=clean_text)
    mcp = Mcp(tools, [host], progress_s=progress_s)
    mcp.add_to(app)
    add_operations(app, registry, dispatch)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=30.0)
    await runner.setup()
    await web.SockSite(runner, listening).start()
    try:
        async with aiohttp.ClientSession() as session:
            endpoint = Endpoint(f"http://{host}", dispatch, tools, mcp, session, runner)
            await dispatch.as_system("ensure_channel", id="general")
            await dispatch.as_system("set_guard_limits", member="", limits=UNHURRIED)
            await endpoint.join("ada", kind="human", role="chairman")
            await endpoint.join("dev")
            await endpoint.join("pm", role="lead")
            for name in ("dev", "pm"):
                await dispatch.as_system(
                    "ensure_agent", name=name, kind="external", description="", command_line="", autostart=False,
                    session_id="",
                )  # fmt: skip
            yield endpoint
    finally:
        await runner.cleanup()
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
        await database.close()
