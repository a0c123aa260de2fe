"""Tries what an agent could try against another one and the server, writes down what succeeded, and stays.

Nothing it does may harm the machine if it succeeds, for root runs it too, and also where the sandbox is missing or
broken: files are those of one temporary folder, a process is only asked whether it could be reached, and what is
mounted is in a namespace that ends with the process that made it.
"""

import ctypes
import json
import os
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

_PTRACE_SEIZE = 0x4206
_CLONE_NEWNS = 0x00020000
_MS_REC_PRIVATE = 0x4000 | 0x40000


def main() -> None:
    data, repo, home, server = Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4])
    refuse_other_ground(data.parent, data, repo, home, Path.cwd())
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


def refuse_other_ground(ground: Path, *paths: Path) -> None:
    """End unless everything that is written to lies in the one folder that the test made for it."""
    if len(ground.parts) < 4 or not all(path.is_relative_to(ground) for path in paths):
        sys.exit(f"{ground} is not a temporary folder with everything in it")


def trace(pid: int) -> None:
    """Attach to a process; the end of the child that does it lets the process go, before a signal could stop it."""
    in_child(lambda libc: libc.ptrace(_PTRACE_SEIZE, pid, None, None))


def mount() -> None:
    """Mount something over a folder of one's own, in a namespace of mounts that no other process sees."""
    point = os.fsencode(Path("mount-point").resolve())
    Path("mount-point").mkdir(exist_ok=True)
    in_child(
        lambda libc: libc.unshare(_CLONE_NEWNS),
        lambda libc: libc.mount(b"none", b"/", None, _MS_REC_PRIVATE, None),
        lambda libc: libc.mount(b"none", point, b"tmpfs", 0, None),
    )


def in_child(*steps: Callable[[ctypes.CDLL], int]) -> None:
    """Take steps in a process that ends at once, and at the first that is refused, before the next is taken."""
    libc = ctypes.CDLL(None, use_errno=True)
    child = os.fork()
    if child == 0:
        for step in steps:
            if step(libc) != 0:
                os._exit(ctypes.get_errno() or 1)
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code != 0:
        raise OSError(code, os.strerror(code))


main()
