"""The board: a task goes from column to column, whoever moves it."""

from playwright.async_api import expect

from tests.conftest import OfficeUnderTest
from tests.dashboard.conftest import PHONE, Screens


async def test_a_task_is_added_given_taken_and_closed_on_a_live_board(
    office: OfficeUnderTest, screens: Screens
) -> None:
    ada = await office.member("ada")
    page = await screens.enter(office.chairman, "/tasks")
    await expect(page.get_by_text("Nothing to do")).to_be_visible()
    await page.get_by_role("button", name="New task").click()
    await page.get_by_label("What is to be done").fill("Fix the port")
    await page.get_by_label("Who").select_option("ada")
    await page.get_by_label("Priority").select_option("urgent")
    await page.get_by_role("button", name="Add task").click()

    todo = page.get_by_role("region", name="Todo")
    await expect(todo.get_by_role("link", name="#1 Fix the port")).to_contain_text("urgent")
    claimed = await ada.post("/api/tasks/claim", {"task_id": "task_1"})
    doing = page.get_by_role("region", name="Doing")
    await expect(doing.get_by_role("link", name="#1 Fix the port")).to_be_visible()
    await ada.ask("PATCH", "/api/tasks/1", {"progress": 60, "note": "found it", "claim": claimed["claim"]})

    await doing.get_by_role("link", name="#1 Fix the port").click()
    panel = page.get_by_role("complementary", name="Task 1")
    await expect(panel).to_contain_text("found it")
    await expect(panel).to_contain_text("60 %")
    await expect(panel.get_by_role("region", name="Runs")).to_contain_text("holds it")
    await panel.get_by_role("textbox", name="Note").fill("good")
    await panel.get_by_role("button", name="Add").click()
    await expect(panel.get_by_role("region", name="Notes")).to_contain_text("good")
    await ada.post("/api/tasks/1/done", {"result": "it is 8080", "claim": claimed["claim"]})
    await expect(page.get_by_role("region", name="Closed").get_by_role("link")).to_have_count(1)
    await expect(panel).to_contain_text("it is 8080")
    await page.reload()
    await expect(page.get_by_role("complementary", name="Task 1")).to_contain_text("it is 8080")


async def test_a_change_of_what_another_changed_meanwhile_is_told(office: OfficeUnderTest, screens: Screens) -> None:
    await office.chairman.post("/api/tasks", {"title": "Fix the port"})
    page = await screens.enter(office.chairman, "/tasks/task_1")
    panel = page.get_by_role("complementary", name="Task 1")
    await panel.get_by_label("Priority").select_option("high")
    await expect(page.get_by_role("link", name="#1 Fix the port")).to_contain_text("high")

    await panel.get_by_label("Status").select_option("failed")

    await expect(page.get_by_role("region", name="Closed").get_by_role("link")).to_contain_text("failed")


async def test_the_board_fits_a_phone(office: OfficeUnderTest, screens: Screens) -> None:
    await office.chairman.post("/api/tasks", {"title": "A very long title " + "x" * 150})
    page = await screens.enter(office.chairman, "/tasks", viewport=PHONE)
    await page.get_by_role("link", name="A very long title").wait_for()
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    await page.get_by_role("link", name="A very long title").click()
    await expect(page.get_by_role("complementary", name="Task 1")).to_be_visible()
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
