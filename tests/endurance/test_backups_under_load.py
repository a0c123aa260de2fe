"""Backups while everybody writes: each is whole, holds all that was answered before, and nobody waits for it long."""

import asyncio
import signal
import sys
import time
from pathlib import Path

import aiohttp

from server.backup import checking
from tests.conftest import UNHURRIED_FILE, Door, ServerProcess, until
from tests.endurance.soak import percentile, report, short_or_long
from tests.following import following

BACKUPS = short_or_long(5, 20)
SENDERS = 4
AHEAD = short_or_long(2000, 50_000)
"""Messages in the database before the first."""


class _Load:
    """Senders that go on, and what each was answered, with when and how long it took."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self.last = 0
        self.took: list[tuple[float, float]] = []
        self.stopped = False

    async def send(self) -> None:
        while not self.stopped:
            began = time.perf_counter()
            answer = await self._door.send("general", "y" * 400)
            self.took.append((began, (time.perf_counter() - began) * 1000))
            self.last = max(self.last, int(answer["id"].removeprefix("msg_")))

    async def go_on(self, count: int) -> None:
        """Wait until so many more were answered."""
        goal = len(self.took) + count
        await until(lambda: len(self.took) >= goal, 20)

    async def fill(self, count: int) -> None:
        while self.last < count:
            answers = await asyncio.gather(*(self._door.send("general", "z" * 400) for _ in range(32)))
            self.last = int(answers[-1]["id"].removeprefix("msg_"))


async def test_each_backup_is_whole_and_holds_what_was_answered_before(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path / "data", ("--only-server",))
    (tmp_path / "agents.yaml").write_text(f"team: load\n{UNHURRIED_FILE}agents: {{}}\n")
    server.arguments = ("--only-server", "--config", str(tmp_path / "agents.yaml"))
    await server.start()
    durations: list[tuple[float, float]] = []
    promised: dict[str, int] = {}
    try:
        async with aiohttp.ClientSession() as session:
            token = (server.data / "run" / "operator.token").read_text().strip()
            load = _Load(door := Door(server.url, token, session))
            await load.fill(AHEAD)
            async with asyncio.TaskGroup() as tasks:
                for _ in range(SENDERS):
                    tasks.create_task(load.send())
                for _ in range(BACKUPS):
                    before, began = load.last, time.perf_counter()
                    made = await door.post("/api/backups")
                    durations.append((began, time.perf_counter()))
                    promised[made["name"]] = before
                    await load.go_on(100)  # a stretch without one, to compare with
                load.stopped = True
            cursor = await door.get("/api/snapshot")
            for name, least in promised.items():
                found = await asyncio.to_thread(checking.check, server.data / "backups" / name)
                assert (found.problems, found.manifest is not None) == ([], True), name
                assert found.manifest is not None
                assert found.manifest.rows["message"] >= least, "what was answered before it began is in it"
                assert found.manifest.rows["event"] == found.manifest.seq, "a prefix of the log, without a hole"
    finally:
        assert await server.end(signal.SIGTERM) == 0

    name = next(iter(promised))
    command = ("backup", "restore", name, "--data", str(server.data), "--config", str(tmp_path / "agents.yaml"))
    restoring = await asyncio.create_subprocess_exec(sys.executable, "-m", "server.cli", *command)
    assert await asyncio.wait_for(restoring.wait(), 60) == 0
    await server.start()
    try:
        async with aiohttp.ClientSession() as session:
            token = (server.data / "run" / "operator.token").read_text().strip()
            door = Door(server.url, token, session)
            async with following(door, f"?since={cursor['epoch']}-{cursor['seq']}") as reader:
                await reader.wait_until(lambda found: "reset" in found.kinds())
            assert (await door.get("/api/snapshot"))["epoch"] != cursor["epoch"]
    finally:
        assert await server.end(signal.SIGINT) == 0

    during = [took for at, took in load.took if any(began <= at <= ended for began, ended in durations)]
    beside = [took for at, took in load.took if not any(began <= at <= ended for began, ended in durations)]
    report(
        "backups under load",
        backups=len(promised),
        messages=load.last,
        longest=f"{max(ended - began for began, ended in durations):.2f} s",
        p99_during=f"{percentile(during, 0.99):.0f} ms",
        p99_beside=f"{percentile(beside, 0.99):.0f} ms",
        worst=f"{max(during):.0f} ms",
    )
    assert max(during) < 2000, "writers are not held up for long"
