"""A real browser in front of a real server, and what it complained about."""

import os
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from playwright.async_api import Browser, BrowserContext, Page, async_playwright

from tests.conftest import Door

FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
WIDE = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 844}
PATIENCE_MS = 8_000


def require_chromium() -> str:
    """Return the browser's path, or skip the test; with CI=true a missing browser is a failure."""
    found = shutil.which("chromium")
    if found:
        return found
    message = "Chromium is not here: `make test-deps` installs it"
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)


@dataclass
class Screens:
    """The browser's windows, and everything that was refused or failed in them."""

    browser: Browser
    complaints: list[str] = field(default_factory=list)
    _contexts: list[BrowserContext] = field(default_factory=list)

    async def open(self, url: str, **settings: Any) -> Page:
        """Open an address in a window of its own, with cookies of its own."""
        context = await self.browser.new_context(**{"viewport": WIDE, **settings})
        context.set_default_timeout(PATIENCE_MS)
        self._contexts.append(context)
        await context.add_init_script(
            "addEventListener('securitypolicyviolation',"
            " (event) => console.error(`refused: ${event.violatedDirective} ${event.blockedURI} ${event.sample}`))"
        )
        return await self.tab(context, url)

    async def tab(self, context: BrowserContext, url: str) -> Page:
        """Open an address in another tab of the same window."""
        page = await context.new_page()
        page.on("console", lambda message: self._note(message.type, message.text))
        page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        await page.goto(url)
        return page

    async def enter(self, door: Door, path: str = "/", **settings: Any) -> Page:
        """Sign in by a fresh link and go to a place."""
        member = (await door.get("/api/me"))["name"]
        link = await door.post("/api/sign-in-links", {"name": member})
        page = await self.open(f"{door.url}/#k={link['code']}", **settings)
        await page.get_by_text("Live", exact=True).wait_for()
        if path != "/":
            await page.goto(door.url + path)
        return page

    def _note(self, kind: str, text: str) -> None:
        # A server that is killed or refuses is what some tests are about; the browser prints each such request.
        if kind == "error" and "Failed to load resource" not in text and "ERR_" not in text:
            self.complaints.append(text)


@pytest.fixture
async def screens() -> AsyncIterator[Screens]:
    """Windows of a real browser. The test fails if a page broke its own rules or threw an error."""
    program = require_chromium()
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=FLAGS)
        opened = Screens(browser)
        yield opened
        await browser.close()
        assert opened.complaints == []
