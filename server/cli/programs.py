"""Agent CLIs on this machine: is one there, and is it a version that was tested."""

import re
import shutil
import subprocess
from dataclasses import dataclass


@dataclass(frozen=True)
class Program:
    """One agent CLI."""

    name: str
    title: str
    install: str
    tested: str
    """The version that the project's tests run."""


CLAUDE = Program("claude", "Claude Code", "npm install -g @anthropic-ai/claude-code", "2.1.329")
_VERSION = re.compile(r"\d+(?:\.\d+)+")


def found(program: Program, command: str | None = None) -> str | None:
    """Return where the program is, or None."""
    return shutil.which(command or program.name)


def version_of(path: str) -> str | None:
    """Ask a program for its version; it gets 10 s."""
    try:
        done = subprocess.run(
            [path, "--version"], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = _VERSION.search(done.stdout)
    return match[0] if match else None
