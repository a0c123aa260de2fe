"""A fresh clone with nothing installed: the README's first command brings an office in which two agents talk."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

from server.cli.client import Client
from server.cli.connection import read_record

ROOT = Path(__file__).parents[2]
TALKING_WITHIN_S = 60.0
T = TypeVar("T")

pytestmark = pytest.mark.skipif(os.environ.get("CI") != "true", reason="fetches packages; with CI=true it runs")


def test_make_up_brings_two_agents_that_talk(tmp_path: Path) -> None:
    clone = tmp_path / "bullpen"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True, timeout=60)
    environment = {
        "PATH": os.environ["PATH"], "HOME": str(tmp_path), "DEMO": "1", "BULLPEN_PORT": "0", "LANG": "C.UTF-8",
        "XDG_DATA_HOME": str(tmp_path / "share"), "PIP_CACHE_DIR": _pip_cache(), "PYTHON": sys.executable,
    }  # fmt: skip
    environment |= {
        name: value for name, value in os.environ.items() if name.startswith(("PIP_", "SSL_", "https_proxy"))
    }
    office = subprocess.Popen(
        ["make", "up"], cwd=clone, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, start_new_session=True,
    )  # fmt: skip
    printed: list[str] = []
    reading = threading.Thread(target=lambda: printed.extend(office.stdout or ()), daemon=True)
    reading.start()
    data = tmp_path / "share" / "bullpen" / "demo"
    try:
        record = _wait(lambda: read_record(data), 600, office, printed)
        client = Client(record.url, record.token())
        assert client.healthy() is not None
        ready = time.monotonic()
        spoken = _wait(lambda: _between_agents(client), TALKING_WITHIN_S, office, printed)
        assert {message["from"] for message in spoken} == {"ada-demo", "bo-demo"}
        print(f"three messages {time.monotonic() - ready:.1f} s after the server was ready")
    finally:
        if office.poll() is None:
            os.killpg(office.pid, signal.SIGINT)
        office.wait(timeout=90)
        reading.join(5)
        if office.stdout is not None:
            office.stdout.close()
    assert "Traceback" not in "".join(printed)
    assert re.search(r"http://127\.0\.0\.1:\d+/#k=\w+", "".join(printed))


def _between_agents(client: Client) -> list[dict[str, str]] | None:
    """Return what the demo agents said, wherever they may be heard, once it is three messages."""
    channels = [channel["id"] for channel in client.get("/api/snapshot")["channels"]]
    said = [
        message
        for channel in channels
        for message in client.get("/api/history", channel=channel)["messages"]
        if message["from_kind"] == "agent"
    ]
    return said if len(said) >= 3 else None


def _wait(condition: Callable[[], T | None], within_s: float, office: "subprocess.Popen[str]", printed: list[str]) -> T:
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        assert office.poll() is None, "".join(printed)
        time.sleep(0.2)
    raise AssertionError(f"not within {within_s} s:\n{''.join(printed)}")


def _pip_cache() -> str:
    command = [sys.executable, "-m", "pip", "cache", "dir"]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.strip()
