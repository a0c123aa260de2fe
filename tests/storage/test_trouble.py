"""What happens when the disk is full, the file is locked, or the process is killed."""

import asyncio
import signal
import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from server.core.call import Transaction
from server.core.errors import StorageFull, Unavailable
from server.storage.sqlite import SqliteDatabase
from server.storage.writer import BATCH
from tests.storage.conftest import keys, put

KILLS = 10


async def limit_pages(database: SqliteDatabase, more: int) -> None:
    """Let the file grow by so many pages and no more, as a disk would."""

    def limit(transaction: Transaction) -> None:
        count = transaction.one("PRAGMA page_count")
        assert count is not None
        transaction.one(f"PRAGMA max_page_count = {count['page_count'] + more}")

    await database.write(limit)


async def test_a_full_disk_answers_so_stores_nothing_and_heals_by_itself(database: SqliteDatabase) -> None:
    acknowledged: set[str] = set()
    for cycle in range(5):
        await limit_pages(database, 12)
        results = await asyncio.gather(
            *(database.write(put(f"{cycle}-{number:03}", "y" * 3000)) for number in range(100)), return_exceptions=True
        )
        acknowledged.update(f"{cycle}-{number:03}" for number, result in enumerate(results) if result == 1)
        failures = [result for result in results if result != 1]
        assert failures
        assert all(isinstance(failure, StorageFull) for failure in failures)
        assert set(await database.read(keys)) == acknowledged

        await limit_pages(database, 100_000)
        await database.write(put(f"{cycle}-healed"))
        acknowledged.add(f"{cycle}-healed")
    assert set(await database.read(keys)) == acknowledged


async def test_what_still_fits_is_stored_beside_what_does_not(database: SqliteDatabase) -> None:
    await limit_pages(database, 4)
    results = await asyncio.gather(
        database.write(put("small")), database.write(put("large", "y" * 100_000)), database.write(put("little")),
        return_exceptions=True,
    )  # fmt: skip

    assert results[0] == results[2] == 1
    assert isinstance(results[1], StorageFull)
    assert await database.read(keys) == ["little", "small"]


@contextmanager
def locked(file: Path) -> Iterator[None]:
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        other.close()


async def test_a_database_that_another_program_locks_is_unavailable_and_goes_on_by_itself(
    database: SqliteDatabase,
) -> None:
    await database.write(put("before"))
    with locked(database.file):
        began = time.monotonic()
        results = await asyncio.gather(
            *(database.write(put(f"{number:03}")) for number in range(3 * BATCH)), return_exceptions=True
        )
        waited = time.monotonic() - began
        assert await database.read(keys) == ["before"], "reading goes on"
    assert all(isinstance(result, Unavailable) for result in results)
    assert {result.headers["Retry-After"] for result in results if isinstance(result, Unavailable)} == {"5"}
    assert waited < 2, "nobody waits for the lock once more for each batch before him"

    assert await database.write(put("after")) == 1
    assert await database.read(keys) == ["after", "before"]


async def test_a_lock_shorter_than_our_patience_is_waited_for(tmp_path: Path) -> None:
    database = SqliteDatabase(tmp_path / "team.sqlite3", busy_s=5)
    await database.open()
    with locked(database.file):
        write = asyncio.ensure_future(database.write(put("a")))
        await asyncio.sleep(0.05)
        assert not write.done()
    assert await asyncio.wait_for(write, 5) == 1
    await database.close()


WRITER = """
import asyncio, sys
from pathlib import Path
from server.storage.sqlite import SqliteDatabase

def put(key):
    return lambda transaction: transaction.run("INSERT INTO meta (key, value) VALUES (:k, 'v')", {"k": key})

async def produce(database, name):
    for number in range(100_000):
        key = f"{sys.argv[2]}-{name}-{number:06}"
        await database.write(put(key))
        print(key, flush=True)

async def main():
    database = SqliteDatabase(Path(sys.argv[1]))
    await database.open()
    async with asyncio.TaskGroup() as tasks:
        for name in range(8):
            tasks.create_task(produce(database, name))

asyncio.run(main())
"""


async def test_what_was_acknowledged_survives_a_kill(tmp_path: Path) -> None:
    acknowledged: set[str] = set()
    for cycle in range(KILLS):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", WRITER, str(tmp_path / "team.sqlite3"), str(cycle), stdout=asyncio.subprocess.PIPE
        )
        assert process.stdout is not None
        async with asyncio.timeout(20):
            for _ in range(50 + 37 * cycle):
                acknowledged.add((await process.stdout.readline()).decode().strip())
        process.send_signal(signal.SIGKILL)
        rest = await process.stdout.read()
        acknowledged.update(line for line in rest.decode().split("\n")[:-1] if line)
        assert await process.wait() == -signal.SIGKILL

    database = SqliteDatabase(tmp_path / "team.sqlite3")
    await database.open()
    stored = set(await database.read(keys))
    check = await database.read(lambda transaction: transaction.one("PRAGMA integrity_check"))
    await database.close()
    assert acknowledged - stored == set()
    assert len(acknowledged) > 50 * KILLS
    assert check is not None
    assert check["integrity_check"] == "ok"
