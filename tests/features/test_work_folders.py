"""An agent shares files by their path and gets them by a path: in its own folder and nowhere else."""

import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from mcp_types.version import LATEST_MODERN_VERSION

from server.config import AgentConfig
from tests.conftest import Door, OfficeUnderTest, open_office
from tests.mcp.conftest import ENVELOPE


async def call(door: Door, tool: str, **arguments: Any) -> tuple[bool, str]:
    """Call a tool and return whether it worked, and what it said."""
    body = {
        "jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": {"name": tool, "arguments": arguments, "_meta": ENVELOPE},
    }  # fmt: skip
    headers = {
        "Authorization": f"Bearer {door.token}", "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": LATEST_MODERN_VERSION, "Mcp-Method": "tools/call",
        "Mcp-Name": tool,
    }  # fmt: skip
    async with door.session.post(f"{door.url}/mcp", json=body, headers=headers) as response:
        result = json.loads(await response.text())["result"]
    return not result["isError"], result["content"][0]["text"]


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    return folder


@pytest.fixture
async def desk(tmp_path: Path, work: Path) -> AsyncIterator[tuple[OfficeUnderTest, Door]]:
    """An office with an agent that works in a folder, and that agent's door."""
    worker = AgentConfig(
        name="worker", kind="custom", role="member", job="", workdir=work, command=("cat",), autostart=False
    )
    async with open_office(tmp_path / "data", agents=[worker]) as office:
        yield office, await office.member("worker")


async def test_a_file_goes_from_one_folder_to_the_office_and_back(
    desk: tuple[OfficeUnderTest, Door], work: Path
) -> None:
    office, worker = desk
    (work / "out").mkdir()
    (work / "out" / "report.md").write_text("done", encoding="utf-8")

    for path in ("out/report.md", f"{work}/out/report.md"):
        worked, text = await call(worker, "upload_file", path=path, channel="general")
        assert worked, text
    worked, text = await call(worker, "upload_file", name="note.txt", content="größer", channel="general")
    assert worked, text
    listed = (await office.chairman.get("/api/files?channel=general"))["files"]
    assert [(file["name"], file["uploaded_by"]) for file in listed] == [
        ("note.txt", "worker"), ("report.md", "worker"), ("report.md", "worker"),
    ]  # fmt: skip
    assert "note.txt" in (await call(worker, "list_files", channel="general"))[1]

    for expected in ("downloads/report.md", "downloads/report-2.md"):
        worked, text = await call(worker, "download_file", file_id=listed[1]["id"])
        assert (worked, expected in text) == (True, True), text
        assert (work / expected).read_text(encoding="utf-8") == "done"
    assert (await call(worker, "download_file", file_id=listed[1]["id"], path="in/mine.md"))[0]
    assert (work / "in" / "mine.md").read_text(encoding="utf-8") == "done"
    worked, text = await call(worker, "download_file", file_id=listed[0]["id"], path="in/mine.md")
    assert (worked, "already" in text) == (False, True)
    assert (work / "in" / "mine.md").read_text(encoding="utf-8") == "done", "nothing is replaced"
    with os.scandir(work / "downloads") as saved:
        assert sorted(entry.name for entry in saved) == ["report-2.md", "report.md"]


async def test_nothing_is_read_or_written_outside(desk: tuple[OfficeUnderTest, Door], work: Path) -> None:
    office, worker = desk
    outside = work.parent / "outside"
    outside.mkdir()
    (outside / "secret").write_text("secret", encoding="utf-8")
    (work / "link").symlink_to(outside / "secret")
    (work / "folder").symlink_to(outside)
    os.mkfifo(work / "pipe")
    (work / "downloads").symlink_to(outside)
    paths = ("link", "folder/secret", "../outside/secret", str(outside / "secret"), "pipe", ".", "/etc/passwd", "a\0b")
    for path in paths:
        worked, text = await call(worker, "upload_file", path=path)
        assert not worked, text
        assert "secret" not in text.replace("outside/secret", "").replace("folder/secret", "")
    assert (await office.chairman.get("/api/files"))["files"] == []

    file = await office.chairman.post("/api/files", {"name": "a.txt", "content": "aGk=", "channel": "general"})
    for wanted in ({}, *({"path": path} for path in ("folder/new", "../outside/new", "/etc/new", "link"))):
        worked, text = await call(worker, "download_file", file_id=file["id"], **wanted)
        assert not worked, text
    assert sorted(each.name for each in outside.iterdir()) == ["secret"]
    assert (outside / "secret").read_text(encoding="utf-8") == "secret"


async def test_who_has_no_folder_here_is_told_the_other_way(desk: tuple[OfficeUnderTest, Door]) -> None:
    office, _ = desk
    far = await office.member("far")
    for arguments in ({"path": "a.txt"}, {"path": "a.txt", "content": "b"}, {"content": "b"}, {}):
        worked, text = await call(far, "upload_file", **arguments)
        assert not worked, text
    assert "name and content" in (await call(far, "upload_file", path="a.txt"))[1]
    assert (await call(far, "upload_file", name="a.txt", content="b"))[0]
