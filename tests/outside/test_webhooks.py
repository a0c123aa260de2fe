"""Webhooks over real sockets: signed, tried again, over a kill of the server, each target by itself, no secret told."""

import asyncio
import base64
import contextlib
import hashlib
import hmac
import logging
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from server.config import Notifications, NotificationTarget, SecretReference
from tests.conftest import Door, OfficeUnderTest, ServerProcess, open_office, until
from tests.outside.conftest import HUMANS, webhook
from tests.peers.receiver import Received, Receiver, open_receiver

SECRET = "whsec_" + base64.b64encode(b"a key that only two know").decode()


def verify(received: Received, secret: str) -> None:
    """Check a delivery as its receiver would, by the text of the Standard Webhooks specification."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    headers = received.headers
    assert abs(time.time() - int(headers["webhook-timestamp"])) < 300
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + received.body
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert any(
        hmac.compare_digest(part.partition(",")[2], expected) for part in headers["webhook-signature"].split(" ")
    )


async def ask(office: OfficeUnderTest, summary: str = "deploy", **more: Any) -> Any:
    bo = await office.member("bo")
    return await bo.post("/api/approvals", {"kind": "action", "summary": summary, **more})


def notifying(*targets: NotificationTarget) -> dict[str, Any]:
    return {"notifications": Notifications(targets), "humans": HUMANS}


async def all_notifications(office: OfficeUnderTest) -> list[dict[str, Any]]:
    return list((await office.chairman.get("/api/notifications"))["notifications"])


async def test_a_receiver_that_fails_twice_is_told_the_third_time_signed_and_under_one_id(
    tmp_path: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOOK_URL", receiver.url + "/services/T0/very-secret")
    monkeypatch.setenv("HOOK_SECRET", SECRET)
    receiver.answers += [(500, {}), (503, {})]
    target = webhook(secret=SecretReference("env", "HOOK_SECRET"))
    async with open_office(tmp_path / "data", **notifying(target)) as office:
        asked = await ask(office, details="make deploy")
        requests = await receiver.wait_for(3)
        (row,) = await until(lambda: _settled(office))

    for received in requests:
        verify(received, SECRET)
    assert len({received.headers["webhook-id"] for received in requests}) == 1
    told = requests[-1].json
    assert (told["type"], told["reason"], told["title"]) == ("needs_you", "approval", "bo asks to: deploy")
    assert (told["text"], told["link"]) == ("make deploy", office.url + "/needs/ap_1")
    assert told["items"][0]["approval"] == asked["id"]
    assert (row["status"], row["attempts"], row["error"]) == ("delivered", 3, "")
    with pytest.raises(AssertionError):
        verify(requests[0], "whsec_" + base64.b64encode(b"another key").decode())


async def _settled(office: OfficeUnderTest) -> list[dict[str, Any]]:
    rows = await all_notifications(office)
    return rows if all(row["status"] != "pending" for row in rows) else []


async def test_no_secret_is_in_a_log_the_database_an_event_or_an_answer(
    tmp_path: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("HOOK_URL", receiver.url + "/services/canary-in-the-address")
    monkeypatch.setenv("HOOK_SECRET", "canary-that-signs")
    receiver.answers += [(500, {}), (403, {})]
    target = webhook(secret=SecretReference("env", "HOOK_SECRET"))
    broken = webhook("broken", url=SecretReference("cmd", "echo http://canary-in-the-address.invalid:99999/x"))
    async with open_office(tmp_path / "data", **notifying(target, broken)) as office:
        await ask(office)
        rows = await until(lambda: _settled(office))
        assert {row["status"] for row in rows} == {"failed"}
        shown = str([rows, await office.chairman.get("/api/notifications/targets"),
                     await office.chairman.get("/api/audit?limit=200")])  # fmt: skip
        assert "env:HOOK_URL" in shown
    stored = b"".join(file.read_bytes() for file in (tmp_path / "data").rglob("*") if file.is_file())
    for text in (shown, caplog.text, stored.decode(errors="replace")):
        assert "canary" not in text.replace("cmd:echo http://canary-in-the-address.invalid", "")


async def test_a_secret_that_is_not_there_is_named_by_its_reference_and_tried_again(
    tmp_path: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HOOK_URL", raising=False)
    async with open_office(tmp_path / "data", **notifying(webhook())) as office:
        sent = await office.chairman.post("/api/notifications/targets/hook/test")
        tried = await office.chairman.get(f"/api/notifications/{sent['id']}?wait_s=5")
        assert tried["error"] == "env:HOOK_URL is empty or not set"
        monkeypatch.setenv("HOOK_URL", receiver.url)
        await office.chairman.post(f"/api/notifications/{sent['id']}/retry")
        (received,) = await receiver.wait_for(1)
        assert received.json["title"] == "Test from test"
        status, refused = await office.chairman.ask("POST", "/api/notifications/targets/hok/test", {})
        assert (status, refused["error"]["hint"]) == (404, "Did you mean hook?")


async def test_a_slow_target_does_not_hold_up_another(
    tmp_path: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = asyncio.Event()

    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await held.wait()
        writer.transport.abort()

    slow = await asyncio.start_server(hold, "127.0.0.1", 0)
    monkeypatch.setenv("SLOW_URL", f"http://127.0.0.1:{slow.sockets[0].getsockname()[1]}/")
    monkeypatch.setenv("HOOK_URL", receiver.url)
    targets = webhook("slow", url=SecretReference("env", "SLOW_URL")), webhook()
    async with open_office(tmp_path / "data", **notifying(*targets)) as office:
        await ask(office)
        await receiver.wait_for(1)
        assert [row["status"] for row in await all_notifications(office) if row["target"] == "slow"] == ["pending"]
        held.set()
    slow.close()
    await slow.wait_closed()


async def test_what_slack_takes_is_text_in_which_nobody_can_hide_a_mention_or_a_link(
    tmp_path: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOOK_URL", receiver.url + "/services/T0/B0/x")
    async with open_office(tmp_path / "data", **notifying(webhook(format="slack"))) as office:
        await ask(office, "deploy <!channel>", details="see <https://evil.example|our docs> & go")
        (received,) = await receiver.wait_for(1)
        assert received.json == {
            "text": "*bo asks to: deploy &lt;!channel&gt;*\n"
            "see &lt;https://evil.example|our docs&gt; &amp; go\n"
            f"<{office.url}/needs/ap_1|Open in Bullpen>"
        }
        assert received.path == "/services/T0/B0/x"


async def test_ntfy_gets_topic_title_text_priority_and_link_in_any_letters(
    tmp_path: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NTFY_URL", receiver.url + "/push/bullpen-7f")
    monkeypatch.setenv("NTFY_TOKEN", "tk_secret")
    url, token = SecretReference("env", "NTFY_URL"), SecretReference("env", "NTFY_TOKEN")
    target = NotificationTarget("phone", "ntfy", url, secret=token, allow_private=True)
    async with open_office(tmp_path / "data", **notifying(target)) as office:
        await ask(office, "größer machen: 部署", details="é" * 3000)
        (received,) = await receiver.wait_for(1)
        assert (received.path, received.headers["Authorization"]) == ("/push/", "Bearer tk_secret")
        told = received.json
        assert told.pop("message") == "é" * 500
        assert told == {
            "topic": "bullpen-7f",
            "title": "bo asks to: größer machen: 部署",
            "priority": 4,
            "tags": ["raised_hand"],
            "click": f"{office.url}/needs/ap_1",
        }


async def test_who_may_not_manage_notifications_sees_and_does_nothing(
    tmp_path: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOOK_URL", receiver.url)
    async with open_office(tmp_path / "data", **notifying(webhook())) as office:
        for door in (await office.member("bo", role="lead"), await office.member("vera", kind="human")):
            for method, path in (
                ("GET", ""),
                ("GET", "/targets"),
                ("POST", "/targets/hook/test"),
                ("POST", "/1/retry"),
            ):
                status, _ = await door.ask(method, "/api/notifications" + path, {} if method == "POST" else None)
                assert status == 403, path
    assert receiver.received == []


@contextlib.asynccontextmanager
async def _entered(server: ServerProcess) -> AsyncIterator[Door]:
    token = (server.data / "run" / "operator.token").read_text(encoding="utf-8").strip()
    async with aiohttp.ClientSession() as session:
        yield Door(server.url, token, session)


async def _is_delivered(chairman: Door) -> bool:
    return bool((await chairman.get("/api/notifications/ntf_1"))["status"] == "delivered")


TEAM = """
version: 1
team: test
humans: [{{name: chairman, role: chairman}}]
notifications:
  targets:
    hook: {{type: webhook, url: "file:{file}", allow_private: true}}
"""


async def test_a_server_that_is_killed_while_it_sends_sends_once_more_under_the_same_id(tmp_path: Path) -> None:
    (tmp_path / "team.yaml").write_text(TEAM.format(file=tmp_path / "url"), encoding="utf-8")
    server = ServerProcess(tmp_path / "data", ["--config", str(tmp_path / "team.yaml")])
    async with open_receiver() as receiver:
        (tmp_path / "url").write_text(receiver.url, encoding="utf-8")
        receiver.held.clear()
        await server.start()
        async with _entered(server) as chairman:
            await chairman.post("/api/notifications/targets/hook/test")
            await receiver.wait_for(1)
        await server.end(signal.SIGKILL)  # the request was taken, and nobody heard that it was
        receiver.held.set()
        await server.start()
        try:
            first, second = await receiver.wait_for(2)
            async with _entered(server) as chairman:
                await until(lambda: _is_delivered(chairman))
                sent = await chairman.get("/api/notifications/ntf_1")
                await chairman.post("/api/notifications/targets/hook/test")
                await receiver.wait_for(3)
        finally:
            await server.end(signal.SIGTERM)
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert receiver.received[2].headers["webhook-id"] != first.headers["webhook-id"]
    assert (sent["attempts"], len(receiver.received)) == (2, 3)
