"""Commands that act on agents: start, stop, restart, logs and the terminal, with a real program in a real terminal."""

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import ptyprocess
import pytest

from server.cli.connection import is_alive
from tests.command.conftest import COMMAND, Desk, new_desk

TEAM = """
team: play
agents:
  talker:
    kind: custom
    command: [sh, -c, "echo ready to talk; while read line; do echo got $line; done"]
  sleeper:
    kind: custom
    command: [sh, -c, "echo asleep; exec sleep 3600"]
    autostart: false
  broken:
    kind: custom
    command: [sh, -c, "echo cannot go on; exit 3"]
    restart: { policy: never }
    autostart: false
"""


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    desk = new_desk(tmp_path_factory.mktemp("agents"))
    (desk.folder / "agents.yaml").write_text(TEAM, encoding="utf-8")
    done = desk.bullpen("up", "--detach")
    assert done.returncode == 0, done.stderr
    assert desk.bullpen("start", "talker", "--wait").returncode == 0
    yield desk
    desk.clear()


def states(team: Desk) -> dict[str, str]:
    rows = json.loads(team.bullpen("status", "--json", "name,state").stdout)
    return {row["name"]: row["state"] for row in rows}


def run_id(team: Desk, name: str) -> str:
    (row,) = json.loads(team.bullpen("status", name, "--json=run_id").stdout)
    return str(row["run_id"])


def test_an_agent_that_is_not_to_start_by_itself_is_started_and_stopped(team: Desk) -> None:
    assert states(team)["sleeper"] == "stopped"
    assert team.bullpen("start", "sleep*", "--wait").returncode == 0
    assert states(team)["sleeper"] == "ready"
    stopped = team.bullpen("stop", "sleeper", "--wait", "--reason", "lunch")
    assert stopped.returncode == 0, stopped.stderr
    assert states(team)["sleeper"] == "stopped"


def test_a_restart_waits_for_another_run(team: Desk) -> None:
    before = run_id(team, "talker")
    assert team.bullpen("restart", "talker", "--wait").returncode == 0
    assert run_id(team, "talker") != before
    assert states(team)["talker"] == "ready"


def test_waiting_for_an_agent_that_cannot_be_there_ends_with_a_word_on_it(team: Desk) -> None:
    done = team.bullpen("start", "broken", "--wait", "--timeout", "2")
    assert done.returncode in (1, 8)
    assert "broken" in done.stderr
    assert "cannot go on" in team.bullpen("logs", "broken").stdout


def test_what_an_agent_printed_can_be_read(team: Desk) -> None:
    assert "ready to talk" in team.bullpen("logs", "talker", "-n", "5").stdout
    assert team.bullpen("logs", "nobody").returncode == 4


def open_terminal(team: Desk, *arguments: str) -> ptyprocess.PtyProcessUnicode:
    return ptyprocess.PtyProcessUnicode.spawn(
        [*COMMAND, "attach", *arguments], cwd=str(team.folder), env=team.environment | {"TERM": "xterm"}
    )


def read_until(terminal: ptyprocess.PtyProcessUnicode, text: str) -> str:
    seen = ""
    os.set_blocking(terminal.fd, False)
    deadline = time.monotonic() + 10
    while text not in seen:
        assert time.monotonic() < deadline, seen
        try:
            seen += os.read(terminal.fd, 4096).decode("utf-8", "replace")
        except BlockingIOError:
            time.sleep(0.02)
        except OSError:  # the command has ended
            break
    assert text in seen, seen
    return seen


def test_its_terminal_is_typed_into_and_left_without_stopping_it(team: Desk) -> None:
    before = run_id(team, "talker")
    terminal = open_terminal(team, "talker", "--input")
    try:
        read_until(terminal, "ready to talk")
        terminal.write("good day\r")
        read_until(terminal, "got good day")
        terminal.write("\x1d")
        read_until(terminal, "Detached")
        assert terminal.wait() == 0
    finally:
        terminal.close(force=True)
    assert run_id(team, "talker") == before
    assert states(team)["talker"] == "ready"


def test_a_terminal_that_is_only_looked_at_takes_no_keys(team: Desk) -> None:
    terminal = open_terminal(team, "talker")
    try:
        read_until(terminal, "ready to talk")
        terminal.write("nobody hears this\r")
        terminal.write("\x1d")
        read_until(terminal, "Detached")
    finally:
        terminal.close(force=True)
    assert "nobody hears" not in team.bullpen("logs", "talker").stdout


def test_a_terminal_that_has_ended_says_so(team: Desk) -> None:
    team.bullpen("start", "broken", "--wait", "--timeout", "2")
    done = team.bullpen("attach", "broken")
    assert done.returncode == 0
    assert "terminal has ended" in done.stderr


@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGKILL])
def test_down_stops_agents_that_a_server_has_left(tmp_path: Path, signal_number: int) -> None:
    desk = new_desk(tmp_path)
    (desk.folder / "agents.yaml").write_text(TEAM, encoding="utf-8")
    try:
        desk.bullpen("up", "--detach")
        desk.bullpen("start", "talker", "--wait")
        (row,) = json.loads(desk.bullpen("status", "talker", "--json").stdout)
        server = desk.pid("play")
        os.kill(server, signal_number)
        wait_until_gone(server)
        assert Path(f"/proc/{row['pid']}").exists()
        checks = json.loads(desk.bullpen("doctor", "--json").stdout)
        assert [check["state"] for check in checks if check["name"] == "leftovers"] == ["warn"]
        down = desk.bullpen("down")
        assert down.returncode == 0, down.stderr
        assert not Path(f"/proc/{row['pid']}").exists()
    finally:
        desk.clear()


def wait_until_gone(pid: int) -> None:
    deadline = time.monotonic() + 5
    while is_alive(pid):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_down_stops_the_agents_with_all_they_started(tmp_path: Path) -> None:
    desk = new_desk(tmp_path)
    (desk.folder / "agents.yaml").write_text(TEAM, encoding="utf-8")
    try:
        desk.bullpen("up", "--detach")
        desk.bullpen("start", "talker", "--wait")
        (row,) = json.loads(desk.bullpen("status", "talker", "--json").stdout)
        assert Path(f"/proc/{row['pid']}").exists()
        assert desk.bullpen("down").returncode == 0
        assert not Path(f"/proc/{row['pid']}").exists()
    finally:
        desk.clear()


def test_keys_are_typed_and_the_screen_is_shown_and_drawn(team: Desk) -> None:
    assert team.bullpen("keys", "talker", "good evening", "Enter").returncode == 0
    assert team.bullpen("keys", "talker", "-l", "Enter").returncode == 0
    assert team.bullpen("keys", "@talker", "Enter").returncode == 0
    wait_until_shown(team, "got Enter")
    assert "got good evening" in team.bullpen("screen", "talker").stdout
    drawn = team.folder / "talker.png"
    assert team.bullpen("screen", "talker", "--png", str(drawn)).returncode == 0
    assert drawn.read_bytes().startswith(b"\x89PNG")
    refused = team.bullpen("keys", "sleeper", "Enter")
    assert (refused.returncode, "not running" in refused.stderr) == (5, True), refused.stderr


def wait_until_shown(team: Desk, text: str) -> None:
    deadline = time.monotonic() + 5
    while text not in team.bullpen("screen", "talker").stdout:
        assert time.monotonic() < deadline


def test_an_agents_log_is_followed_and_searched(team: Desk) -> None:
    following = ptyprocess.PtyProcessUnicode.spawn(
        [*COMMAND, "logs", "talker", "-f", "--grep", "got"], cwd=str(team.folder), env=team.environment
    )
    try:
        team.bullpen("keys", "talker", "news", "Enter")
        assert "ready to talk" not in read_until(following, "got news")
    finally:
        following.close(force=True)
    raw = team.bullpen("logs", "talker", "--raw")
    assert "ready to talk" in raw.stdout
