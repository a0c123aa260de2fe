"""Agents on the screen: state with its reason, start and stop, and a terminal that is watched before it is used."""

import sys
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import expect

from server.config import AgentConfig
from tests.conftest import OfficeUnderTest, open_office, until
from tests.dashboard.conftest import PHONE, Screens

ECHO = r"""
import sys, time
print("\x1b[38;2;255;100;50mtrue colour\x1b[0m \x1b[1;31mred\x1b[0m", flush=True)
print("\x1b]0;owned\x07\x1b]52;c;b3duZWQ=\x07\x1b[c\x1b[6n", end="", flush=True)
for line in sys.stdin:
    print("heard " + repr(line), flush=True)
"""


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[OfficeUnderTest]:
    echo = AgentConfig(
        name="echo", kind="custom", role="member", job="", workdir=tmp_path, command=(sys.executable, "-uc", ECHO)
    )
    async with open_office(tmp_path / "data", agents=[echo]) as opened:
        try:
            yield opened
        finally:
            await opened.chairman.post("/api/agents/echo/stop")
            await until(partial(_is, opened, state="stopped"), 15)


async def _is(office: OfficeUnderTest, **wanted: object) -> bool:
    agent = await office.chairman.get("/api/agents/echo")
    return all(agent[field] == value for field, value in wanted.items())


async def test_a_card_tells_state_and_reason_and_its_buttons_work(office: OfficeUnderTest, screens: Screens) -> None:
    page = await screens.enter(office.chairman, "/agents")
    card = page.get_by_role("article", name="echo")
    await card.get_by_role("button", name="Stop echo", exact=True).wait_for()
    first = (await office.chairman.get("/api/agents/echo"))["pid"]

    await card.get_by_role("button", name="Restart echo", exact=True).click()
    await until(partial(_is, office, state="ready", generation=2), 15)
    await expect(card.get_by_role("button", name="Stop echo", exact=True)).to_be_enabled()
    await card.get_by_role("button", name="Stop echo", exact=True).click()

    await expect(card.get_by_role("button", name="Start echo", exact=True)).to_be_visible()
    await expect(card).to_contain_text("chairman")
    stopped = await office.chairman.get("/api/agents/echo")
    assert (stopped["state"], stopped["wanted"]) == ("stopped", "stopped")
    await card.get_by_role("button", name="Start echo", exact=True).click()
    await expect(card.get_by_role("button", name="Stop echo", exact=True)).to_be_visible()
    assert (await office.chairman.get("/api/agents/echo"))["pid"] != first


async def test_a_terminal_is_live_in_colour_and_takes_keys_only_from_who_holds_it(
    office: OfficeUnderTest, screens: Screens
) -> None:
    page = await screens.enter(office.chairman, "/agents/echo/terminal")
    rows = page.locator(".xterm-rows")
    await expect(rows).to_contain_text("true colour")
    colour = await page.locator(".xterm-rows span", has_text="true colour").evaluate(
        "span => getComputedStyle(span).color"
    )
    assert colour == "rgb(255, 100, 50)"
    other = await screens.tab(page.context, f"{office.url}/agents/echo/terminal")
    await expect(other.locator(".xterm-rows")).to_contain_text("true colour")

    await page.locator(".xterm").click()
    await page.keyboard.type("too early\n")
    await page.get_by_role("button", name="Take input").click()
    await page.locator(".xterm").click()
    await page.keyboard.type("now\n")

    await expect(rows).to_contain_text("heard 'now\\n'")
    await expect(other.locator(".xterm-rows")).to_contain_text("heard 'now\\n'")
    assert "too early" not in await rows.inner_text()
    await expect(other.get_by_text("chairman types", exact=False)).to_be_visible()
    assert "owned" not in await page.title()
    assert "[6n" not in await rows.inner_text()
    lines = (await office.chairman.get("/api/agents/echo/logs"))["lines"]
    assert [line for line in lines if "heard" in line and "now" not in line] == [], "the page answered no query"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", ["wide", "phone"])
async def test_every_view_fits_its_screen_and_names_its_controls(
    office: OfficeUnderTest, screens: Screens, scheme: str, size: str
) -> None:
    await office.member("ada")
    await office.chairman.send("general", "@ada a long word: " + "x" * 200 + "\n\n```\n" + "y" * 300 + "\n```")
    await office.chairman.send("dm:ada", "hello")
    settings: dict[str, Any] = {"color_scheme": scheme} | (
        {"viewport": PHONE, "has_touch": True} if size == "phone" else {}
    )
    page = await screens.enter(office.chairman, **settings)
    seen = set()
    for path in (
        *("/", "/m", "/c/general", "/dm/ada", "/agents", "/agents/echo", "/agents/echo/terminal", "/terminals"),
        "/c/nowhere",
    ):
        await page.goto(office.url + path)
        await page.locator("#main").wait_for()
        await page.get_by_text("Live", exact=True).wait_for()
        width = await page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert width[0] <= width[1], (path, width)
        unnamed = await page.evaluate(
            "[...document.querySelectorAll('button, a[href], input, textarea, select')]"
            ".filter(it => it.checkVisibility() && !(it.getAttribute('aria-label') || it.textContent.trim() || it.title"
            " || it.labels?.length)).map(it => it.outerHTML)"
        )
        assert unnamed == [], path
        seen.add(await page.evaluate("getComputedStyle(document.body).backgroundColor"))
    (background,) = seen
    light = sum(int(part) for part in background.removeprefix("rgb(").rstrip(")").split(",")[:3])
    assert (light > 384) == (scheme == "light")
