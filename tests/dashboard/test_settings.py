"""Settings on the screen: targets tested and tried again, the bridge signed in, notices only while nobody looks."""

from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from server.config import Notifications, QuietHours
from tests.conftest import OfficeUnderTest, open_office, until
from tests.dashboard.conftest import PHONE, Screens
from tests.outside.conftest import HUMANS, webhook
from tests.outside.test_wechat import ADA, EVE, bridge
from tests.peers.ilink import open_ilink
from tests.peers.receiver import open_receiver


async def test_a_target_is_tested_its_error_is_seen_and_it_is_tried_again(
    tmp_path: Path, screens: Screens, monkeypatch: pytest.MonkeyPatch
) -> None:
    quiet = QuietHours("22:00", "22:00", "Europe/Berlin", ("permission",))
    async with open_receiver() as receiver:
        monkeypatch.setenv("HOOK_URL", receiver.url)
        receiver.answers += [(403, {})]
        notifications = Notifications((webhook(events=("needs_you",)),), quiet)
        async with open_office(tmp_path / "data", humans=HUMANS, notifications=notifications) as office:
            page = await screens.enter(office.chairman, "/settings")
            outside = page.get_by_role("region", name="Told to the outside")
            await expect(outside).to_contain_text("22:00 to 22:00 Europe/Berlin, except permission")
            await expect(outside).to_contain_text("nothing has arrived yet")
            await outside.get_by_role("button", name="Send a test to hook").click()
            await expect(outside.get_by_role("status")).to_contain_text("The test has not arrived: it answered 403")
            queue = page.get_by_role("region", name="Queue")
            await expect(queue).to_contain_text("Test from test")
            await expect(outside).to_contain_text("1 failed")
            await queue.get_by_role("button", name="Retry ntf_1").click()
            await expect(outside.get_by_role("status")).to_contain_text("The test has arrived.")
            await expect(outside).to_contain_text("arrived 0 s ago")
            await queue.get_by_label("Status").select_option("failed")
            await expect(queue).to_contain_text("Nothing is failed.")
        assert len(receiver.received) == 2


async def test_the_bridge_is_signed_in_by_a_code_on_the_screen_and_out_again(tmp_path: Path, screens: Screens) -> None:
    async with open_ilink() as ilink:
        notifications = Notifications((bridge(ilink),))
        async with open_office(tmp_path / "data", humans=HUMANS, notifications=notifications) as office:
            page = await screens.enter(office.chairman, "/settings")
            panel = page.get_by_role("region", name="WeChat")
            await panel.get_by_role("button", name="Sign in").click()
            await expect(panel.get_by_role("img", name="Code to scan with WeChat")).to_be_visible()
            ilink.status = "confirmed"
            await expect(panel.get_by_role("status")).to_have_text("Connected")
            ilink.write(EVE, "let me in")
            ilink.write(ADA, "status")
            await ilink.wait_for_text(ADA, "Nothing is being done.")
            await page.reload()
            await expect(panel).to_contain_text(EVE)
            await expect(panel).to_contain_text("adacan be written to")
            page.once("dialog", lambda question: question.accept())
            await panel.get_by_role("button", name="Sign out").click()
            await expect(panel.get_by_role("status")).to_have_text("Signed out")


NOTICES = "window.told = []; window.Notification = class { static permission = 'default';" \
    " static async requestPermission() { this.permission = 'granted'; return 'granted'; }" \
    " constructor(title, options) { window.told.push([title, options.body, options.tag]); }  close() {} };"  # fmt: skip


async def _look_away(page: Page, hidden: bool) -> None:
    """Have a tab believe that nobody looks at it: a browser without a screen never hides one."""
    await page.evaluate(
        "(hidden) => { Object.defineProperty(document, 'visibilityState', { value: hidden ? 'hidden' : 'visible',"
        " configurable: true }); document.dispatchEvent(new Event('visibilitychange')); }",
        hidden,
    )


async def test_the_browser_says_what_needs_somebody_once_and_only_while_nobody_looks(
    office: OfficeUnderTest, screens: Screens
) -> None:
    ada = await office.member("ada")
    page = await screens.enter(office.chairman)
    await page.context.add_init_script(NOTICES)
    await page.goto(office.url + "/settings")
    other = await screens.tab(page.context, office.url)
    await page.get_by_role("button", name="Show notices").click()
    await expect(page.get_by_role("button", name="Show none")).to_be_visible()
    await page.get_by_role("link", name="Now").first.click()
    for tab in (page, other):
        await tab.get_by_text("Live", exact=True).wait_for()

    await _look_away(page, hidden=True)
    await ada.send("general", "@chairman while another tab is looked at")
    for tab in (page, other):
        await expect(tab.get_by_text("while another tab is looked at").first).to_be_visible()
    await _look_away(other, hidden=True)
    await ada.send("general", "nothing for anybody")
    asked = await ada.post("/api/questions", {"question": "Which port? " + "x" * 200})
    sent = await ada.send("dm:chairman", "look here")

    async def told() -> list[list[str]]:
        return list(await page.evaluate("window.told"))

    async def both() -> bool:
        return len(await told()) == 2

    await until(both)
    (asks, writes) = await told()
    assert (asks[0], len(asks[1]), asks[2]) == ("ada asks", 140, asked["id"])
    assert writes == ["Message from ada", "look here", sent["id"]]


@pytest.mark.parametrize("role", ["chairman", "viewer"])
async def test_settings_fit_a_phone(tmp_path: Path, screens: Screens, role: str) -> None:
    async with open_ilink() as ilink:
        notifications = Notifications((webhook(), bridge(ilink)))
        async with open_office(tmp_path / "data", humans=HUMANS, notifications=notifications) as office:
            link = await office.chairman.post(
                "/api/sign-in-links", {"name": "chairman" if role == "chairman" else "vera"}
            )
            page = await screens.open(f"{office.url}/#k={link['code']}", viewport=PHONE)
            await page.get_by_text("Live", exact=True).wait_for()
            await page.goto(office.url + "/more")
            await page.get_by_role("link", name="Settings").click()
            await expect(page.get_by_role("region", name="Notices on this device")).to_be_visible()
            if role == "chairman":
                await page.get_by_role("button", name="Sign in").click()
                await expect(page.get_by_role("img", name="Code to scan")).to_be_visible()
            await expect(page.get_by_role("region", name="Queue")).to_have_count(int(role == "chairman"))
            assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
