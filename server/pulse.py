"""The server's pulse: how late its event loop is, and what its service manager is told (systemd's sd_notify)."""

import asyncio
import contextlib
import logging
import os
import socket
import time
from collections import deque
from collections.abc import Callable

logger = logging.getLogger(__name__)

BEAT_S = 1.0
LATE_S = 1.0
"""Lateness that stands in the log."""
REMEMBERED = 60
"""Beats among which the worst lateness is told."""

Notify = Callable[[str], None]


class Pulse:
    """Beats while the event loop turns. A loop that hangs misses its beats, and the service manager starts it anew."""

    def __init__(self, notify: Notify) -> None:
        self._notify = notify
        self._late: deque[float] = deque([0.0], maxlen=REMEMBERED)

    @property
    def worst_s(self) -> float:
        """How late the loop was at worst within the last minute, in seconds."""
        return max(self._late)

    async def run(self) -> None:
        """Beat for ever."""
        while True:
            expected = time.monotonic() + BEAT_S
            await asyncio.sleep(BEAT_S)
            late = max(0.0, time.monotonic() - expected)
            self._late.append(late)
            if late > LATE_S:
                logger.warning("the event loop stood still for %.1f s", late)
            self._notify("WATCHDOG=1")


def service_manager() -> Notify:
    """Return what tells the service manager of this process a state; without one, nothing is told.

    https://www.freedesktop.org/software/systemd/man/latest/sd_notify.html
    """
    address = os.environ.get("NOTIFY_SOCKET", "")
    if address[:1] not in ("/", "@"):
        return lambda state: None

    def notify(state: str) -> None:
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sending:
            sending.connect(f"\0{address[1:]}" if address.startswith("@") else address)
            sending.send(state.encode())

    return notify
