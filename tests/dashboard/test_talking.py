"""Signing in and talking, in a real browser."""

import asyncio
import re

from playwright.async_api import Route, expect

from tests.conftest import OfficeUnderTest
from tests.dashboard.conftest import Screens


async def test_a_link_signs_in_once_and_leaves_no_trace_in_the_address(
    office: OfficeUnderTest, screens: Screens
) -> None:
    page = await screens.open(office.ready.sign_in_url)
    await page.get_by_text("Live", exact=True).wait_for()
    assert page.url == office.url + "/"
    assert await page.evaluate("document.cookie") == "", "no script can read the session"

    other = await screens.open(office.ready.sign_in_url)

    await expect(other.get_by_text("bullpen token link")).to_be_visible()
    assert await other.get_by_text("Live", exact=True).count() == 0


async def test_what_is_typed_by_keyboard_alone_arrives_in_another_tab_and_on_the_server(
    office: OfficeUnderTest, screens: Screens
) -> None:
    await office.member("ada")
    page = await screens.enter(office.chairman, "/c/general")
    other = await screens.tab(page.context, f"{office.url}/c/general")
    await expect(page.get_by_label("Message", exact=True)).to_be_focused()

    await page.keyboard.type("Hello @ad")
    await page.get_by_role("option", name="ada").wait_for()
    await page.keyboard.press("Enter")  # takes the proposed name
    await page.keyboard.type("and all")
    await page.keyboard.press("Enter")

    await expect(other.locator("article.msg", has_text="Hello @ada and all")).to_have_count(1)
    await expect(page.locator("article.msg", has_text="Hello @ada and all")).to_have_count(1)
    (message,) = (await office.chairman.get("/api/history?channel=general"))["messages"]
    assert (message["content"], message["mentions"]) == ("Hello @ada and all", ["ada"])
    await expect(page.get_by_label("Message", exact=True)).to_have_value("")


async def test_a_receipt_follows_the_message_from_stored_to_handled(office: OfficeUnderTest, screens: Screens) -> None:
    ada = await office.member("ada")
    page = await screens.enter(office.chairman, "/c/general")
    await page.get_by_label("Message", exact=True).fill("@ada ready?")
    await page.keyboard.press("Enter")
    receipt = page.locator(".receipt")
    await expect(receipt).to_have_attribute("data-at", "stored")
    await expect(receipt).to_contain_text("stored for ada")

    (asked,) = (await office.chairman.get("/api/history?channel=general"))["messages"]
    await ada.send("general", "Ready.", reply_to=asked["id"])

    await expect(receipt).to_have_attribute("data-at", "handled")
    await receipt.click()
    await expect(page.locator(".receipts")).to_contain_text("stored")
    await expect(page.get_by_role("button", name="1 reply")).to_be_visible()


async def test_a_page_that_comes_late_does_not_undo_what_the_stream_has_told(
    office: OfficeUnderTest, screens: Screens
) -> None:
    ada = await office.member("ada")
    page = await screens.enter(office.chairman)
    read, released = asyncio.Event(), asyncio.Event()

    async def hold(route: Route) -> None:
        answer = await route.fetch()
        read.set()
        await released.wait()
        await route.fulfill(response=answer)

    await page.route(re.compile(r"/api/history.*limit=50"), hold)
    asked = await office.chairman.send("general", "@ada ready?")
    await page.get_by_role("link", name="general").first.click()
    await asyncio.wait_for(read.wait(), 5)
    await ada.send("general", "Ready.", reply_to=asked["id"])
    await ada.send("general", "And told.")
    await expect(page.locator("article.msg", has_text="And told.")).to_be_visible()

    released.set()

    await expect(page.locator("article.msg", has_text="ready?")).to_be_visible()
    await expect(page.locator(".receipt")).to_have_attribute("data-at", "handled")


async def test_a_thread_is_answered_beside_the_channel(office: OfficeUnderTest, screens: Screens) -> None:
    root = await office.chairman.send("general", "shall we?")
    page = await screens.enter(office.chairman, "/c/general")
    await page.locator("article.msg").hover()
    await page.get_by_label("Reply in thread").first.click()

    await page.get_by_role("complementary").get_by_label("Message", exact=True).fill("yes")
    await page.keyboard.press("Enter")

    await expect(page.get_by_role("complementary").locator("article.msg:not(.pending)", has_text="yes")).to_have_count(
        1
    )
    history = (await office.chairman.get(f"/api/history?channel=general&thread={root['id']}"))["messages"]
    assert [message["content"] for message in history] == ["shall we?", "yes"]


async def test_a_draft_outlives_a_reload(office: OfficeUnderTest, screens: Screens) -> None:
    page = await screens.enter(office.chairman, "/c/general")
    await page.get_by_label("Message", exact=True).fill("not yet sent")

    await page.reload()

    await expect(page.get_by_label("Message", exact=True)).to_have_value("not yet sent")


async def test_hostile_markdown_is_text_and_does_nothing(office: OfficeUnderTest, screens: Screens) -> None:
    ada = await office.member("ada")
    hostile = [
        "<script>document.title='owned'</script>",
        "<img src=x onerror=\"document.title='owned'\">",
        "[click](javascript:document.title='owned')",
        "[data](data:text/html,<script>alert(1)</script>)",
        "![pixel](http://127.0.0.1:9/pixel.png)",
        "<svg onload=\"document.title='owned'\"></svg>",
        "<style>body{display:none}</style><iframe src=/api/me></iframe>",
        "`code` **bold** [good](https://example.org/a)",
    ]
    for text in hostile:
        await ada.send("general", text)
    page = await screens.enter(office.chairman, "/c/general")

    await expect(page.locator("article.msg")).to_have_count(len(hostile))
    log = page.locator(".log")
    assert await log.locator("script, img, svg[onload], style, iframe").count() == 0
    links = await log.locator(".text a").evaluate_all("links => links.map(link => link.getAttribute('href'))")
    assert [link for link in links if not re.match(r"https?://", link)] == []
    assert "https://example.org/a" in links
    assert "owned" not in await page.title()
    await expect(log.locator("strong, b").filter(has_text="bold")).to_have_count(1)


async def test_a_viewer_is_offered_nothing_that_would_be_refused(office: OfficeUnderTest, screens: Screens) -> None:
    vera = await office.member("vera", kind="human", role="viewer")
    link = await office.chairman.post("/api/sign-in-links", {"name": "vera"})
    page = await screens.open(f"{office.url}/#k={link['code']}")
    await page.get_by_text("Live", exact=True).wait_for()
    assert (await vera.get("/api/me"))["role"] == "viewer"

    await page.goto(f"{office.url}/c/general")
    await expect(page.get_by_text("viewers do not write")).to_be_visible()
    assert await page.get_by_label("Message", exact=True).count() == 0
    await page.goto(f"{office.url}/agents")
    assert await page.get_by_role("button", name=re.compile("^(Start|Stop|Restart)")).count() == 0


async def test_what_a_channel_keeps_no_longer_leaves_an_open_page(office: OfficeUnderTest, screens: Screens) -> None:
    for number in range(6):
        await office.chairman.send("general", f"number {number}")
    page = await screens.enter(office.chairman, "/c/general")
    await expect(page.locator("article.msg")).to_have_count(6)

    await office.chairman.ask("PUT", "/api/channels/general/retention", {"keep": "2"})

    await expect(page.locator("article.msg")).to_have_count(2)
    await expect(page.locator("article.msg", has_text="number 4")).to_have_count(1)
