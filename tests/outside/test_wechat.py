"""The WeChat bridge against a scripted service: sign-in by a code, people heard as themselves, decisions."""

import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from server.config import Notifications, NotificationTarget
from server.features.notifications.chat import Decision, decision_in
from server.outside import chat_desk, wechat
from server.outside.errors import NotDelivered
from server.outside.http import Answer
from server.outside.wechat import WeChat
from tests.conftest import Door, OfficeUnderTest, open_office, until
from tests.outside.conftest import HUMANS
from tests.peers.ilink import TOKEN, ILink, open_ilink

ADA, CHAIR, VERA, EVE = "ada@im.wechat", "chair@im.wechat", "vera@im.wechat", "eve@im.wechat"


@pytest.fixture
async def ilink() -> AsyncIterator[ILink]:
    async with open_ilink() as service:
        yield service


def bridge(service: ILink, **settings: Any) -> NotificationTarget:
    senders = MappingProxyType({ADA: "ada", CHAIR: "chairman", VERA: "vera"})
    events = ("needs_you", "agent_failed", "mention", "dm")
    fields: dict[str, Any] = {
        "base_url": service.url,
        "allow_private": True,
        "senders": senders,
        "events": events,
    } | settings
    return NotificationTarget("wechat", "wechat", **fields)


@asynccontextmanager
async def an_office(data: Path, service: ILink, **settings: Any) -> AsyncIterator[OfficeUnderTest]:
    notifications = Notifications((bridge(service, **settings),))
    async with open_office(data, humans=HUMANS, notifications=notifications) as office:
        yield office


async def status_of(office: OfficeUnderTest) -> dict[str, Any]:
    return dict(await office.chairman.get("/api/wechat/status"))


async def sign_in(office: OfficeUnderTest, service: ILink) -> None:
    await office.chairman.post("/api/wechat/login")
    service.status = "confirmed"

    async def polling() -> bool:
        return bool((await status_of(office))["polling"] and service.polls)

    await until(polling)


@asynccontextmanager
async def signed_in(data: Path, service: ILink, **settings: Any) -> AsyncIterator[OfficeUnderTest]:
    async with an_office(data, service, **settings) as office:
        await sign_in(office, service)
        yield office


async def said(office: OfficeUnderTest, count: int, channel: str = "general") -> list[tuple[str, str]]:
    async def found() -> list[tuple[str, str]] | None:
        page = (await office.chairman.get(f"/api/history?channel={channel}"))["messages"]
        return [(message["from"], message["content"]) for message in page] if len(page) >= count else None

    return list(await until(found))


async def ask(office: OfficeUnderTest, summary: str = "deploy", by: str = "bo") -> tuple[Door, dict[str, Any]]:
    door = await office.member(by)
    return door, await door.post("/api/approvals", {"kind": "action", "summary": summary})


def code_in(text: str) -> str:
    return text.rpartition("approve ")[2][:4]


async def test_a_phone_signs_the_bridge_in_and_the_token_is_kept_where_only_we_read_it(
    tmp_path: Path, ilink: ILink
) -> None:
    data = tmp_path / "data"
    async with an_office(data, ilink) as office:
        begun = await office.chairman.post("/api/wechat/login")
        assert (begun["status"], begun["qrcode_img_content"]) == ("waiting", "https://ilink.example/scan?code-1")
        assert len(begun["matrix"]) == len(begun["matrix"][0]) >= 21
        assert (await office.chairman.post("/api/wechat/login"))["qrcode"] == begun["qrcode"], "the same code"
        ilink.status = "scaned"
        await until(lambda: _state(office, "scanned"))
        ilink.status = "confirmed"
        await until(lambda: _state(office, "connected"))
        shown = await status_of(office)
        assert (shown["connected"], shown["accountId"], shown["user_id"]) == (True, "bot@im.bot", ADA)
        viewer = await office.member("vera", kind="human")
        assert (await viewer.get("/api/wechat/status")).keys() == {"configured", "connected", "polling", "state"}
        assert (await viewer.ask("POST", "/api/wechat/login", {}))[0] == 403
        audit = await office.chairman.get("/api/audit?kind=chat_bridge.asked")
        assert [(entry["actor"], entry["body"]["action"]) for entry in audit["entries"]] == [("chairman", "login")] * 2
        everything = str([shown, begun, await office.chairman.get("/api/audit?limit=200")])
    kept = data / "bridges" / "wechat.json"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert TOKEN in kept.read_text(encoding="utf-8")
    assert TOKEN not in everything
    stored = b"".join(file.read_bytes() for file in data.rglob("*") if file.is_file() and file != kept)
    assert TOKEN.encode() not in stored

    async with an_office(data, ilink) as office:
        assert (await status_of(office))["connected"], "a new start needs no new sign-in"
        await office.chairman.post("/api/wechat/disconnect")
        assert (await status_of(office))["state"] == "signed_out"
        assert not kept.exists()


async def _state(office: OfficeUnderTest, state: str) -> bool:
    return bool((await status_of(office))["state"] == state)


async def test_a_code_that_is_not_scanned_in_time_is_given_up(
    tmp_path: Path, ilink: ILink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chat_desk, "SIGN_IN_LASTS_S", 0.1)
    async with an_office(tmp_path / "data", ilink) as office:
        await office.chairman.post("/api/wechat/login")
        await until(lambda: _state(office, "signed_out"))
        assert (await status_of(office))["reason"] == "the code was not scanned in time"
        assert (await office.chairman.post("/api/wechat/login"))["qrcode"] == "https://ilink.example/scan?code-2"


async def test_people_on_the_list_are_heard_as_themselves_once_and_nobody_else(tmp_path: Path, ilink: ILink) -> None:
    async with signed_in(tmp_path / "data", ilink) as office:
        ilink.write(EVE, "I am the chairman. approve everything")
        ilink.write(ADA, "hello from outside")
        ilink.write("bot@im.bot", "what the bot wrote", kind=2)
        ilink.write(CHAIR, "and from me")
        ilink.write(ADA, "hello from outside", message_id=2)
        ilink.write(ADA, "")
        assert await said(office, 2) == [("ada", "hello from outside"), ("chairman", "and from me")]
        await ilink.wait_for_text(ADA, "Only text can be read here.")
        assert await said(office, 2) == [("ada", "hello from outside"), ("chairman", "and from me")]
        assert ilink.texts(EVE) == []
        assert (await status_of(office))["refused"] == [{"sender": EVE, "count": 1}]
        (entry, *_) = (await office.chairman.get("/api/audit?kind=message.created&actor=ada"))["entries"]
        assert (entry["operation"], entry["door"]) == ("receive_chat", "wechat")
        ilink.write(VERA, "may I?")
        await ilink.wait_for_text(VERA, "vera may read here and not write.")
        assert len(await said(office, 2)) == 2


async def test_what_is_written_may_go_to_one_member_and_the_answer_comes_back_at_once(
    tmp_path: Path, ilink: ILink
) -> None:
    async with an_office(tmp_path / "data", ilink, inbound="dm:bo") as office:
        bo = await office.member("bo")
        await sign_in(office, ilink)
        ilink.write(ADA, "how far are you?")
        inbox = await until(lambda: _history(bo, "dm:ada"))
        assert [(message["from"], message["content"]) for message in inbox] == [("ada", "how far are you?")]
        await bo.send("dm:ada", "**half** way")
        text = await ilink.wait_for_text(ADA, "half way")
        assert text == "Message from bo\nhalf way"
        assert ilink.sent[-1]["context_token"] == "context-1"
        assert ilink.texts(CHAIR) == []


async def _history(door: Door, channel: str) -> Any:
    status, found = await door.ask("GET", f"/api/history?channel={channel}")
    return found["messages"] if status == 200 else None


async def test_a_person_decides_by_word_and_code_in_their_own_name_if_they_may(tmp_path: Path, ilink: ILink) -> None:
    async with signed_in(tmp_path / "data", ilink) as office:
        for person in (ADA, CHAIR, VERA):
            ilink.write(person, "status")
            await ilink.wait_for_text(person, "Nothing is being done.")
        _, asked = await ask(office)
        text = await ilink.wait_for_text(ADA, "bo asks to: deploy")
        code = code_in(text)
        assert f"approve {code}  or  deny {code}" in text
        assert not [text for text in ilink.texts(VERA) if "deploy" in text], "a viewer decides nothing"

        ilink.write(VERA, f"approve {code}")
        await ilink.wait_for_text(VERA, "vera may not decide.")
        ilink.write(ADA, "approve ffff" if code != "ffff" else "approve 0000")
        await ilink.wait_for_text(ADA, "Nothing that waits has the code")
        ilink.write(ADA, "approve")
        await ilink.wait_for_text(ADA, "Say the code too")
        assert (await office.chairman.get(f"/api/approvals/{asked['id']}"))["status"] == "pending"

        ilink.write(ADA, f"Approve {code} go on")
        await ilink.wait_for_text(ADA, f"approved: deploy ({asked['id']})")
        decided = await office.chairman.get(f"/api/approvals/{asked['id']}")
        assert (decided["status"], decided["decided_by"], decided["comment"]) == ("approved", "ada", "go on")
        ilink.write(CHAIR, f"拒绝 {code}")
        await ilink.wait_for_text(CHAIR, "Nothing that waits has the code")
        general = await office.chairman.get("/api/history?channel=general")
        assert general["messages"] == [], "a decision is no message"


async def test_a_question_is_answered_in_words(tmp_path: Path, ilink: ILink) -> None:
    async with signed_in(tmp_path / "data", ilink) as office:
        ilink.write(ADA, "status")
        bo = await office.member("bo")
        asked = await bo.post("/api/questions", {"question": "Which port?", "options": ["8080", "9090"]})
        text = await ilink.wait_for_text(ADA, "bo asks: Which port?")
        assert "Options: 8080, 9090" in text
        code = text.rpartition("answer ")[2][:4]
        ilink.write(ADA, f"approve {code}")
        await ilink.wait_for_text(ADA, f"is a question: answer {code} TEXT")
        ilink.write(ADA, f"answer {code} 9090 please")
        await ilink.wait_for_text(ADA, "answered: Which port?")
        found = await office.chairman.get(f"/api/approvals/{asked['id']}")
        assert (found["answer"], found["decided_by"]) == ("9090 please", "ada")


async def test_nobody_decides_their_own_request_by_a_bridge_either(tmp_path: Path, ilink: ILink) -> None:
    async with signed_in(tmp_path / "data", ilink) as office:
        for person in (ADA, CHAIR):
            ilink.write(person, "status")
        ada = office.chairman.as_member((await office.chairman.post("/api/tokens", {"name": "ada"}))["token"])
        await ada.post("/api/approvals", {"kind": "spending", "summary": "a bigger model"})
        code = code_in(await ilink.wait_for_text(CHAIR, "ada asks to: a bigger model"))
        ilink.write(ADA, f"yes {code}")
        await ilink.wait_for_text(ADA, "Nobody decides their own request.")
        assert not [text for text in ilink.texts(ADA) if "asks to" in text]


async def test_who_has_not_written_within_23_hours_is_told_when_they_write(tmp_path: Path, ilink: ILink) -> None:
    async with signed_in(tmp_path / "data", ilink) as office:
        await ask(office)
        row = await until(lambda: _waiting(office, "ada"))
        assert row["error"] == "ada has not written to it for 23 h, so it may not write to them"
        assert (row["status"], row["attempts"]) == ("pending", 0)
        ilink.write(ADA, "status", context="fresh")
        await ilink.wait_for_text(ADA, "bo asks to: deploy")
        assert {message["context_token"] for message in ilink.sent} == {"fresh"}


async def test_a_context_older_than_23_hours_is_not_used(
    tmp_path: Path, ilink: ILink, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with signed_in(tmp_path / "data", ilink) as office:
        ilink.write(ADA, "status")
        await ilink.wait_for_text(ADA, "Nothing is being done.")
        monkeypatch.setattr(chat_desk, "CONTEXT_LASTS_MS", 0)
        await ask(office)
        assert await until(lambda: _waiting(office, "ada"))
        assert len(ilink.sent) == 1


async def _waiting(office: OfficeUnderTest, member: str) -> dict[str, Any] | None:
    rows = (await office.chairman.get("/api/notifications"))["notifications"]
    return next((row for row in rows if row["member"] == member and row["error"]), None)


async def test_a_message_the_service_did_not_take_is_sent_again(tmp_path: Path, ilink: ILink) -> None:
    async with signed_in(tmp_path / "data", ilink) as office:
        ilink.write(ADA, "status")
        await ilink.wait_for_text(ADA, "Nothing is being done.")
        ilink.refuse_next = 2
        await ask(office)
        await ilink.wait_for_text(ADA, "bo asks to: deploy")
        assert len([text for text in ilink.texts(ADA) if "deploy" in text]) == 1


async def test_a_session_that_the_service_ends_is_forgotten_and_the_chairman_is_told(
    tmp_path: Path, ilink: ILink
) -> None:
    async with signed_in(tmp_path / "data", ilink) as office:
        ilink.end_session()
        await until(lambda: _state(office, "signed_out"))
        (notice,) = await said(office, 1, "dm:system")
        assert "wechat is signed out: the service ended the session" in notice[1]
        assert not (tmp_path / "data" / "bridges" / "wechat.json").exists()


async def test_after_a_restart_it_goes_on_where_it_was_and_may_still_answer(tmp_path: Path, ilink: ILink) -> None:
    data = tmp_path / "data"
    async with signed_in(data, ilink) as office:
        ilink.write(ADA, "one")
        await said(office, 1)
        await until(lambda: ilink.polls[-1] == "1")
    ilink.write(ADA, "two", context="newer")
    async with an_office(data, ilink) as office:
        assert await said(office, 2) == [("ada", "one"), ("ada", "two")]
        await ask(office)
        await ilink.wait_for_text(ADA, "bo asks to: deploy")
        assert ilink.sent[-1]["context_token"] == "newer"


async def test_without_a_bridge_its_routes_say_what_to_do(office: OfficeUnderTest) -> None:
    assert (await office.chairman.get("/api/wechat/status"))["configured"] is False
    status, refused = await office.chairman.ask("POST", "/api/wechat/login", {})
    assert (status, "type wechat" in refused["error"]["hint"]) == (404, True)


@pytest.mark.parametrize(
    ("text", "decision"),
    [
        ("approve 3f9a", Decision("3f9a", True, "")),
        ("  OK 3F9A: go on\nnow ", Decision("3f9a", True, "go on\nnow")),
        ("批准3f9a", Decision("3f9a", True, "")),
        ("不同意\uff1a3f9a 太贵", Decision("3f9a", False, "太贵")),
        ("no 3f9a", Decision("3f9a", False, "")),
        ("answer 3f9a 9090", Decision("3f9a", None, "9090")),
        ("approve 3f9a7", None),
        ("approve this", None),
        ("I approve 3f9a", None),
        ("look at 3f9a", None),
        ("approved 3f9a", None),
        ("noise 3f9a", None),
        ("decide beef", None),
        ("", None),
    ],
)  # fmt: skip
def test_only_a_word_with_a_code_decides(text: str, decision: Decision | None) -> None:
    assert decision_in(text) == decision


async def test_a_service_that_holds_a_poll_for_longer_than_we_wait_is_simply_asked_again(
    tmp_path: Path, ilink: ILink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wechat, "POLL_WITHIN_S", 0.1)
    async with signed_in(tmp_path / "data", ilink) as office:
        await until(lambda: len(ilink.polls) > 2)
        assert (await status_of(office))["state"] == "connected"
        ilink.write(ADA, "still here")
        assert await said(office, 1) == [("ada", "still here")]


async def test_a_token_is_never_sent_in_the_clear(monkeypatch: pytest.MonkeyPatch) -> None:
    async def confirmed(*_: object, **__: object) -> Answer:
        return Answer(200, b'{"status": "confirmed", "bot_token": "t", "baseurl": "http://ilink.example"}', {})

    monkeypatch.setattr(wechat, "request", confirmed)
    with pytest.raises(NotDelivered, match="in the clear"):
        await WeChat(None, bytes, allow_private=False).look_at_sign_in("code-1")
