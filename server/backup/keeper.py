"""Makes backups one at a time, by the clock if so configured, and lets the oldest of those go."""

import asyncio
import logging
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path

from server.backup import archive, making
from server.backup.archive import BackupFile, Purpose
from server.config import BackupPlan
from server.core.moment import milliseconds

logger = logging.getLogger(__name__)

LOOK_S = 60.0
AFTER_FAILURE_S = 600.0

Record = Callable[[BackupFile], Awaitable[None]]
RecordFailure = Callable[[str], Awaitable[None]]


class Backups:
    """The backups of one data folder."""

    def __init__(self, data: Path, clock: Callable[[], int], plan: BackupPlan | None = None) -> None:
        self._data = data
        self._clock = clock
        self._plan = plan
        self._one_at_a_time = asyncio.Lock()

    async def listed(self) -> list[BackupFile]:
        """Return the backups there are, newest first."""
        return await asyncio.to_thread(archive.listed, self._data / "backups")

    async def make(self, purpose: Purpose, record: Record, *, with_agents: bool = False) -> BackupFile:
        """Make a backup and have it recorded, even if whoever asked goes away. Raises OSError, sqlite3.Error."""
        return await asyncio.shield(self._make(purpose, record, with_agents))

    async def run(self, record: Record, record_failure: RecordFailure) -> None:
        """Make backups by the clock for ever."""
        while self._plan is not None:
            due_in_s = await self._due_in_s(self._plan)
            if due_in_s > 0:
                await asyncio.sleep(min(due_in_s, LOOK_S))  # a look now and then: the clock may jump, the machine sleep
                continue
            try:
                await self.make("automatic", record)
            except (OSError, sqlite3.Error) as failure:
                logger.exception("the backup failed, and is tried again")
                await record_failure(str(failure))
                await asyncio.sleep(AFTER_FAILURE_S)
                continue
            await asyncio.to_thread(self._let_go, self._plan.keep)

    async def _make(self, purpose: Purpose, record: Record, with_agents: bool) -> BackupFile:
        async with self._one_at_a_time:
            made = await asyncio.to_thread(
                making.make, self._data, purpose=purpose, now=self._clock(), with_agents=with_agents
            )
            await record(made)
            return made

    async def _due_in_s(self, plan: BackupPlan) -> float:
        last = next((backup for backup in await self.listed() if backup.purpose == "automatic"), None)
        return 0.0 if last is None else plan.every_s - (self._clock() - milliseconds(last.made_at)) / 1000

    def _let_go(self, keep: int) -> None:
        folder = self._data / "backups"
        automatic = [backup for backup in archive.listed(folder) if backup.purpose == "automatic"]
        for backup in automatic[keep:]:
            (folder / backup.name).unlink(missing_ok=True)
