"""Schedules, shared state and the trail on the screen: explained before they are saved, live, wide and on a phone."""

import pytest
from playwright.async_api import expect

from tests.conftest import OfficeUnderTest
from tests.dashboard.conftest import PHONE, Screens


async def test_a_schedule_is_explained_while_it_is_written_and_can_be_run_rested_and_removed(
    office: OfficeUnderTest, screens: Screens
) -> None:
    page = await screens.enter(office.chairman, "/schedules")
    await expect(page.get_by_text("No schedules")).to_be_visible()
    await page.get_by_role("button", name="New", exact=True).click()
    dialog = page.get_by_role("dialog", name="New schedule")
    shown = dialog.get_by_role("status", name="Preview")
    await expect(shown).to_contain_text("At 09:00 on weekdays")
    await dialog.get_by_label("Time zone").fill("Europe/Berlin")
    await dialog.get_by_label("Minute, hour").fill("30 2 * * *")
    await expect(shown).to_contain_text("02:30 does not exist on")
    await dialog.get_by_label("Minute, hour").fill("0 25 * * *")
    await expect(shown).to_contain_text("hour must be 0-23")
    await expect(dialog.get_by_role("button", name="Add schedule")).to_be_disabled()
    await dialog.get_by_label("When").select_option("every")
    await expect(shown).to_contain_text("Every hour")
    await dialog.get_by_label("Text").fill("a new hour")
    await dialog.get_by_label("Name", exact=True).fill("hourly")
    await dialog.get_by_role("button", name="Add schedule").click()

    panel = page.get_by_role("complementary", name="Schedule hourly")
    await expect(panel.get_by_role("region", name="Next runs").get_by_role("listitem")).to_have_count(5)
    await panel.get_by_role("button", name="Run now").click()
    await expect(panel.get_by_role("region", name="History")).to_contain_text("done, by chairman")
    history = await office.chairman.get("/api/history?channel=general")
    assert [message["content"] for message in history["messages"]] == ["a new hour"]
    await page.get_by_role("switch", name="hourly on").click()
    await expect(page.locator(".sched")).to_contain_text("paused by chairman")
    page.once("dialog", lambda question: question.accept())
    await panel.get_by_role("button", name="Remove").click()
    await expect(page.get_by_text("No schedules")).to_be_visible()


async def test_a_field_is_written_changed_under_ones_hands_compared_and_restored(
    office: OfficeUnderTest, screens: Screens
) -> None:
    ada = await office.member("ada")
    page = await screens.enter(office.chairman, "/state")
    await expect(page.get_by_text("Nothing is agreed on yet")).to_be_visible()
    await page.get_by_role("button", name="New field").click()
    dialog = page.get_by_role("dialog", name="New field")
    await dialog.get_by_label("Project").fill("shop")
    await dialog.get_by_label("Field").fill("api/port")
    await dialog.get_by_label("Value").fill('{"port": 8080}')
    await dialog.get_by_label("Everybody").check()
    await dialog.get_by_role("button", name="Add field").click()
    panel = page.get_by_role("complementary", name="Field api/port")
    await expect(panel).to_contain_text("version 1")

    await ada.post("/api/state", {"project_id": "shop", "field": "api/port", "value": {"port": 9090}})
    await expect(panel).to_contain_text("ada has changed it meanwhile")
    await panel.get_by_label("Value").fill('{"port": 1}')
    await panel.get_by_role("button", name="Write").click()
    await expect(panel.get_by_role("alert")).to_contain_text("is version 2, not 1")
    await panel.get_by_role("button", name="Take theirs").click()
    await panel.get_by_label("Value").fill("plain words")
    await panel.get_by_role("button", name="Write").click()
    await expect(page.get_by_role("row", name="api/port")).to_contain_text('"plain words"')
    await panel.get_by_role("button", name="What version 2 changed").click()
    await expect(panel.get_by_role("region", name="Difference")).to_contain_text('+  "port": 9090')
    await panel.get_by_role("button", name="Restore version 1").click()
    await expect(page.get_by_role("row", name="api/port")).to_contain_text('{"port":8080}')


async def test_the_trail_is_filtered_followed_opened_and_verified(office: OfficeUnderTest, screens: Screens) -> None:
    ada = await office.member("ada")
    await ada.send("general", "first")
    page = await screens.enter(office.chairman, "/audit")
    await page.get_by_label("actor").fill("ada")
    rows = page.locator(".trail details")
    await expect(rows.filter(has_text="send message")).to_have_count(1)
    await ada.send("general", "second")
    await expect(rows.filter(has_text="send message")).to_have_count(2)
    await rows.filter(has_text="send message").first.click()
    await expect(rows.filter(has_text="send message").first).to_contain_text('"content": "second"')
    await page.get_by_role("button", name="Verify").click()
    await expect(page.get_by_text("chain verified to row")).to_be_visible()
    await page.get_by_label("Door").select_option("mcp")
    await expect(page.get_by_text("Nothing matches")).to_be_visible()


@pytest.mark.parametrize("place", ["/schedules", "/state/shop/field", "/audit", "/more"])
async def test_the_places_fit_a_phone(office: OfficeUnderTest, screens: Screens, place: str) -> None:
    chairman = office.chairman
    await chairman.post("/api/state", {"project_id": "shop", "field": "field", "value": "x" * 300})
    await chairman.post("/api/schedules", {"every": "1h", "channel": "general", "content": "x", "name": "y" * 200})
    page = await screens.enter(chairman, place, viewport=PHONE)
    # A field stands on its own on a phone, under a heading of the second level.
    await page.locator("h1:visible, h2:visible").first.wait_for()
    if place == "/more":
        await page.get_by_role("link", name="Audit").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("Audit")
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
