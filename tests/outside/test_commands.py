"""`bullpen notify` and `bullpen wechat`, as a person gives them, against an office in this process."""

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest

from server.cli.failure import ExitCode
from server.config import Notifications
from server.outside.chat_desk import code_rows
from tests.conftest import OfficeUnderTest, open_office, until
from tests.outside.conftest import HUMANS, webhook
from tests.outside.test_wechat import ADA, EVE, bridge
from tests.peers.ilink import ILink, open_ilink
from tests.peers.receiver import Receiver


async def bullpen(office: OfficeUnderTest, *words: str) -> tuple[int, str, str]:
    """Give one command and return its exit code and what it printed."""
    environment = {**os.environ, "BULLPEN_URL": office.url, "BULLPEN_TOKEN": office.chairman.token or ""}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "server.cli", *words, env=environment,
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, error = await asyncio.wait_for(process.communicate(), 30)
    return process.returncode or 0, out.decode(), error.decode()


async def test_targets_are_listed_tested_and_tried_again_from_the_shell(
    tmp_path: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOOK_URL", receiver.url)
    notifications = Notifications((webhook(events=("needs_you", "digest")),))
    async with open_office(tmp_path / "data", humans=HUMANS, notifications=notifications) as office:
        receiver.answers += [(403, {})]
        code, _, error = await bullpen(office, "notify", "test", "hook")
        assert (code, "it answered 403" in error, "notify retry ntf_1" in error) == (ExitCode.FAILED, True, True)
        code, out, error = await bullpen(office, "notify", "list", "--status", "failed")
        assert "env:HOOK_URL" in out
        assert "needs_you,digest" in out
        assert "Test from test" in out
        code, out, error = await bullpen(office, "notify", "retry", "ntf_1")
        assert (code, error.strip()) == (ExitCode.OK, "ntf_1 has arrived at hook.")
        code, out, error = await bullpen(office, "notify", "list", "--json", "id,status")
        assert json.loads(out) == [{"id": "ntf_1", "status": "delivered"}]
        code, _, error = await bullpen(office, "notify", "test", "hok")
        assert (code, "Did you mean hook?" in error) == (ExitCode.NOT_FOUND, True)


async def test_the_bridge_is_signed_in_by_a_code_in_the_terminal(tmp_path: Path) -> None:
    async with open_ilink() as ilink:
        notifications = Notifications((bridge(ilink),))
        async with open_office(tmp_path / "data", humans=HUMANS, notifications=notifications) as office:
            signing = asyncio.create_task(bullpen(office, "wechat", "login", "--timeout", "20"))
            await until(lambda: ilink.codes, 10)
            ilink.status = "confirmed"
            code, out, error = await signing
            assert code == ExitCode.OK
            assert f"The bridge is signed in. You are {ADA} there." in error
            assert _matrix_in(out) == code_rows("https://ilink.example/scan?code-1")
            ilink.write(EVE, "let me in")
            await until(lambda: _was_refused(office))
            code, out, _ = await bullpen(office, "wechat", "status")
            assert "connected" in out
            assert "ada: must write first" in out
            assert f"not on the list, and not heard: {EVE} (1 times)" in out
            assert (await bullpen(office, "wechat", "logout"))[0] == ExitCode.OK
            assert "signed_out" in (await bullpen(office, "wechat", "status"))[1]


def _matrix_in(drawing: str) -> list[str]:
    """Read a code from its drawing, as a camera does: a light half block is a light module."""
    halves = {"█": "00", "▀": "01", "▄": "10", " ": "11"}
    lines = drawing.rstrip("\n").split("\n")
    rows = ["".join(halves[mark][half] for mark in line) for line in lines for half in (0, 1)]
    assert [set(row) for row in rows[:2]] == [{"0"}, {"0"}], "a border"
    size = len(lines[0]) - 4
    return [row[2:-2] for row in rows[2 : 2 + size]]


async def _was_refused(office: OfficeUnderTest) -> bool:
    return bool((await office.chairman.get("/api/wechat/status"))["refused"])


async def test_what_nobody_configured_is_said_with_what_to_do(office: OfficeUnderTest) -> None:
    assert "notifications in agents.yaml" in (await bullpen(office, "notify", "list"))[2]
    assert "type wechat" in (await bullpen(office, "wechat", "status"))[2]
    code, _, error = await bullpen(office, "wechat", "login")
    assert (code, "type wechat" in error) == (ExitCode.NOT_FOUND, True)


async def test_a_service_that_is_not_there_gives_no_code(tmp_path: Path) -> None:
    notifications = Notifications((bridge(ILink("http://127.0.0.1:9")),))
    async with open_office(tmp_path / "data", humans=HUMANS, notifications=notifications) as office:
        code, _, error = await bullpen(office, "wechat", "login")
        assert (code, "gave no code" in error) == (ExitCode.FAILED, True)
