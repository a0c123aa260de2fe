"""Agents that live although no server runs: SIGTERM and a crash of the server leave them at work."""

from pathlib import Path

from server.terminals.adoption import find_holders
from server.terminals.identity import ProcessIdentity, open_process


def living_agents(data: Path) -> list[str]:
    """Return the names of the agents of a data folder that have a process."""
    return [
        folder.name
        for folder, record in find_holders(data / "agents")
        if _lives(record.holder) or (record.agent is not None and _lives(record.agent))
    ]


def _lives(process: ProcessIdentity) -> bool:
    handle = open_process(process)
    if handle is None:
        return False
    handle.close()
    return True
