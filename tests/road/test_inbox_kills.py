"""`kill -9` of the server between reading and acknowledging: what was read is offered again."""

import asyncio
import signal
from pathlib import Path

import aiohttp

from tests.conftest import Door, ServerProcess


async def test_a_crash_between_reading_and_acknowledging_offers_it_again(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path / "data", ("--only-server",))
    await server.start()
    try:
        await _read_and_kill(server)
    finally:
        await server.end(signal.SIGTERM)


async def _read_and_kill(server: ServerProcess) -> None:
    async with aiohttp.ClientSession() as session:
        token = (server.data / "run" / "operator.token").read_text(encoding="utf-8").strip()
        chairman = Door(server.url, token, session)
        minted = (await chairman.post("/api/tokens", {"name": "ada", "kind": "agent"}))["token"]
        sent = [(await chairman.send("general", f"@ada {number}"))["id"] for number in range(3)]
        read = (await chairman.as_member(minted).get("/api/inbox"))["channels"]
        # One is being acknowledged while the server dies: that is done, or not done.
        ada = chairman.as_member(minted)
        asking = asyncio.create_task(_acknowledge(ada, sent[0]))
        await server.end(signal.SIGKILL)
        acknowledged = await asking

        await server.start()
        ada = Door(server.url, minted, session)
        (general,) = (await ada.get("/api/inbox"))["channels"]

        offered = [message["id"] for message in general["messages"]]
        assert offered in ([sent[1:]] if acknowledged else [sent, sent[1:]])
        assert read[0]["ack_id"] == sent[-1]
        assert await _acknowledge(ada, sent[-1]), "it is remembered that they were shown"
        assert (await ada.get("/api/inbox"))["total_unread"] == 0


async def _acknowledge(door: Door, message: str) -> bool:
    """Return whether it was answered that it is done."""
    try:
        await door.post("/api/inbox/ack", {"items": [{"channel": "general", "ack_id": message}]})
    except aiohttp.ClientError:
        return False
    return True
