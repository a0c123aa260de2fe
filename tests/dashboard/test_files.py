"""Files and search on the screen: attached, shown, found; and nothing that was uploaded runs."""

import asyncio
import contextlib
import struct
import zlib

from playwright.async_api import Error as PlaywrightError
from playwright.async_api import FilePayload, expect

from tests.conftest import OfficeUnderTest
from tests.dashboard.conftest import PHONE, Screens
from tests.features.test_files import put
from tests.features.uploads import BAD_NAMES, POLYGLOTS

_RUN_AS_SCRIPTS = """async (addresses) => {
  const ran = [];
  for (const address of addresses) {
    const script = document.createElement("script");
    const loaded = new Promise((resolve) => {
      script.onload = () => resolve(true);
      script.onerror = () => resolve(false);
    });
    script.src = address;
    document.head.append(script);
    if (await loaded) ran.push(address);
  }
  return ran;
}"""


def picture(width: int = 120, height: int = 60) -> bytes:
    """Return a PNG of one colour."""
    rows = b"".join(b"\0" + b"\x2f\x80\x6a" * width for _ in range(height))

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


async def test_files_are_attached_shown_listed_and_deleted(office: OfficeUnderTest, screens: Screens) -> None:
    page = await screens.enter(office.chairman, "/c/general")
    await page.locator(".composer input[type=file]").set_input_files(
        [
            FilePayload(name="chart.png", mimeType="image/png", buffer=picture()),
            FilePayload(name="trace <b>.log", mimeType="text/plain", buffer=b"line\n" * 2000),
            FilePayload(name="wrong.txt", mimeType="text/plain", buffer=b"oops"),
        ]
    )
    chosen = page.get_by_role("list", name="Files to send").get_by_role("listitem")
    await expect(chosen).to_have_count(3)
    await expect(page.locator(".composer progress")).to_have_count(0)
    await page.get_by_role("button", name="Remove wrong.txt").click()
    await page.get_by_label("Message", exact=True).fill("the trace")
    await expect(page.locator(".composer progress")).to_have_count(0)
    await page.get_by_role("button", name="Send").click()

    message = page.locator("article.msg", has_text="the trace")
    shown = message.get_by_role("img", name="chart.png")
    await expect(shown).to_be_visible()
    assert await shown.evaluate("(image) => image.naturalWidth") == 120
    await expect(message.get_by_role("link", name="trace _b_.log")).to_be_visible()
    await expect(chosen).to_have_count(0)

    await page.goto(office.url + "/files")
    rows = page.locator(".shared > li")
    await expect(rows).to_have_count(2)
    page.once("dialog", lambda question: asyncio.ensure_future(question.accept()))
    await page.get_by_role("button", name="Delete chart.png").click()
    await expect(rows).to_have_count(1)
    async with page.expect_download() as saving:
        await page.get_by_role("link", name="Download trace _b_.log").click()
    assert (await saving.value).suggested_filename == "trace _b_.log"
    assert screens.complaints == []


async def test_a_picture_is_pasted_and_a_file_dropped(office: OfficeUnderTest, screens: Screens) -> None:
    page = await screens.enter(office.chairman, "/c/general", viewport=PHONE)
    give = (
        "([kind, bytes]) => { const data = new DataTransfer();"
        " data.items.add(new File([new Uint8Array(bytes)], kind === 'paste' ? 'image.png' : 'drop.txt'));"
        " const event = kind === 'paste' ? new ClipboardEvent('paste', { clipboardData: data, bubbles: true })"
        " : new DragEvent('drop', { dataTransfer: data, bubbles: true, cancelable: true });"
        " document.querySelector('.composer textarea').dispatchEvent(event); }"
    )
    await page.get_by_label("Message", exact=True).wait_for()
    await page.evaluate(give, ["paste", list(picture(20, 20))])
    await page.evaluate(give, ["drop", list(b"dropped")])
    await expect(page.locator(".composer .chip.file")).to_have_count(2)
    await page.get_by_role("button", name="Send").click()

    await expect(page.locator("article.msg").get_by_role("img", name="image.png")).to_be_visible()
    await expect(page.locator("article.msg").get_by_role("link", name="drop.txt")).to_be_visible()


async def test_a_search_shows_why_and_is_walked_by_keyboard(office: OfficeUnderTest, screens: Screens) -> None:
    ada = await office.member("ada")
    for number in range(3):
        await ada.send("general", f"the port {number} is <img src=x onerror=document.title=1> taken")
    await office.chairman.send("general", "数据库端口被占用")
    page = await screens.enter(office.chairman)

    await page.keyboard.press("Control+k")
    await expect(page.get_by_role("combobox", name="Search or jump to")).to_be_focused()
    await page.keyboard.type("port from:ada")
    await page.get_by_role("option", name="Search messages for").click()

    hits = page.locator("a.hit")
    await expect(hits).to_have_count(3)
    await expect(hits.first.locator("mark")).to_have_text("port")
    await expect(page.get_by_label("Search messages")).to_be_focused()
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("ArrowDown")
    await expect(hits.nth(1)).to_be_focused()
    address = await hits.nth(1).get_attribute("href")
    await page.keyboard.press("Enter")
    await expect(page).to_have_url(f"{office.url}{address}")
    await page.go_back()
    await page.get_by_label("Search messages").fill("端口 in:nowhere")
    await expect(page.locator(".note")).to_contain_text("nowhere")
    await page.get_by_label("Search messages").fill("端口")
    await expect(page.locator("a.hit mark")).to_have_text("端口")


async def test_nothing_that_was_uploaded_runs_in_a_browser(office: OfficeUnderTest, screens: Screens) -> None:
    uploads = [(name, POLYGLOTS[0][1]) for name in BAD_NAMES] + list(POLYGLOTS)
    files = [(await put(office.chairman, name, data, "?channel=general"))[1] for name, data in uploads]
    await office.chairman.send("general", "all of it", files=[file["id"] for file in files[-20:]])
    page = await screens.enter(office.chairman, "/c/general")
    await expect(page.locator("article.msg", has_text="all of it")).to_be_visible()
    # As scripts of a page of this origin. The dashboard's own policy would not let one be named: it is put aside.
    lenient = await screens.enter(office.chairman, "/c/general", bypass_csp=True)
    ran = await lenient.evaluate(_RUN_AS_SCRIPTS, [f"/api/files/{file['id']}" for file in files])
    refused = [complaint for complaint in screens.complaints if "Refused to execute script" in complaint]
    assert len(refused) == len(screens.complaints) == len(files)
    screens.complaints.clear()
    assert ran == []
    # And as pages of their own.
    tab = await page.context.new_page()
    dialogs: list[str] = []
    tab.on("dialog", lambda dialog: dialogs.append(dialog.message))
    shown = 0
    for file in files:
        with contextlib.suppress(PlaywrightError):  # a download is no page
            await tab.goto(f"{office.url}/api/files/{file['id']}", wait_until="load")
            shown += 1
            assert await tab.evaluate("self.origin") == "null", "under the sandbox it is nobody's page"
        assert "RAN" not in await tab.title(), file["name"]
    assert shown > 5
    assert dialogs == []
    assert "RAN" not in await page.title()
