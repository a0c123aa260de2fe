"""Tries what an agent could try against another one and the server, writes down what succeeded, and stays."""

import ctypes
import json
import os
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

_PTRACE_SEIZE = 0x4206
_PTRACE_DETACH = 17


def main() -> None:
    data, repo, home, server = Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4])
    other = wait_for_number(Path("go"))
    own, theirs = data / "agents" / "ada", data / "agents" / "bo"
    attempts: dict[str, Callable[[], object]] = {
        "token of another": lambda: (theirs / "token").read_text(),
        "home of another": lambda: (theirs / "home" / "secret").read_text(),
        "folders of others": lambda: theirs.stat(),
        "database": lambda: (data / "team.sqlite3").read_bytes(),
        "operator's token": lambda: (data / "run" / "operator.token").read_text(),
        "own terminal's bytes": lambda: list((own / "spool").iterdir()),
        "own holder": lambda: connect(own / "run" / "holder.sock"),
        "holder of another": lambda: connect(theirs / "run" / "holder.sock"),
        "own holder's nonce": lambda: (own / "run" / "holder.json").read_text(),
        "environment of the server": lambda: Path(f"/proc/{server}/environ").read_bytes(),
        "files of the server": lambda: list(Path(f"/proc/{server}/fd").iterdir()),
        "environment of another": lambda: Path(f"/proc/{other}/environ").read_bytes(),
        "signal to the server": lambda: os.kill(server, 0),
        "signal to another": lambda: os.kill(other, 0),
        "trace of the server": lambda: trace(server),
        "trace of another": lambda: trace(other),
        "another root": lambda: list(Path(f"/proc/1/root{data}/agents/bo").iterdir()),
        "home of the person": lambda: (home / "canary").read_text(),
        "own bridge": lambda: next((own / "bridge").glob("compiled-*/bridge/*.pyc")).write_bytes(b""),
        "own token file": lambda: (own / "token").write_text("x"),
        "hook of the repository": lambda: (repo / ".git" / "hooks" / "post-commit").write_text("#!/bin/sh\n"),
        "configuration of the repository": lambda: (repo / ".git" / "config").write_text("[core]\n"),
        "another common folder": lambda: (repo / ".git" / "commondir").write_text(str(own)),
        "files of the repository": lambda: (repo / "README").read_text(),
        "mount": mount,
    }
    done = {}
    for name, attempt in attempts.items():
        try:
            attempt()
            done[name] = ""
        except (OSError, StopIteration) as failure:
            done[name] = type(failure).__name__
    new = Path("attempts.new")
    new.write_text(json.dumps(done))
    new.rename("attempts")
    time.sleep(600)


def wait_for_number(file: Path) -> int:
    until = time.monotonic() + 30
    while not file.exists() and time.monotonic() < until:
        time.sleep(0.05)
    return int(file.read_text())


def connect(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(os.path.relpath(path))


def trace(pid: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.ptrace(_PTRACE_SEIZE, pid, None, None) != 0:
        raise OSError(ctypes.get_errno(), "ptrace")
    libc.ptrace(_PTRACE_DETACH, pid, None, None)


def mount() -> None:
    """Mount something over a folder of one's own, and take it away at once: without a sandbox this may succeed."""
    libc = ctypes.CDLL(None, use_errno=True)
    point = Path("mount-point").resolve()
    point.mkdir(exist_ok=True)
    if libc.mount(b"none", bytes(point), b"tmpfs", 0, None) != 0:
        raise OSError(ctypes.get_errno(), "mount")
    libc.umount2(bytes(point), 2)


main()
