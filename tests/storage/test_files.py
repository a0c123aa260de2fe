"""The file itself: whose it is, which schema it has, and what is left alone."""

import sqlite3
from pathlib import Path

import pytest

from server.core.errors import Unavailable
from server.storage import migrate
from server.storage.migrate import APPLICATION_ID, NewerDatabase, NotOurs
from server.storage.sqlite import SqliteDatabase
from tests.storage.conftest import keys, put


def schema_of(file: Path) -> list[tuple[str, str, str]]:
    connection = sqlite3.connect(file)
    try:
        return connection.execute("SELECT type, name, sql FROM sqlite_schema ORDER BY type, name").fetchall()
    finally:
        connection.close()


async def test_the_files_are_for_their_owner_alone(database: SqliteDatabase) -> None:
    await database.write(put("a"))
    folder = database.file.parent

    assert folder.stat().st_mode & 0o777 == 0o700
    assert {file.name: file.stat().st_mode & 0o777 for file in folder.iterdir()} == {
        "team.sqlite3": 0o600, "team.sqlite3-wal": 0o600, "team.sqlite3-shm": 0o600,
    }  # fmt: skip


async def test_what_is_stored_is_there_when_it_is_opened_again(tmp_path: Path) -> None:
    for number in range(3):
        database = SqliteDatabase(tmp_path / "team.sqlite3")
        await database.open()
        await database.write(put(str(number)))
        await database.close()
    await database.open()
    assert await database.read(keys) == ["0", "1", "2"]
    await database.close()


async def test_commits_are_durable_and_in_a_write_ahead_log(database: SqliteDatabase) -> None:
    found = await database.write(
        lambda transaction: [
            (transaction.one(f"PRAGMA {name}") or {})[name] for name in ("journal_mode", "synchronous", "foreign_keys")
        ]
    )
    assert found == ["wal", 2, 1], "2 is FULL"


async def test_a_fresh_schema_is_that_of_a_database_brought_up_step_by_step(tmp_path: Path) -> None:
    fresh = SqliteDatabase(tmp_path / "fresh.sqlite3")
    await fresh.open()
    await fresh.close()
    known = migrate.migrations()
    for number, _ in known:
        steps = tmp_path / f"from-{number}.sqlite3"
        connection = sqlite3.connect(steps)
        for _, file in known[:number]:
            connection.executescript(file.read_text(encoding="utf-8"))
        connection.execute(f"PRAGMA user_version = {number}")
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.close()
        stepped = SqliteDatabase(steps)
        await stepped.open()
        await stepped.close()

        assert schema_of(steps) == schema_of(tmp_path / "fresh.sqlite3")


async def test_a_newer_database_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "team.sqlite3"
    database = SqliteDatabase(file)
    await database.open()
    await database.close()
    with sqlite3.connect(file) as connection:
        connection.execute("PRAGMA user_version = 9999")
    connection.close()
    before = file.read_bytes()

    with pytest.raises(NewerDatabase, match=r"schema 9999, this program knows up to \d+\. Install the newer"):
        await SqliteDatabase(file).open()
    assert file.read_bytes() == before


@pytest.mark.parametrize("kind", ["text", "another program's", "another program's, with a version of ours"])
async def test_a_file_that_is_not_ours_is_refused_and_left_as_it_is(tmp_path: Path, kind: str) -> None:
    file = tmp_path / "team.sqlite3"
    if kind == "text":
        file.write_bytes(b"not a database at all, but long enough to be read as one" * 40)
    else:
        with sqlite3.connect(file) as connection:
            connection.execute("CREATE TABLE theirs (a)")
            connection.execute(f"PRAGMA user_version = {1 if 'version' in kind else 0}")
        connection.close()
    file.chmod(0o644)
    before = file.read_bytes()

    with pytest.raises(NotOurs):
        await SqliteDatabase(file).open()
    assert file.read_bytes() == before
    assert file.stat().st_mode & 0o777 == 0o644


async def test_an_empty_file_becomes_ours(tmp_path: Path) -> None:
    (tmp_path / "team.sqlite3").touch(mode=0o644)
    database = SqliteDatabase(tmp_path / "team.sqlite3")
    await database.open()
    await database.write(put("a"))
    await database.close()

    assert database.file.stat().st_mode & 0o777 == 0o600


async def test_a_file_that_another_program_keeps_locked_is_not_taken_for_a_foreign_one(tmp_path: Path) -> None:
    file = tmp_path / "team.sqlite3"
    database = SqliteDatabase(file, busy_s=0.1)
    await database.open()
    await database.close()
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("PRAGMA locking_mode = EXCLUSIVE")
    other.execute("BEGIN EXCLUSIVE")
    try:
        with pytest.raises(Unavailable, match="Another program holds the database"):
            await SqliteDatabase(file, busy_s=0.1).open()
    finally:
        other.close()
    await database.open()
    await database.close()
