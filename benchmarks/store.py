"""The store beside raw SQLite: `send_message` through dispatch, many callers and one. No network."""

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator
from itertools import cycle
from pathlib import Path

from benchmarks.figure import Effort, Figure, compared
from benchmarks.machine import scratch_folder
from benchmarks.raw_commit import RawCommit
from benchmarks.texts import TEXTS
from server.app import Store, offline
from server.config import Config, Guards
from server.core.call import Caller

CALLERS = 64
UNREACHED = Guards(self_per_min=1_000_000, human_per_min=1_000_000)
"""The guards look at each message, and refuse none: a benchmark sends faster than an agent may."""


@contextlib.asynccontextmanager
async def open_store(data: Path) -> AsyncIterator[Store]:
    """Open a team's data with one agent in it."""
    async with offline(Config(team="bench", host="127.0.0.1", port=0, data=data)) as store:
        await store.run("ensure_channel", id="general")
        await store.run("set_guard_limits", member="", limits=UNREACHED)
        await store.run("ensure_member", name="ada", kind="agent", role="member")
        yield store


async def rate(store: Store, callers: int, seconds: float) -> float:
    """Return messages a second that are sent by so many callers, each waiting for its own to be durable."""
    operation, caller, texts = store.dispatch.registry["send_message"], Caller("ada", "agent", "member"), cycle(TEXTS)
    started = time.perf_counter()
    until, sent = started + seconds, 0

    async def call() -> None:
        nonlocal sent
        while time.perf_counter() < until:
            arguments = {"channel": "general", "content": next(texts)}
            await store.dispatch.run(operation, caller, arguments, door="rest")
            sent += 1

    await asyncio.gather(*(call() for _ in range(callers)))
    return sent / (time.perf_counter() - started)


async def _rounds(folder: Path, effort: Effort) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {"L64": [], "64": [], "L1": [], "1": []}
    raw = RawCommit(folder / "raw.sqlite3")
    async with open_store(folder / "data") as store:
        await rate(store, CALLERS, effort.seconds / 3)  # the first statements are prepared, the caches warm
        raw.rate(CALLERS, effort.seconds / 3)
        for _ in range(effort.rounds):
            found["L64"].append(raw.rate(CALLERS, effort.seconds))
            found["64"].append(await rate(store, CALLERS, effort.seconds))
            found["L1"].append(raw.rate(1, effort.seconds))
            found["1"].append(await rate(store, 1, effort.seconds))
    raw.close()
    return found


def measure(effort: Effort) -> list[Figure]:
    """Compare sending with raw commits of the same rows."""
    with scratch_folder() as folder:
        found = asyncio.run(_rounds(folder, effort))
    unit = "messages/s"
    return [
        compared("store, 64 callers / raw batches of 64", unit, found["64"], found["L64"], goal=0.60, floor=0.15),
        compared("store, 1 caller / raw commits", unit, found["1"], found["L1"], goal=0.60, floor=0.15),
    ]


async def _one_rate(seconds: float) -> float:
    with scratch_folder() as folder:
        async with open_store(folder / "data") as store:
            await rate(store, CALLERS, seconds / 3)
            return await rate(store, CALLERS, seconds)


if __name__ == "__main__":  # as slow_disk asks
    print(asyncio.run(_one_rate(float(sys.argv[1]))))
