"""The server is killed under an open page: the page says so, and catches up without gap or doubling."""

import asyncio
import signal
from pathlib import Path

import aiohttp
from playwright.async_api import expect

from tests.conftest import Door, ServerProcess
from tests.dashboard.conftest import Screens

CHANNEL = "topic:plan"


def _door(server: ServerProcess, session: aiohttp.ClientSession) -> Door:
    return Door(server.url, (server.data / "run" / "operator.token").read_text().strip(), session)


async def test_a_page_catches_up_after_kill_9_of_the_server(tmp_path: Path, screens: Screens) -> None:
    server = ServerProcess(tmp_path / "data", ("--only-server",))
    await server.start()
    port = int(server.url.rpartition(":")[2])
    try:
        async with aiohttp.ClientSession() as session:
            door = _door(server, session)
            await door.post("/api/channels", {"id": CHANNEL})
            page = await screens.enter(door, f"/c/{CHANNEL}")
            for number in range(3):
                await door.send(CHANNEL, f"before {number}")
            await expect(page.locator("article.msg")).to_have_count(3)

            await server.end(signal.SIGKILL)
            pill = page.locator(".live")
            await expect(pill).to_have_attribute("data-c", "retrying")
            await page.get_by_label("Message", exact=True).fill("while it was away")
            await page.keyboard.press("Enter")
            await server.start(port)
            door = _door(server, session)
            await asyncio.gather(*(door.send(CHANNEL, f"after {number}") for number in range(20)))

            await expect(pill).to_have_attribute("data-c", "live", timeout=20_000)
            retry = page.get_by_role("button", name="Retry", exact=True)
            if await retry.count():
                await retry.click()
            await expect(page.locator("article.msg:not(.pending):not(.failed)")).to_have_count(24)
            history = (await door.get(f"/api/history?channel={CHANNEL}&limit=100"))["messages"]
            shown = await page.locator("article.msg").evaluate_all("rows => rows.map(row => row.dataset.id)")
            assert shown == [message["id"] for message in history]
    finally:
        await server.end(signal.SIGTERM)
