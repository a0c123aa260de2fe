"""One queue, one batch, one commit: group commit of units on the writing connection's own thread."""

import asyncio
import sqlite3
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, Protocol

from server.core.call import Transaction
from server.core.errors import StorageFull, Unavailable
from server.storage.database import Unit

BATCH = 64
"""Units in one commit. Beyond it the gain is small and a failure costs more repeats (measured: 64 callers)."""
TURNS = 5
"""Turns of the event loop without a new unit after which a batch is taken. A request that has come needs some from its
socket to the queue, and to commit beside it would cost both threads more, for they share one interpreter lock."""
QUEUE = 2000
"""Units waiting at most; more is refused, so that memory and waiting stay bounded."""


class WritingConnection(Protocol):
    """What the writer needs of an engine. `call` hops to the connection's own thread once."""

    async def call(self, function: Callable[[], Any]) -> Any: ...
    def begin(self) -> Transaction: ...
    def commit(self) -> None: ...
    def rollback(self) -> None: ...
    def changes(self) -> int:
        """Return a number that grows with every row changed."""


Finish = Callable[[Transaction], None]
"""Runs once at the end of each batch, before the commit (full-text rows: FTS5 flushes at every savepoint otherwise)."""


class _Entry:
    __slots__ = ("failure", "future", "result", "unit")

    def __init__(self, unit: Unit[Any], future: asyncio.Future[Any]) -> None:
        self.unit = unit
        self.future = future
        self.result: Any = None
        self.failure: BaseException | None = None


class Writer:
    """Commits units in batches, in order of arrival."""

    def __init__(self, connection: WritingConnection, finish: Sequence[Finish] = ()) -> None:
        self._connection = connection
        self._finish = tuple(finish)
        self._waiting: deque[_Entry] = deque()
        self._arrived = asyncio.Event()
        self._stopping = False
        self.after_commit: Callable[[], None] = lambda: None
        """Called on the event loop after each commit, before its callers are answered."""

    async def write(self, unit: Unit[Any]) -> Any:
        if self._stopping:
            raise Unavailable("The server is stopping.", hint="Try again in a few seconds.")
        if len(self._waiting) >= QUEUE:
            raise Unavailable("Too many changes are waiting to be stored.", hint="Try again in a second.")
        entry = _Entry(unit, asyncio.get_running_loop().create_future())
        self._waiting.append(entry)
        self._arrived.set()
        # A caller that goes away cancels the future alone: its unit stays in its batch and is committed.
        return await entry.future

    async def run(self) -> None:
        """Commit batches until `stop`, then what is left."""
        batch: list[_Entry] = []
        while True:
            if not self._waiting:
                if self._stopping:
                    return
                self._arrived.clear()
                await self._arrived.wait()
                continue
            if len(self._waiting) > 1 or len(batch) > 1:  # a single caller has nobody to wait for
                await self._let_arrive()
            batch = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
            try:
                await self._connection.call(partial(self._commit, batch))
            except _NotBegun as locked:
                # Whoever came meanwhile has waited as long: waiting once more for each batch would add up.
                batch.extend(self._waiting)
                self._waiting.clear()
                _refuse(batch, locked.failure)
            except Exception as failure:
                _refuse(batch, failure)
            self.after_commit()
            for entry in batch:
                if entry.future.cancelled():
                    continue
                if entry.failure is None:
                    entry.future.set_result(entry.result)
                else:
                    entry.future.set_exception(entry.failure)
                    entry.future.exception()  # its caller may be gone: then nobody retrieves it

    async def _let_arrive(self) -> None:
        """Let the loop bring in the units of requests that have come already, until none is added."""
        quiet, known = 0, len(self._waiting)
        while quiet < TURNS and len(self._waiting) < BATCH:
            await asyncio.sleep(0)
            quiet = quiet + 1 if len(self._waiting) == known else 0
            known = len(self._waiting)

    def stop(self) -> None:
        """Refuse new units and let `run` end when the queue is empty."""
        self._stopping = True
        self._arrived.set()

    def _commit(self, batch: list[_Entry]) -> None:
        try:
            self._attempt(batch)
        except _Spoilt:
            # One unit failed after it had written: undo the batch and run each unit in a transaction of its own.
            for number, entry in enumerate(batch):
                try:
                    self._attempt([entry])
                except _Spoilt as spoilt:
                    entry.failure = spoilt.failure
                except _NotBegun as locked:
                    _refuse(batch[number:], locked.failure)
                    return

    def _attempt(self, batch: list[_Entry]) -> None:
        connection = self._connection
        try:
            transaction = connection.begin()
        except Exception as failure:
            raise _NotBegun(failure) from failure
        try:
            for entry in batch:
                entry.failure = None
                before = connection.changes()
                try:
                    entry.result = entry.unit(transaction)
                except Exception as failure:
                    if connection.changes() != before or isinstance(failure, sqlite3.Error):
                        raise
                    entry.failure = failure  # it wrote nothing, so its neighbours need not be undone
            for finish in self._finish:
                finish(transaction)
            connection.commit()
        except Exception as failure:
            connection.rollback()
            raise _Spoilt(explained(failure)) from failure


class _Spoilt(Exception):
    def __init__(self, failure: BaseException) -> None:
        super().__init__()
        self.failure = failure


class _NotBegun(Exception):
    """No transaction could be begun, so no unit of the batch was run."""

    def __init__(self, failure: BaseException) -> None:
        super().__init__()
        self.failure = failure


def _refuse(batch: Iterable[_Entry], failure: BaseException) -> None:
    for entry in batch:
        entry.failure = explained(failure)


def explained(failure: BaseException) -> BaseException:
    """Return what a failure of the engine means to a caller; anything else as it is."""
    if not isinstance(failure, sqlite3.OperationalError):
        return failure
    code = getattr(failure, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_FULL:
        return StorageFull(
            "The disk is full: nothing was stored.", hint="Free some space; the server goes on by itself."
        )
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        busy = Unavailable("Another program holds the database.", hint="Close it, or try again in a few seconds.")
        busy.headers["Retry-After"] = "5"
        return busy
    return failure
