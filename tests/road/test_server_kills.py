"""`kill -9` of the server, again and again, in the middle of the work: nobody notices but by waiting."""

import asyncio
import itertools
import random
import re
import signal
import sys
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import aiohttp
import pytest

from tests.conftest import Door, ServerProcess, until
from tests.endurance.history import History
from tests.endurance.resuming import ResumingReader
from tests.endurance.soak import IS_SOAK, percentile, report, short_or_long

READERS = ("rea", "rio")
"""Agents in terminals; each is sent direct messages."""
WATCHERS = ("wim", "win", "wes")
"""Programs that follow #general by the stream."""
SENDERS = ("sam", "sue", "sid", "sol")
HASTY = "sol"
"""Repeats nothing: what it was not answered stays unknown."""
KILLS = short_or_long(25, 300)
READY_WITHIN_S = 2.0
ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Killed:
    """An office whose server is killed, and what its senders were told."""

    folder: Path
    server: ServerProcess
    session: aiohttp.ClientSession
    tokens: dict[str, str] = field(default_factory=dict)
    histories: dict[str, History] = field(default_factory=lambda: defaultdict(History))
    """By place: what was sent there, and how it ended."""
    acknowledged: int = 0
    stopped: bool = False

    @property
    def chairman(self) -> Door:
        token = (self.server.data / "run" / "operator.token").read_text().strip()
        return Door(self.server.url, token, self.session)

    def record(self, reader: str) -> bytes:
        file = self.folder / f"{reader}.out"
        return file.read_bytes() if file.exists() else b""

    def read(self, reader: str) -> list[str]:
        """What reached a reader's program, as often and in the order as it came."""
        return re.findall(r"^READ msg_\d+ (.*)$", self.record(reader).decode(), re.MULTILINE)

    async def send_all(self, sender: str) -> None:
        """Send to everybody in turn; what is not answered is repeated under its key until it is, but by the hasty."""
        for number, place in zip(itertools.count(), itertools.cycle((*READERS, "general")), strict=False):
            if self.stopped:
                return
            content = f"{sender}-{number}"
            headers = {"Authorization": f"Bearer {self.tokens[sender]}", "Idempotency-Key": content}
            body = {"channel": place if place == "general" else f"dm:{place}", "content": content}
            self.histories[place].invoke(content)
            outcome = await self._attempt(body, headers)
            while outcome != "ok" and sender != HASTY:
                outcome = await self._attempt(body, headers)
            self.histories[place].outcome[content] = outcome
            self.acknowledged += outcome == "ok"

    async def _attempt(self, body: dict[str, str], headers: dict[str, str]) -> str:
        try:
            async with self.session.post(self.server.url + "/api/send", json=body, headers=headers) as answer:
                assert answer.status == 201, await answer.text()
                return "ok"
        except aiohttp.ClientConnectorError:
            await asyncio.sleep(0.01)
            return "failed"  # nobody listened
        except (aiohttp.ClientError, ConnectionError):
            await asyncio.sleep(0.01)
            return "unknown"

    async def agent(self, name: str) -> dict[str, object]:
        answer: dict[str, object] = await self.chairman.get(f"/api/agents/{name}")
        return answer

    async def terminal(self, name: str, size: int) -> bytes:
        """Return the first bytes of an agent's terminal as the server serves them."""
        door = self.chairman
        ticket = (await door.post(f"/api/agents/{name}/terminal/ticket", {"mode": "view"}))["ticket"]
        credentials = {"Authorization": f"Bearer {door.token}"}
        shown = b""
        async with self.session.ws_connect(
            f"{self.server.url}/ws/terminal?ticket={ticket}&since=0", headers=credentials
        ) as socket:
            while len(shown) < size:
                message = await socket.receive(5)
                if message.type is aiohttp.WSMsgType.BINARY:
                    assert int.from_bytes(message.data[:8], "big") == len(shown), "no gap and nothing twice"
                    shown += message.data[8:]
                assert '"gap"' not in str(message.data), message.data
        return shown[:size]


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Killed]:
    reader = ROOT / "tests" / "road" / "reader.py"
    agents = "".join(
        f"  {name}: {{ kind: custom, workdir: {tmp_path}, env: {{ set: {{ PYTHONPATH: {ROOT} }} }},"
        f" command: [{sys.executable}, {reader}, {tmp_path / name}.out] }}\n"
        for name in READERS
    )
    guards = "defaults: { guards: { pair_per_min: 0, pair_per_5_min: 0, agent_msgs_without_human: 0 } }\n"  # a flood
    (tmp_path / "agents.yaml").write_text(f"team: kills\n{guards}agents:\n{agents}")
    server = ServerProcess(tmp_path / "data", ("--config", str(tmp_path / "agents.yaml")))
    await server.start()
    async with aiohttp.ClientSession() as session:
        killed = Killed(tmp_path, server, session)
        for name in (*SENDERS, *WATCHERS):
            minted = await killed.chairman.post("/api/tokens", {"name": name, "kind": "bot"})
            killed.tokens[name] = minted["token"]
        try:
            yield killed
        finally:
            if server.process is not None and server.process.returncode is not None:
                await server.start()
            assert await server.end(signal.SIGINT) == 0


async def test_kills_lose_nothing_double_nothing_and_no_agent_notices(office: Killed) -> None:
    chance = random.Random(20)  # noqa: S311 (no secret)
    for reader in READERS:
        await until(partial(_connected, office, reader), 20)
    pids = {reader: (await office.agent(reader))["pid"] for reader in READERS}
    port = int(office.server.url.rpartition(":")[2])
    watchers = [ResumingReader(office.server.url, office.tokens[name], silence_s=60) for name in WATCHERS]
    ready_s: list[float] = []

    async with asyncio.TaskGroup() as tasks:
        watching = [tasks.create_task(watcher.run()) for watcher in watchers]
        await until(lambda: all(watcher.cursor for watcher in watchers), 20)
        senders = [tasks.create_task(office.send_all(sender)) for sender in SENDERS]
        for _ in range(KILLS):
            goal = office.acknowledged + chance.randint(4, 60)
            await until(partial(_acknowledged, office, goal), 20)
            await office.server.end(signal.SIGKILL)
            began = time.perf_counter()
            await office.server.start(port)
            ready_s.append(time.perf_counter() - began)
        office.stopped = True
        await asyncio.wait(senders)
        last = (await office.chairman.get("/api/snapshot"))["seq"]
        end = await office.chairman.send("general", "chairman-end")
        await until(lambda: all(watcher.seqs and watcher.seqs[-1] > last for watcher in watchers), 20)
        for task in watching:
            task.cancel()

    office.histories["general"].outcome[end["content"]] = "ok"
    broken = [office.histories["general"].check({watcher.token: watcher.contents for watcher in watchers})]
    for reader in READERS:
        history = office.histories[reader]
        await until(partial(_has_read_all, office, reader), 20)
        broken.append(history.check({reader: office.read(reader)}))
        assert b"REFUSED" not in office.record(reader)
        agent = await until(partial(_ready, office, reader), 20)
        assert (agent["pid"], agent["restarts"]) == (pids[reader], 0)
        receipts = await office.chairman.as_member(office.tokens["sam"]).get(
            f"/api/history?channel=dm:{reader}&limit=200"
        )
        assert {receipt["state"] for receipt in receipts["receipts"]} <= {"seen", "handled"}
        written = office.record(reader).replace(b"\n", b"\r\n")
        assert await office.terminal(reader, len(written)) == written, "its terminal is byte-exact"
    total = {kind: sum(found[kind] for found in broken) for kind in broken[0]}
    report(
        "kill -9 of the server",
        kills=KILLS,
        acknowledged=office.acknowledged,
        unknown=sum(history.count("unknown") for history in office.histories.values()),
        ready_p50=f"{percentile(ready_s, 0.5):.2f} s",
        ready_p95=f"{percentile(ready_s, 0.95):.2f} s",
        **total,
    )
    assert set(total.values()) == {0}
    assert [watcher.resets for watcher in watchers] == [0] * len(watchers)
    if IS_SOAK:  # beside other work a start takes as long as it takes
        assert percentile(ready_s, 0.95) < READY_WITHIN_S


def _connected(office: Killed, reader: str) -> bool:
    return b"CONNECTED" in office.record(reader)


def _has_read_all(office: Killed, reader: str) -> bool:
    history = office.histories[reader]
    return {content for content, outcome in history.outcome.items() if outcome == "ok"} <= set(office.read(reader))


def _acknowledged(office: Killed, count: int) -> bool:
    return office.acknowledged >= count


async def _ready(office: Killed, name: str) -> dict[str, object] | None:
    agent = await office.agent(name)
    return agent if agent["state"] == "ready" else None
