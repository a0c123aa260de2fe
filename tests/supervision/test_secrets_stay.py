"""No secret is anywhere that it need not be: not with an agent, on the disk, in the log, or in an answer."""

import logging
import os
import re
import sys
from functools import partial
from pathlib import Path

import pytest

from server.config import AgentConfig, SecretReference
from tests.conftest import open_office, until
from tests.supervision.test_sandbox import START_S, in_state

TOKEN = re.compile(rb"bp_[a-z0-9-]+_[0-9A-Za-z]{38}")
SHOW = (
    "import os, pathlib, time\n"
    "print(dict(os.environ), flush=True)\n"
    "pathlib.Path('seen').write_bytes(pathlib.Path('/proc/self/environ').read_bytes())\n"
    "time.sleep(600)"
)
READ = ("agents", "agents/ada", "tokens", "members", "audit", "snapshot", "needs", "usage", "me")


def found_in(folder: Path, *patterns: re.Pattern[bytes]) -> list[str]:
    files = [file for file in folder.rglob("*") if file.is_file() and not file.is_symlink()]
    assert len(files) > 5
    return [
        str(file.relative_to(folder))
        for file in files
        if any(pattern.search(file.read_bytes()) for pattern in patterns)
    ]


def command_line(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()


async def test_tokens_and_the_servers_secrets_are_where_they_must_be_and_nowhere_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    names = ("AWS_SECRET_ACCESS_KEY", "ANTHROPIC_API_KEY", "DATABASE_URL", "GITHUB_TOKEN", "BULLPEN_REGISTER_SECRET")
    for name in names:
        monkeypatch.setenv(name, f"canary-{name}")
    monkeypatch.setenv("MINE", "meant-for-ada")
    canary = re.compile(rb"canary-")
    data = tmp_path / "data"
    ada = AgentConfig(
        name="ada", kind="custom", role="member", job="", workdir=data / "agents/ada/work", stop_grace_s=0.2,
        environment_secrets={"KEY": SecretReference("env", "MINE")}, command=(sys.executable, "-c", SHOW),
    )  # fmt: skip
    async with open_office(data, agents=[ada]) as office:
        await until(partial(in_state, office, "ada", "ready"), START_S)
        await until((ada.workdir / "seen").exists, START_S)
        bot = await office.chairman.post("/api/tokens", {"name": "ci", "kind": "bot"})
        own = (data / "agents/ada/token").read_text().strip()
        await office.chairman.as_member(own).get("/api/me")
        await office.chairman.as_member(own + "x").ask("GET", "/api/me")
        answers = [str(await office.chairman.ask("GET", f"/api/{path}")) for path in READ]
        screen = str(await office.chairman.ask("GET", "/api/agents/ada/screen"))
        files_with_tokens = found_in(data, TOKEN)
        files_with_canaries = found_in(data, canary)
        words = command_line((await office.chairman.get("/api/agents/ada"))["pid"])
    everything = "\n".join([*answers, screen, caplog.text]).encode() + words

    assert set(files_with_tokens) <= {"agents/ada/token", "run/operator.token"}
    assert "agents/ada/token" in files_with_tokens
    assert files_with_canaries == []
    assert b"meant-for-ada" in (ada.workdir / "seen").read_bytes()
    assert all(TOKEN.search(text.encode()) is None for text in answers)
    assert not canary.search(everything)
    for secret in (own, bot["token"], "meant-for-ada"):
        assert secret.encode() not in "\n".join([*answers, caplog.text]).encode() + words
    assert (data / "agents/ada").stat().st_mode & 0o077 == (data / "agents/ada/token").stat().st_mode & 0o077 == 0
    assert os.environ["GITHUB_TOKEN"] == "canary-GITHUB_TOKEN"
