"""Agents to hold, and the certainty that none is left over."""

import asyncio
import sys
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing
from pathlib import Path
from typing import Protocol

import pytest

from server.terminals.adoption import kill_remains
from server.terminals.attachment import Attachment
from server.terminals.identity import open_process
from server.terminals.launch import HolderTuning, launch
from server.terminals.record import ExitRecord, read_holder
from server.terminals.spool import Gap, Output

PROGRAMS = Path(__file__).parent / "programs"
PATH = "/usr/local/bin:/usr/bin:/bin"
RUN_ID = f"run_{uuid.uuid4().hex}"
"""Of this test session alone: processes are looked for, and killed, by their run id over the whole machine."""


class Start(Protocol):
    """Launches an agent in the test's agent folder."""

    async def __call__(
        self,
        *argv: str,
        run_id: str = RUN_ID,
        generation: int = 1,
        environment: Mapping[str, str] | None = None,
        working_directory: Path | None = None,
        after_offset: int = 0,
        tuning: HolderTuning | None = None,
    ) -> Attachment: ...


@pytest.fixture
def agent_folder(tmp_path: Path) -> Path:
    return tmp_path / "ada"


@pytest.fixture
async def start(agent_folder: Path) -> AsyncIterator[Start]:
    attachments: list[Attachment] = []

    async def start_agent(
        *argv: str,
        run_id: str = RUN_ID,
        generation: int = 1,
        environment: Mapping[str, str] | None = None,
        working_directory: Path | None = None,
        after_offset: int = 0,
        tuning: HolderTuning | None = None,
    ) -> Attachment:
        attachment = await launch(
            agent_folder,
            run_id=run_id,
            generation=generation,
            argv=argv,
            environment={"PATH": PATH} if environment is None else environment,
            working_directory=working_directory or agent_folder.parent,
            after_offset=after_offset,
            tuning=tuning,
        )
        attachments.append(attachment)
        return attachment

    yield start_agent
    for attachment in attachments:
        await attachment.close()
    await end_agent(agent_folder)


async def end_agent(agent_folder: Path) -> None:
    """Kill whatever a test has left of its agent."""
    record = read_holder(agent_folder)
    if record is None:
        return
    handle = open_process(record.holder)
    if handle is not None:
        handle.close()
        assert await kill_remains(record) == ()


async def read_all(attachment: Attachment, offset: int = 0) -> bytes:
    """Read to the agent's end; a gap is an error here."""
    pieces = []
    async with asyncio.timeout(10):
        async for piece in attachment.read_output(offset):
            assert isinstance(piece, Output), piece
            assert piece.offset == offset
            pieces.append(piece.data)
            offset = piece.end
    return b"".join(pieces)


async def read_until(attachment: Attachment, text: bytes) -> bytes:
    """Read from the run's beginning until a text has been written."""
    seen = b""
    async with asyncio.timeout(10), aclosing(attachment.read_output(attachment.welcome.run_offset)) as output:
        async for piece in output:
            seen += b"" if isinstance(piece, Gap) else piece.data
            if text in seen:
                return seen
    raise AssertionError(f"{text!r} did not come; this did: {seen[-500:]!r}")


async def wait_for_exit(attachment: Attachment) -> ExitRecord:
    return await asyncio.wait_for(attachment.wait_until_exit(), 10)


async def wait_until(condition: Callable[[], bool] | Callable[[], Awaitable[bool]], timeout_s: float = 5.0) -> None:
    """Wait for a condition that nothing announces."""
    deadline = time.monotonic() + timeout_s
    while True:
        result = condition()
        if isinstance(result, bool):
            is_so = result
        else:
            is_so = await result
        if is_so:
            return
        assert time.monotonic() < deadline, "it did not come to pass in time"
        await asyncio.sleep(0.01)


def stream_command(pause_s: float = 0.0, most: int = 10**9) -> tuple[str, ...]:
    """Return the command of an agent that writes numbered blocks until a line is typed."""
    return sys.executable, "-I", "-S", str(PROGRAMS / "stream.py"), str(pause_s), str(most)


def gated(command: tuple[str, ...]) -> tuple[str, ...]:
    """Return a command that writes `up` and no more before a line has been typed, so that no reader comes late."""
    return "sh", "-c", 'stty -echo; printf up; read go; exec "$@"', "sh", *command


def check_stream(data: bytes) -> int:
    """Check that these are all the blocks, each byte, in order, and return how many."""
    block = bytes(range(256)) * 4
    size = 10 + len(block)
    count = int(data[-10:])
    assert len(data) == count * size + len(b"end ") + 10
    for number in range(count):
        assert data[number * size : (number + 1) * size] == b"%010d" % number + block, f"block {number}"
    return count
