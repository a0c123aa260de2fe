"""The service of the system: what is written for it, that what it would start works, and that agents outlive it."""

import configparser
import os
import plistlib
import shlex
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from server.cli import service
from server.config import Settings, locate
from tests.command.conftest import Desk

RECORDING = '#!/bin/sh\necho "$@" >> "{log}"\n'


def _service_manager(desk: Desk) -> Path:
    """Put a systemctl in the way that records what it is asked: none runs here."""
    programs, log = desk.folder.parent / "programs", desk.folder.parent / "asked"
    programs.mkdir()
    program = programs / "systemctl"
    program.write_text(RECORDING.format(log=log), encoding="utf-8")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    desk.environment["PATH"] = f"{programs}:{desk.environment['PATH']}"
    return log


def _unit(file: str) -> configparser.ConfigParser:
    unit = configparser.ConfigParser(interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read_string(Path(file).read_text(encoding="utf-8"))
    return unit


@pytest.mark.skipif(sys.platform != "linux", reason="systemd is Linux's")
def test_the_installed_service_starts_beats_and_leaves_the_agents_when_it_ends(desk: Desk) -> None:
    log = _service_manager(desk)
    desk.bullpen("init", "--template", "demo")
    installed = desk.bullpen("service", "install")
    assert installed.returncode == 0, installed.stderr
    assert log.read_text(encoding="utf-8").splitlines() == [
        "--user daemon-reload", "--user enable --now bullpen-work"
    ]  # fmt: skip
    unit = _unit(installed.stdout.strip())
    assert unit["Service"]["KillMode"] == "process"
    notified = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    notified.bind(str(desk.folder.parent / "notify"))
    notified.settimeout(30)
    with subprocess.Popen(
        shlex.split(unit["Service"]["ExecStart"]), cwd=unit["Service"]["WorkingDirectory"],
        env=desk.environment | {"NOTIFY_SOCKET": str(desk.folder.parent / "notify")}, stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    ) as started:  # fmt: skip
        told = notified.recv(4096).decode()
        while "READY=1" not in told:
            told = notified.recv(4096).decode()
        assert "serving work" in told
        while told != "WATCHDOG=1":
            told = notified.recv(4096).decode()
        assert desk.bullpen("start", "ada-demo", "--wait", "--timeout", "30").returncode == 0

        started.send_signal(signal.SIGTERM)

        while told != "STOPPING=1":
            told = notified.recv(4096).decode()
        assert started.wait(10) == 0
    notified.close()
    assert "ada-demo" in desk.bullpen("doctor").stdout.partition("running without a server: ")[2]
    assert desk.bullpen("service", "status").returncode == 0
    assert desk.bullpen("service", "uninstall").returncode == 0
    assert desk.bullpen("service", "status").returncode == 4
    assert "--user disable --now bullpen-work" in log.read_text(encoding="utf-8")
    assert desk.bullpen("down").returncode == 0


def test_without_a_service_manager_it_says_what_else_starts_the_office(desk: Desk) -> None:
    done = desk.bullpen("service", "install", PATH="/nowhere")
    assert done.returncode == 4
    assert "bullpen up -d" in done.stderr


def test_words_are_quoted_as_systemd_reads_them(desk: Desk) -> None:
    desk.environment["XDG_DATA_HOME"] = str(desk.folder / "a b%c")
    done = desk.bullpen("service", "install", "--no-start")
    (line,) = [
        line for line in Path(done.stdout.strip()).read_text(encoding="utf-8").splitlines() if "ExecStart" in line
    ]
    assert f'"{desk.folder}/a b%%c/bullpen/default"' in line


def test_the_file_for_launchd_lets_agents_live_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    location = locate(Settings(data=tmp_path), os.environ)
    manager = service._manager(location)
    listed = plistlib.loads(manager.text)
    assert listed["AbandonProcessGroup"] is True
    assert listed["KeepAlive"] == {"SuccessfulExit": False}
    assert listed["ProgramArguments"][:4] == [sys.executable, "-P", "-m", "server.cli"]
    assert manager.start[0][:2] == ("launchctl", "bootstrap")
