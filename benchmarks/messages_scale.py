"""Messages at scale: what reading costs with 100,000 and 1,000,000 of them, to its cost with a thousand."""

import asyncio
import random
import sqlite3
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path

from benchmarks.figure import Effort, Figure, compared
from benchmarks.machine import scratch_folder
from benchmarks.store import open_store
from server.app import Store
from server.core.call import Caller

FEW = 1000
MANY, MOST = 100_000, 1_000_000
CHANNELS = 20
UNREAD = {"c1": 30, "c2": 8, "c3": 1}
"""What the reader has not read, whatever else there is: a busy channel, a quiet one, and one message."""
READER = Caller("ada", "agent", "member")
_SENDERS = tuple(f"m{number}" for number in range(50))
_WORDS = ("the", "build", "is", "green", "again", "after", "we", "moved", "cache", "out", "of", "tests", "and", "then")

Calls = Mapping[str, tuple[str, Mapping[str, object]]]
"""What is measured → operation and arguments. `around` is filled in for each size: the middle of it."""
CALLS: Calls = {
    "history (50)": ("get_history", {"channel": "c7", "limit": 50}),
    "history around an id": ("get_history", {"channel": "c7", "limit": 50, "around": "middle"}),
    "inbox": ("get_inbox", {}),
    "channel list with unread counts": ("get_channels", {}),
    "snapshot": ("get_snapshot", {}),
}


def measure(effort: Effort) -> list[Figure]:
    """Compare each with itself on a thousand messages."""
    with scratch_folder() as folder:
        return asyncio.run(_measure(folder, effort))


async def _measure(folder: Path, effort: Effort) -> list[Figure]:
    sizes = [MANY] if effort.quick else [MANY, MOST]
    async with AsyncExitStack() as stack:
        stores = {}
        for size in (FEW, *sizes):
            async with open_store(folder / str(size)):
                pass
            fill(folder / str(size) / "team.sqlite3", size)
            stores[size] = await stack.enter_async_context(open_store(folder / str(size)))
        found = []
        for size in sizes:
            for title, (operation, arguments) in CALLS.items():
                found.append(
                    await _compare(f"{title} at {size:,} / at 1,000", stores, size, operation, arguments, effort)
                )
        found.append(await _compare_nothing_read(stores, sizes[-1], effort))
    return found


async def _compare(
    title: str, stores: Mapping[int, Store], size: int, operation: str, arguments: Mapping[str, object], effort: Effort
) -> Figure:
    ours, limits = [], []
    for _ in range(effort.rounds):
        limits.append(await cost_ms(stores[FEW], READER, operation, _filled(arguments, FEW), effort))
        ours.append(await cost_ms(stores[size], READER, operation, _filled(arguments, size), effort))
    return compared(title, "ms", ours, limits, goal=2.0, floor=6.0, at_most=True)


async def _compare_nothing_read(stores: Mapping[int, Store], size: int, effort: Effort) -> Figure:
    """Let one who never read anything ask for the channels: every count goes as far as counts go."""
    newcomer = Caller("m0", "agent", "member")
    costs = {
        each: [await cost_ms(stores[each], newcomer, "get_channels", {}, effort) for _ in range(effort.rounds)]
        for each in (FEW, size)
    }
    return compared(
        f"the same, nothing ever read, at {size:,} / at 1,000", "ms", costs[size], costs[FEW], goal=None, floor=None
    )


async def cost_ms(
    store: Store, caller: Caller, operation: str, arguments: Mapping[str, object], effort: Effort
) -> float:
    """Return what one call costs on average, once the first has warmed the caches."""
    count = 30 if effort.quick else 100
    declared = store.dispatch.registry[operation]
    await store.dispatch.run(declared, caller, arguments, door="rest")
    started = time.perf_counter()
    for _ in range(count):
        await store.dispatch.run(declared, caller, arguments, door="rest")
    return (time.perf_counter() - started) * 1000 / count


def fill(file: Path, count: int) -> None:
    """Write so many messages into a team's database: twenty channels in turn, a mention in every tenth."""
    chance = random.Random(7)  # noqa: S311 (the same rows at every run)
    connection = sqlite3.connect(file, isolation_level=None)
    connection.execute("PRAGMA synchronous=OFF")
    connection.execute("BEGIN")
    connection.executemany(
        "INSERT INTO member (name, kind, role, created_by, created_at) VALUES (?, 'agent', 'member', 'system', 1)",
        ((name,) for name in _SENDERS),
    )
    channels = [f"c{number}" for number in range(CHANNELS)]
    connection.executemany(
        "INSERT INTO channel (id, type, name, description, created_by, created_at)"
        " VALUES (?1, 'group', ?1, '', 'ada', 1)",
        ((channel,) for channel in channels),
    )
    connection.executemany(
        "INSERT INTO channel_member (channel, member, joined_at) VALUES (?, ?, 1)",
        ((channel, name) for channel in channels for name in ("ada", *_SENDERS)),
    )
    connection.executemany(
        "INSERT INTO message (id, seq, channel, sender, sender_kind, content, mentions, priority, metadata, created_at)"
        " VALUES (?1, ?1, ?2, ?3, 'agent', ?4, ?5, 'next', '{}', ?1)",
        (
            (number, channels[number % CHANNELS], chance.choice(_SENDERS), text_of(number, chance), _named(number))
            for number in range(1, count + 1)
        ),
    )
    for table, columns, state in (
        ("mention", "member, channel, message_id", ""),
        ("delivery", "recipient, channel, message_id, state, stored_at", ", 'handled', 1"),
    ):
        connection.execute(
            f"INSERT INTO {table} ({columns}) SELECT 'ada', channel, id{state} FROM message WHERE mentions <> '[]'"  # noqa: S608
        )
    connection.executemany(
        "INSERT INTO read_mark (member, channel, last_read) SELECT 'ada', ?1, id FROM message WHERE channel = ?1"
        " ORDER BY id DESC LIMIT 1 OFFSET ?2",
        ((channel, UNREAD.get(channel, 0)) for channel in channels),
    )
    connection.execute("INSERT INTO message_text (message_text) VALUES ('rebuild')")
    connection.execute("COMMIT")
    connection.close()


def text_of(number: int, chance: random.Random) -> str:
    """Return the text of one message: common words, and one that stands in no other."""
    return f"{' '.join(chance.choices(_WORDS, k=20))} only{number}"


def _named(number: int) -> str:
    return '["ada"]' if number % 10 == 3 else "[]"


def _filled(arguments: Mapping[str, object], size: int) -> Mapping[str, object]:
    middle = size // 2 // CHANNELS * CHANNELS + 7
    return {name: middle if value == "middle" else value for name, value in arguments.items()}
