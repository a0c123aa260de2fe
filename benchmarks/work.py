"""Work at scale: what claiming, lists and history cost with many rows, to their cost with a thousand; schedules."""

import asyncio
import random
import sqlite3
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.figure import Effort, Figure, compared
from benchmarks.machine import scratch_folder
from benchmarks.store import open_store
from server.app import Store
from server.core.call import Caller
from tests.features.timed import HOUR, SECOND, Clock, open_timed

_FEW = 1000
_CLAIMABLE, _LISTED, _VERSIONS, _SCHEDULES = 10_000, 100_000, 100_000, 10_000
_ADA = Caller("ada", "agent", "member")
_STATUSES = ("todo", "doing", "blocked", "review", "done", "failed")
# The same page of both: of a thousand tasks, ten have the label and the statuses asked for.
_LISTS: Mapping[str, Mapping[str, object]] = {
    "list of tasks": {},
    "list by assignee and status": {"assignee": "ada", "status": "doing,review", "limit": 10},
    "list by label": {"label": "l7", "limit": 10},
    "list of the last changed": {"sort": "-updated_at", "status": "done,failed"},
}


def measure(effort: Effort) -> list[Figure]:
    """Compare each with itself on a thousand rows."""
    with scratch_folder() as folder:
        return asyncio.run(_measure(folder, effort))


async def _measure(folder: Path, effort: Effort) -> list[Figure]:
    found: list[Figure] = []
    for name, many, fill, calls in (
        ("claim-next", _CLAIMABLE, _fill_free, {"claim-next": ("claim_task", {"next": True})}),
        ("lists", _LISTED, _fill_tasks, {name: ("list_tasks", query) for name, query in _LISTS.items()}),
        ("history", _VERSIONS, _fill_versions, {
            "history of a field": ("get_state_history", {"project_id": "shop", "field": "counter", "limit": 50}),
        }),
    ):  # fmt: skip
        for data, count in ((folder / name / "few", _FEW), (folder / name / "many", many)):
            async with open_store(data):
                pass
            fill(data / "team.sqlite3", count)
        async with open_store(folder / name / "few") as few, open_store(folder / name / "many") as large:
            for call, (operation, arguments) in calls.items():
                ours, limits = [], []
                for _ in range(effort.rounds):
                    limits.append(await _cost_ms(few, operation, arguments, effort))
                    ours.append(await _cost_ms(large, operation, arguments, effort))
                title = f"{call} at {many:,} / at 1,000"
                found.append(compared(title, "ms", ours, limits, goal=2.0, floor=6.0, at_most=True))
    found.append(await _schedules(folder / "schedules"))
    return found


async def _cost_ms(store: Store, operation: str, arguments: Mapping[str, object], effort: Effort) -> float:
    count = 30 if effort.quick else 100
    declared = store.dispatch.registry[operation]
    await store.dispatch.run(declared, _ADA, arguments, door="rest")
    started = time.perf_counter()
    for _ in range(count):
        await store.dispatch.run(declared, _ADA, arguments, door="rest")
    return (time.perf_counter() - started) * 1000 / count


async def _schedules(data: Path) -> Figure:
    """Let an hour pass with ten thousand schedules that each send a message in it, and weigh the processor's time."""
    clock = Clock()
    async with open_timed(data, clock):
        pass
    _fill_schedules(data / "team.sqlite3", clock.now)
    async with open_timed(data, clock) as team:
        busy, hour = time.process_time(), clock.now + HOUR
        while clock.now < hour:
            await team.tick("fire_schedules", 10 * SECOND)
        share = (time.process_time() - busy) / 3600 * 100
    return Figure("10,000 hourly schedules, messages included", "% of a core", share, 0.5, 2.0, at_most=True)


def _fill_free(file: Path, count: int) -> None:
    _fill_tasks(file, count, statuses=("todo",))


def _fill_tasks(file: Path, count: int, statuses: Sequence[str] = _STATUSES) -> None:
    chance = random.Random(7)  # noqa: S311 (the same rows at every run)
    rows, labels = [], []
    for number in range(1, count + 1):
        status = statuses[number % len(statuses)]
        assignee = None if status == "todo" else "ada" if number % 50 < 3 else None
        closed = number if status in ("done", "failed") else None
        rows.append((number, number, f"task {number}", status, chance.randrange(4), assignee, closed))
        labels.append((f"l{number % 50}", number))
    with _bulk(file) as connection:
        connection.executemany(
            "INSERT INTO task (id, seq, version, kind, title, body, status, blocked_reason, priority, weight, creator,"
            " assignee, labels, requires, result, max_attempts, lease_ttl_s, created_at, updated_at, closed_at)"
            " VALUES (?1, ?2, 1, 'task', ?3, '', ?4, '', ?5, 1, 'ada', ?6, '[]', '[]', '', 5, 300, ?1, ?1, ?7)",
            rows,
        )
        connection.executemany("INSERT INTO task_label (label, task) VALUES (?, ?)", labels)


def _fill_versions(file: Path, count: int) -> None:
    with _bulk(file) as connection:
        connection.execute(
            "INSERT INTO state (project, field, seq, version, value, owner, approval_required, created_at, updated_at,"
            " updated_by) VALUES ('shop', 'counter', 1, ?, '0', 'ada', 0, 1, 1, 'ada')",
            (count,),
        )
        connection.executemany(
            "INSERT INTO state_version (project, field, version, value, changed_by, reason, source, at)"
            " VALUES ('shop', 'counter', ?1, ?1, 'ada', '', 'write', ?1)",
            ((number,) for number in range(1, count + 1)),
        )


def _fill_schedules(file: Path, now: int) -> None:
    rows: list[tuple[Any, ...]] = []
    for number in range(_SCHEDULES):
        minute, due = number % 60, now + 1 + number * HOUR // _SCHEDULES
        rows.append((f"{minute} * * * *", due))
    with _bulk(file) as connection:
        connection.executemany(
            "INSERT INTO schedule (name, creator, action, channel, content, title, cron_expr, tz, overlap, missed,"
            " jitter_s, status, reason, planned_at, due_at, created_at, updated_at) VALUES ('', 'chairman', 'message',"
            " 'general', 'hello', '', ?1, 'Europe/Berlin', 'allow', 'run_once', 0, 'active', '', ?2, ?2, 1, 1)",
            rows,
        )


def _bulk(file: Path) -> sqlite3.Connection:
    return sqlite3.connect(file)
