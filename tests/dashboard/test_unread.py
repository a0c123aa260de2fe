"""What came while one was away, who is there, and who types, as a person sees it."""

from playwright.async_api import expect

from tests.conftest import OfficeUnderTest, until
from tests.dashboard.conftest import Screens
from tests.following import following


async def test_what_is_new_is_counted_and_reached_and_read_once_it_was_on_the_screen(
    office: OfficeUnderTest, screens: Screens
) -> None:
    ada = await office.member("ada")
    for number in range(3):
        await ada.send("general", f"before {number}")
    page = await screens.enter(office.chairman, "/c/general")
    await until(lambda: _unread(office, "general", 0))
    await page.goto(f"{office.url}/tasks")
    await page.get_by_role("link", name="general").wait_for()
    for number in range(70):
        await ada.send("general", f"news {number}" + (", @chairman look" if number == 40 else ""))
    await expect(page.get_by_label("1 mentions, 70 unread")).to_be_visible()

    await page.get_by_role("link", name="general").click()
    region = page.get_by_role("region", name="What is new")
    await expect(region).to_contain_text("70 new")
    await region.get_by_role("button", name="First unread").click()

    await expect(page.get_by_text("New · 70 since")).to_be_in_viewport()
    await expect(page.locator("article.msg", has_text="news 0").first).to_be_in_viewport()
    await region.get_by_role("button", name="Next mention").click()
    await expect(page.locator("article.msg", has_text="news 40")).to_be_in_viewport()


async def test_a_conversation_is_unread_while_nobody_looks_at_its_newest_message(
    office: OfficeUnderTest, screens: Screens
) -> None:
    ada = await office.member("ada")
    for number in range(40):
        await ada.send("general", f"line {number}")
    page = await screens.enter(office.chairman, "/c/general")
    await until(lambda: _unread(office, "general", 0))
    await page.clock.install()
    await page.locator(".stage > .body").evaluate("box => { box.scrollTop = -900 }")
    await page.get_by_role("button", name="Newest").wait_for()

    await ada.send("general", "one more")
    await page.locator("article.msg", has_text="one more").wait_for(state="attached")
    await page.clock.fast_forward(5_000)
    assert await page.evaluate("fetch('/api/me').then((answer) => answer.status)") == 200, "asked after all else"
    assert await _unread(office, "general", 1)

    await page.get_by_role("button", name="Newest").click()
    await page.get_by_role("button", name="Newest").wait_for(state="detached")
    await page.clock.fast_forward(1_100)
    await until(lambda: _unread(office, "general", 0))


async def test_who_types_is_shown_and_gone_after_a_while(office: OfficeUnderTest, screens: Screens) -> None:
    ada = await office.member("ada", kind="human", role="operator")
    page = await screens.enter(office.chairman, "/c/general")
    await page.get_by_label("Message", exact=True).wait_for()
    await page.clock.install()
    seq = (await office.chairman.get("/api/snapshot"))["seq"]

    await ada.post("/api/typing", {"channel": "general"})

    await expect(page.get_by_text("ada is typing…")).to_be_visible()
    await page.clock.fast_forward(4_000)
    await expect(page.get_by_text("ada is typing…")).to_be_visible()
    await page.clock.fast_forward(1_500)
    await expect(page.get_by_text("ada is typing…")).to_have_count(0)
    assert (await office.chairman.get("/api/snapshot"))["seq"] == seq, "nothing is written"


async def test_a_direct_conversation_tells_whether_the_other_is_there(
    office: OfficeUnderTest, screens: Screens
) -> None:
    ada = await office.member("ada", kind="human", role="operator")
    page = await screens.enter(office.chairman, "/dm/ada")
    await expect(page.locator("#main").get_by_label("not here")).to_be_visible()

    async with following(ada):
        await expect(page.locator("#main").get_by_label("online")).to_be_visible()

    await expect(page.locator("#main").get_by_label("not here")).to_be_visible()


async def _unread(office: OfficeUnderTest, channel: str, count: int) -> bool:
    reads = (await office.chairman.get("/api/snapshot"))["reads"]
    return [read["unread"] for read in reads if read["channel"] == channel] == [count]
