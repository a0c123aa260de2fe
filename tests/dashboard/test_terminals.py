"""Terminals in a browser: who types, what a program cannot do to whoever looks, many at once, and their text."""

import asyncio
import sys
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect

from server.config import AgentConfig
from tests.conftest import OfficeUnderTest, open_office, until
from tests.dashboard.conftest import PHONE, Screens

HOSTILE = """
import os, sys, tty
sys.path.insert(0, {root!r})
from tests.terminals.escape_corpus import sequences
tty.setraw(0)
os.write(1, b"ready")
heard = b""
while not heard.endswith(b"q"):
    heard += os.read(0, 4096)
    if heard == b"g":
        for sequence in sequences():
            os.write(1, sequence.encode() + b"\\r\\n")
        os.write(1, b"\\x1b[!p\\x1b[?1049l\\x1b[r\\x1b[2J\\x1b[Hcorpus done")
open({heard!r}, "wb").write(heard)
os.write(1, b"\\x1b[2J\\x1b[Hwritten")
os.read(0, 1)
"""
TALK = 'printf "\\033[1;32mready\\033[0m to talk\\r\\n"; while read line; do echo "got $line"; done'
PASTE = """(box, text) => {
  const clipboardData = new DataTransfer();
  clipboardData.setData("text/plain", text);
  box.dispatchEvent(new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true }));
}"""
ROOT = Path(__file__).parents[2]


def custom(name: str, folder: Path, *command: str) -> AgentConfig:
    return AgentConfig(name=name, kind="custom", role="member", job="", workdir=folder, command=command)


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[OfficeUnderTest]:
    hostile = HOSTILE.format(root=str(ROOT), heard=str(tmp_path / "heard"))
    talkers = [custom(name, tmp_path, "sh", "-c", TALK) for name in ("api-1", "api-2", "docs")]
    agents = [*talkers, custom("hostile", tmp_path, sys.executable, "-c", hostile)]
    async with open_office(tmp_path / "data", agents=agents) as opened:
        for agent in agents:
            await until(partial(_runs, opened, agent.name), 20)
        yield opened


async def _runs(office: OfficeUnderTest, name: str) -> bool:
    return bool((await office.chairman.get(f"/api/agents/{name}"))["state"] == "ready")


async def take(page: Page) -> None:
    await page.get_by_role("button", name="Take input").click()
    await page.get_by_text("You type here").wait_for()


async def test_what_a_program_prints_types_nothing_copies_nothing_and_names_nothing(
    office: OfficeUnderTest, screens: Screens, tmp_path: Path
) -> None:
    page = await screens.enter(office.chairman, "/agents/hostile/terminal")
    await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    rows = page.locator(".xterm-rows")
    await expect(rows).to_contain_text("ready")
    title, address = await page.title(), page.url
    await take(page)
    await page.evaluate("navigator.clipboard.writeText('mine')")

    await page.locator(".xterm").click()
    await page.keyboard.press("g")
    await expect(rows).to_contain_text("corpus done")
    box = await page.locator(".xterm-screen").bounding_box()
    assert box is not None
    for at in range(5):
        await page.mouse.move(box["x"] + 20 + 40 * at, box["y"] + 20 + 20 * at)
        await page.mouse.wheel(0, 40)
    await page.mouse.click(box["x"] + 30, box["y"] + 30)
    await page.get_by_role("heading", name="Terminal of hostile").click()
    assert await page.locator(".xterm a").count() == 0
    await page.locator(".xterm").click()
    await page.keyboard.press("q")
    await expect(rows).to_contain_text("written")

    assert (tmp_path / "heard").read_bytes() == b"gq", "what the person typed, and nothing else"
    assert await page.evaluate("navigator.clipboard.readText()") == "mine"
    assert (await page.title(), page.url, len(page.context.pages)) == (title, address, 1)


async def test_another_asks_for_the_keyboard_and_has_it_when_it_is_handed_over(
    office: OfficeUnderTest, screens: Screens
) -> None:
    await office.member("bob", kind="human", role="operator")
    page = await screens.enter(office.chairman, "/agents/api-1/terminal")
    link = await office.chairman.post("/api/sign-in-links", {"name": "bob"})
    other = await screens.open(f"{office.url}/#k={link['code']}")
    await other.get_by_text("Live", exact=True).wait_for()
    await other.goto(f"{office.url}/agents/api-1/terminal")
    await expect(other.locator(".xterm-rows")).to_contain_text("ready to talk")
    await take(page)
    await expect(page.get_by_text("left", exact=False).first).to_be_visible()
    await expect(other.get_by_text("chairman types")).to_be_visible()
    assert await other.get_by_role("button", name="Take input").count() == 0
    await other.get_by_role("button", name="Ask for it").click()
    await expect(page.get_by_text("bob would like to type")).to_be_visible()
    await page.get_by_role("button", name="Hand over").click()
    await expect(other.get_by_text("You type here")).to_be_visible()
    await other.locator(".xterm").click()
    await other.keyboard.type("hello\n")
    await expect(page.locator(".xterm-rows")).to_contain_text("got hello")


async def test_the_size_follows_who_types_and_the_others_scale(office: OfficeUnderTest, screens: Screens) -> None:
    page = await screens.enter(office.chairman, "/agents/api-1/terminal", viewport={"width": 1100, "height": 700})
    narrow = await screens.enter(office.chairman, "/agents/api-1/terminal", viewport={"width": 760, "height": 800})
    await expect(narrow.locator(".xterm-rows")).to_contain_text("ready to talk")
    await take(page)
    size = page.locator(".term header .num")
    await expect(size).not_to_have_text("120\N{MULTIPLICATION SIGN}40")
    chosen = await size.text_content()
    await expect(narrow.locator(".term header .num")).to_have_text(str(chosen))
    await expect(narrow.get_by_text("chairman types")).to_be_visible()

    async def fits() -> bool:
        found = await narrow.evaluate(
            "['.xterm-screen', '.term > .screen'].map(part => document.querySelector(part).offsetWidth)"
        )
        return bool(found[0] <= found[1])

    await until(fits)
    shot = await office.chairman.get("/api/agents/api-1/screenshot")
    assert f"{shot['columns']}\N{MULTIPLICATION SIGN}{shot['rows']}" == chosen


async def test_several_lines_are_pasted_only_after_a_question_and_a_text_is_found(
    office: OfficeUnderTest, screens: Screens
) -> None:
    page = await screens.enter(office.chairman, "/agents/api-1/terminal")
    rows = page.locator(".xterm-rows")
    await expect(rows).to_contain_text("ready to talk")
    await take(page)
    await page.locator(".xterm-helper-textarea").evaluate(PASTE, "one\ntwo\n")
    dialog = page.get_by_role("dialog", name="Paste 2 lines?")
    await expect(dialog).to_be_visible()
    assert "one" not in await rows.inner_text()
    await dialog.get_by_role("button", name="Paste").click()
    await expect(rows).to_contain_text("got two")

    await page.get_by_role("button", name="Search in terminal").click()
    await page.get_by_role("searchbox").fill("GOT ONE")
    await expect(page.locator(".xterm-selection div").first).to_be_visible()
    await page.get_by_role("searchbox").fill("never printed")
    await expect(page.get_by_text("Not found")).to_be_visible()
    async with page.expect_download() as download:
        await page.get_by_role("link", name="Download what was printed").click()
    text = await asyncio.to_thread(Path(await (await download.value).path()).read_text)
    assert text.startswith("ready to talk\none\n")


async def test_a_wall_shows_all_small_and_one_live(office: OfficeUnderTest, screens: Screens) -> None:
    page = await screens.enter(office.chairman, "/terminals")
    for name in ("api-2", "docs"):
        await expect(page.get_by_label(f"Terminal of {name}, small").locator("pre")).to_contain_text("ready to talk")
    await expect(page.locator(".xterm-rows")).to_contain_text("ready")
    assert await page.locator(".xterm").count() == 1
    await page.get_by_role("button", name="Show docs live").click()
    await expect(page.get_by_label("Terminal of docs, view only")).to_be_visible()
    await page.get_by_role("button", name="Single").click()
    await expect(page.locator(".term")).to_have_count(1)


async def test_on_a_phone_a_terminal_is_text_first(office: OfficeUnderTest, screens: Screens) -> None:
    settings: dict[str, Any] = {"viewport": PHONE, "has_touch": True}
    page = await screens.enter(office.chairman, "/agents/api-1/terminal", **settings)
    await expect(page.get_by_text("ready to talk")).to_be_visible()
    assert await page.locator(".xterm").count() == 0
    await page.get_by_role("button", name="Read as text").click()
    await take(page)
    await page.get_by_role("button", name="Enter").click()
    await expect(page.locator(".xterm-rows")).to_contain_text("got")
