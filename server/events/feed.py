"""The feed: what every reader follows, replay and live by one code path.

A commit only hints that the log has grown; rows are read from the table after the feed's own head, so a lost hint loses
nothing. A live reader gets the same bytes as its neighbours; one that cannot keep up, or whose rights may have changed,
turns lagging and pages from the table until it reaches the head again. No queue per reader, no drop.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from server.core.call import Caller, Transaction
from server.core.event import EVENT_KINDS, StoredEvent
from server.events import log
from server.events.log import Position
from server.storage.database import Database

logger = logging.getLogger(__name__)

HIGH_WATER_BYTES = 256 * 1024
"""Unsent bytes at which a live reader turns lagging."""
PAGE = 500


@dataclass(frozen=True)
class Filter:
    """What a reader wants of what it may see. None: everything."""

    kinds: frozenset[str] | None = None
    channels: frozenset[str] | None = None

    def admits(self, kind: str, audience: str, subject: str) -> bool:
        if self.kinds is not None and kind not in self.kinds:
            return False
        if self.channels is None:
            return True
        return subject in self.channels or audience.removeprefix("channel:") in self.channels


class LiveReader(Protocol):
    """A reader at the head of the feed. Called on the event loop; must not block."""

    caller: Caller
    access: frozenset[str]
    filter: Filter
    client: str
    """bridge | browser | … : what kind of program reads."""

    def write(self, frames: bytes) -> None: ...
    def unsent_bytes(self) -> int: ...
    def fall_behind(self, seq: int) -> None:
        """Turn lagging: everything up to this seq was written or is not for this reader."""


@dataclass(frozen=True, slots=True)
class Page:
    """Rows from the table that one reader may see and wants."""

    events: Sequence[StoredEvent]
    next: int
    """Cursor for the page after this one."""
    access: frozenset[str]
    position: Position


@dataclass(slots=True, eq=False)
class _Waiter:
    audiences: frozenset[str]
    woken: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(slots=True, eq=False)
class _Group:
    """Live readers that see the same: their rows are chosen and joined once."""

    access: frozenset[str]
    filter: Filter
    readers: dict[LiveReader, None] = field(default_factory=dict)


AccessOf = Callable[[Transaction, Caller], frozenset[str]]
"""The audiences that a caller belongs to now. Raises NotSignedIn when its credentials no longer hold."""


class Framing(Protocol):
    """How rows become the bytes that all live readers share."""

    def encode(self, event: StoredEvent, epoch: str) -> bytes:
        """Return the frame of one row."""

    def ephemeral(self, kind: str, body: bytes) -> bytes:
        """Return, ready to be written, something that is not in the log."""

    def join(self, frames: list[bytes]) -> bytes:
        """Return frames as one blob, ready to be written."""


class Feed:
    """Follows the log of one database for all readers of this process."""

    def __init__(self, database: Database, access_of: AccessOf, framing: Framing) -> None:
        self._database = database
        self._access_of = access_of
        self._framing = framing
        self._grown = asyncio.Event()
        self._live: dict[LiveReader, _Group] = {}
        self._groups: dict[tuple[frozenset[str], Filter], _Group] = {}
        self._waiters: dict[_Waiter, None] = {}
        self._listeners: list[tuple[Filter, Callable[[StoredEvent], None]]] = []
        self._latest: dict[str, int] = {}
        self.head = 0
        """Every live reader has been offered the rows up to here."""
        self.epoch = ""

    async def open(self) -> None:
        """Take up position at the end of the log."""
        found = await self._database.read(log.position)
        self.head, self.epoch = found.seq, found.epoch

    def hint(self) -> None:
        """Say that the log may have grown."""
        self._grown.set()

    async def run(self) -> None:
        """Offer new rows to live readers and waiters for ever."""
        while True:
            await self._grown.wait()
            self._grown.clear()
            try:
                rows = await self._database.read(lambda transaction: log.between(transaction, self.head, 2**62, PAGE))
                if rows:
                    self._publish(rows)
            except Exception:
                logger.exception("the feed failed and goes on from seq %d", self.head)
                await asyncio.sleep(1)
                self._grown.set()
                continue
            if len(rows) == PAGE:
                self._grown.set()

    # Readers ------------------------------------------------------------------------------------------------------

    async def page(self, caller: Caller, after: int, wanted: Filter, limit: int = PAGE) -> Page:
        """Read what comes after a cursor, up to the head, for one caller.

        Raises NotSignedIn when its credentials no longer hold.
        """
        head = self.head  # not beyond: what comes after it will be published to those who are live by then

        def unit(transaction: Transaction) -> Page:
            access = self._access_of(transaction, caller)
            position = log.position(transaction)
            rows = log.between(transaction, after, head, limit)
            visible = [row for row in rows if _is_visible(row, access, wanted)]
            return Page(visible, rows[-1].seq if rows else max(after, head), access, position)

        return await self._database.read(unit)

    async def access(self, caller: Caller) -> frozenset[str]:
        """Return the audiences a caller belongs to now."""
        return await self._database.read(lambda transaction: self._access_of(transaction, caller))

    def attach(self, reader: LiveReader) -> None:
        """Make a reader live. The caller must not await between finding that it is at the head and this."""
        group = self._groups.setdefault((reader.access, reader.filter), _Group(reader.access, reader.filter))
        group.readers[reader] = None
        reader.access = group.access  # equal, and kept once
        self._live[reader] = group

    def detach(self, reader: LiveReader) -> None:
        group = self._live.pop(reader, None)
        if group is not None:
            del group.readers[reader]
            if not group.readers:
                del self._groups[group.access, group.filter]

    def tell(self, audience: str, kind: str, body: bytes, *, subject: str = "") -> int:
        """Send an ephemeral event (no id, not in the log) to live readers and return how many it was written to."""
        frame = self._framing.ephemeral(kind, body)
        told = 0
        for group in self._groups.values():
            if audience in group.access and group.filter.admits(kind, audience, subject):
                for reader in group.readers:
                    reader.write(frame)
                told += len(group.readers)
        return told

    def listen(self, wanted: Filter, listener: Callable[[StoredEvent], None]) -> None:
        """Call a part of this process with every new row it wants, on the event loop, from the head on.

        A listener must not block or raise.
        """
        self._listeners.append((wanted, listener))

    # Waiting ------------------------------------------------------------------------------------------------------

    async def wait_beyond(self, seq: int, timeout_s: float) -> bool:
        """Wait until the head is beyond a seq, and tell whether it is."""
        if self.head > seq:
            return True
        return await self.wait_for_audience(seq, (), timeout_s)

    async def wait_for_audience(self, seq: int, audiences: Iterable[str], timeout_s: float) -> bool:
        """Wait until something after a seq concerns one of the audiences (none named: anything at all)."""
        waiter = _Waiter(frozenset(audiences))
        if any(self._latest.get(audience, 0) > seq for audience in waiter.audiences):
            return True
        self._waiters[waiter] = None
        try:
            async with asyncio.timeout(timeout_s):
                await waiter.woken.wait()
        except TimeoutError:
            return False
        finally:
            del self._waiters[waiter]
        return True

    def _publish(self, rows: Sequence[StoredEvent]) -> None:
        if any(EVENT_KINDS[row.kind].changes_access for row in rows if row.kind in EVENT_KINDS):
            # Rights may differ from here on: everybody reads these rows from the table, with rights loaded anew.
            for reader in list(self._live):
                self._drop_behind(reader)
        frames: dict[int, bytes] = {}
        for group in list(self._groups.values()):
            seen = [row for row in rows if _is_visible(row, group.access, group.filter)]
            if not seen:
                continue
            for row in seen:
                if row.seq not in frames:
                    frames[row.seq] = self._framing.encode(row, self.epoch)
            blob = self._framing.join([frames[row.seq] for row in seen])
            for reader in list(group.readers):
                if reader.unsent_bytes() > HIGH_WATER_BYTES:
                    self._drop_behind(reader)
                else:
                    reader.write(blob)
        self.head = rows[-1].seq
        for wanted, listener in self._listeners:
            for row in rows:
                if wanted.admits(row.kind, row.audience, row.subject):
                    listener(row)
        for row in rows:
            self._latest[row.audience] = row.seq
        changed = {row.audience for row in rows}
        for waiter in self._waiters:
            if not waiter.audiences or waiter.audiences & changed:
                waiter.woken.set()

    def _drop_behind(self, reader: LiveReader) -> None:
        self.detach(reader)
        reader.fall_behind(self.head)


def _is_visible(row: StoredEvent, access: frozenset[str], wanted: Filter) -> bool:
    return row.audience in access and wanted.admits(row.kind, row.audience, row.subject)
