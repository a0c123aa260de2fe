"""Odd input: what the worst of thousands of texts costs that somebody may give as cron, as words or as a name."""

import asyncio
import contextlib
import random
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from benchmarks.figure import Effort, Figure
from benchmarks.machine import scratch_folder
from benchmarks.store import open_store
from server.app import Store
from server.core.call import Caller
from server.core.errors import BullpenError

_ADA = Caller("ada", "agent", "member")
_ZONES = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata")
_CRON = ("*", "*/5", "1-5", "mon", "31", "2", "0", "29", "*/59", "1,2,3", "L", "R", "60", "jan-dec", "-", "/")
_WORDS = ("port", '"', "*", "AND", "OR", "NOT", "NEAR(", "(", ")", "端口", "é", "-", ":", "^", "a", "\u0000", "'")
_NAMES = ("api", "/", "port", ".", "*", "%", "_", "'", "..", "é", " ", "x" * 60)

_ASKED: Mapping[str, tuple[str, Callable[[random.Random], dict[str, object]]]] = {
    "cron texts": (
        "preview_schedule",
        lambda chance: {"cron_expr": " ".join(chance.choices(_CRON, k=chance.choice((5, 5, 5, 4, 6)))),
                        "tz": chance.choice(_ZONES)},
    ),
    "search queries": (
        "search_knowledge",
        lambda chance: {"query": " ".join(chance.choices(_WORDS, k=chance.randrange(9)))},
    ),
    "state keys": (
        "get_state",
        lambda chance: {"project_id": "shop", "prefix": "".join(chance.choices(_NAMES, k=chance.randrange(5)))[:256]},
    ),
}  # fmt: skip


def measure(effort: Effort) -> list[Figure]:
    """Find the slowest of each kind: the better of two tries, for the machine does other things too."""
    with scratch_folder() as folder:
        return asyncio.run(_measure(folder, 1000 if effort.quick else 5000))


async def _measure(folder: Path, count: int) -> list[Figure]:
    found = []
    async with open_store(folder / "data") as store:
        for number in range(500):
            await _ask(store, "post_knowledge", {"content": f"The port {number} is at the host {number % 7}. 端口"})
            await _ask(store, "set_state", {"project_id": "shop", "field": f"api/port/{number}", "value": number})
        for name, (operation, arguments) in _ASKED.items():
            chance = random.Random(11)  # noqa: S311 (the same texts at every run)
            slowest = 0.0
            for _ in range(count):
                asked = arguments(chance)
                took = await _ask(store, operation, asked)
                slowest = max(slowest, took if took < slowest else min(took, await _ask(store, operation, asked)))
            title = f"slowest of {count:,} odd {name}"
            found.append(Figure(title, "ms", slowest * 1000, 10.0, 50.0, at_most=True))
    return found


async def _ask(store: Store, operation: str, arguments: Mapping[str, object]) -> float:
    """Return the seconds that an answer took, a refusal too; anything else that is raised ends the benchmark."""
    started = time.perf_counter()
    with contextlib.suppress(BullpenError):
        await store.dispatch.run(store.dispatch.registry[operation], _ADA, arguments, door="rest")
    return time.perf_counter() - started
