"""What waits for a person is shown whole, decided by a button, and gone when somebody else decided."""

import re

from playwright.async_api import expect

from tests.conftest import OfficeUnderTest
from tests.dashboard.conftest import PHONE, Screens


async def test_a_request_comes_live_is_shown_whole_and_decided_by_a_button(
    office: OfficeUnderTest, screens: Screens
) -> None:
    ada = await office.member("ada")
    page = await screens.enter(office.chairman)
    asked = await ada.post(
        "/api/approvals",
        {"kind": "action", "summary": "enlarge the database", "details": "alembic upgrade head\n<b>x</b>"},
    )
    waits = page.get_by_role("region", name="Needs you")
    await expect(waits.locator("pre")).to_have_text("alembic upgrade head\n<b>x</b>")
    await expect(page).to_have_title(re.compile(r"^\(1\) "))

    await waits.get_by_role("button", name="Approve").click()

    await expect(waits).to_contain_text("approved by chairman")
    await expect(page).to_have_title(re.compile(r"^Now"))
    assert (await ada.get(f"/api/approvals/{asked['id']}"))["status"] == "approved"


async def test_a_question_is_answered_by_an_option_or_in_words(office: OfficeUnderTest, screens: Screens) -> None:
    ada = await office.member("ada")
    first = await ada.post("/api/questions", {"question": "Which port?", "options": ["8080", "9090"]})
    page = await screens.enter(office.chairman)
    waits = page.get_by_role("region", name="Needs you")
    await waits.get_by_role("button", name="9090").click()
    await expect(waits).to_contain_text("answered by chairman")
    second = await ada.post("/api/questions", {"question": "And the host?"})
    await waits.get_by_label(f"Answer {second['id']}").fill("localhost")
    await page.keyboard.press("Enter")
    await expect(waits).to_contain_text("localhost")

    answers = [(await ada.get(f"/api/approvals/{asked['id']}"))["answer"] for asked in (first, second)]
    assert answers == ["9090", "localhost"]


async def test_what_another_decided_meanwhile_says_who(office: OfficeUnderTest, screens: Screens) -> None:
    ada = await office.member("ada")
    ben = await office.member("ben", kind="human", role="operator")
    asked = await ada.post("/api/approvals", {"kind": "action", "summary": "deploy"})
    page = await screens.enter(office.chairman, viewport=PHONE)
    waits = page.get_by_role("region", name="Needs you")
    await expect(waits.get_by_role("button", name="Approve")).to_be_visible()
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")

    await ben.post(f"/api/approvals/{asked['id']}/resolve", {"approved": False, "comment": "no"})

    await expect(waits).to_contain_text("rejected by ben")
    assert await waits.get_by_role("button", name="Approve").count() == 0


async def test_a_rejection_tells_who_asked_why(office: OfficeUnderTest, screens: Screens) -> None:
    ada = await office.member("ada")
    asked = await ada.post("/api/approvals", {"kind": "spending", "summary": "a bigger model"})
    page = await screens.enter(office.chairman)

    await page.get_by_role("button", name="Reject…").click()
    await page.get_by_label(f"Why {asked['id']} is rejected").fill("too dear")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("region", name="Needs you")).to_contain_text("rejected by chairman")
    assert (await ada.get(f"/api/approvals/{asked['id']}"))["comment"] == "too dear"
