"""`kill -9` of the server, again and again, in the middle of the work: nobody notices but by waiting."""

import asyncio
import contextlib
import itertools
import random
import re
import signal
import sys
from collections import defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import aiohttp
import pytest

from tests.conftest import Door, ServerProcess, until

READERS = ("rea", "rio")
SENDERS = ("sam", "sue", "sid", "sol")
KILLS = 20
ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Killed:
    """An office whose server is killed, and what its senders were told."""

    folder: Path
    server: ServerProcess
    session: aiohttp.ClientSession
    tokens: dict[str, str] = field(default_factory=dict)
    acknowledged: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    """By reader: what was answered with 2xx, sender by sender in order."""
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
        """Send to both readers in turn; what is not answered is repeated under its key until it is."""
        for number, reader in zip(itertools.count(), itertools.cycle(READERS), strict=False):
            if self.stopped:
                return
            content = f"{sender}-{number}"
            headers = {"Authorization": f"Bearer {self.tokens[sender]}", "Idempotency-Key": content}
            body = {"channel": f"dm:{reader}", "content": content}
            while True:
                with contextlib.suppress(aiohttp.ClientError, ConnectionError):
                    async with self.session.post(self.server.url + "/api/send", json=body, headers=headers) as answer:
                        assert answer.status == 201, await answer.text()
                        break
                await asyncio.sleep(0.01)
            self.acknowledged[reader].append(content)

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
    (tmp_path / "agents.yaml").write_text(f"team: kills\nagents:\n{agents}")
    server = ServerProcess(tmp_path / "data", ("--config", str(tmp_path / "agents.yaml")))
    await server.start()
    async with aiohttp.ClientSession() as session:
        killed = Killed(tmp_path, server, session)
        for sender in SENDERS:
            minted = await killed.chairman.post("/api/tokens", {"name": sender, "kind": "bot"})
            killed.tokens[sender] = minted["token"]
        try:
            yield killed
        finally:
            if server.process is not None and server.process.returncode is not None:
                await server.start()
            assert await server.end(signal.SIGINT) == 0


async def test_20_kills_lose_nothing_double_nothing_and_no_agent_notices(office: Killed) -> None:
    chance = random.Random(20)  # noqa: S311 (no secret)
    for reader in READERS:
        await until(partial(_connected, office, reader), 20)
    pids = {reader: (await office.agent(reader))["pid"] for reader in READERS}
    port = int(office.server.url.rpartition(":")[2])

    async with asyncio.TaskGroup() as tasks:
        for sender in SENDERS:
            tasks.create_task(office.send_all(sender))
        for _ in range(KILLS):
            before, wanted = _count(office), chance.randint(4, 60)
            await until(partial(_acknowledged, office, before + wanted), 20)
            await office.server.end(signal.SIGKILL)
            await office.server.start(port)
        office.stopped = True

    for reader in READERS:
        expected = office.acknowledged[reader]
        await until(partial(_has_read, office, reader, len(expected)), 20)
        found = office.read(reader)
        assert sorted(found) == sorted(expected), "nothing lost, nothing twice"
        for sender in SENDERS:
            own = [content for content in found if content.startswith(f"{sender}-")]
            assert own == [content for content in expected if content.startswith(f"{sender}-")], "in their order"
        assert b"REFUSED" not in office.record(reader)
        agent = await until(partial(_ready, office, reader), 20)
        assert (agent["pid"], agent["restarts"]) == (pids[reader], 0)
        receipts = await office.chairman.as_member(office.tokens["sam"]).get(
            f"/api/history?channel=dm:{reader}&limit=200"
        )
        assert {receipt["state"] for receipt in receipts["receipts"]} <= {"seen", "handled"}
        written = office.record(reader).replace(b"\n", b"\r\n")
        assert await office.terminal(reader, len(written)) == written, "its terminal is byte-exact"


def _connected(office: Killed, reader: str) -> bool:
    return b"CONNECTED" in office.record(reader)


def _has_read(office: Killed, reader: str, count: int) -> bool:
    return len(office.read(reader)) >= count


def _acknowledged(office: Killed, count: int) -> bool:
    return _count(office) >= count


async def _ready(office: Killed, name: str) -> dict[str, object] | None:
    agent = await office.agent(name)
    return agent if agent["state"] == "ready" else None


def _count(office: Killed) -> int:
    return sum(map(len, office.acknowledged.values()))
