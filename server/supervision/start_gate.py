"""The gate all starts pass: at most two a second and four at once, so that a full office does not choke the machine."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

STARTS_PER_S = 2.0
AT_ONCE = 4


class StartGate:
    """Lets launches through one by one, spaced out."""

    def __init__(self) -> None:
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._turn = asyncio.Lock()
        self._last = float("-inf")

    @contextlib.asynccontextmanager
    async def passing(self) -> AsyncIterator[None]:
        """Hold a slot for as long as a launch takes."""
        async with self._slots:
            async with self._turn:
                loop = asyncio.get_running_loop()
                await asyncio.sleep(max(0.0, self._last + 1 / STARTS_PER_S - loop.time()))
                self._last = loop.time()
            yield
