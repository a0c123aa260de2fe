"""E-mail over real sockets: always encrypted, signed in, tried again under one Message-ID, no header smuggled in."""

from pathlib import Path
from typing import Any

import pytest

from server.config import Notifications, NotificationTarget, SecretReference
from tests.conftest import OfficeUnderTest, open_office, until
from tests.outside.conftest import HUMANS
from tests.peers.mail_server import MailServer, open_mail_server

SAID = "chairman wanted to know whether this arrives. It does."
MAIL = NotificationTarget(
    "mail",
    "email",
    SecretReference("env", "SMTP_URL"),
    sender="bullpen@example.org",
    recipients=("ada@example.org", "ben@example.org"),
    allow_private=True,
)


def use(
    server: MailServer, monkeypatch: pytest.MonkeyPatch, scheme: str = "smtp", user: str = "bullpen:p%40ss%2Fword"
) -> None:
    monkeypatch.setenv("SMTP_URL", f"{scheme}://{user}@127.0.0.1:{server.port}")
    monkeypatch.setenv("SSL_CERT_FILE", str(server.certificate))


async def send_test(office: OfficeUnderTest) -> dict[str, Any]:
    sent = await office.chairman.post("/api/notifications/targets/mail/test")

    async def settled() -> Any:
        found = await office.chairman.get(f"/api/notifications/{sent['id']}")
        return found if found["status"] != "pending" else None

    return dict(await until(settled))


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
async def test_a_mail_arrives_encrypted_and_a_second_try_has_the_same_message_id(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    async with open_mail_server(tmp_path, is_tls=scheme == "smtps") as server:
        use(server, monkeypatch, scheme)
        server.answers.append("451 later, please")
        async with open_office(tmp_path / "data", notifications=Notifications((MAIL,)), humans=HUMANS) as office:
            row = await send_test(office)
            url = office.url
    assert (row["status"], row["attempts"]) == ("delivered", 2)
    ((recipients, message),) = server.taken
    assert (server.were_encrypted, recipients) == ([True], ["ada@example.org", "ben@example.org"])
    assert (message["From"], message["Subject"]) == ("bullpen@example.org", "[test] Test from test")
    assert message["Message-ID"].endswith("-ntf_1@test.bullpen.invalid>")
    assert message["Auto-Submitted"] == "auto-generated"
    assert message.get_content().splitlines()[-3:] == [SAID, "", f"{url}/settings"]


async def test_a_title_can_smuggle_no_header_into_a_mail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_mail_server(tmp_path) as server:
        use(server, monkeypatch)
        async with open_office(tmp_path / "data", notifications=Notifications((MAIL,)), humans=HUMANS) as office:
            bo = await office.member("bo")
            summary = "deploy\r\nBcc: eve@evil.example\r\n\r\nhello " + "ü" * 100
            await bo.post("/api/approvals", {"kind": "action", "summary": summary})
            await until(lambda: server.taken)
    ((recipients, message),) = server.taken
    assert recipients == ["ada@example.org", "ben@example.org"]
    assert message["Bcc"] is None
    assert message["Subject"].startswith("[test] bo asks to: deploy Bcc: eve@evil.example hello üüü")


async def test_a_wrong_password_and_a_strange_certificate_are_refused_and_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_mail_server(tmp_path) as server:
        use(server, monkeypatch, user="bullpen:wrong")
        async with open_office(tmp_path / "data", notifications=Notifications((MAIL,)), humans=HUMANS) as office:
            row = await send_test(office)
            assert (row["status"], row["error"]) == ("failed", "it does not accept the user and the password")
            monkeypatch.delenv("SSL_CERT_FILE")
            row = await send_test(office)
            assert row["status"] == "failed"
            assert "cannot be reached as it should" in row["error"]
    assert server.taken == []
