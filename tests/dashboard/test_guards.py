"""What a guard pauses is said where it happened and in the queue, and a button decides it."""

import os
from pathlib import Path

from playwright.async_api import Page, expect

from tests.conftest import OfficeUnderTest
from tests.dashboard.conftest import PHONE, Screens

TEXTS = ("@bo is it done?", "@bo Is it done", "@bo is it done?!")


async def _shot(page: Page, name: str) -> None:
    """Keep a picture where one is asked for."""
    folder = os.environ.get("BULLPEN_TEST_PICTURES")
    if folder:
        await page.screenshot(path=Path(folder) / f"guards-{name}.png")


async def _trip(office: OfficeUnderTest) -> None:
    ada = await office.member("ada")
    await office.member("bo")
    for text in TEXTS:
        await ada.send("general", text)


async def test_paused_agents_are_shown_in_their_channel_and_let_go_on_by_a_button(
    office: OfficeUnderTest, screens: Screens
) -> None:
    page = await screens.enter(office.chairman, "/c/general")
    await _trip(office)
    notice = page.get_by_role("region", name="Loop guard guard_1")
    await expect(notice).to_contain_text("Paused: ada and bo.")
    await expect(page.get_by_text("held by the loop guard: the same text again")).to_be_visible()
    await _shot(page, "channel-wide-light")

    await notice.get_by_role("button", name="Let them continue").click()

    await expect(notice).to_have_count(0)
    await expect(page.get_by_text("held by the loop guard")).to_have_count(0)
    assert (await office.chairman.get("/api/guards"))["guards"] == []


async def test_on_a_phone_the_queue_asks_and_what_is_kept_paused_can_be_let_go_later(
    office: OfficeUnderTest, screens: Screens
) -> None:
    page = await screens.enter(office.chairman, viewport=PHONE, color_scheme="dark")
    await _trip(office)
    waits = page.get_by_role("region", name="Needs you")
    await expect(waits).to_contain_text("Loop guard: ada, bo in #general. The same text 3 times in 10 min.")
    await _shot(page, "now-phone-dark")
    await waits.get_by_role("button", name="Keep paused").click()

    kept = page.get_by_role("region", name="Paused agents")
    await expect(kept).to_contain_text("chairman keeps it so")
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    await _shot(page, "kept-phone-dark")
    await kept.get_by_role("button", name="Tell them to stop").click()
    await expect(kept).to_have_count(0)
