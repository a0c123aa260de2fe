"""Starting the office in a process of its own that outlives the terminal."""

import os
import subprocess
import sys
import time

from server.cli.client import Client
from server.cli.connection import Record, read_record
from server.cli.failure import CommandFailed, ExitCode
from server.config import Config

_LOOK_S = 0.1
_SHOWN_LINES = 12


def start(arguments: list[str], config: Config, timeout_s: float) -> Record:
    """Start `bullpen ARGUMENTS` and return the record of its server once that answers.

    Raises CommandFailed with what the process printed if it ends or is not ready in time.
    """
    folder = config.data / "log"
    folder.mkdir(mode=0o700, exist_ok=True)
    printed = folder / "start.log"
    descriptor = os.open(printed, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
    try:
        # -P: a folder named `server` where the command is given is not ours.
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "server.cli", *arguments],
            stdin=subprocess.DEVNULL, stdout=descriptor, stderr=descriptor, start_new_session=True,
        )  # fmt: skip
    finally:
        os.close(descriptor)
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        record = read_record(config.data)
        if record is not None and record.pid == process.pid and Client(record.url, None).healthy() is not None:
            process.returncode = 0  # it goes on without us: no warning that it was left running
            return record
        code = process.poll()
        if code is not None:
            text = "\n".join(printed.read_text(encoding="utf-8", errors="replace").splitlines()[-_SHOWN_LINES:])
            raise CommandFailed(f"The server ended with code {code}:\n{text}", code=_exit_code(code))
        time.sleep(_LOOK_S)
    process.terminate()
    raise CommandFailed(
        f"The server was not ready after {timeout_s:g} s and was stopped.",
        hint=f"Look: {folder}",
        code=ExitCode.TIMED_OUT,
    )


def _exit_code(code: int) -> ExitCode:
    try:
        return ExitCode(code) if code else ExitCode.FAILED
    except ValueError:
        return ExitCode.FAILED
