"""Follows the log for the outside: whenever something happened that may be worth telling, the queue takes it in."""

import asyncio
import logging

from server.dispatch import Dispatch
from server.events.feed import Feed, Filter
from server.features.notifications.facts import WORTH_A_LOOK

logger = logging.getLogger(__name__)

AFTER_FAILURE_S = 5.0


class Follower:
    """One loop that goes on from the stored cursor; a hint that is lost loses nothing."""

    def __init__(self, dispatch: Dispatch, feed: Feed) -> None:
        self._dispatch = dispatch
        self._grown = asyncio.Event()
        self._grown.set()
        feed.listen(Filter(kinds=WORTH_A_LOOK), lambda event: self._grown.set())

    async def run(self) -> None:
        """Follow for ever."""
        while True:
            await self._grown.wait()
            self._grown.clear()
            try:
                while await self._dispatch.as_system("follow_events"):
                    pass
            except Exception:
                logger.exception("following the log for notifications failed, and goes on from its cursor")
                await asyncio.sleep(AFTER_FAILURE_S)
                self._grown.set()
