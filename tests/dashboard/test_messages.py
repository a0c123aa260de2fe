"""What two people do with each other's messages, in two real browsers."""

from pathlib import Path
from typing import Any

from playwright.async_api import Locator, Page, expect

from tests.conftest import OfficeUnderTest, opened_office
from tests.dashboard.conftest import PHONE, Screens


async def _act(message: Locator, label: str) -> None:
    await message.hover()
    await message.get_by_label(label, exact=True).click()


def _message(page: Page, message: Any) -> Locator:
    return page.locator(f'main article.msg[data-id="{message["id"]}"]')


async def _enter_as(screens: Screens, office: OfficeUnderTest, name: str) -> Page:
    link = await office.chairman.post("/api/sign-in-links", {"name": name})
    page = await screens.open(f"{office.url}/#k={link['code']}")
    await page.get_by_text("Live", exact=True).wait_for()
    await page.goto(f"{office.url}/c/general")
    return page


async def test_one_reacts_edits_pins_and_deletes_and_the_other_sees_it_at_once(
    office: OfficeUnderTest, screens: Screens
) -> None:
    ben = await office.member("ben", kind="human", role="operator")
    sent = await office.chairman.send("general", "the port is 8080")
    other = await ben.send("general", "thanks for that")
    mine = await screens.enter(office.chairman, "/c/general")
    his = await _enter_as(screens, office, "ben")

    await _act(_message(his, sent), "React")
    await his.get_by_role("dialog").get_by_label("🎉", exact=True).click()
    await expect(_message(mine, sent).get_by_label("🎉 1: ben")).to_be_visible()
    await _message(mine, sent).get_by_label("🎉 1: ben").click()
    await expect(_message(his, sent).get_by_label("🎉 2: you, chairman")).to_be_visible()

    await mine.get_by_label("Message", exact=True).press("ArrowUp")  # the last own message, by keyboard alone
    await mine.get_by_label("New text").fill("the port is 9090")
    await mine.get_by_label("New text").press("Enter")
    await expect(_message(his, sent)).to_contain_text("the port is 9090")
    await _message(his, sent).get_by_role("button", name="edited").click()
    await expect(his.get_by_role("dialog", name="What it said before")).to_contain_text("the port is 8080")
    await his.get_by_role("dialog").get_by_label("Close").click()

    await _act(_message(his, sent), "Pin")
    await expect(mine.locator(".banner.pinned")).to_contain_text("the port is 9090")
    await mine.get_by_role("button", name="1 pinned").click()
    await expect(mine.get_by_role("dialog", name="Pinned")).to_contain_text("pinned by ben")
    await mine.get_by_role("dialog").get_by_label("Unpin").click()
    await expect(his.locator(".banner.pinned")).to_have_count(0)
    await mine.get_by_role("dialog").get_by_label("Close").click()

    await _act(_message(his, other), "Delete")
    await his.get_by_role("dialog").get_by_role("button", name="Delete").click()
    await expect(_message(mine, other)).to_contain_text("This message was deleted.")
    assert await _message(mine, other).get_by_label("React", exact=True).count() == 0
    stored = (await office.chairman.get("/api/history?channel=general"))["messages"]
    assert [(message["content"], message["deleted"]) for message in stored] == [("the port is 9090", False), ("", True)]


async def test_a_link_to_a_message_opens_the_history_around_it(office: OfficeUnderTest, screens: Screens) -> None:
    ada = await office.member("ada")
    sent = [await office.chairman.send("general", f"number {number}") for number in range(80)]
    page = await screens.enter(office.chairman, f"/c/general?m={sent[40]['id']}")
    await expect(_message(page, sent[40])).to_be_in_viewport()
    await expect(_message(page, sent[40])).to_be_focused()
    await expect(_message(page, sent[79])).to_have_count(0)

    await page.locator(".body").first.evaluate("body => body.scrollTo(0, -body.scrollHeight)")
    await expect(_message(page, sent[0])).to_have_count(1)
    late = await ada.send("general", "meanwhile")
    await expect(page.get_by_label("1 unread")).to_be_visible()
    await expect(_message(page, late)).to_have_count(0)  # it would stand behind a gap

    await page.get_by_role("button", name="Newest").click()
    await expect(_message(page, late)).to_be_in_viewport()
    assert "m=" not in page.url


async def test_messages_are_walked_and_acted_on_by_keyboard_alone(office: OfficeUnderTest, screens: Screens) -> None:
    first = await office.chairman.send("general", "first")
    second = await office.chairman.send("general", "second")
    page = await screens.enter(office.chairman, "/c/general")
    await _message(page, second).focus()

    await page.keyboard.press("ArrowUp")
    await expect(_message(page, first)).to_be_focused()
    await page.keyboard.press("Tab")
    await expect(_message(page, first).get_by_label("React", exact=True)).to_be_focused()
    await page.keyboard.press("Shift+Tab")
    await page.keyboard.press("+")
    await expect(page.get_by_role("dialog").get_by_label("👍", exact=True)).to_be_focused()
    await page.keyboard.press("ArrowRight")
    await page.keyboard.press("Enter")
    await expect(_message(page, first).get_by_label("👎 1: you")).to_be_visible()
    await _message(page, first).focus()
    await page.keyboard.press("p")
    await expect(page.locator(".banner.pinned")).to_contain_text("first")
    await _message(page, first).focus()
    await page.keyboard.press("e")
    await expect(page.get_by_label("New text")).to_be_focused()
    await page.keyboard.type(", edited")
    await page.keyboard.press("Enter")
    await expect(_message(page, first)).to_contain_text("first, edited")


async def test_a_quote_names_and_links_what_it_quotes_and_a_task_is_made(
    office: OfficeUnderTest, screens: Screens
) -> None:
    ada = await office.member("ada")
    sent = await ada.send("general", "the cache is cold")
    page = await screens.enter(office.chairman, "/c/general")

    await _act(_message(page, sent), "Quote")
    await page.keyboard.type("warm it")
    await page.keyboard.press("Enter")

    quote = page.locator("main article.msg", has_text="warm it").last
    await expect(quote.locator("blockquote")).to_contain_text("the cache is cold")
    await expect(quote.locator("blockquote a")).to_have_attribute("href", f"/c/general?m={sent['id']}")
    await _act(_message(page, sent), "Make a task")
    await page.wait_for_url("**/tasks/**")
    (task,) = (await office.chairman.get("/api/tasks"))["tasks"]
    assert task["title"] == "the cache is cold"


async def test_the_composer_says_whom_a_group_would_wake_before_it_is_sent(
    office: OfficeUnderTest, screens: Screens
) -> None:
    await office.member("ada")
    page = await screens.enter(office.chairman, "/c/general")

    await page.get_by_label("Message", exact=True).fill("@role:membre look")
    await expect(page.locator(".wakes")).to_contain_text("Did you mean member")
    await page.get_by_label("Message", exact=True).fill("@role:member look")
    await expect(page.locator(".wakes")).to_have_text("wakes nobody")
    await page.keyboard.press("Enter")

    await expect(page.locator("article.msg .mention")).to_have_text("@role:member")


async def test_how_a_busy_agent_is_told_is_chosen_in_the_composer(tmp_path: Path, screens: Screens) -> None:
    async with opened_office(tmp_path / "data") as office:
        run = office.store.run
        await run("ensure_member", name="ada", kind="agent", role="member")
        await run(
            "ensure_agent", name="ada", kind="demo", description="", command_line="", autostart=False, session_id="s"
        )
        await run("report_state", name="ada", state="ready", reason="", lifecycle="")
        await run("report_activity", name="ada", activity="working", reason="Bash", source="test")
        page = await screens.enter(office.chairman, "/c/general")

        await page.get_by_label("Message", exact=True).fill("@ada stop that")
        await expect(page.locator(".wakes")).to_have_text("will wake 1")
        await page.get_by_label("When ada is busy").select_option("Interrupt now")
        await page.get_by_label("Message", exact=True).press("Enter")
        await expect(page.locator("article.msg:not(.pending)", has_text="stop that")).to_be_visible()

        (sent,) = (await office.chairman.get("/api/history?channel=general"))["messages"]
        (receipt,) = (await office.chairman.get(f"/api/messages/{sent['id']}/receipts"))["receipts"]
        assert (receipt["recipient"], receipt["mode"]) == ("ada", "interrupt")


async def test_a_channel_is_described_muted_archived_and_opened_again(
    office: OfficeUnderTest, screens: Screens
) -> None:
    await office.chairman.post("/api/channels", {"id": "side"})
    page = await screens.enter(office.chairman, "/c/side")

    await page.get_by_label("Channel settings").click()
    await page.get_by_label("What it is for").fill("Small talk")
    await page.get_by_label("Only mentions").click()
    await page.get_by_role("button", name="Save").click()
    await expect(page.locator("header.head")).to_contain_text("Small talk")
    await expect(page.get_by_label("Tell me of")).to_have_value("mentions")
    await page.get_by_label("Channel settings").click()
    await page.get_by_role("button", name="Archive").click()
    await expect(page.get_by_text("This channel is archived")).to_be_visible()
    await expect(page.get_by_label("Message", exact=True)).to_have_count(0)
    await page.get_by_label("Channel settings").click()
    await page.get_by_role("button", name="Unarchive").click()
    await expect(page.get_by_label("Message", exact=True)).to_be_visible()


async def test_on_a_phone_a_message_is_reacted_to_and_deleted(office: OfficeUnderTest, screens: Screens) -> None:
    sent = await office.chairman.send("general", "hello")
    page = await screens.enter(office.chairman, "/c/general", viewport=PHONE, has_touch=True, is_mobile=True)

    await _message(page, sent).get_by_role("button", name="Message actions").tap()
    await _message(page, sent).get_by_label("React", exact=True).tap()
    await page.get_by_label("Any other emoji").fill("🦊")
    await page.get_by_role("dialog").get_by_role("button", name="React").tap()
    await expect(_message(page, sent).get_by_label("🦊 1: you")).to_be_visible()
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing sticks out"
    await _message(page, sent).get_by_role("button", name="Message actions").tap()
    await _message(page, sent).get_by_label("Delete", exact=True).tap()
    await page.get_by_role("dialog").get_by_role("button", name="Delete").tap()
    await expect(_message(page, sent)).to_contain_text("This message was deleted.")
