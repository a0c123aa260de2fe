"""A scripted iLink bot service: the four requests that are known of it, one phone that scans, people who write."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.conftest import until

TOKEN = "ilink-token-that-is-secret"


@dataclass
class ILink:
    """The service. `scan` and `confirm` are what the phone does."""

    url: str = ""
    status: str = "wait"
    ended: bool = False
    """The session: the service answers -14 from then on."""
    sent: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    refuse_next: int = 0
    polls: list[str] = field(default_factory=list)
    codes: int = 0
    _messages: list[dict[str, Any]] = field(default_factory=list)
    _grown: asyncio.Event = field(default_factory=asyncio.Event)

    def write(self, sender: str, text: str, *, message_id: int | None = None, kind: int = 1, context: str = "") -> None:
        """Have somebody write to the bot."""
        number = message_id or len(self._messages) + 1
        items = [{"type": 1, "text_item": {"text": text}}] if text else [{"type": 2, "image_item": {}}]
        self._messages.append(
            {
                "message_id": number,
                "from_user_id": sender,
                "message_type": kind,
                "context_token": context or f"context-{number}",
                "item_list": items,
            }
        )
        self._grown.set()

    def texts(self, to: str) -> list[str]:
        return [message["item_list"][0]["text_item"]["text"] for message in self.sent if message["to_user_id"] == to]

    async def wait_for_text(self, to: str, part: str) -> str:
        return str(await until(lambda: next((text for text in self.texts(to) if part in text), None)))

    async def _code(self, request: web.Request) -> web.Response:
        assert request.query["bot_type"] == "3"
        self.codes += 1
        self.status = "wait"
        key = f"code-{self.codes}"
        return web.json_response({"qrcode": key, "qrcode_img_content": f"https://ilink.example/scan?{key}"})

    async def _code_status(self, request: web.Request) -> web.Response:
        if request.query["qrcode"] != f"code-{self.codes}":
            return web.json_response({"status": "expired"})
        answer = {"status": self.status}
        if self.status == "confirmed":
            answer |= {"bot_token": TOKEN, "ilink_bot_id": "bot@im.bot", "ilink_user_id": "ada@im.wechat"}
            answer["baseurl"] = self.url
        return web.json_response(answer)

    def _checked(self, request: web.Request) -> web.Response | None:
        self.headers.append(dict(request.headers))
        assert request.headers["AuthorizationType"] == "ilink_bot_token"
        if request.headers["Authorization"] != f"Bearer {TOKEN}":
            return web.Response(status=401)
        return web.json_response({"errcode": -14, "errmsg": "session timeout"}) if self.ended else None

    async def _updates(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.polls.append(body["get_updates_buf"])
        assert body["base_info"]["channel_version"]
        after = int(body["get_updates_buf"] or 0)
        try:
            async with asyncio.timeout(20):
                while len(self._messages) <= after and not self.ended:
                    self._grown.clear()
                    await self._grown.wait()
        except TimeoutError:
            pass
        refused = self._checked(request)
        if refused is not None:
            return refused
        return web.json_response({"msgs": self._messages[after:], "get_updates_buf": str(len(self._messages))})

    async def _send(self, request: web.Request) -> web.Response:
        refused = self._checked(request)
        if refused is not None:
            return refused
        if self.refuse_next:
            self.refuse_next -= 1
            return web.Response(status=503)
        self.sent.append((await request.json())["msg"])
        return web.json_response({"ret": 0})

    def end_session(self) -> None:
        self.ended = True
        self._grown.set()


@asynccontextmanager
async def open_ilink() -> AsyncIterator[ILink]:
    """Listen on the loopback interface."""
    service = ILink()
    app = web.Application()
    app.router.add_get("/ilink/bot/get_bot_qrcode", service._code)
    app.router.add_get("/ilink/bot/get_qrcode_status", service._code_status)
    app.router.add_post("/ilink/bot/getupdates", service._updates)
    app.router.add_post("/ilink/bot/sendmessage", service._send)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    service.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield service
    finally:
        await runner.cleanup()
