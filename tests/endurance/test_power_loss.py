"""The power goes at any moment: what was acknowledged is there, and the database is whole."""

import asyncio
import random
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apsw
import pytest

from server.core.call import Transaction
from server.storage.sqlite import WRITING
from server.storage.writer import Writer
from tests.endurance.recorded_disk import Acknowledged, RecordedDisk
from tests.endurance.soak import report, short_or_long

CRASHES = short_or_long(600, 6000)
WRITERS, EACH = 8, 60


class _Connection:
    """Our writer's engine, on a disk that is recorded. The settings are those of the server."""

    def __init__(self, file: Path, disk: str, settings: Sequence[str]) -> None:
        self._raw = apsw.Connection(str(file), vfs=disk)
        # APSW's files share no memory, which a write-ahead log can do without if nobody else has the file open.
        for pragma in ("locking_mode=EXCLUSIVE", *settings):
            self._raw.execute(f"PRAGMA {pragma}")
        self._raw.execute("CREATE TABLE promise (key TEXT PRIMARY KEY, body TEXT NOT NULL)")

    async def call(self, function: Callable[[], Any]) -> Any:
        return function()

    def begin(self) -> Transaction:
        self._raw.execute("BEGIN IMMEDIATE")
        return self

    def commit(self) -> None:
        self._raw.execute("COMMIT")

    def rollback(self) -> None:
        self._raw.execute("ROLLBACK")

    def changes(self) -> int:
        return int(self._raw.total_changes())

    def one(self, sql: str, parameters: Mapping[str, object] = {}) -> Any:
        return self._raw.execute(sql, parameters).fetchone()

    def all(self, sql: str, parameters: Mapping[str, object] = {}) -> Any:
        return self._raw.execute(sql, parameters).fetchall()

    def at_most(self, seconds: float) -> AbstractContextManager[None]:
        return nullcontext()

    def insert(self, sql: str, parameters: Mapping[str, object] = {}) -> int:
        return self.run(sql, parameters)

    def run(self, sql: str, parameters: Mapping[str, object] = {}) -> int:
        self._raw.execute(sql, parameters)
        return 1


@dataclass
class Loss:
    crashes: int = 0
    lost: int = 0
    worst: int = 0
    corrupt: int = 0


async def _write(disk: RecordedDisk, connection: _Connection) -> int:
    """Have callers store keys, each after the one before was answered; return the step at which they began."""
    writer = Writer(connection)
    running = asyncio.create_task(writer.run())
    began = len(disk.steps)

    async def produce(name: int) -> None:
        for number in range(EACH):
            key = {"key": f"{name}-{number}", "body": "x" * (40 + 97 * (number % 30))}
            sql = "INSERT INTO promise (key, body) VALUES (:key, :body)"
            await writer.write(lambda transaction: transaction.run(sql, key))  # noqa: B023 (awaited at once)
            disk.steps.append(Acknowledged(key["key"]))

    await asyncio.gather(*(produce(name) for name in range(WRITERS)))
    writer.stop()
    await running
    return began


def _crash(disk: RecordedDisk, began: int, folder: Path) -> Loss:
    chance, loss = random.Random(2), Loss()  # noqa: S311 (no secret)
    for number in range(CRASHES):
        place = folder / str(number)
        place.mkdir()
        promised = disk.after_power_loss(chance.randint(began, len(disk.steps)), chance, place)
        loss.crashes += 1
        try:
            with closing(sqlite3.connect(place / "promise.sqlite3")) as database:
                ((state,),) = database.execute("PRAGMA integrity_check(1)").fetchall()
                tables = database.execute("SELECT name FROM sqlite_schema WHERE name = 'promise'").fetchall()
                stored = {key for (key,) in database.execute("SELECT key FROM promise")} if tables else set()
        except sqlite3.DatabaseError:
            state, stored = "corrupt", promised
        loss.corrupt += state != "ok"
        missing = len(promised - stored)
        loss.lost += missing > 0
        loss.worst = max(loss.worst, missing)
        for file in place.iterdir():
            file.unlink()
    return loss


@pytest.mark.parametrize(("synchronous", "keeps"), [("FULL", True), ("NORMAL", False), ("OFF", False)])
async def test_full_loses_nothing_and_the_model_shows_that_less_does(
    tmp_path: Path, synchronous: str, keeps: bool
) -> None:
    settings = [setting for setting in WRITING if not setting.startswith("wal_autocheckpoint")]
    assert ("synchronous=FULL" in settings, "journal_mode=WAL" in settings) == (True, True)
    if synchronous != "FULL":
        settings = [setting.replace("=FULL", f"={synchronous}") for setting in settings]
    disk = RecordedDisk(f"recorded-{synchronous}")
    file = tmp_path / "promise.sqlite3"
    connection = _Connection(file, f"recorded-{synchronous}", [*settings, "wal_autocheckpoint=40"])

    began = await _write(disk, connection)
    loss = _crash(disk, began, tmp_path)
    disk.unregister()

    report(f"power loss, {synchronous}", crashes=loss.crashes, lost=loss.lost, worst=loss.worst, corrupt=loss.corrupt)
    if keeps:
        assert (loss.lost, loss.corrupt) == (0, 0)
    else:
        assert loss.lost + loss.corrupt > 0, "a model that never loses anything proves nothing"
    assert loss.corrupt == 0 or synchronous == "OFF"
