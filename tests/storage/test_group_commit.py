"""Units of work: what is answered is stored, in order, and neighbours in a batch do not harm each other."""

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from server.core.call import Transaction
from server.core.errors import Unavailable
from server.storage.sqlite import SqliteDatabase
from server.storage.writer import QUEUE
from tests.storage.conftest import keys, put


def noting(seen: list[int], number: int) -> Callable[[Transaction], None]:
    return lambda transaction: seen.append(number)


async def test_a_reader_sees_everything_that_was_answered(database: SqliteDatabase) -> None:
    for number in range(20):
        await database.write(put(f"{number:02}"))
        assert len(await database.read(keys)) == number + 1


async def test_every_reader_at_once_sees_everything_that_was_answered(database: SqliteDatabase) -> None:
    async def write_and_read(number: int) -> bool:
        await database.write(put(f"{number:03}"))
        return f"{number:03}" in await database.read(keys)

    assert all(await asyncio.gather(*(write_and_read(number) for number in range(200))))


async def test_a_unit_that_fails_before_it_writes_leaves_its_neighbours_alone(database: SqliteDatabase) -> None:
    runs: list[int] = []

    def refuse(transaction: Transaction) -> None:
        keys(transaction)
        raise LookupError("nothing here")

    def count(transaction: Transaction) -> None:
        runs.append(1)

    results = await asyncio.gather(
        database.write(put("a")), database.write(count), database.write(refuse), database.write(put("b")),
        return_exceptions=True,
    )  # fmt: skip

    assert results[0] == results[3] == 1
    assert isinstance(results[2], LookupError)
    assert await database.read(keys) == ["a", "b"]
    assert runs == [1], "nobody was run again"


async def test_a_unit_that_fails_after_it_wrote_is_undone_and_its_neighbours_are_not(database: SqliteDatabase) -> None:
    def half(transaction: Transaction) -> None:
        put("half")(transaction)
        raise LookupError("in the middle")

    results = await asyncio.gather(
        *(database.write(put(name)) for name in "ab"),
        database.write(half),
        database.write(put("a")),
        *(database.write(put(name)) for name in "cd"),
        return_exceptions=True,
    )

    assert isinstance(results[2], LookupError)
    assert isinstance(results[3], sqlite3.IntegrityError)
    assert await database.read(keys) == ["a", "b", "c", "d"]


async def test_neighbours_of_a_failed_unit_get_the_results_that_were_stored(database: SqliteDatabase) -> None:
    def numbered(name: str) -> Callable[[Transaction], tuple[str, int]]:
        def unit(transaction: Transaction) -> tuple[str, int]:
            count = len(keys(transaction))
            transaction.run("INSERT INTO meta (key, value) VALUES (:key, :value)", {"key": name, "value": str(count)})
            return name, count

        return unit

    def half(transaction: Transaction) -> None:
        put("half")(transaction)
        raise LookupError

    results = await asyncio.gather(
        *(database.write(numbered(name)) for name in "abc"),
        database.write(half),
        *(database.write(numbered(name)) for name in "def"),
        return_exceptions=True,
    )
    stored = await database.read(lambda transaction: transaction.all("SELECT key, value FROM meta ORDER BY key"))

    answered = [result for result in results if isinstance(result, tuple)]
    assert answered == [(row["key"], int(row["value"])) for row in stored]
    assert answered == [(name, number) for number, name in enumerate("abcdef")]


async def test_units_run_in_the_order_they_came(database: SqliteDatabase) -> None:
    seen: list[int] = []
    await asyncio.gather(*(database.write(noting(seen, number)) for number in range(300)))

    assert seen == list(range(300))


async def test_many_callers_share_few_commits(database: SqliteDatabase) -> None:
    commits: list[int] = []
    database.writer.after_commit = lambda: commits.append(1)
    await asyncio.gather(*(database.write(put(f"{number:03}")) for number in range(320)))

    assert 5 <= len(commits) <= 7


async def test_a_caller_that_goes_away_does_not_tear_its_unit_out(database: SqliteDatabase) -> None:
    writes = [asyncio.ensure_future(database.write(put(f"{number:02}"))) for number in range(50)]
    await asyncio.sleep(0)
    for task in writes[::2]:
        task.cancel()
    results = await asyncio.gather(*writes, return_exceptions=True)
    await database.write(put("after"))

    assert [isinstance(result, asyncio.CancelledError) for result in results] == [True, False] * 25
    assert await database.read(keys) == [*(f"{number:02}" for number in range(50)), "after"]


async def test_a_reader_that_goes_away_leaves_its_connection_to_the_next(database: SqliteDatabase) -> None:
    gate = threading.Event()
    waiting = [
        asyncio.ensure_future(database.read(lambda transaction: gate.wait(5) and len(keys(transaction))))
        for _ in range(3)
    ]
    await asyncio.sleep(0)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    gate.set()

    assert await asyncio.wait_for(asyncio.gather(*(database.read(keys) for _ in range(6))), 5) == [[]] * 6


async def test_a_full_queue_is_refused_and_what_is_in_it_is_stored(database: SqliteDatabase) -> None:
    writes = [asyncio.ensure_future(database.write(put(f"{number:05}"))) for number in range(QUEUE + 200)]
    results = await asyncio.gather(*writes, return_exceptions=True)

    refused = [result for result in results if isinstance(result, Unavailable)]
    assert refused
    assert len(await database.read(keys)) == len(results) - len(refused)


async def test_closing_commits_what_is_queued_and_refuses_what_comes_later(tmp_path: Path) -> None:
    database = SqliteDatabase(tmp_path / "team.sqlite3")
    await database.open()
    writes = [asyncio.ensure_future(database.write(put(str(number)))) for number in range(200)]
    await asyncio.sleep(0)
    writer = database.writer
    await database.close()

    assert await asyncio.gather(*writes) == [1] * 200
    with pytest.raises(Unavailable):
        await writer.write(put("late"))
    with sqlite3.connect(database.file) as connection:
        assert connection.execute("SELECT count(*) FROM meta").fetchone() == (200,)
    connection.close()


async def test_readers_cannot_write(database: SqliteDatabase) -> None:
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        await database.read(put("a"))
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        await database.read(lambda transaction: transaction.run("PRAGMA user_version = 7"))
