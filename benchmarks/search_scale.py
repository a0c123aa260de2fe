"""Search in many messages: what a rare word and a common one cost beside the same search among a thousand."""

import asyncio
import random
import sqlite3
import statistics
import time
from pathlib import Path

from benchmarks.figure import Effort, Figure
from benchmarks.machine import scratch_folder
from benchmarks.store import open_store
from server.app import Store
from server.core.call import Caller
from server.core.search_text import indexed

SMALL = 1000
RARE = "quokka"
_TEXT = (
    "the of and to in a is it for on with as this port build test deploy review branch merge main fix server client"
    " error log file task agent please done failed passed check again next step token queue commit change"
)
_WORDS = _TEXT.split()
_SEARCHES: dict[str, tuple[str, float | None]] = {
    "rare word": (RARE, 2.0),
    "common word": ("the", 5.0),
    "two common words": ("build test", 5.0),
    "common character (CJK)": ("端口", 5.0),
    "prefix*": ("dep*", None),
}
_ADA = Caller("ada", "agent", "member")
_CHANNELS = ("general", "dev", "topic:others")


def fill(file: Path, count: int) -> None:
    """Put messages straight into a team's database, as the server would have stored them."""
    chance, now = random.Random(count), time.time_ns() // 1_000_000  # noqa: S311 (the same texts at every run)
    connection = sqlite3.connect(file, isolation_level=None)
    connection.execute("PRAGMA synchronous=OFF")
    for channel in _CHANNELS:
        kind = "topic" if channel.startswith("topic") else "group"
        connection.execute(
            "INSERT OR IGNORE INTO channel VALUES (?, ?, ?, '', 'ada', 0, NULL)", (channel, kind, channel)
        )
    places = chance.choices(_CHANNELS, (8, 8, 1), k=count)
    connection.execute("BEGIN")
    for number in range(1, count + 1):
        text = " ".join(chance.choices(_WORDS, k=chance.randrange(8, 40)))
        text += f" {RARE}" if number % (count // 10) == 7 else ""
        text += " 端口被占用" if number % 3 == 0 else ""
        connection.execute(
            "INSERT INTO message (id, seq, channel, sender, sender_kind, content, mentions, priority, metadata,"
            " created_at) VALUES (?, ?, ?, 'ada', 'agent', ?, '[]', 'next', '{}', ?)",
            (number, number, places[number - 1], text, now - (count - number) * 1000),
        )
        connection.execute("INSERT INTO message_text (rowid, content) VALUES (?, ?)", (number, indexed(text)))
        if number % 2000 == 0:
            connection.execute("COMMIT")
            connection.execute("BEGIN")
    connection.execute("COMMIT")
    connection.close()


def measure(effort: Effort) -> list[Figure]:
    """Compare each search with itself among a thousand messages."""
    figures = []
    with scratch_folder() as folder:
        small = asyncio.run(_times(folder / "small", SMALL, effort.rounds))
        for count in (100_000,) if effort.quick else (100_000, 1_000_000):
            large = asyncio.run(_times(folder / str(count), count, effort.rounds))
            for name, (_, goal) in _SEARCHES.items():
                title = f"search, {name}, {count:,} messages / {SMALL:,}"
                floor = None if goal is None else goal * 3
                ratio = large[name] / small[name]
                figures.append(
                    Figure(title, "ms", large[name] * 1000, goal, floor, small[name] * 1000, ratio, at_most=True)
                )
    return figures


async def _times(data: Path, count: int, rounds: int) -> dict[str, float]:
    async with open_store(data):
        pass
    await asyncio.to_thread(fill, data / "team.sqlite3", count)
    async with open_store(data) as store:
        for query, _ in _SEARCHES.values():
            await _search(store, query)  # the pages come from the disk once
        return {name: await _median(store, query, rounds) for name, (query, _) in _SEARCHES.items()}


async def _median(store: Store, query: str, rounds: int) -> float:
    times = []
    for _ in range(rounds * 10):
        started = time.perf_counter()
        await _search(store, query)
        times.append(time.perf_counter() - started)
    return statistics.median(times)


async def _search(store: Store, query: str) -> None:
    answer = await store.dispatch.run(store.dispatch.registry["search_messages"], _ADA, {"query": query}, door="rest")
    assert answer.value.results, query
