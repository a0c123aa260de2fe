"""The queue in a real browser: by keys, by its own addresses, on a phone, and by a link without signing in."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.conftest import OpenedOffice, opened_office
from tests.dashboard.conftest import PHONE, Screens


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[OpenedOffice]:
    async with opened_office(tmp_path / "data") as office:
        yield office


async def _relayed(desk: OpenedOffice, command: str, **fields: Any) -> str:
    request = {
        "tool": "Bash", "input": {"command": command}, "folder": "/src/shop", "pattern": "any `make …`",
        "rules": [{"toolName": "Bash", "ruleContent": "make:*"}],
    }  # fmt: skip
    asked = await desk.store.run(
        "relay_request", agent="ada", run_id="r1", kind="permission", summary=f"wants to run: {command}",
        details=command, options=[], expires_s=600, request={**request, **fields},
    )  # fmt: skip
    return str(asked.id)


def _item(page: Page, approval: str) -> Any:
    return page.locator(f'[data-need="{approval}"]')


async def test_the_queue_is_worked_through_by_keys_and_what_is_grave_is_asked_twice(
    desk: OpenedOffice, screens: Screens
) -> None:
    await desk.member("ada")
    grave = await _relayed(desk, "git push origin main")
    harmless, unwanted, later = [await _relayed(desk, f"make {target}") for target in ("test", "all", "docs")]
    page = await screens.enter(desk.chairman, "/needs")
    await expect(_item(page, grave).locator("pre")).to_have_text("git push origin main")

    await page.keyboard.press("a")
    await expect(_item(page, grave)).to_contain_text("Yes, approve this")
    assert (await desk.chairman.get(f"/api/approvals/{grave}"))["status"] == "pending"
    await page.keyboard.press("a")
    await expect(_item(page, grave)).to_contain_text("approved by chairman")
    await page.keyboard.press("j")
    await expect(_item(page, unwanted)).to_have_attribute("open", "")
    await page.keyboard.press("r")
    await expect(page.get_by_label(f"Why {unwanted} is rejected")).to_be_focused()
    await page.keyboard.type("no")
    await page.keyboard.press("Enter")
    await expect(_item(page, unwanted)).to_contain_text("rejected by chairman: no")
    await _item(page, later).locator("summary").click()
    await page.keyboard.press("s")
    await expect(_item(page, later)).to_have_count(0)
    await expect(_item(page, harmless)).to_contain_text("any `make …`")
    await _item(page, harmless).get_by_role("button", name="For this session").click()

    await expect(page.get_by_text("Nothing needs you")).to_be_visible()
    decided = await desk.chairman.get(f"/api/approvals/{harmless}")
    assert (decided["status"], decided["scope"]) == ("approved", "session")
    await page.get_by_role("button", name="Snoozed 1").click()
    await expect(_item(page, later)).to_be_visible()
    await page.get_by_role("button", name="Done").click()
    await expect(page.get_by_text("approved by chairman for the session")).to_be_visible()


async def test_another_command_is_approved_and_an_address_leads_to_one_request_and_to_what_became_of_it(
    desk: OpenedOffice, screens: Screens
) -> None:
    await desk.member("ada")
    ben = await desk.member("ben", kind="human", role="operator")
    first, second = await _relayed(desk, "make a"), await _relayed(desk, "make b")
    page = await screens.enter(desk.chairman, f"/needs/{second}")
    await expect(_item(page, second)).to_have_attribute("open", "")
    await _item(page, second).get_by_role("button", name="Change…").click()
    await page.get_by_label("Run this instead").fill("make c")
    await page.get_by_role("button", name="Approve the changed one").click()
    await expect(_item(page, second)).to_contain_text("approved by chairman")
    assert (await desk.chairman.get(f"/api/approvals/{second}"))["changed_input"] == {"command": "make c"}

    await ben.post(f"/api/approvals/{first}/resolve", {"approved": True})

    await expect(_item(page, first)).to_contain_text("approved by ben")
    await page.goto(f"{desk.chairman.url}/needs/{first}")
    await expect(page.get_by_text(f"{first} is over")).to_be_visible()
    await expect(page.get_by_text("approved by ben").first).to_be_visible()


async def test_on_a_phone_the_queue_has_its_tab_and_a_link_decides_without_signing_in(
    desk: OpenedOffice, screens: Screens
) -> None:
    ada = await desk.member("ada")
    await _relayed(desk, "make " + "x" * 200)
    asked = await ada.post("/api/questions", {"question": "Which port?", "options": ["8080", "9090"]})
    page = await screens.enter(desk.chairman, viewport=PHONE)
    await page.get_by_role("navigation", name="Main").last.get_by_role("link", name="Needs you").click()
    await expect(page.get_by_role("heading", name="Needs you")).to_be_visible()
    await expect(page.get_by_role("button", name="Approve once")).to_be_visible()
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")

    link = await desk.chairman.post(f"/api/approvals/{asked['id']}/links")
    alone = await screens.open(desk.chairman.url + link["path"], viewport=PHONE)
    await expect(alone.get_by_text("Which port?")).to_be_visible()
    assert link["code"] not in alone.url
    assert (await ada.get(f"/api/approvals/{asked['id']}"))["status"] == "pending"
    await alone.get_by_role("button", name="9090").click()

    await expect(alone.get_by_role("status")).to_have_text("answered by chairman")
    assert (await ada.get(f"/api/approvals/{asked['id']}"))["answer"] == "9090"
