"""A reader of the event stream that goes on where it was cut, as the dashboard does."""

import asyncio
import contextlib
from dataclasses import dataclass, field

import aiohttp
import orjson

PAUSE_S = 0.02


@dataclass
class ResumingReader:
    """Follows one channel's new messages through every end of its connection."""

    url: str
    token: str
    silence_s: float = 5.0
    contents: list[str] = field(default_factory=list)
    seqs: list[int] = field(default_factory=list)
    cursor: str = ""
    connections: int = 0
    resets: int = 0

    async def run(self) -> None:
        """Read for ever."""
        timeout = aiohttp.ClientTimeout(total=None, sock_read=self.silence_s)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            while True:
                with contextlib.suppress(aiohttp.ClientError, ConnectionError, TimeoutError):
                    await self._follow(session)
                await asyncio.sleep(PAUSE_S)

    async def _follow(self, session: aiohttp.ClientSession) -> None:
        headers = {"Authorization": f"Bearer {self.token}"} | ({"Last-Event-ID": self.cursor} if self.cursor else {})
        async with session.get(f"{self.url}/api/events?types=message.created", headers=headers) as response:
            self.connections += 1
            rest = b""
            async for piece in response.content.iter_any():
                *blocks, rest = (rest + piece).split(b"\n\n")
                for block in blocks:
                    self._take(block.decode())

    def _take(self, block: str) -> None:
        fields = dict(line.partition(": ")[::2] for line in block.split("\n"))
        if fields.get("event") == "hello" and not self.cursor:
            hello = orjson.loads(fields["data"])
            self.cursor = f"{hello['epoch']}-{hello['seq']}"
        if "id" not in fields:
            return
        self.cursor = fields["id"]
        if fields["event"] == "reset":
            self.resets += 1
            return
        event = orjson.loads(fields["data"])
        self.seqs.append(event["seq"])
        self.contents.append(event["message"]["content"])
