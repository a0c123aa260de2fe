"""A real database on a file of its own, and units of work that need no feature."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from server.core.call import Transaction
from server.storage.sqlite import SqliteDatabase


def put(key: str, value: str = "x") -> Callable[[Transaction], int]:
    """Return a unit that stores a key which must be new."""

    def unit(transaction: Transaction) -> int:
        return transaction.run("INSERT INTO meta (key, value) VALUES (:key, :value)", {"key": key, "value": value})

    return unit


def keys(transaction: Transaction) -> list[str]:
    return [row["key"] for row in transaction.all("SELECT key FROM meta ORDER BY key")]


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[SqliteDatabase]:
    opened = SqliteDatabase(tmp_path / "data" / "team.sqlite3", busy_s=0.2)
    await opened.open()
    yield opened
    await opened.close()
