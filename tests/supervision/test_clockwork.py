"""The clockwork: what is due is done, at once when it was just committed, whatever else fails."""

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from types import ModuleType

import pytest

from server.core.call import Call
from server.core.event import Event, event
from server.core.operation import Registry, command
from server.core.permission import SYSTEM
from server.dispatch import Dispatch
from server.events.feed import Feed
from server.features.channels import access_of
from server.storage.sqlite import SqliteDatabase
from server.supervision import clockwork
from server.supervision.clockwork import Clockwork
from server.web.stream import SseFraming
from tests.conftest import until

ran: list[str] = []
failing: set[str] = set()
due: dict[str, int | None] = {}


@event("test.rung")
class Rung(Event):
    by: str


@command(allow=SYSTEM, emits=[Rung], timed=True)
def ring_first(call: Call) -> int | None:
    """Ring."""
    return _ring("first")


@command(allow=SYSTEM, emits=[Rung], timed=True)
def ring_second(call: Call) -> int | None:
    """Ring too."""
    return _ring("second")


@command(allow=SYSTEM, emits=[Rung])
def set_alarm(call: Call, *, at: int) -> None:
    """Let something be due."""
    call.wake_at(at)


def _ring(name: str) -> int | None:
    ran.append(name)
    if name in failing:
        raise ValueError("broken on purpose")
    return due.get(name)


class Clock:
    now = 1_000_000
    looks = 0

    def __call__(self) -> int:
        self.looks += 1
        return self.now


@asynccontextmanager
async def _running(
    data: Path, clock: Clock, modules: Sequence[ModuleType] = (sys.modules[__name__],)
) -> AsyncIterator[Dispatch]:
    for remembered in (ran, failing, due):
        remembered.clear()
    database = SqliteDatabase(data / "team.sqlite3")
    await database.open()
    dispatch = Dispatch(Registry(modules), database, Feed(database, access_of, SseFraming()), clock=clock)
    database.writer.after_commit = dispatch.committed
    running = asyncio.create_task(Clockwork(dispatch).run())
    try:
        yield dispatch
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await database.close()


async def test_everything_timed_runs_once_at_the_start_and_again_when_something_falls_due(tmp_path: Path) -> None:
    clock = Clock()
    async with _running(tmp_path, clock) as dispatch:
        await until(lambda: ran == ["first", "second"])

        await dispatch.as_system("set_alarm", at=clock.now)

        await until(lambda: ran == ["first", "second"] * 2)


async def test_an_alarm_for_later_is_not_rung_before_its_time(tmp_path: Path) -> None:
    clock = Clock()
    async with _running(tmp_path, clock) as dispatch:
        await until(lambda: len(ran) == 2)
        await dispatch.as_system("set_alarm", at=clock.now + 60)
        assert len(ran) == 2

        clock.now += 60

        await until(lambda: len(ran) == 4)


async def test_what_returns_a_moment_that_is_past_runs_again_at_once(tmp_path: Path) -> None:
    clock = Clock()
    async with _running(tmp_path, clock) as dispatch:
        await until(lambda: len(ran) == 2)
        due["first"] = clock.now
        await dispatch.as_system("set_alarm", at=clock.now)

        await until(lambda: ran.count("first") > 5)
        due["first"] = None
        assert ran.count("second") == 2


async def test_one_that_fails_holds_up_no_other_and_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(clockwork, "AFTER_FAILURE_MS", 0)
    async with _running(tmp_path, Clock()) as dispatch:
        await until(lambda: len(ran) == 2)
        failing.add("first")
        await dispatch.as_system("set_alarm", at=dispatch.now())

        await until(lambda: ran.count("first") > 3)
        assert ran.count("second") == 2
    assert "ring_first failed" in caplog.text


@pytest.mark.parametrize("modules", [[sys.modules[__name__]], []], ids=["timed", "nothing timed"])
async def test_it_rests_while_nothing_is_due(tmp_path: Path, modules: list[ModuleType]) -> None:
    clock = Clock()
    async with _running(tmp_path, clock, modules):
        await until(lambda: clock.looks > 0)
        await until(lambda: len(ran) == 2 * len(modules))
        for _ in range(10):  # turns of the event loop
            await asyncio.sleep(0)
        looks = clock.looks

        for _ in range(1000):
            await asyncio.sleep(0)

        assert clock.looks == looks


async def test_a_clock_that_jumps_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clockwork, "LOOK_AGAIN_MS", 50)
    clock = Clock()
    async with _running(tmp_path, clock):
        await until(lambda: len(ran) == 2)
        due["first"] = clock.now + 3_600_000
        clock.now += 50
        await until(lambda: ran.count("first") == 2)

        clock.now += 3_600_000

        await until(lambda: ran.count("first") > 2)
