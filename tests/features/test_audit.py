"""The audit trail: what was done, what it was before, and that nobody has rewritten it."""

import random
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from server.core.errors import Conflict
from tests.conftest import OfficeUnderTest
from tests.features.timed import Timed, open_timed

ROWS = 1000


async def _written(data: Path) -> int:
    """Write a trail and return its last seq."""
    async with open_timed(data) as timed:
        await timed.member("ada")
        head = 0
        while head < ROWS:
            await timed.call("ada", "send_message", channel="general", content=f"message {head} @chairman")
            head = int((await timed.call("chairman", "verify_audit")).head.split()[0])
        return head


async def _verify(timed: Timed) -> Any:
    return await timed.call("chairman", "verify_audit")


def _flip(database: sqlite3.Connection, seq: int, chance: random.Random) -> None:
    column = chance.choice(
        ["at", "kind", "actor", "operation", "door", "call_id", "audience", "subject", "body", "hash"]
    )
    if column == "at":
        database.execute("UPDATE event SET at = at + 1 WHERE seq = ?", (seq,))
        return
    (value,) = database.execute(f"SELECT {column} FROM event WHERE seq = ?", (seq,)).fetchone()  # noqa: S608
    place = chance.randrange(len(value))
    changed = value[:place] + (b"~" if isinstance(value, bytes) else "~") + value[place + 1 :]
    if changed == value:
        changed = value[:place] + (b"!" if isinstance(value, bytes) else "!") + value[place + 1 :]
    database.execute(f"UPDATE event SET {column} = ? WHERE seq = ?", (changed, seq))  # noqa: S608


def _remove(database: sqlite3.Connection, seq: int, chance: random.Random) -> None:
    database.execute("DELETE FROM event WHERE seq = ?", (seq,))


def _swap(database: sqlite3.Connection, seq: int, chance: random.Random) -> None:
    other = seq - 1 if seq > 1 else seq + 1
    for old, new in ((seq, -1), (other, seq), (-1, other)):
        database.execute("UPDATE event SET seq = ? WHERE seq = ?", (new, old))


async def test_any_row_that_was_changed_taken_out_or_moved_is_named(tmp_path: Path) -> None:
    head = await _written(tmp_path)
    chance = random.Random(1000)  # noqa: S311 (no secret)
    async with open_timed(tmp_path) as timed:
        head = int((await _verify(timed)).head.split()[0])
        assert (await _verify(timed)).ok
        file = tmp_path / "team.sqlite3"
        places = {1, 2, head - 1, head, *chance.sample(range(1, head + 1), 80)}
        for seq in sorted(places):
            for harm in (_flip, _remove, _swap):
                database = sqlite3.connect(file, isolation_level=None)
                kept = database.execute("SELECT * FROM event WHERE seq BETWEEN ? AND ?", (seq - 1, seq + 1)).fetchall()
                harm(database, seq, chance)

                found = await _verify(timed)

                assert not found.ok, (harm.__name__, seq)
                assert {seq, seq + 1, seq - 1} & {broken.seq for broken in found.broken}, (harm.__name__, seq)
                database.execute("DELETE FROM event WHERE seq BETWEEN ? AND ?", (seq - 1, seq + 1))
                marks = ", ".join("?" * len(kept[0]))
                database.executemany(f"INSERT INTO event VALUES ({marks})", kept)  # noqa: S608
                database.close()
        assert (await _verify(timed)).ok


async def test_a_change_that_was_undone_leaves_the_chain_whole(tmp_path: Path) -> None:
    async with open_timed(tmp_path) as timed:
        await timed.member("ada")
        task = await timed.call("chairman", "create_task", title="one")
        with pytest.raises(Conflict):  # it fails after it has written
            await timed.call("ada", "update_task", task_id=task.id, claim=7, progress=3)
        await timed.call("ada", "send_message", channel="general", content="go on")
        assert (await _verify(timed)).ok
    async with open_timed(tmp_path) as timed:
        await timed.call("chairman", "send_message", channel="general", content="after a restart")
        assert (await _verify(timed)).ok


async def test_an_entry_tells_who_by_which_door_and_what_was_before(office: OfficeUnderTest) -> None:
    task = await office.chairman.post("/api/tasks", {"title": "Fix the port"})
    await office.chairman.ask("PATCH", f"/api/tasks/{task['id']}", {"priority": "high"})
    await office.chairman.post("/api/tasks", {"title": "Another"})

    (entry,) = (await office.chairman.get(f"/api/audit?subject={task['id']}&kind=task.changed&details=true"))["entries"]

    assert (entry["actor"], entry["door"], entry["operation"]) == ("chairman", "rest", "update_task")
    assert (entry["before"]["task"]["priority"], entry["body"]["task"]["priority"]) == ("medium", "high")
    assert (await office.chairman.get("/api/audit?door=mcp"))["entries"] == []
    status, answer = await office.chairman.ask("GET", "/api/audit?since=yesterday")
    assert (status, answer["error"]["field"]) == (400, "since")


async def test_only_people_who_run_the_team_read_it(office: OfficeUnderTest) -> None:
    ada = await office.member("ada")
    for path in ("/api/audit", "/api/audit/verify"):
        assert (await ada.ask("GET", path))[0] == 403
