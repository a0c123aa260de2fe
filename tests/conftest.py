"""What every test may ask for: a real office in this process, and a real server as a process of its own."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from server.app import Office, ServerReady, Store, offline, serve
from server.config import AgentConfig, Config, Guards

PATIENCE_S = 5.0
"""How long a test waits for what must happen."""
UNHURRIED = Guards(self_per_min=0, human_per_min=0)
"""The usual guards, but tests send faster than people and agents may."""
UNHURRIED_FILE = "defaults: { guards: { self_per_min: 0, human_per_min: 0 } }\n"


@dataclass
class Door:
    """One member's way in over HTTP."""

    url: str
    token: str | None
    session: aiohttp.ClientSession

    async def ask(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        """Send one request and return status and JSON."""
        if self.token is not None:
            headers.setdefault("Authorization", f"Bearer {self.token}")
        async with self.session.request(method, self.url + path, json=body, headers=headers) as response:
            return response.status, await response.json()

    async def get(self, path: str) -> Any:
        status, answer = await self.ask("GET", path)
        assert status == 200, answer
        return answer

    async def post(self, path: str, body: Any = None, **headers: str) -> Any:
        status, answer = await self.ask("POST", path, body or {}, **headers)
        assert status in (200, 201), answer
        return answer

    async def send(self, channel: str, content: str, **more: Any) -> Any:
        return await self.post("/api/send", {"channel": channel, "content": content, **more})

    def as_member(self, token: str | None) -> "Door":
        return Door(self.url, token, self.session)


@dataclass
class OfficeUnderTest:
    """A real office on a free port of the loopback interface, in this process."""

    config: Config
    ready: ServerReady
    chairman: Door
    serving: asyncio.Task[int]
    stopping: asyncio.Event
    url: str = field(init=False)

    def __post_init__(self) -> None:
        self.url = self.ready.url

    async def member(self, name: str, *, kind: str = "agent", role: str | None = None) -> Door:
        """Return the door of a member, who is created if need be."""
        body = {"name": name, "kind": kind} | ({} if role is None else {"role": role})
        return self.chairman.as_member((await self.chairman.post("/api/tokens", body))["token"])

    async def stop(self) -> int:
        self.stopping.set()
        return await asyncio.wait_for(self.serving, PATIENCE_S)


OpenOffice = Callable[..., "contextlib.AbstractAsyncContextManager[OfficeUnderTest]"]


@contextlib.asynccontextmanager
async def open_office(
    data: Path, *, agents: Sequence[AgentConfig] = (), **settings: Any
) -> AsyncIterator[OfficeUnderTest]:
    """Open an office on a data folder; it is closed, and its agents with it, at the end."""
    settings.setdefault("guards", UNHURRIED)
    config = Config(
        team="test", host="127.0.0.1", port=settings.pop("port", 0), data=data, agents=tuple(agents), **settings
    )
    ready: asyncio.Future[ServerReady] = asyncio.get_running_loop().create_future()
    stopping = asyncio.Event()
    serving = asyncio.create_task(serve(config, announce=ready.set_result, stop=stopping, stop_takes_agents=True))
    await asyncio.wait((serving, ready), return_when=asyncio.FIRST_COMPLETED)
    if not ready.done():
        await serving
    token = (data / "run" / "operator.token").read_text(encoding="utf-8").strip()
    async with aiohttp.ClientSession() as session:
        office = OfficeUnderTest(config, ready.result(), Door(ready.result().url, token, session), serving, stopping)
        try:
            yield office
        finally:
            if not serving.done():
                await office.stop()


@dataclass
class OpenedOffice:
    """A real office whose store a test can reach: for what only the server itself does, and for trouble on the disk."""

    store: Store
    ready: ServerReady
    chairman: Door

    async def member(self, name: str, *, kind: str = "agent", role: str | None = None) -> Door:
        """Return the door of a member, who is created if need be."""
        minted = await self.store.run("create_token", name=name, kind=kind, role=role)
        return self.chairman.as_member(minted.token)


@contextlib.asynccontextmanager
async def opened_office(data: Path) -> AsyncIterator[OpenedOffice]:
    """Open an office without agents of its own, part by part."""
    config = Config(team="test", host="127.0.0.1", port=0, data=data, guards=UNHURRIED)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        async with offline(config) as store, asyncio.TaskGroup() as tasks, aiohttp.ClientSession() as session:
            office = Office(config, store, listening, only_server=True)
            await office.open(tasks)
            try:
                ready = await office.ready()
                token = (data / "run" / "operator.token").read_text(encoding="utf-8").strip()
                yield OpenedOffice(store, ready, Door(ready.url, token, session))
            finally:
                await office.close()


@pytest.fixture(scope="session", autouse=True)
def nothing_is_left_behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Fail if a process is alive at the end that works in a folder of the tests: agents outlive their server."""
    yield
    base = str(tmp_path_factory.getbasetemp())
    until_s = time.monotonic() + PATIENCE_S
    while (left := _processes_in(base)) and time.monotonic() < until_s:
        time.sleep(0.05)
    for pid in left:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)  # a holder takes its tree with it
    assert left == {}


def _processes_in(base: str) -> dict[int, str]:
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            opened = [str(link.readlink()) for link in (process / "fd").iterdir()]
            words = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        places = [place for place in (*words.split(), *opened) if place.startswith(base)]
        if int(process.name) != os.getpid() and places:
            found[int(process.name)] = f"{words} in {places[0]}"
    return found


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[OfficeUnderTest]:
    async with open_office(tmp_path / "data") as opened:
        yield opened


async def until(condition: Callable[[], Any], within_s: float = PATIENCE_S) -> Any:
    """Wait until a condition, which may be a coroutine function, holds, and return its value."""
    async with asyncio.timeout(within_s):
        while True:
            value = condition()
            if asyncio.iscoroutine(value):
                value = await value
            if value:
                return value
            await asyncio.sleep(0.01)


@dataclass
class ServerProcess:
    """`bullpen up` as a process of its own, to be killed."""

    data: Path
    arguments: Sequence[str] = ()
    process: asyncio.subprocess.Process | None = None
    url: str = ""

    async def start(self, port: int = 0) -> None:
        """Start it and wait until it answers."""
        environment = {**os.environ, "BULLPEN_DATA": str(self.data), "BULLPEN_PORT": str(port)}
        if "--config" not in self.arguments:
            team_file = self.data.parent / "agents.yaml"
            team_file.write_text(UNHURRIED_FILE, encoding="utf-8")
            environment["BULLPEN_CONFIG"] = str(team_file)
        command = [sys.executable, "-m", "server.cli", "up", "--no-open", *self.arguments]
        output = self.data.parent / "server.out"
        log = output.open("ab")
        self.process = await asyncio.create_subprocess_exec(
            *command, stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log, env=environment
        )
        log.close()
        record = self.data / "run" / "server.json"
        self.url = await until(lambda: _recorded(record, self.process, output), 30)

    async def end(self, signal_number: int) -> int:
        assert self.process is not None
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal_number)
        return await asyncio.wait_for(self.process.wait(), 70)


def _recorded(record: Path, process: asyncio.subprocess.Process | None, output: Path) -> str | None:
    assert process is not None
    if process.returncode is not None:
        raise AssertionError(f"the server ended with {process.returncode}: {output.read_text()[-2000:]}")
    try:
        found = json.loads(record.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    return str(found["url"]) if found["pid"] == process.pid else None
