"""What is left of a run: after a restart of the server, after a connection that ended, before a start."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from server.terminals.attachment import Attachment, attach
from server.terminals.errors import HolderFailed, HolderLost
from server.terminals.identity import ProcessIdentity, open_process
from server.terminals.orphans import find_marked, kill_orphans
from server.terminals.record import ExitRecord, HolderRecord, read_exit, read_holder

PATIENCE_S = 10.0
RETRY_S = 0.2


class Found(Enum):
    """The cases of an adoption; what to do in each is the supervisor's decision."""

    RUNNING = "running"
    """Holder and agent are well: go on with the attachment."""
    EXITED = "exited"
    """The agent has ended, the holder tells how: the exit is there, the attachment waits to be acknowledged."""
    HUNG = "hung"
    """The holder lives and does not answer: `kill_remains`, then take it as an end."""
    ORPHAN = "orphan"
    """The holder is dead, processes of the run are alive and their output is lost: `kill_remains`, then as an end."""
    GONE = "gone"
    """Nothing is alive. The exit is there if the holder could still record it."""


@dataclass(frozen=True)
class Finding:
    """One run and what has become of it."""

    agent_folder: Path
    record: HolderRecord
    found: Found
    exit: ExitRecord | None = None
    attachment: Attachment | None = None


def find_holders(agents_folder: Path) -> Iterator[tuple[Path, HolderRecord]]:
    """Yield every agent folder that names a holder, alive or not. A run the database does not know is left alone."""
    for folder in sorted(agents_folder.iterdir()) if agents_folder.is_dir() else ():
        record = read_holder(folder)
        if record is not None:
            yield folder, record


async def examine(agent_folder: Path, record: HolderRecord, *, patience_s: float = PATIENCE_S) -> Finding:
    """Find out what has become of a run, and attach if it can be gone on with.

    Takes milliseconds, but for a holder that lives and does not answer: that one gets `patience_s`.
    """
    deadline = asyncio.get_running_loop().time() + patience_s
    while _is_alive(record.holder):
        try:
            attachment = await attach(agent_folder, record)
        except (HolderLost, HolderFailed):
            if asyncio.get_running_loop().time() >= deadline:
                return Finding(agent_folder, record, Found.HUNG, read_exit(agent_folder, record.run_id))
            await asyncio.sleep(RETRY_S)
            continue
        if not attachment.welcome.has_exited:
            return Finding(agent_folder, record, Found.RUNNING, attachment=attachment)
        try:
            end = await asyncio.wait_for(attachment.wait_until_exit(), RETRY_S * 10)
        except (HolderLost, HolderFailed, TimeoutError):
            await attachment.close()
            continue
        return Finding(agent_folder, record, Found.EXITED, end, attachment)
    has_agent = record.agent is not None and _is_alive(record.agent)
    is_orphaned = has_agent or bool(await asyncio.to_thread(find_marked, record.run_id))
    return Finding(
        agent_folder, record, Found.ORPHAN if is_orphaned else Found.GONE, read_exit(agent_folder, record.run_id)
    )


async def kill_remains(record: HolderRecord) -> tuple[int, ...]:
    """End a hung holder and every process of its run that can be found; return the pids of those that would not go."""
    roots = [record.holder] if record.agent is None else [record.holder, record.agent]
    left = await asyncio.to_thread(kill_orphans, record.run_id, roots)
    return tuple(process.pid for process in left)


def _is_alive(identity: ProcessIdentity) -> bool:
    handle = open_process(identity)
    if handle is None:
        return False
    handle.close()
    return True
