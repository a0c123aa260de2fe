"""Terminals by their public door: who sees, who types, what is put on record, and what a screen looks like."""

import asyncio
import io
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pyte
import pytest
from PIL import Image

from server.config import AgentConfig
from server.web import terminal_keyboard
from tests.conftest import Door, OfficeUnderTest, open_office, until

ECHO = 'printf "\\033[2J\\033[H\\033[1;32mready\\033[0m to talk\\r\\n"; while read line; do echo "got $line"; done'


@dataclass
class Viewer:
    """One who looks at a terminal over a WebSocket."""

    socket: aiohttp.ClientWebSocketResponse
    frames: list[dict[str, Any]] = field(default_factory=list)
    shown: bytearray = field(default_factory=bytearray)
    preamble: bytes = b""
    acknowledges: bool = True
    heard: dict[str, int] = field(default_factory=dict)

    async def read(self) -> None:
        async for message in self.socket:
            if message.type is aiohttp.WSMsgType.BINARY:
                (at,) = struct.unpack_from(">Q", message.data)
                self.shown += message.data[8:]
                if self.acknowledges:
                    await self.say("ack", offset=at + len(message.data) - 8)
                continue
            frame = message.json()
            self.frames.append(frame)
            if frame["type"] in ("hello", "gap"):
                self.preamble = frame["preamble"].encode()
                self.shown.clear()

    async def say(self, kind: str, **more: Any) -> None:
        await self.socket.send_json({"type": kind, **more})

    async def told(self, kind: str, **wanted: Any) -> dict[str, Any]:
        """Wait for the next frame of a kind that has these fields; frames of the kind before it are over then."""

        def found() -> dict[str, Any] | None:
            for at in range(self.heard.get(kind, 0), len(self.frames)):
                frame = self.frames[at]
                if frame["type"] == kind and all(frame.get(name) == value for name, value in wanted.items()):
                    self.heard[kind] = at + 1
                    return frame
            return None

        return dict(await until(found))

    async def sees(self, text: bytes) -> None:
        await until(lambda: text in self.shown)


@asynccontextmanager
async def viewing(
    door: Door, agent: str = "echo", mode: str = "input", since: int | None = None
) -> AsyncIterator[Viewer]:
    ticket = (await door.post(f"/api/agents/{agent}/terminal/ticket", {"mode": mode}))["ticket"]
    address = f"{door.url}/ws/terminal?ticket={ticket}" + ("" if since is None else f"&since={since}")
    headers = {"Authorization": f"Bearer {door.token}"}
    async with door.session.ws_connect(address, headers=headers) as socket:
        viewer = Viewer(socket)
        reading = asyncio.create_task(viewer.read())
        try:
            await until(lambda: viewer.frames)
            yield viewer
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)


def agent(name: str, script: str, folder: Path, **more: Any) -> AgentConfig:
    return AgentConfig(
        name=name, kind="custom", role="member", job="", workdir=folder, command=("sh", "-c", script), **more
    )


@asynccontextmanager
async def opened(folder: Path, *agents: AgentConfig) -> AsyncIterator[OfficeUnderTest]:
    async with open_office(folder / "data", agents=agents) as office:
        for each in agents:
            if each.autostart:
                await until(partial(_runs, office.chairman, each.name), 15)
        yield office


async def _runs(door: Door, name: str) -> bool:
    return bool((await door.get(f"/api/agents/{name}"))["state"] == "ready")


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[OfficeUnderTest]:
    boss = replace(agent("boss", "cat", tmp_path, autostart=False), role="lead")
    trusted = replace(boss, name="trusted", grants=frozenset({"terminal_input"}))
    async with opened(tmp_path, agent("echo", ECHO, tmp_path), boss, trusted) as office:
        yield office


async def typed(office: OfficeUnderTest) -> list[tuple[str, str]]:
    """Return who typed which line, oldest first, as the trail has it."""
    entries = (await office.chairman.get("/api/audit?kind=terminal.typed&limit=200"))["entries"]
    return [(entry["actor"], entry["body"]["line"]) for entry in reversed(entries)]


async def test_one_types_and_all_see_who_until_it_is_released(office: OfficeUnderTest) -> None:
    bob = await office.member("bob", kind="human", role="operator")
    async with viewing(office.chairman) as first, viewing(bob) as second:
        await first.sees(b"ready")
        await second.say("in", data="too early\r")
        await second.told("error", code="not_allowed")
        await first.say("take")
        await second.told("lock", holder="chairman", mine=False)
        assert (await first.told("lock", mine=True))["until"] is not None

        await second.say("take")
        await second.told("error", code="keyboard_taken", message="chairman has the keyboard of echo.")
        await second.say("take", force=True)
        await second.told("error", message="Only the chairman takes a terminal from somebody.")
        await second.say("ask")
        await first.told("lock", asking=["bob"])
        await first.say("release")
        await second.told("lock", holder=None)
        await second.say("take")
        await first.told("lock", holder="bob", asking=[])
        await first.say("take", force=True)
        await second.told("lock", holder="chairman")
        await first.say("in", data="hello\r")
        await second.sees(b"got hello")
    assert b"too early" not in second.shown


async def test_the_keyboard_falls_free_when_nobody_types_and_when_the_holder_goes(
    office: OfficeUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(terminal_keyboard, "LEASE_S", 0.3)
    async with viewing(office.chairman) as first:
        async with viewing(office.chairman) as second:
            await second.say("take")
            await first.told("lock", holder="chairman")
            await first.told("lock", holder=None)
            await second.say("in", data="late")
            await second.told("error", message="You do not have the keyboard.")
            monkeypatch.setattr(terminal_keyboard, "LEASE_S", 60.0)
            await second.say("take")
            await first.told("lock", holder="chairman")
        await first.told("lock", holder=None)


async def test_who_has_the_keyboard_sets_the_size_and_all_are_told(office: OfficeUnderTest) -> None:
    async with viewing(office.chairman) as first, viewing(office.chairman) as second:
        await second.say("resize", cols=90, rows=20)
        await second.told("error", code="not_allowed")
        await first.say("take")
        await first.told("lock", mine=True)
        await first.say("resize", cols=100, rows=30)
        await second.told("lock", cols=100, rows=30)
    async with viewing(office.chairman) as third:
        await third.told("hello", cols=100, rows=30)


async def test_a_fresh_look_is_the_live_screen(office: OfficeUnderTest) -> None:
    async with viewing(office.chairman) as first:
        await first.say("take")
        await first.told("lock", mine=True)
        for number in range(3):
            await first.say("in", data=f"line {number}\r")
            await first.sees(b"got line %d" % number)
        async with viewing(office.chairman) as second:
            await second.sees(b"got line 2\r\n")
            assert display(second) == display(first)
            end = (await office.chairman.get("/api/agents/echo/screenshot"))["offset"]
        async with viewing(office.chairman, since=end) as third:
            assert (await third.told("hello"))["fresh"] is False
            await first.say("in", data="more\r")
            await third.sees(b"got more")
            assert b"line 2" not in third.shown, "nothing twice"
    shot = await office.chairman.get("/api/agents/echo/screenshot")
    assert shot["text"].split("\n") == [line for line in display(first) if line]
    assert shot["running"]


def display(viewer: Viewer) -> list[str]:
    screen = pyte.Screen(120, 40)
    pyte.ByteStream(screen).feed(viewer.preamble + bytes(viewer.shown))
    return [line.rstrip() for line in screen.display]


async def test_what_is_typed_is_on_record_line_by_line_but_for_what_the_terminal_hides(tmp_path: Path) -> None:
    ask = 'printf "name: "; read name; stty -echo; printf "password: "; read secret; stty echo'
    script = f'{ask}; echo; echo "hi $name"; cat'
    async with opened(tmp_path, agent("echo", script, tmp_path)) as office:
        async with viewing(office.chairman) as viewer:
            await viewer.sees(b"name: ")
            await viewer.say("take")
            await viewer.told("lock", mine=True)
            for key in "adx\x7fa\r":
                await viewer.say("in", data=key)
            await viewer.sees(b"password: ")
            for key in "s3cret\r":
                await viewer.say("in", data=key)
            await viewer.sees(b"hi adaa"[:5])
            await viewer.say("in", data="\x1b[A\x1b[Bleft unfinished")
            await viewer.sees(b"unfinished")
        await until(partial(_counts, office, 3))
        lines = await typed(office)
        assert lines == [
            ("chairman", "ada <Enter>"),
            ("chairman", "<not shown> <Enter>"),
            ("chairman", "<Up> <Down>left unfinished"),
        ]
        everything = str(await office.chairman.get("/api/audit?limit=200"))
        assert "s3cret" not in everything


async def _counts(office: OfficeUnderTest, count: int) -> bool:
    return len(await typed(office)) == count


async def test_keys_are_sent_by_name_under_the_same_lease_and_put_on_record(office: OfficeUnderTest) -> None:
    async with viewing(office.chairman) as viewer:
        await viewer.sees(b"ready")
        sent = await office.chairman.post("/api/agents/echo/sendkeys", {"keys": '"good day" Enter'})
        assert sent == {"name": "echo", "sent": '"good day" Enter'}
        await viewer.sees(b"got good day")
        await viewer.told("lock", holder="chairman", mine=False)
        bob = await office.member("bob", kind="human", role="operator")
        status, refusal = await bob.ask("POST", "/api/agents/echo/sendkeys", {"keys": "Enter"})
        assert (status, refusal["error"]["code"], refusal["holder"]) == (409, "keyboard_taken", "chairman")
    assert await typed(office) == [("chairman", "good day <Enter>")]


@pytest.mark.parametrize(
    ("keys", "words"),
    [("hello Enter", "“hello” is no key"), ('"a\x1b[A"', "control character"), ("  ", "Nothing to type")],
)
async def test_what_is_no_key_is_not_guessed_at(office: OfficeUnderTest, keys: str, words: str) -> None:
    status, refusal = await office.chairman.ask("POST", "/api/agents/echo/sendkeys", {"keys": keys})
    assert status == 400
    assert words in refusal["error"]["message"]
    assert await typed(office) == []


async def test_teammcps_lower_case_keys_are_keys(office: OfficeUnderTest) -> None:
    for keys in ("1", "y", "enter", "up"):
        assert (await office.chairman.post("/api/agents/echo/sendkeys", {"keys": keys}))["sent"] == keys
    await until(partial(_prints, office, "got 1y"))


async def _prints(office: OfficeUnderTest, text: str) -> bool:
    return text in "\n".join((await office.chairman.get("/api/agents/echo/logs"))["lines"])


async def test_a_lead_types_only_where_the_team_file_grants_it(office: OfficeUnderTest) -> None:
    boss, trusted = await office.member("boss", role="lead"), await office.member("trusted", role="lead")
    keys = {"keys": '"hi" Enter'}
    status, refusal = await boss.ask("POST", "/api/agents/echo/sendkeys", keys)
    assert (status, refusal["error"]["message"]) == (403, "boss has not the grant terminal_input.")
    assert "agents.yaml" in refusal["error"]["hint"]
    assert (await trusted.ask("POST", "/api/agents/echo/sendkeys", keys))[0] == 200
    assert await typed(office) == [("trusted", "hi <Enter>")]
    worker = await office.member("ada")
    for method, path in (("GET", "logs"), ("GET", "screenshot"), ("POST", "sendkeys")):
        assert (await worker.ask(method, f"/api/agents/echo/{path}", keys if method == "POST" else None))[0] == 403


async def test_an_agent_that_is_not_running_takes_no_keys_and_shows_its_last_screen(office: OfficeUnderTest) -> None:
    await until(partial(_prints, office, "ready to talk"))
    await office.chairman.post("/api/agents/echo/stop")
    await until(partial(_is_stopped, office.chairman), 15)
    status, refusal = await office.chairman.ask("POST", "/api/agents/echo/sendkeys", {"keys": "Enter"})
    assert (status, refusal["error"]["code"]) == (409, "not_running")
    shot = await office.chairman.get("/api/agents/echo/screenshot")
    assert (shot["running"], shot["text"].split("\n")[0]) == (False, "ready to talk")


async def _is_stopped(door: Door) -> bool:
    return bool((await door.get("/api/agents/echo"))["state"] == "stopped")


async def test_a_screenshot_is_a_picture_of_the_cells_in_the_palettes_colours(office: OfficeUnderTest) -> None:
    await until(partial(_prints, office, "ready to talk"))
    headers = {"Authorization": f"Bearer {office.chairman.token}"}
    address = f"{office.url}/api/agents/echo/screenshot?as=png"
    async with office.chairman.session.get(address, headers=headers) as response:
        assert (response.status, response.content_type) == (200, "image/png")
        picture = Image.open(io.BytesIO(await response.read())).convert("RGB")
    assert picture.size == (120 * 9 + 16, 40 * 18 + 16)
    word = picture.crop((8, 8, 8 + 5 * 9, 8 + 18)).tobytes()
    colours = {(word[at], word[at + 1], word[at + 2]) for at in range(0, len(word), 3)}
    assert (0x0F, 0x12, 0x16) in colours
    assert any(green > red + 60 and green > blue + 40 for red, green, blue in colours), "`ready` is green"
    saved = await office.chairman.post("/api/agents/echo/screenshot")
    assert saved["name"] == "echo"
    file = Path(saved["screenshot"])
    with Image.open(file) as kept:
        assert kept.size == picture.size
    assert file.stat().st_mode & 0o777 == 0o600  # noqa: ASYNC240 (a local disk)


async def test_a_log_is_searched_followed_and_kept_as_a_file(office: OfficeUnderTest) -> None:
    for word in ("one", "two"):
        await office.chairman.post("/api/agents/echo/sendkeys", {"keys": f'"{word}" Enter'})
        await until(partial(_prints, office, f"got {word}"))
    path = "/api/agents/echo/logs"
    assert (await office.chairman.get(f"{path}?grep=got"))["lines"] == ["got one", "got two"]
    assert (await office.chairman.get(f"{path}?lines=1"))["lines"] == ["got two"]
    end = (await office.chairman.get(path))["offset"]
    assert (await office.chairman.get(f"{path}?since={end}")) == {"agent": "echo", "lines": [], "offset": end}
    await office.chairman.post("/api/agents/echo/sendkeys", {"keys": '"three" Enter'})
    await until(partial(_prints, office, "got three"))
    later = await office.chairman.get(f"{path}?since={end}")
    assert later["lines"] == ["three", "got three"]
    assert "\x1b[1;32mready" in (await office.chairman.get(f"{path}?raw=true&lines=5000"))["lines"][0]

    async def fetch(query: str) -> bytes:
        headers = {"Authorization": f"Bearer {office.chairman.token}"}
        async with office.chairman.session.get(f"{office.url}{path}/download{query}", headers=headers) as response:
            assert "attachment" in response.headers["Content-Disposition"]
            return await response.read()

    assert (await fetch("")).decode().split("\n")[:2] == ["ready to talk", "one"]
    assert (await fetch("?raw=1")).startswith(b"\x1b[2J\x1b[H\x1b[1;32mready")


async def test_a_viewer_that_draws_slowly_skips_to_the_newest_screen(tmp_path: Path) -> None:
    script = (
        'read go; yes "a line of some length, to fill the spool with" | head -c 6000000; echo; echo the very end; cat'
    )
    async with opened(tmp_path, agent("echo", script, tmp_path)) as office, viewing(office.chairman) as viewer:
        await viewer.say("ack", offset=0)
        viewer.acknowledges = False
        await office.chairman.post("/api/agents/echo/sendkeys", {"keys": "Enter"})
        await until(partial(_prints, office, "the very end"), 20)
        assert len(viewer.shown) < 2_000_000, "it was not sent more than it can draw"
        end = (await office.chairman.get("/api/agents/echo/logs"))["offset"]
        viewer.acknowledges = True
        await viewer.say("ack", offset=len(viewer.shown))
        gap = await viewer.told("gap")
        assert end - gap["to"] < 300_000
        await viewer.sees(b"the very end")


async def test_tools_give_a_lead_text_and_pictures(office: OfficeUnderTest) -> None:
    boss = await office.member("boss", role="lead")
    await until(partial(_prints, office, "ready to talk"))

    async def call(tool: str, **arguments: Any) -> Any:
        envelope = {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
            "io.modelcontextprotocol/clientCapabilities": {},
        }
        body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call",
                "params": {"name": tool, "arguments": arguments, "_meta": envelope}}  # fmt: skip
        headers = {"Accept": "application/json, text/event-stream", "MCP-Protocol-Version": "2026-07-28",
                   "Mcp-Method": "tools/call", "Mcp-Name": tool}  # fmt: skip
        status, answer = await boss.ask("POST", "/mcp", body, **headers)
        assert status == 200, answer
        return answer["result"]

    log = await call("get_agent_logs", name="echo", grep="ready")
    assert log["content"] == [{"type": "text", "text": "ready to talk"}]
    assert (await call("screenshot_agent", name="echo"))["content"][0]["text"] == "ready to talk"
    picture = (await call("screenshot_agent", **{"name": "echo", "as": "png"}))["content"]
    assert [part["type"] for part in picture] == ["text", "image"]
    assert picture[1]["mimeType"] == "image/png"
    refused = await call("send_keys_to_agent", name="echo", keys="Enter")
    assert refused["isError"]
    assert "grant" in refused["content"][0]["text"]
