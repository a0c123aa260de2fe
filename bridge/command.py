"""How a bridge is started: compiled once, under a one-line loop that starts it again unless its stdin has ended."""

import hashlib
import importlib.util
import py_compile
from collections.abc import Mapping, Sequence
from pathlib import Path

LOOP = (
    'n=0; f=0; while :; do "$0" "$@" --launch "$$.$n"; r=$?; [ $r -eq 0 ] && exit 0; [ $r -eq 2 ] && exit 2;'
    " if [ $r -gt 128 ]; then f=0; else f=$((f+1)); [ $f -ge 10 ] && exit 1; fi; n=$((n+1)); sleep 0.2; done"
)
"""Ends with the bridge when stdin has ended (0) or its arguments are wrong (2), and after ten failures in a row that
no signal explains. The pipes are inherited: the CLI sees nothing of a new start."""
BOOTSTRAP = "import sys; sys.path.insert(0, sys.argv[1]); from bridge.__main__ import main; main(sys.argv[2:])"
"""Not `-m`: it would look for modules where the agent works, and cost 5 ms more."""
HOOK_BOOTSTRAP = BOOTSTRAP.replace("__main__", "hook")


def compile_bridge(folder: Path) -> Path:
    """Compile the bridge into a folder of its own below this one, named by its content, and return that folder."""
    sources = sorted(Path(__file__).parent.glob("*.py"))
    digest = hashlib.sha256(importlib.util.MAGIC_NUMBER)
    for source in sources:
        digest.update(source.name.encode() + b"\0" + source.read_bytes() + b"\0")
    compiled = folder / f"compiled-{digest.hexdigest()[:16]}"
    package = compiled / "bridge"
    package.mkdir(mode=0o700, parents=True, exist_ok=True)
    for source in sources:
        target = package / f"{source.stem}.pyc"
        if not target.exists():
            new = target.with_suffix(".new")
            # Unchecked: the file stands alone, there is no source beside it to compare it with.
            py_compile.compile(
                str(source),
                cfile=str(new),
                doraise=True,
                optimize=1,
                invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
            )
            new.replace(target)
    return compiled


def bridge_command(
    python: str, compiled: Path, url: str, token_file: Path, agent: str, run_id: str, state_folder: Path
) -> Mapping[str, str | Sequence[str]]:
    """Return the command and arguments of an mcp.json entry. They hold no secret."""
    place = {"url": url, "token-file": token_file, "agent": agent, "run": run_id, "state-folder": state_folder}
    arguments = [word for name, value in place.items() for word in (f"--{name}", str(value))]
    start = [python, "-I", "-S", "-c", BOOTSTRAP, str(compiled)]
    return {"command": "/bin/sh", "args": ["-c", LOOP, *start, *arguments]}


def hook_command(python: str, compiled: Path, url: str, token_file: Path, agent: str, run_id: str) -> Sequence[str]:
    """Return the words that post one hook call, which comes on stdin. They hold no secret."""
    return [python, "-I", "-S", "-c", HOOK_BOOTSTRAP, str(compiled), url, str(token_file), agent, run_id]
