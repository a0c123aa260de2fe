"""A client of the event stream, as somebody outside would write it: frames in, with their ids, kinds and data."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import orjson

from tests.conftest import PATIENCE_S, Door, until


@dataclass(frozen=True)
class Frame:
    """One event as it came."""

    id: str | None
    kind: str
    data: dict[str, Any]


@dataclass
class Follower:
    """One open stream and all that came on it."""

    frames: list[Frame] = field(default_factory=list)
    heartbeats: int = 0
    ended: bool = False
    status: int = 0
    _moved: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def hello(self) -> dict[str, Any]:
        return next(frame.data for frame in self.frames if frame.kind == "hello")

    @property
    def events(self) -> list[dict[str, Any]]:
        """What is stored in the log: it carries an id."""
        return [frame.data for frame in self.frames if frame.id is not None and frame.kind != "reset"]

    @property
    def seqs(self) -> list[int]:
        return [event["seq"] for event in self.events]

    @property
    def last_id(self) -> str:
        return next(frame.id for frame in reversed(self.frames) if frame.id is not None)

    def kinds(self) -> list[str]:
        return [frame.kind for frame in self.frames]

    def contents(self) -> list[str]:
        return [event["message"]["content"] for event in self.events if event["kind"] == "message.created"]

    async def wait_until(self, condition: Callable[["Follower"], Any], within_s: float = PATIENCE_S) -> Any:
        """Wait until a condition holds of what has come, and return its value."""
        async with asyncio.timeout(within_s):
            while not (value := condition(self)):
                self._moved.clear()
                await self._moved.wait()
        return value

    async def wait_for_seq(self, seq: int) -> None:
        await self.wait_until(lambda follower: follower.seqs and follower.seqs[-1] >= seq)

    async def wait_until_ended(self) -> None:
        await self.wait_until(lambda follower: follower.ended)

    async def read(self, response: aiohttp.ClientResponse) -> None:
        """Take in a stream until it ends."""
        self.status = response.status
        rest = b""
        try:
            async for piece in response.content.iter_any():
                *blocks, rest = (rest + piece).split(b"\n\n")
                for block in blocks:
                    self._take(block.decode())
                self._moved.set()
        except (aiohttp.ClientError, ConnectionError):
            pass  # cut: what came is what counts
        finally:
            self.ended = True
            self._moved.set()

    def _take(self, block: str) -> None:
        if block.startswith(":"):
            self.heartbeats += 1
            return
        fields: dict[str, str] = {}
        for line in block.split("\n"):
            name, _, value = line.partition(": ")
            assert name not in fields, block
            fields[name] = value
        if "data" in fields:
            self.frames.append(Frame(fields.get("id"), fields["event"], orjson.loads(fields["data"])))


@asynccontextmanager
async def following(door: Door, query: str = "", **headers: str) -> AsyncIterator[Follower]:
    """Open a stream, wait for its greeting, and close it at the end."""
    if door.token is not None:
        headers.setdefault("Authorization", f"Bearer {door.token}")
    follower = Follower()
    timeout = aiohttp.ClientTimeout(total=None)
    async with (
        aiohttp.ClientSession(timeout=timeout, cookie_jar=door.session.cookie_jar) as session,
        session.get(f"{door.url}/api/events{query}", headers=headers) as response,
        asyncio.TaskGroup() as tasks,
    ):
        reading = tasks.create_task(follower.read(response))
        try:
            await follower.wait_until(lambda found: found.frames or found.ended)
            yield follower
        finally:
            reading.cancel()


async def told_since(door: Door, since: int) -> list[dict[str, Any]]:
    """Return what a member was told after a seq, as far as its snapshot reaches now."""
    head = (await door.get("/api/snapshot"))["seq"]

    async def page() -> Any:
        found = await door.get(f"/api/events/poll?since={since}&limit=500")
        return found if found["next"] >= head else None

    events: list[dict[str, Any]] = (await until(page))["events"]
    return events
