"""The embedded engine: one SQLite file, WAL, synchronous=FULL.

One connection writes and checkpoints, readers are read-only: SQLite 3.7.0 to 3.51.2 have a rare race between a WAL
reset and a second checkpointer.
"""

import asyncio
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import aiosqlite

from server.core.call import Parameters, Row
from server.core.errors import TookTooLong, Unavailable
from server.storage import migrate
from server.storage.database import Unit
from server.storage.writer import Finish, Writer, explained

T = TypeVar("T")

READERS = 3
WRITING = (
    "journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "wal_autocheckpoint=2000",
    "journal_size_limit=67108864", "temp_store=MEMORY",
)  # fmt: skip
"""How the writing connection is set. What an answer of 2xx promises hangs on the first two."""
BUSY_S = 5.0
"""How long another program may hold the file before a caller is told so."""
STEPS_BETWEEN_LOOKS = 20_000
"""Steps of SQLite's machine between two looks at the clock: about a millisecond."""


class _Connection(aiosqlite.Connection):
    """aiosqlite's connection with its own thread; a whole batch goes there in one hop.

    Awaiting each statement costs 60 to 120 µs each (measured at 64 callers: 1 565/s against 9 900/s).
    """

    async def call(self, function: Callable[[], T]) -> T:
        result: T = await self._execute(function)  # type: ignore[no-untyped-call]
        return result

    @property
    def raw(self) -> sqlite3.Connection:
        return self._conn


class SqliteTransaction:
    """Rows inside one transaction of one connection."""

    __slots__ = ("_connection",)

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def one(self, sql: str, parameters: Parameters = {}) -> Row | None:  # noqa: B006 (never changed)
        row: Row | None = self._connection.execute(sql, parameters).fetchone()
        return row

    def all(self, sql: str, parameters: Parameters = {}) -> Sequence[Row]:  # noqa: B006 (never changed)
        return self._connection.execute(sql, parameters).fetchall()

    def insert(self, sql: str, parameters: Parameters = {}) -> int:  # noqa: B006 (never changed)
        # RETURNING would cost a third more: SQLite gathers its rows aside before it hands out the first.
        key = self._connection.execute(sql, parameters).lastrowid
        assert key is not None
        return key

    def run(self, sql: str, parameters: Parameters = {}) -> int:  # noqa: B006 (never changed)
        return self._connection.execute(sql, parameters).rowcount

    @contextmanager
    def at_most(self, seconds: float) -> Iterator[None]:
        until_s = time.monotonic() + seconds
        self._connection.set_progress_handler(lambda: time.monotonic() > until_s, STEPS_BETWEEN_LOOKS)
        try:
            yield
        except sqlite3.OperationalError as failure:
            if getattr(failure, "sqlite_errorcode", 0) != sqlite3.SQLITE_INTERRUPT:
                raise
            raise TookTooLong(f"It took longer than {seconds:g} s and was ended.") from None
        finally:
            self._connection.set_progress_handler(None, 0)


class _WritingConnection:
    def __init__(self, connection: _Connection) -> None:
        self._connection = connection
        self.call = connection.call
        self._raw = connection.raw
        self._transaction = SqliteTransaction(self._raw)

    def begin(self) -> SqliteTransaction:
        # IMMEDIATE: a deferred transaction that reads and then writes gets SQLITE_BUSY_SNAPSHOT at once.
        self._raw.execute("BEGIN IMMEDIATE")
        return self._transaction

    def commit(self) -> None:
        self._raw.execute("COMMIT")

    def rollback(self) -> None:
        if self._raw.in_transaction:  # SQLITE_FULL has rolled back by itself
            self._raw.execute("ROLLBACK")

    def changes(self) -> int:
        return self._raw.total_changes


class SqliteDatabase:
    """One team's database."""

    def __init__(self, file: Path, *, finish: Sequence[Finish] = (), busy_s: float = BUSY_S) -> None:
        self.file = file
        self._finish = finish
        self._busy_s = busy_s
        self._readers: asyncio.LifoQueue[_Connection] = asyncio.LifoQueue()
        self._opened: list[_Connection] = []
        self._writer: Writer | None = None
        self._writing: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Create or migrate the file and begin to serve.

        Raises migrate.NewerDatabase and migrate.NotOurs, and leaves such a file as it is; Unavailable if another
        program holds it.
        """
        try:
            await self._refuse_foreign()
            _create_private(self.file)
            writing = await self._connect(_writer_of(self.file, self._busy_s))
            await writing.call(lambda: migrate.apply(writing.raw))
            for _ in range(READERS):
                self._readers.put_nowait(await self._connect(_reader_of(self.file, self._busy_s)))
        except sqlite3.OperationalError as failure:
            await self._disconnect()
            raise explained(failure) from None
        except BaseException:
            await self._disconnect()
            raise
        self._writer = Writer(_WritingConnection(writing), self._finish)
        self._writing = asyncio.create_task(self._writer.run(), name="writer")

    async def close(self) -> None:
        """Commit what is queued, then close every connection."""
        if self._writer is not None and self._writing is not None:
            self._writer.stop()
            await self._writing
        await self._disconnect()

    @property
    def writer(self) -> Writer:
        if self._writer is None:
            raise Unavailable("The database is not open.")
        return self._writer

    async def write(self, unit: Unit[T]) -> T:
        result: T = await self.writer.write(unit)
        return result

    async def read(self, unit: Unit[T]) -> T:
        connection = await self._readers.get()
        try:
            return await asyncio.shield(connection.call(lambda: _in_snapshot(connection.raw, unit)))
        except sqlite3.OperationalError as failure:
            raise explained(failure) from None
        finally:
            self._readers.put_nowait(connection)

    async def _refuse_foreign(self) -> None:
        """Look before anything is touched: our settings would be written into a file that is not ours."""
        if self.file.exists() and self.file.stat().st_size:
            looking = await self._connect(_reader_of(self.file, self._busy_s))
            await looking.call(lambda: migrate.check(looking.raw))
            await self._disconnect()

    async def _connect(self, opening: Callable[[], sqlite3.Connection]) -> _Connection:
        connection = _Connection(opening, 64)
        connection._thread.daemon = True  # a server that dies for another reason must not hang on this thread
        await connection
        self._opened.append(connection)
        return connection

    async def _disconnect(self) -> None:
        while self._opened:
            await self._opened.pop().close()


def _in_snapshot(connection: sqlite3.Connection, unit: Unit[T]) -> T:
    connection.execute("BEGIN")
    try:
        return unit(SqliteTransaction(connection))
    finally:
        connection.execute("ROLLBACK")


def _create_private(file: Path) -> None:
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    file.touch(mode=0o600, exist_ok=True)
    file.chmod(0o600)


def _writer_of(file: Path, busy_s: float) -> Callable[[], sqlite3.Connection]:
    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(file, isolation_level=None, cached_statements=512, check_same_thread=False)
        connection.row_factory = sqlite3.Row
        for pragma in (f"busy_timeout={round(busy_s * 1000)}", *WRITING):
            connection.execute(f"PRAGMA {pragma}")
        return connection

    return connect


def _reader_of(file: Path, busy_s: float) -> Callable[[], sqlite3.Connection]:
    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(
            f"{file.absolute().as_uri()}?mode=ro",
            uri=True,
            isolation_level=None,
            cached_statements=512,
            check_same_thread=False,
        )
        connection.row_factory = sqlite3.Row
        connection.execute(f"PRAGMA busy_timeout={round(busy_s * 1000)}")
        connection.execute("PRAGMA query_only=ON")
        return connection

    return connect
