"""The clockwork: runs every timed operation (schedules, reminders, leases, expiries) when something is due.

Each timed operation does a bounded part of what is due, in one transaction, and returns when it wants to run again.
They are isolated: one that fails is tried again a little later, and holds up no other. Times are the wall clock's, so
the clockwork looks again at least every half minute: a clock that jumps is noticed, and a machine that slept.
"""

import asyncio
import logging

from server.dispatch import Dispatch

logger = logging.getLogger(__name__)

LOOK_AGAIN_MS = 30_000
AFTER_FAILURE_MS = 5_000


class Clockwork:
    """One loop over the timed operations of the registry."""

    def __init__(self, dispatch: Dispatch) -> None:
        self._dispatch = dispatch
        self._operations = [operation.name for operation in dispatch.registry if operation.timed]
        self._due = dict.fromkeys(self._operations, 0)
        self._earlier = asyncio.Event()
        dispatch.due_changed = self._due_changed

    async def run(self) -> None:
        """Do what is due, for ever."""
        while True:
            for operation in self._operations:
                if self._due[operation] <= self._dispatch.now():
                    self._due[operation] = await self._run(operation)
            now = self._dispatch.now()
            wait_ms = min(self._due.values(), default=now + LOOK_AGAIN_MS) - now
            try:
                async with asyncio.timeout(max(wait_ms, 0) / 1000):
                    await self._earlier.wait()
            except TimeoutError:
                pass
            self._earlier.clear()

    async def _run(self, operation: str) -> int:
        """Run one and return when it is to run again (UTC ms)."""
        now = self._dispatch.now()
        self._due[operation] = now + LOOK_AGAIN_MS
        try:
            due = await self._dispatch.as_system(operation)
        except Exception:
            logger.exception("%s failed, and is tried again", operation)
            return now + AFTER_FAILURE_MS
        # What fell due while it ran counts too: `_due_changed` has written it.
        return min(now + LOOK_AGAIN_MS if due is None else due, self._due[operation])

    def _due_changed(self, moment: int) -> None:
        for operation, due in self._due.items():
            self._due[operation] = min(due, moment)
        self._earlier.set()
