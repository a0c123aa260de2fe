"""`bullpen up` and `down`: what a newcomer does first, and what is said when it cannot be."""

import contextlib
import os
import select
import signal
import socket
import sqlite3
import stat
import threading
import time
from pathlib import Path

import ptyprocess
import pytest

from server.cli.client import Client
from server.cli.connection import is_alive
from server.storage.migrate import APPLICATION_ID
from tests.command.conftest import COMMAND, Desk


def test_up_in_the_background_prints_a_link_that_signs_in_and_nothing_else(desk: Desk) -> None:
    done = desk.bullpen("up", "--detach", "--demo", "--only-server")
    assert done.returncode == 0, done.stderr
    (link,) = done.stdout.splitlines()
    address, _, code = link.partition("/#k=")
    assert address == desk.url()
    assert Client(address, None).post("/api/session", {"link": code})["member"]["role"] == "chairman"
    assert "bullpen down" in done.stderr


def test_a_second_up_finds_the_first_and_down_ends_it(desk: Desk) -> None:
    desk.bullpen("up", "--detach", "--demo", "--only-server")
    pid = desk.pid()
    again = desk.bullpen("up", "--detach", "--demo")
    assert (again.returncode, desk.pid()) == (0, pid)
    assert "runs already" in again.stderr
    assert desk.bullpen("up", "--demo").returncode == 5
    down = desk.bullpen("down")
    assert down.returncode == 0, down.stderr
    assert not is_alive(pid)
    assert desk.bullpen("down").returncode == 0


def test_without_a_team_file_and_without_a_terminal_the_demo_team_is_taken(desk: Desk) -> None:
    assert desk.bullpen("up", "--detach", "--only-server", "--demo").returncode == 0
    desk.bullpen("down")
    done = desk.bullpen("up", "--detach")
    assert done.returncode == 0, done.stderr
    assert "team “demo”, 2 agents" in done.stderr


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_server_in_the_foreground_with_0(desk: Desk, signal_number: int) -> None:
    process = desk.start("up", "--demo", "--only-server", "--no-open")
    assert process.stdout is not None
    assert process.stdout.readline().startswith("http://127.0.0.1:")
    began = time.monotonic()
    os.kill(process.pid, signal_number)
    _, complaints = process.communicate(timeout=20)
    assert process.returncode == 0, complaints
    assert "Traceback" not in complaints
    assert time.monotonic() - began < 3


def test_folders_are_ours_alone_and_no_log_holds_a_token_or_a_link(desk: Desk) -> None:
    link = desk.bullpen("up", "--detach", "--demo", "--only-server").stdout.strip()
    token = desk.bullpen("token", "create", "bot1", "--kind", "bot").stdout.strip()
    data = desk.teams / "demo"
    assert stat.S_IMODE(data.stat().st_mode) == 0o700
    logs = list((data / "log").iterdir())
    assert logs
    for file in [*logs, data / "team.sqlite3", data / "run" / "operator.token", data / "run" / "server.json"]:
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
    text = "".join(file.read_text(encoding="utf-8") for file in logs)
    assert "bp_" not in text
    assert link.partition("#k=")[2] not in text
    assert token not in text


def test_a_taken_port_is_told_with_another_to_take(desk: Desk) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        # Whoever it is does not answer: the question must not keep the person waiting.
        threading.Thread(target=_hang_up, args=(taken,), daemon=True).start()
        port = taken.getsockname()[1]
        done = desk.bullpen("up", "--demo", "--only-server", "--port", str(port))
    assert done.returncode == 1
    assert f"Port {port} of 127.0.0.1 is taken by another program." in done.stderr
    assert f"bullpen up --port {port + 1}" in done.stderr
    assert "Traceback" not in done.stderr


def _hang_up(listening: socket.socket) -> None:
    connection, _ = listening.accept()
    connection.close()


def test_a_port_that_another_team_has_is_told_as_such(desk: Desk) -> None:
    desk.bullpen("up", "--detach", "--demo", "--only-server")
    port = desk.url().rpartition(":")[2]
    done = desk.bullpen("up", "--detach", "--team", "other", "--port", port)
    assert done.returncode == 1
    assert "taken by another Bullpen" in done.stderr


def test_a_folder_that_holds_something_else_is_left_alone(desk: Desk) -> None:
    (desk.folder / "photos").mkdir()
    (desk.folder / "photos" / "cat.jpg").write_bytes(b"x")
    done = desk.bullpen("up", "--demo", "--data", "photos")
    assert done.returncode == 1
    assert "is no data folder of Bullpen: it holds cat.jpg" in done.stderr
    assert [file.name for file in (desk.folder / "photos").iterdir()] == ["cat.jpg"]


def test_a_data_folder_that_others_can_open_is_refused(desk: Desk) -> None:
    assert desk.bullpen("team", "create", "shop").returncode == 0
    (desk.teams / "shop").chmod(0o755)
    done = desk.bullpen("up", "--team", "shop")
    assert done.returncode == 1
    assert f"chmod 700 {desk.teams / 'shop'}" in done.stderr


def make_database(folder: Path, *, application_id: int, version: int) -> None:
    folder.mkdir(parents=True, mode=0o700)
    connection = sqlite3.connect(folder / "team.sqlite3")
    connection.execute("CREATE TABLE something (a)")
    connection.execute(f"PRAGMA application_id = {application_id}")
    connection.execute(f"PRAGMA user_version = {version}")
    connection.commit()
    connection.close()


def test_a_database_of_a_newer_program_is_refused_and_named(desk: Desk) -> None:
    make_database(desk.folder / "data", application_id=APPLICATION_ID, version=9999)
    done = desk.bullpen("up", "--demo", "--data", "data")
    assert done.returncode == 1
    assert "schema 9999" in done.stderr
    assert "Install the newer Bullpen" in done.stderr
    assert str(desk.folder / "data" / "team.sqlite3") in done.stderr
    assert "Traceback" not in done.stderr


def test_a_database_of_another_program_is_refused(desk: Desk) -> None:
    make_database(desk.folder / "data", application_id=1, version=1)
    done = desk.bullpen("up", "--demo", "--data", "data")
    assert done.returncode == 1
    assert "database of another program" in done.stderr


def test_a_failed_start_in_the_background_says_why(desk: Desk) -> None:
    make_database(desk.folder / "data", application_id=APPLICATION_ID, version=9999)
    done = desk.bullpen("up", "--demo", "--detach", "--data", "data")
    assert done.returncode == 1
    assert "schema 9999" in done.stderr


def test_a_mistake_in_the_team_file_is_told_with_its_place_and_nothing_is_made(desk: Desk) -> None:
    (desk.folder / "agents.yaml").write_text("team: shop\nagents:\n  qa: { autostrat: no }\n", encoding="utf-8")
    done = desk.bullpen("up")
    assert done.returncode == 2
    assert "agents.yaml:3:9: unknown key “autostrat” in agents.qa. Did you mean “autostart”?" in done.stderr
    assert not desk.teams.exists()


def test_a_secret_that_is_not_there_is_told_at_the_start(desk: Desk) -> None:
    (desk.folder / "agents.yaml").write_text("team: shop\nserver: { register_secret: env:NOT_SET }\n", encoding="utf-8")
    done = desk.bullpen("up")
    assert done.returncode == 1
    assert "env:NOT_SET is empty or not set" in done.stderr


def test_a_folder_named_server_where_the_command_is_given_does_no_harm(desk: Desk) -> None:
    (desk.folder / "server").mkdir()
    (desk.folder / "server" / "__init__.py").write_text("raise SystemExit(99)", encoding="utf-8")
    done = desk.bullpen("up", "--detach", "--demo", "--only-server")
    assert done.returncode == 0, done.stderr


def test_the_browser_gets_a_private_file_and_no_link_in_its_arguments(desk: Desk) -> None:
    program = desk.folder / "browser"
    program.write_text(f'#!/bin/sh\nprintf "%s" "$1" > {desk.folder}/opened\n', encoding="utf-8")
    program.chmod(0o755)
    done = desk.bullpen("up", "--detach", "--demo", "--only-server", "--open", BROWSER=str(program))
    assert done.returncode == 0, done.stderr
    opened = (desk.folder / "opened").read_text(encoding="utf-8")
    assert opened.startswith("file://")
    assert "#k=" not in opened
    page = Path(opened.removeprefix("file://"))
    assert stat.S_IMODE(page.stat().st_mode) == 0o600
    assert f"{desk.url()}/#k=" in page.read_text(encoding="utf-8")


CTRL_C = "\x03"


def at_a_terminal(desk: Desk, answer: str) -> tuple[str, int]:
    """Run `bullpen up` where there is somebody to ask, answer once, and return what was shown and the exit code.

    Ctrl-C is pressed until it is heard: Python's readline misses a signal that comes right before it begins to wait.
    """
    terminal = ptyprocess.PtyProcessUnicode.spawn(
        [*COMMAND, "up", "--no-open"], cwd=str(desk.folder), env=desk.environment | {"TERM": "xterm"}
    )
    shown = ""

    def read(within_s: float = 30) -> bool:
        nonlocal shown
        ready = select.select([terminal.fd], [], [], within_s)[0]
        shown += terminal.read(1024) if ready else ""
        return bool(ready)

    try:
        while "Choice" not in shown:
            assert read(), shown
        terminal.write(answer)
        with contextlib.suppress(EOFError):
            while answer != CTRL_C and "works once" not in shown:
                assert read(), shown
            for _ in range(30):
                terminal.write(CTRL_C)
                while read(within_s=2 if answer == CTRL_C else 30):
                    pass
        terminal.wait()
        return shown, int(terminal.exitstatus)
    finally:
        terminal.close(force=True)


def test_a_person_without_a_team_file_is_asked_and_may_begin_with_one(desk: Desk) -> None:
    shown, code = at_a_terminal(desk, "2\r")
    assert code == 0, shown
    assert (desk.folder / "agents.yaml").exists()


def test_a_person_may_take_the_demo_team_and_end_it_with_ctrl_c(desk: Desk) -> None:
    shown, code = at_a_terminal(desk, "\r")
    assert code == 0, shown
    assert "team “demo”, 2 agents" in shown
    assert "The server has stopped." in shown


def test_ctrl_c_at_the_question_starts_nothing(desk: Desk) -> None:
    _, code = at_a_terminal(desk, CTRL_C)
    assert code == 130
    assert not desk.teams.exists()
