"""How a bridge is started: compiled once, under a one-line loop that starts it again unless its stdin has ended."""

from collections.abc import Mapping, Sequence
from pathlib import Path


def compile_bridge(folder: Path) -> Path:
    return folder / "bridge.pyz"


def bridge_command(
    python: str, compiled: Path, url: str, token_file: Path, agent: str, run_id: str, state_folder: Path
) -> Mapping[str, str | Sequence[str]]:
    return {"command": "/bin/sh", "args": ["-c", "exit 1"]}
