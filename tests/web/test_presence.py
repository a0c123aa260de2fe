"""Who is there, and who types: told to who may know, kept nowhere."""

import contextlib
from pathlib import Path
from typing import Any

from server.config import AgentConfig
from tests.conftest import Door, OfficeUnderTest, open_office, until
from tests.following import following


async def test_presence_follows_open_streams_and_is_told(office: OfficeUnderTest) -> None:
    ada = await office.member("ada", kind="human", role="operator")
    seq = (await office.chairman.get("/api/snapshot"))["seq"]
    async with following(office.chairman) as follower:
        assert (await _presence(office.chairman, "ada"))["state"] == "offline"
        async with following(ada):
            online = await follower.wait_until(lambda seen: _told(seen.frames, "ada", "online"))
            assert online["evidence"] == ["stream"]
            assert (await _presence(office.chairman, "ada")) == online
        async with following(ada):
            pass  # a page that is loaded anew
        await follower.wait_until(lambda seen: _told(seen.frames, "ada", "offline"))
        assert all(frame.id is None for frame in follower.frames if frame.kind == "presence")
    assert (await _presence(office.chairman, "ada"))["state"] == "offline"
    assert (await office.chairman.get("/api/snapshot"))["seq"] == seq, "nothing of it is stored"


async def test_an_agent_is_there_while_its_process_runs(tmp_path: Path) -> None:
    worker = AgentConfig(
        name="worker", kind="custom", role="member", job="", workdir=tmp_path, command=("cat",), autostart=False
    )
    async with open_office(tmp_path / "data", agents=[worker]) as office:
        assert (await _presence(office.chairman, "worker"))["evidence"] == []
        await office.chairman.post("/api/agents/worker/start")
        await until(lambda: _has_evidence(office.chairman, "worker", ["process"]))
        await office.chairman.post("/api/agents/worker/stop")
        await until(lambda: _has_evidence(office.chairman, "worker", []))


async def test_typing_is_told_to_those_who_may_read_it_and_to_nobody_else(office: OfficeUnderTest) -> None:
    ada, eve = await office.member("ada"), await office.member("eve")
    await office.chairman.post("/api/channels", {"id": "topic:plan", "type": "topic", "members": ["ada"]})
    async with following(ada) as invited, following(eve) as stranger:
        for _ in range(5):
            await office.chairman.post("/api/typing", {"channel": "topic:plan"})
        await office.chairman.post("/api/typing", {"channel": "general"})
        await invited.wait_until(lambda seen: len(_typing(seen.frames)) >= 2)
        await stranger.wait_until(lambda seen: _typing(seen.frames))
    assert _typing(invited.frames) == ["topic:plan", "general"], "a repeat at once is not told"
    assert _typing(stranger.frames) == ["general"]
    status, refused = await eve.ask("POST", "/api/typing", {"channel": "topic:plan"})
    assert (status, refused["error"]["code"]) == (404, "no_such_channel")


async def test_a_team_that_comes_at_once_is_told_of_together(office: OfficeUnderTest) -> None:
    doors = [await office.member(f"m{number}") for number in range(20)]
    async with following(office.chairman) as follower, contextlib.AsyncExitStack() as stack:
        for door in doors:
            await stack.enter_async_context(following(door))
        await follower.wait_until(lambda seen: all(_told(seen.frames, f"m{number}", "online") for number in range(20)))
        told = [frame for frame in follower.frames if frame.kind == "presence"]
    assert len(told) < 10


async def _presence(door: Door, name: str) -> dict[str, Any]:
    rows = (await door.get("/api/presence"))["presence"]
    found: dict[str, Any] = next(row for row in rows if row["member"] == name)
    return found


async def _has_evidence(door: Door, name: str, evidence: list[str]) -> bool:
    found: list[str] = (await _presence(door, name))["evidence"]
    return found == evidence


def _told(frames: Any, name: str, state: str) -> Any:
    rows = [row for frame in frames if frame.kind == "presence" for row in frame.data["presence"]]
    return next((row for row in reversed(rows) if row["member"] == name and row["state"] == state), None)


def _typing(frames: Any) -> list[str]:
    return [frame.data["channel"] for frame in frames if frame.kind == "typing"]
