"""Backups by the clock and over HTTP."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path

import pytest

from server.backup import archive, keeper
from server.backup.keeper import Backups
from server.config import BackupPlan
from server.features.messages.sending import LONGEST_BYTES
from tests.conftest import OfficeUnderTest, open_office, until
from tests.features.timed import DAY, HOUR, Timed, open_timed

PLAN = BackupPlan(every_s=86_400, keep=3)


@asynccontextmanager
async def _by_the_clock(timed: Timed, data: Path) -> AsyncIterator[Backups]:
    backups = Backups(data, timed.clock, PLAN)

    async def record(made: archive.BackupFile) -> None:
        await timed.dispatch.as_system("record_backup", backup=made)

    async def record_failure(reason: str) -> None:
        await timed.dispatch.as_system("record_backup_failure", reason=reason)

    running = asyncio.create_task(backups.run(record, record_failure))
    try:
        yield backups
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


async def _count(timed: Timed, kind: str) -> int:
    return len((await timed.call("chairman", "list_audit", kind=kind)).entries)


async def test_the_clock_makes_one_each_day_and_keeps_the_newest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper, "LOOK_S", 0.01)
    async with open_timed(tmp_path) as timed, _by_the_clock(timed, tmp_path) as backups:

        async def has(count: int) -> bool:
            return await _count(timed, "backup.created") == count

        async def kept(count: int) -> bool:
            return len(await backups.listed()) == count

        await until(lambda: has(1))
        for day in range(2, 6):
            timed.clock.now += DAY
            await until(partial(has, day))
        await until(lambda: kept(3))
        newest = (await backups.listed())[0]
        assert (newest.purpose, newest.name.endswith("-automatic.tar.gz")) == ("automatic", True)


async def test_one_that_fails_is_told_and_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeper, "AFTER_FAILURE_S", 0.05)
    monkeypatch.setattr(keeper, "LOOK_S", 0.01)
    async with open_timed(tmp_path) as timed:
        (tmp_path / "backups").write_text("in the way")
        async with _by_the_clock(timed, tmp_path) as backups:

            async def failed() -> bool:
                return await _count(timed, "backup.failed") > 0

            async def made() -> bool:
                return bool(await backups.listed())

            await until(failed)
            (tmp_path / "backups").unlink()
            await until(made)


async def test_manual_ones_are_never_taken_away_by_the_clock(tmp_path: Path) -> None:
    async with open_timed(tmp_path) as timed:
        backups = Backups(tmp_path, timed.clock, BackupPlan(every_s=86_400, keep=1))

        async def record(made: archive.BackupFile) -> None:
            assert made.messages == 0

        for purpose in ("manual", "automatic", "manual", "automatic"):
            timed.clock.now += HOUR
            await backups.make(purpose, record)
        backups._let_go(1)
        assert [backup.purpose for backup in await backups.listed()] == ["automatic", "manual", "manual"]


async def test_the_chairman_alone_makes_and_lists_them_and_the_office_makes_them_by_itself(tmp_path: Path) -> None:
    async with open_office(tmp_path / "data", backups=PLAN) as office:

        async def automatic() -> bool:
            return bool((await office.chairman.get("/api/backups"))["backups"])

        await until(automatic)
        made = await office.chairman.post("/api/backups", {"with_agents": True})
        rows = (await office.chairman.get("/api/backups"))["backups"]
        assert {row["purpose"] for row in rows} == {"automatic", "manual"}
        assert made in rows
        operator = await office.member("ben", kind="human", role="operator")
        for method in ("GET", "POST"):
            assert (await operator.ask(method, "/api/backups", {} if method == "POST" else None))[0] == 403
        assert (await office.chairman.ask("POST", "/api/backups", {"everything": True}))[0] == 400


async def test_who_goes_away_while_one_is_made_finds_it_in_the_list(office: OfficeUnderTest) -> None:
    for _ in range(20):
        await office.chairman.send("general", "x" * (LONGEST_BYTES - 10))
    asking = asyncio.create_task(office.chairman.post("/api/backups"))
    folder = office.config.data / "backups"
    await until(lambda: list(folder.glob(".making-*")) or asking.done())
    asking.cancel()

    async def recorded() -> bool:
        return bool((await office.chairman.get("/api/audit?kind=backup.created"))["entries"])

    await until(recorded)
    assert len((await office.chairman.get("/api/backups"))["backups"]) == 1
