"""A team's operations on a real database, under a clock that a test moves."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from server.core.call import Caller
from server.core.operation import Registry
from server.dispatch import Dispatch
from server.events import log
from server.events.feed import Feed
from server.features.catalogue import FEATURES
from server.features.channels import access_of
from server.features.messages.text_index import index_new_text
from server.storage.sqlite import SqliteDatabase
from server.web.stream import SseFraming
from tests.conftest import UNHURRIED

START_MS = 1_800_000_000_000
SECOND, MINUTE, HOUR, DAY = 1000, 60_000, 3_600_000, 86_400_000


@dataclass
class Timed:
    """The team, the time, and who calls."""

    dispatch: Dispatch
    database: SqliteDatabase
    clock: "Clock"
    callers: dict[str, Caller] = field(default_factory=dict)

    async def member(self, name: str, *, kind: str = "agent", role: str = "member", run_id: str | None = None) -> None:
        await self.dispatch.as_system("ensure_member", name=name, kind=kind, role=role)
        self.callers[name] = Caller(name, kind, role, run_id=run_id)

    async def call(self, name: str, operation: str, /, **arguments: object) -> Any:
        """Run an operation in a member's name."""
        found = self.dispatch.registry[operation]
        return (await self.dispatch.run(found, self.callers[name], arguments, door="rest")).value

    async def tick(self, operation: str, ms: int = 0) -> int | None:
        """Let time pass, then run a timed operation; return when it wants to run again."""
        self.clock.now += ms
        due: int | None = await self.dispatch.as_system(operation)
        return due


@dataclass
class Clock:
    """Stands still but for what a test adds."""

    now: int = START_MS

    def __call__(self) -> int:
        return self.now


@asynccontextmanager
async def open_timed(data: Path, clock: Clock | None = None) -> AsyncIterator[Timed]:
    """Open a team with a chairman."""
    clock = clock or Clock()
    database = SqliteDatabase(data / "team.sqlite3", finish=[index_new_text, log.seal])
    await database.open()
    try:
        feed = Feed(database, access_of, SseFraming())
        dispatch = Dispatch(Registry(FEATURES), database, feed, clock=clock)
        await dispatch.as_system("found_team", team="timed", register_secret=None)
        await feed.open()
        database.writer.after_commit = dispatch.committed
        await dispatch.as_system("ensure_channel", id="general")
        await dispatch.as_system("set_guard_limits", member="", limits=UNHURRIED)
        timed = Timed(dispatch, database, clock)
        await timed.member("chairman", kind="human", role="chairman")
        yield timed
    finally:
        await database.close()
