"""What a holder leaves on disk: who it is, and how its agent ended.

AGENT/run/   lock  holder.json  holder.sock  exit-RUN.json  holder.log
AGENT/spool/ 00000000000000000000.raw …
"""

import signal
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from server.terminals.identity import ProcessIdentity

HOLDER_FILE = "holder.json"
SOCKET_FILE = "holder.sock"
LOG_FILE = "holder.log"


def run_folder(agent_folder: Path) -> Path:
    return agent_folder / "run"


def spool_folder(agent_folder: Path) -> Path:
    return agent_folder / "spool"


@dataclass(frozen=True)
class ExitRecord:
    """How one run ended, written by the agent's own parent."""

    run_id: str
    generation: int
    code: int | None
    """None if a signal ended it."""
    signal: int | None
    core: bool
    reason: str
    """self | asked | killed | oom | not_started | unkillable"""
    started_at: int
    """UTC milliseconds."""
    ended_at: int
    user_s: float
    system_s: float
    max_rss_kib: int
    end_offset: int
    """Where this run's output ends in the spool."""
    survivors: tuple[int, ...]
    """Processes that could not be killed; empty but for a kernel or another user's process in the way."""
    tail: str
    """The last 4 KiB of output with its escape sequences, or the sentence that says why nothing was started."""

    @property
    def signal_name(self) -> str | None:
        """Return for example SIGSEGV."""
        if self.signal is None:
            return None
        try:
            return signal.Signals(self.signal).name
        except ValueError:
            return f"signal {self.signal}"


@dataclass(frozen=True)
class HolderRecord:
    """Which processes hold and are an agent; true only for as long as `identity.open_process` says so."""

    protocol: int
    boot_id: str
    pid: int
    start_ticks: int
    agent_pid: int | None
    agent_start_ticks: int | None
    run_id: str
    generation: int
    started_at: int
    run_offset: int
    nonce: str = field(repr=False)

    @property
    def holder(self) -> ProcessIdentity:
        return ProcessIdentity(self.boot_id, self.pid, self.start_ticks)

    @property
    def agent(self) -> ProcessIdentity | None:
        """Return None if no agent process was started, or if it ended before it could be looked at."""
        if self.agent_pid is None or self.agent_start_ticks is None:
            return None
        return ProcessIdentity(self.boot_id, self.agent_pid, self.agent_start_ticks)


EXIT_RECORD = TypeAdapter(ExitRecord)
_HOLDER_RECORD = TypeAdapter(HolderRecord)


def read_exit(agent_folder: Path, run_id: str) -> ExitRecord | None:
    """Return how a run ended, or None if no readable record of it is there."""
    try:
        return EXIT_RECORD.validate_json((run_folder(agent_folder) / f"exit-{run_id}.json").read_bytes())
    except (OSError, ValidationError):
        return None


def read_holder(agent_folder: Path) -> HolderRecord | None:
    """Return who holds, or last held, the agent, or None if no readable record of it is there."""
    try:
        return _HOLDER_RECORD.validate_json((run_folder(agent_folder) / HOLDER_FILE).read_bytes())
    except (OSError, ValidationError):
        return None
