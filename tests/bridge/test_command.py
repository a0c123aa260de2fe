"""How a bridge is started, and how it ends."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bridge.command import bridge_command, compile_bridge
from tests.bridge.conftest import ERAS, Bridge
from tests.bridge.scripted_server import ScriptedServer
from tests.conftest import until

ROOT = Path(__file__).parents[2]
PLACE = ["--url", "http://127.0.0.1:1", "--token-file", "t", "--agent", "a", "--run", "r", "--state-folder", "state"]


def run(*arguments: str, cwd: Path) -> "subprocess.CompletedProcess[str]":
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-m", "bridge", *arguments], cwd=cwd, env=environment, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=10, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "missing: --url, --token-file, --agent, --run, --state-folder"),
        (PLACE[:-2], "missing: --state-folder"),
        ([*PLACE, "--colour", "red"], "“--colour” is no option"),
        ([*PLACE, "stray"], "“stray” is no option"),
        ([*PLACE, "--url"], "--url needs a value"),
        (["--url", *PLACE[2:]], "--url needs a value"),
        ([*PLACE, "--url", "example.org"], "--url: example.org is no http:// or https:// address"),
        ([*PLACE, "--state-folder", "/dev/null/x"], "--state-folder: "),
        ([*PLACE, "--call-patience", "soon"], "--call-patience: “soon” is no number of seconds"),
        ([*PLACE, "--launch", "../x.1"], "--launch: “../x.1” is not PID.COUNT"),
    ],
)
def test_wrong_arguments_are_named_beside_the_usage(tmp_path: Path, arguments: list[str], complaint: str) -> None:
    done = run(*arguments, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("usage: python -m bridge ")
    assert f"\nbridge: {complaint}" in done.stderr
    assert "Traceback" not in done.stderr


def test_it_runs_as_a_module_and_ends_with_its_input(tmp_path: Path) -> None:
    assert run(*PLACE, cwd=tmp_path).returncode == 0
    shown = run("--help", cwd=tmp_path)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert shown.stdout.startswith("usage: ")


@pytest.mark.parametrize("era", ERAS)
async def test_the_end_of_stdin_ends_all_of_it_in_the_middle_of_a_call(
    bridge: Bridge, server: ScriptedServer, era: str
) -> None:
    cli = await bridge.launch(era)
    await cli.connect()
    cli.start_call("write", text="never", held=True)
    await asyncio.wait_for(server.gate.entered.wait(), 5)
    assert await cli.end() == 0
    assert cli.bridge_pid() is None
    await asyncio.wait_for(server.gate.left_unfinished.wait(), 5)
    await until(lambda: not server.streams)


async def test_a_cli_that_no_longer_reads_ends_it(bridge: Bridge) -> None:
    reading, writing = os.pipe()
    cli = await bridge.launch(stdout=writing)
    os.close(reading)
    cli.notify("junk")
    cli.start(1, {"method": "ping"})
    assert await asyncio.wait_for(cli.process.wait(), 5) == 0


async def test_nothing_in_the_folder_it_is_started_in_is_taken_for_a_part_of_it(bridge: Bridge, tmp_path: Path) -> None:
    work = tmp_path / "work"
    for name in ("bridge", "server", "encodings", "http"):
        (work / name).mkdir(parents=True)
        (work / name / "__init__.py").write_text("raise SystemExit('taken from the work folder')")
    for name in ("json", "os", "sitecustomize", "_thread", "time", "relay", "__main__"):
        (work / f"{name}.py").write_text("raise SystemExit('taken from the work folder')")
    cli = await bridge.launch(cwd=work, environment={"PYTHONPATH": str(work), "PYTHONSTARTUP": str(work / "os.py")})
    assert await cli.connect() == ["echo"]


async def test_the_token_is_in_no_argument_no_environment_and_no_file_of_the_bridge(
    bridge: Bridge, server: ScriptedServer
) -> None:
    cli = await bridge.launch("handshake")
    await cli.connect()
    await cli.call("echo", text="x")
    pid = await until(cli.bridge_pid)
    processes = [Path("/proc", str(each)) for each in (pid, cli.process.pid)]
    shown = [process / part for process in processes for part in ("cmdline", "environ")]
    kept = list(bridge.state_folder.iterdir())
    assert len(kept) == 2
    assert [path for path in (*shown, *kept) if server.token.encode() in path.read_bytes()] == []
    assert bridge.state_folder.stat().st_mode & 0o777 == 0o700


async def test_a_bridge_that_cannot_start_is_given_up(tmp_path: Path) -> None:
    entry = bridge_command("/bin/false", tmp_path, "http://127.0.0.1:1", tmp_path, "dev", "run-1", tmp_path)
    loop = await asyncio.create_subprocess_exec(str(entry["command"]), *entry["args"], stdin=asyncio.subprocess.DEVNULL)
    assert await asyncio.wait_for(loop.wait(), 10) == 1


async def test_wrong_arguments_are_not_tried_again(bridge: Bridge) -> None:
    cli = await bridge.launch(no_such_option=1)
    assert await asyncio.wait_for(cli.process.wait(), 5) == 2


def test_it_is_compiled_once_for_each_content(tmp_path: Path) -> None:
    first = compile_bridge(tmp_path)
    stamps = {path: path.stat().st_mtime_ns for path in first.rglob("*.pyc")}
    assert compile_bridge(tmp_path) == first
    assert {path: path.stat().st_mtime_ns for path in first.rglob("*.pyc")} == stamps
    assert not list(first.rglob("*.py"))
    assert not list(first.rglob("*.new"))


def test_it_needs_no_package_but_the_standard_library(tmp_path: Path) -> None:
    compiled = compile_bridge(tmp_path)
    code = (
        "import sys; before = set(sys.modules); sys.path.insert(0, sys.argv[1]); import bridge.__main__;"
        "print(*sorted({name.partition('.')[0] for name in set(sys.modules) - before}))"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code, str(compiled)], capture_output=True, text=True, check=True
    )
    foreign = set(done.stdout.split()) - set(sys.stdlib_module_names)
    assert foreign == {"bridge"}
    # Each costs as much as the interpreter's own start, and the bridge starts with every agent.
    assert not {"typing", "dataclasses", "asyncio", "ssl", "socket", "inspect"} & set(done.stdout.split())
