"""Start a holder: the only way an agent's process comes to be. The server itself never forks one."""

import asyncio
import importlib.util
import json
import os
import secrets
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from server.terminals.attachment import Attachment, attach
from server.terminals.errors import AlreadyHeld, HolderFailed
from server.terminals.orphans import RUN_ID_VARIABLE
from server.terminals.record import LOG_FILE, run_folder, spool_folder

BOOTSTRAP = "import sys; sys.path += sys.argv[1:]; from holder.__main__ import run; run()"
EXIT_ALREADY_HELD = 75
START_TIMEOUT_S = 10.0
MAX_LOG_BYTES = 1 << 20

DEFAULT_LIMITS: Mapping[str, int] = {"NOFILE": 4096, "CORE": 0, "FSIZE": 10 << 30}
"""RLIMIT_* of the agent. No AS: node and bun reserve huge ranges. No NPROC: it counts all of the user's processes."""


@dataclass(frozen=True)
class HolderTuning:
    """How a holder keeps output; the defaults are for agents, other values for tests."""

    segment_bytes: int = 8 << 20
    """Two segments are kept, so from one to two times this much can be read back."""
    lag_bytes: int = 4 << 20
    """A recorder that is further behind holds the agent back, at most `pause_s` at a time."""
    pause_s: float = 2.0
    linger_s: float = 60.0
    """How long an exit stays on offer when nobody acknowledges it; the record on disk stays."""
    umask: int = 0o022
    limits: Mapping[str, int] = field(default_factory=lambda: DEFAULT_LIMITS)
    group: Path | None = None
    """Control group that the agent joins before it begins; its holder stays outside, and removes it at the end."""


async def launch(
    agent_folder: Path,
    *,
    run_id: str,
    generation: int,
    argv: Sequence[str],
    environment: Mapping[str, str],
    working_directory: Path,
    columns: int = 120,
    rows: int = 40,
    after_offset: int = 0,
    tuning: HolderTuning | None = None,
) -> Attachment:
    """Start the agent under a holder of its own and attach to it.

    The agent gets `environment` and the run id, and nothing else. Output offsets go on from the spool's end, or from
    `after_offset` if that is later. A command that cannot be started is no error here: the attachment's exit record
    says so, with code 126 or 127. Raises AlreadyHeld, HolderFailed, HolderLost.
    """
    tuning = tuning or HolderTuning()
    run = _make_run_folder(agent_folder)
    spec = {
        "run_folder": str(run),
        "spool_folder": str(spool_folder(agent_folder)),
        "run_id": run_id,
        "generation": generation,
        "nonce": secrets.token_hex(32),
        "argv": list(argv),
        "cwd": str(working_directory),
        "environment": {**environment, RUN_ID_VARIABLE: run_id},
        "columns": columns,
        "rows": rows,
        "limits": dict(tuning.limits),
        "group": "" if tuning.group is None else str(tuning.group),
        "umask": tuning.umask,
        "after_offset": after_offset,
        "segment_bytes": tuning.segment_bytes,
        "lag_bytes": tuning.lag_bytes,
        "pause_s": tuning.pause_s,
        "linger_s": tuning.linger_s,
    }
    log = run / LOG_FILE
    code = await _run_holder(json.dumps(spec).encode(), log)
    if code == EXIT_ALREADY_HELD:
        raise AlreadyHeld(f"{agent_folder.name} is running already.")
    if code != 0:
        last = log.read_text(encoding="utf-8", errors="replace").strip().rpartition("\n")[2]
        raise HolderFailed(f"The holder of {agent_folder.name} did not start: {last}", hint=f"See {log}.")
    return await attach(agent_folder)


def holder_command() -> list[str]:
    """Return the argv of a holder. All it needs to know comes by its standard input."""
    library = importlib.util.find_spec("ptyprocess")
    assert library is not None
    assert library.origin is not None
    paths = Path(__file__).parent, Path(library.origin).parents[1]
    return [sys.executable, "-I", "-S", "-c", BOOTSTRAP, *map(str, paths)]


def _make_run_folder(agent_folder: Path) -> Path:
    if not agent_folder.is_absolute():
        raise ValueError("an agent's folder is named by an absolute path, since its holder works elsewhere")
    agent_folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    run = run_folder(agent_folder)
    run.mkdir(mode=0o700, exist_ok=True)
    return run


async def _run_holder(spec: bytes, log: Path) -> int:
    """Start the holder and return its first process's exit code: by then it holds the agent, or has given up."""
    pipe = os.memfd_create("holder-spec")  # a pipe that takes a spec of any size at once
    errors = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        if os.fstat(errors).st_size > MAX_LOG_BYTES:
            os.ftruncate(errors, 0)
        os.write(pipe, spec)
        os.lseek(pipe, 0, os.SEEK_SET)
        process = await asyncio.create_subprocess_exec(
            *holder_command(),
            stdin=pipe,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=errors,
            env={"PATH": os.defpath, "LANG": "C.UTF-8"},
            cwd="/",
            start_new_session=True,
        )
    finally:
        os.close(pipe)
        os.close(errors)
    try:
        return await asyncio.wait_for(process.wait(), START_TIMEOUT_S)
    except TimeoutError as error:
        process.kill()
        await process.wait()
        raise HolderFailed("The holder did not start in time.") from error
