"""Usage on the screen: who used what, what is not known said so, budgets set, asked about and raised."""

from pathlib import Path

import pytest
from playwright.async_api import expect

from server.config import AgentConfig
from tests.conftest import OfficeUnderTest, open_office
from tests.dashboard.conftest import PHONE, Screens

WHAT = {
    "model": "claude-opus-5-5",
    "input_tokens": 400_000,
    "output_tokens": 10_000,
    "cost_usd": 2.31,
    "billing": "api",
}


def _worker(folder: Path) -> AgentConfig:
    return AgentConfig(
        name="ada", kind="custom", role="member", job="", workdir=folder, command=("cat",), autostart=False
    )


async def _use(office: OfficeUnderTest) -> None:
    ada = await office.member("ada")
    await ada.post("/api/usage", WHAT)
    await ada.post("/api/usage", WHAT | {"billing": "plan", "cost_usd": 5})
    await ada.post("/api/usage", {"model": "qwen3-coder", "input_tokens": 5_000, "output_tokens": 9})


async def test_use_is_shown_by_who_pays_and_a_budget_is_set_exceeded_and_raised(
    tmp_path: Path, screens: Screens
) -> None:
    async with open_office(tmp_path / "data", agents=[_worker(tmp_path)]) as office:
        await _use(office)
        page = await screens.enter(office.chairman, "/usage")
        sums = page.get_by_role("region", name="Totals")
        await expect(sums).to_contain_text("API account$2.31")
        await expect(sums).to_contain_text("plan$5.00")
        await expect(sums).to_contain_text("price unknown")
        await expect(page.get_by_role("region", name="Price not known")).to_contain_text("qwen3-coder5 k tok")
        await expect(page.get_by_label("Used today")).to_contain_text("$2.31")
        await page.get_by_role("button", name="Model").click()
        await expect(page.get_by_role("row", name="qwen3-coder")).to_contain_text("price unknown")

        await page.get_by_role("button", name="Budget of ada").click()
        dialog = page.get_by_role("dialog", name="Budget of ada")
        await dialog.get_by_label("A day").fill("ten")
        await dialog.get_by_role("button", name="Set budget").click()
        await expect(dialog.get_by_role("alert")).to_contain_text("money or time, as 10usd")
        await dialog.get_by_label("A day").fill("10usd")
        await dialog.get_by_role("button", name="Set budget").click()
        await expect(page.get_by_label("ada, day: 50 % used")).to_be_visible()

        await (await office.member("ada")).post("/api/usage", WHAT | {"cost_usd": 9})
        await page.get_by_role("link", name="Now").first.click()
        await page.get_by_role("button", name="Raise by 10usd").click()
        await expect(page.get_by_text("approved by chairman")).to_be_visible()
        await page.goto(f"{office.url}/agents/ada")
        await expect(page.get_by_role("region", name="Use")).to_contain_text("$11.31 of $20")


@pytest.mark.parametrize("place", ["/usage", "/agents/ada"])
async def test_usage_fits_a_phone(tmp_path: Path, screens: Screens, place: str) -> None:
    async with open_office(tmp_path / "data", agents=[_worker(tmp_path)]) as office:
        await _use(office)
        await office.chairman.ask("PUT", "/api/budgets", {"agent": "ada", "per_day": "100usd", "per_month": "2h"})
        page = await screens.enter(office.chairman, place, viewport=PHONE)
        await expect(page.get_by_label("ada, day: 5 % used").locator("visible=true")).to_be_visible()
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
