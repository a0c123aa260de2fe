"""Sessions, cancellation, progress, list changes, and the end of the server."""

import asyncio
import json
import socket
from pathlib import Path
from typing import Any

import pytest

from server.events.feed import Feed
from tests.conftest import until
from tests.mcp.conftest import ENVELOPE, ERAS, Endpoint, open_endpoint, text_of

INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 0,
    "method": "initialize",
    "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}},
}


def _waiting(endpoint: Endpoint) -> int:
    feed: Feed = endpoint.dispatch._feed
    return len(feed._waiters)


async def _opened_session(endpoint: Endpoint, name: str) -> str:
    async with endpoint.post(name, INITIALIZE) as response:
        assert response.status == 200
        session = str(response.headers["Mcp-Session-Id"])
    async with endpoint.post(
        name, {"jsonrpc": "2.0", "method": "notifications/initialized"}, **{"Mcp-Session-Id": session}
    ) as response:
        assert response.status == 202
    return session


@pytest.mark.parametrize("kind", ["agent", "human"])
async def test_a_session_answers_only_the_member_who_opened_it(endpoint: Endpoint, kind: str) -> None:
    thief = "pm" if kind == "agent" else "ada"
    session = await _opened_session(endpoint, "dev")
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "whoami"}}
    headers = {"Mcp-Session-Id": session, "MCP-Protocol-Version": "2025-11-25"}
    async with endpoint.post(thief, call, **headers) as response:
        assert response.status == 404
        assert "dev" not in await response.text()
    theirs = {"Authorization": f"Bearer {endpoint.tokens[thief]}", **headers}
    async with endpoint.session.delete(f"{endpoint.url}/mcp", headers=theirs) as response:
        assert response.status == 404
    async with endpoint.post("dev", call, **headers) as response:
        assert response.status == 200
        assert "You are dev" in await response.text()


async def test_a_session_goes_on_under_a_new_token_of_its_member(endpoint: Endpoint) -> None:
    session = await _opened_session(endpoint, "dev")
    minted = await endpoint.dispatch.as_system("create_token", name="dev")
    endpoint.tokens["dev"] = minted.token
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "whoami"}}
    headers = {"Mcp-Session-Id": session, "MCP-Protocol-Version": "2025-11-25"}
    async with endpoint.post("dev", call, **headers) as response:
        assert "You are dev" in await response.text()


async def test_a_session_that_is_unknown_gets_404(endpoint: Endpoint) -> None:
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    headers = {"Mcp-Session-Id": "0" * 32, "MCP-Protocol-Version": "2025-11-25"}
    async with endpoint.post("dev", call, **headers) as response:
        assert response.status == 404


async def test_nobody_enters_without_a_token(endpoint: Endpoint) -> None:
    async with endpoint.session.post(f"{endpoint.url}/mcp", json=INITIALIZE) as response:
        assert response.status == 401
    endpoint.tokens["dev"] = endpoint.tokens["dev"][:-1] + "x"
    async with endpoint.post("dev", INITIALIZE) as response:
        assert response.status == 401


async def test_another_sites_page_is_refused(endpoint: Endpoint) -> None:
    async with endpoint.modern("dev", "tools/list", Origin="http://evil.example") as response:
        assert response.status == 403
    async with endpoint.modern("dev", "tools/list", Host="evil.example") as response:
        assert response.status == 421
    stream = {"Authorization": f"Bearer {endpoint.tokens['dev']}", "Accept": "text/event-stream"}
    stream["Origin"] = "http://evil.example"
    async with endpoint.session.get(f"{endpoint.url}/mcp", headers=stream) as response:
        assert response.status == 403


@ERAS
async def test_a_wait_ends_when_its_client_is_gone(endpoint: Endpoint, era: str) -> None:
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call",
            "params": {"name": "check_in", "arguments": {"wait_s": 300}}}  # fmt: skip
    headers = {"MCP-Protocol-Version": "2025-11-25"}
    if era == "legacy":
        headers["Mcp-Session-Id"] = await _opened_session(endpoint, "dev")
    else:
        headers = {"MCP-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/call", "Mcp-Name": "check_in"}
        call["params"] |= {"_meta": ENVELOPE}  # type: ignore[operator]
    with _request(endpoint, "dev", call, headers) as connection:
        await until(lambda: _waiting(endpoint) == 1)
        connection.close()
        await until(lambda: _waiting(endpoint) == 0)
    # What is owed meanwhile was not marked as seen by a wait that nobody reads.
    async with endpoint.client("pm") as pm, endpoint.client("dev") as dev:
        await pm.call_tool("send_message", {"channel": "general", "content": "Hello @dev"})
        assert "Hello @dev" in text_of(await dev.call_tool("check_in"))


@ERAS
async def test_a_client_cancels_its_own_wait(endpoint: Endpoint, era: str) -> None:
    async with endpoint.client("dev", era) as client:
        call = asyncio.create_task(client.call_tool("check_in", {"wait_s": 300}))
        await until(lambda: _waiting(endpoint) == 1)
        call.cancel()
        await until(lambda: _waiting(endpoint) == 0)
        assert text_of(await client.call_tool("whoami")).startswith("You are dev")


@ERAS
async def test_a_wait_ends_with_what_it_waited_for(endpoint: Endpoint, era: str) -> None:
    async with endpoint.client("dev", era) as dev, endpoint.client("pm", era) as pm:
        call = asyncio.create_task(dev.call_tool("check_in", {"wait_s": 300}))
        await until(lambda: _waiting(endpoint) == 1)
        await pm.call_tool("send_message", {"channel": "general", "content": "Hello @dev"})
        assert "Hello @dev" in text_of(await asyncio.wait_for(call, 5))


@ERAS
async def test_progress_is_reported_while_a_call_waits(endpoint: Endpoint, era: str) -> None:
    reported = asyncio.Event()

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        reported.set()

    async with endpoint.client("dev", era) as client:
        call = asyncio.create_task(client.call_tool("probe_wait", {"wait_s": 0.3}, progress_callback=on_progress))
        await asyncio.wait_for(reported.wait(), 5)
        assert not call.done()
        assert text_of(await asyncio.wait_for(call, 5)) == '"over"'


async def test_a_client_that_asked_for_no_progress_gets_plain_json(endpoint: Endpoint) -> None:
    async with endpoint.modern("dev", "tools/call", {"name": "probe_wait", "arguments": {"wait_s": 0.2}}) as response:
        assert response.headers["Content-Type"] == "application/json"
        assert (await response.json())["result"]["isError"] is False


@ERAS
async def test_what_the_server_offers_is_announced(endpoint: Endpoint, era: str) -> None:
    async with endpoint.client("dev", era) as client:
        tools = client.server_capabilities.tools
        assert tools is not None
        assert tools.list_changed is True
        assert client.instructions is not None
        assert "check_in" in client.instructions
        assert client.protocol_version == ("2025-11-25" if era == "legacy" else "2026-07-28")


async def test_a_listening_client_is_told_that_its_own_tools_changed(endpoint: Endpoint) -> None:
    async with (
        endpoint.client("dev") as dev,
        endpoint.client("pm") as pm,
        dev.listen(tools_list_changed=True) as told,
        pm.listen(tools_list_changed=True) as others,
    ):
        await endpoint.mcp.tell_tools_changed("dev")
        await asyncio.wait_for(anext(aiter(told)), 5)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(aiter(others)), 0.1)


@pytest.mark.parametrize("era", ["modern", "legacy"])
async def test_the_end_of_the_server_cuts_a_wait_without_an_answer(tmp_path: Path, era: str) -> None:
    async with open_endpoint(tmp_path / "team.sqlite3") as endpoint:
        headers = {"MCP-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/call", "Mcp-Name": "check_in"}
        params: dict[str, Any] = {"name": "check_in", "arguments": {"wait_s": 300}, "_meta": ENVELOPE}
        if era == "legacy":
            headers = {
                "MCP-Protocol-Version": "2025-11-25",
                "Mcp-Session-Id": await _opened_session(endpoint, "dev"),
            }
            del params["_meta"]
        call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
        with _request(endpoint, "dev", call, headers) as connection:
            await until(lambda: _waiting(endpoint) == 1)
            async with asyncio.timeout(3):
                await endpoint.runner.cleanup()
            answer = await _rest(connection)
    assert b'"result"' not in answer
    assert b"503" in answer.partition(b"\r\n")[0] or not answer.endswith(b"0\r\n\r\n")


def _request(endpoint: Endpoint, name: str, body: Any, headers: dict[str, str]) -> socket.socket:
    host, port = endpoint.url.removeprefix("http://").split(":")
    content = json.dumps(body).encode()
    lines = {
        "Host": f"{host}:{port}",
        "Authorization": f"Bearer {endpoint.tokens[name]}",
        "Accept": "application/json, text/event-stream",
        "Content-Type": "application/json",
        "Content-Length": str(len(content)),
        **headers,
    }
    connection = socket.create_connection((host, int(port)))
    head = "".join(f"{key}: {value}\r\n" for key, value in lines.items())
    connection.sendall(f"POST /mcp HTTP/1.1\r\n{head}\r\n".encode() + content)
    connection.setblocking(False)
    return connection


async def _rest(connection: socket.socket) -> bytes:
    received = b""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(5):
        try:
            while chunk := await loop.sock_recv(connection, 65536):
                received += chunk
        except ConnectionResetError:
            pass
    return received
