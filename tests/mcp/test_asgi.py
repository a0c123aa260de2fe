"""The adapter by itself: what an ASGI app is told, and what becomes of what it says."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from server.web import asgi
from server.web.asgi import Asgi, Exchange, Receive, Send
from server.web.errors import answer_errors
from tests.conftest import PATIENCE_S


@contextlib.asynccontextmanager
async def _served(app: Asgi, **extensions: object) -> AsyncIterator[str]:
    async def handle(request: web.Request) -> web.StreamResponse:
        return await Exchange(request, **extensions).run(app)

    server = web.Application(middlewares=[answer_errors])
    server.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(server, handler_cancellation=True, shutdown_timeout=1.0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    try:
        yield f"http://{host}:{port}"
    finally:
        await runner.cleanup()


async def _start(send: Send, *headers: tuple[bytes, bytes], status: int = 200) -> None:
    await send({"type": "http.response.start", "status": status, "headers": list(headers)})


async def test_the_app_sees_the_request_and_what_we_know_of_it() -> None:
    seen: dict[str, Any] = {}

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message["body"], message["more_body"]
        seen.update(scope, body=body)
        await _start(send, status=201)
        await send({"type": "http.response.body", "body": b"made"})

    async with _served(app, user="ada") as url, aiohttp.ClientSession(headers={"X-Own": "yes"}) as client:
        response = await client.post(f"{url}/a%20b?c=d%26e", data=b"text" * 50_000)
        assert (response.status, await response.read()) == (201, b"made")
    assert (seen["method"], seen["path"], seen["raw_path"], seen["query_string"]) == (
        "POST", "/a b", b"/a%20b", b"c=d%26e",
    )  # fmt: skip
    assert (seen["body"], seen["user"], seen["asgi"]["spec_version"]) == (b"text" * 50_000, "ada", "2.3")
    assert (b"x-own", b"yes") in seen["headers"]


async def test_repeated_headers_are_kept_and_framing_is_aiohttps() -> None:
    async def app(scope: Any, receive: Receive, send: Send) -> None:
        await _start(send, (b"link", b"one"), (b"link", b"two"), (b"content-length", b"2"), (b"connection", b"close"))
        await send({"type": "http.response.body", "body": b"ok"})

    async with _served(app) as url, aiohttp.ClientSession() as client, client.get(url) as response:
        assert response.headers.getall("Link") == ["one", "two"]
        assert response.headers.getall("Content-Length") == ["2"]
        assert "Connection" not in response.headers


async def test_a_stream_arrives_piece_by_piece() -> None:
    go_on = asyncio.Event()

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        await _start(send, (b"content-type", b"text/event-stream"))
        await send({"type": "http.response.body", "body": b"first", "more_body": True})
        await go_on.wait()
        await send({"type": "http.response.body", "body": b"second", "more_body": True})
        await send({"type": "http.response.body"})

    async with _served(app) as url, aiohttp.ClientSession() as client, client.get(url) as response:
        assert await response.content.readany() == b"first"
        go_on.set()
        assert await response.content.read() == b"second"


async def test_an_app_learns_that_its_client_is_gone_and_may_still_write() -> None:
    gone, ended = asyncio.Event(), asyncio.Event()

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        await receive()
        await _start(send)
        await send({"type": "http.response.body", "body": b"first", "more_body": True})
        if (await receive())["type"] == "http.disconnect":
            gone.set()
        await send({"type": "http.response.body", "body": b"second", "more_body": True})
        await send({"type": "http.response.body"})
        ended.set()

    async with _served(app) as url, aiohttp.ClientSession() as client:
        async with client.get(url) as response:
            await response.content.readany()
            response.close()
        await asyncio.wait_for(gone.wait(), PATIENCE_S)
        await asyncio.wait_for(ended.wait(), PATIENCE_S)


async def test_an_app_that_does_not_end_for_nobody_is_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asgi, "GRACE_S", 0.05)
    running, cancelled = asyncio.Event(), asyncio.Event()

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        running.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    async with _served(app) as url, aiohttp.ClientSession() as client:
        request = asyncio.create_task(client.get(url).__aenter__())
        await running.wait()
        request.cancel()
        await asyncio.wait_for(cancelled.wait(), PATIENCE_S)


async def test_an_app_that_breaks_off_a_stream_does_not_pass_for_one_that_ended() -> None:
    async def app(scope: Any, receive: Receive, send: Send) -> None:
        await _start(send)
        await send({"type": "http.response.body", "body": b"half", "more_body": True})

    async with _served(app) as url, aiohttp.ClientSession() as client, client.get(url) as response:
        with pytest.raises(aiohttp.ClientPayloadError):
            await response.read()


async def test_an_app_that_says_nothing_is_unavailable_and_one_that_fails_has_failed() -> None:
    async def silent(scope: Any, receive: Receive, send: Send) -> None:
        return

    async def failing(scope: Any, receive: Receive, send: Send) -> None:
        raise RuntimeError("a secret")

    for app, status in ((silent, 503), (failing, 500)):
        async with _served(app) as url, aiohttp.ClientSession() as client, client.get(url) as response:
            assert response.status == status
            assert b"secret" not in await response.read()
