"""The contract every engine keeps: units of work in, committed results out."""

from collections.abc import Callable
from typing import Protocol, TypeVar

from server.core.call import Transaction

T = TypeVar("T")
Unit = Callable[[Transaction], T]
"""A plain function: it touches its arguments and its transaction and nothing else, so it may be run again."""


class Database(Protocol):
    """Committed rows. A unit cannot await, so nothing interleaves inside a transaction."""

    async def write(self, unit: Unit[T]) -> T:
        """Run a unit alone in order of arrival and return its result once it is durable.

        The unit's own exception is raised here, and nothing of it was stored; neighbours are not affected.
        Raises Unavailable while stopping or locked by another program, StorageFull when the disk is full.
        """

    async def read(self, unit: Unit[T]) -> T:
        """Run a unit on one consistent state that includes every write that was answered before."""
