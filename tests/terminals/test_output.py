"""What an agent writes: every byte, in order, whoever comes and goes meanwhile."""

import asyncio
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import aclosing
from pathlib import Path

from server.terminals.attachment import attach
from server.terminals.identity import open_process
from server.terminals.launch import HolderTuning
from server.terminals.record import read_holder
from server.terminals.spool import Gap, Output, read_bounds, read_spool, read_tail

from .conftest import (
    RUN_ID,
    Start,
    check_stream,
    end_agent,
    gated,
    read_all,
    read_until,
    stream_command,
    wait_for_exit,
    wait_until,
)

SMALL = HolderTuning(segment_bytes=256 * 1024, lag_bytes=64 * 1024, pause_s=0.2)

SERVER = """
import asyncio, sys
from pathlib import Path
from server.terminals.attachment import attach
from server.terminals.launch import launch
from server.terminals.spool import Output

async def serve(run_id, folder, record, *argv):
    if not (folder / "run").exists():
        await launch(folder, run_id=run_id, generation=1, argv=argv, environment={}, working_directory=folder.parent)
    attachment = await attach(folder)
    with record.open("ab", buffering=0) as file:
        async for piece in attachment.read_output(file.tell(), is_recorder=True):
            assert isinstance(piece, Output)
            assert piece.offset == file.tell()
            file.write(piece.data)

asyncio.run(serve(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), *sys.argv[4:]))
"""


async def test_output_is_byte_exact_over_many_detachments(start: Start) -> None:
    attachment = await start(*stream_command(0.001, 600))
    received = b""
    while not received.endswith(b"end 0000000600"):
        async with aclosing(attachment.read_output(len(received))) as output:
            async for piece in output:
                assert isinstance(piece, Output)
                assert piece.offset == len(received)
                received += piece.data
                if random.random() < 0.2:  # noqa: S311
                    break
    assert check_stream(received) == 600
    assert received == await read_all(attachment)


async def test_an_agent_outlives_a_server_that_is_killed_ten_times_and_no_byte_is_lost(
    agent_folder: Path, tmp_path: Path
) -> None:
    recorded = tmp_path / "recorded"
    command = [sys.executable, "-c", SERVER, RUN_ID, str(agent_folder), str(recorded), *stream_command(0.002)]
    size = 0
    agents = set()
    try:
        for _ in range(10):
            server = subprocess.Popen(command)  # noqa: ASYNC220
            try:
                goal = size + random.randint(10_000, 60_000)  # noqa: S311
                await wait_until(lambda goal=goal: recorded.exists() and recorded.stat().st_size > goal, 15)
            finally:
                server.kill()
                server.wait()
            size = recorded.stat().st_size
            record = read_holder(agent_folder)
            assert record is not None
            agents.add(record.agent)
            assert record.agent is not None
            handle = open_process(record.agent)
            assert handle is not None, "the agent died with its server"
            handle.close()
        attachment = await attach(agent_folder)
        await attachment.write(b"\n")
        rest = await read_all(attachment, size)
        assert (await wait_for_exit(attachment)).code == 0
        await attachment.acknowledge()
        assert len(agents) == 1
        assert check_stream(recorded.read_bytes() + rest) > 100
    finally:
        await end_agent(agent_folder)


async def test_a_stalled_reader_does_not_hold_the_agent_up_and_learns_what_it_missed(start: Start) -> None:
    attachment = await start(*gated(stream_command(0.0, 4000)), tuning=SMALL)
    async with aclosing(attachment.read_output(0)) as stalled:
        assert await anext(stalled) == Output(0, b"up")
        await attachment.write(b"\n")
        await wait_for_exit(attachment)
        async with asyncio.timeout(10):
            pieces = [piece async for piece in stalled]
    assert any(isinstance(piece, Gap) for piece in pieces)
    offset = 2
    for piece in pieces:
        assert (piece.start if isinstance(piece, Gap) else piece.offset) == offset
        offset = piece.end
    assert offset == 2 + 4000 * 1034 + 14


async def test_a_recorder_that_keeps_up_misses_nothing_of_a_fast_agent(start: Start) -> None:
    attachment = await start(*gated(stream_command(0.0, 4000)), tuning=SMALL)
    received = b""
    async with aclosing(attachment.read_output(0, is_recorder=True)) as output:
        assert await anext(output) == Output(0, b"up")
        await attachment.write(b"\n")
        async with asyncio.timeout(10):
            async for piece in output:
                assert isinstance(piece, Output)
                received += piece.data
    assert check_stream(received) == 4000


async def test_a_stalled_recorder_holds_the_agent_back_only_for_a_moment(start: Start) -> None:
    attachment = await start(*gated(stream_command(0.0, 2000)), tuning=SMALL)
    async with aclosing(attachment.read_output(0, is_recorder=True)) as stalled:
        assert await anext(stalled) == Output(0, b"up")
        await attachment.write(b"\n")
        end = await wait_for_exit(attachment)
    assert end.end_offset == 2 + 2000 * 1034 + 14


async def test_a_reader_who_is_behind_a_silent_agent_still_gets_all(start: Start) -> None:
    attachment = await start("sh", "-c", "stty raw; head -c 6000000 /dev/zero; exec sleep 600")
    async with asyncio.timeout(10), aclosing(attachment.read_output(0)) as output:
        received = 0
        while received < 6_000_000:
            piece = await anext(output)
            assert isinstance(piece, Output)
            received = piece.end


async def test_a_second_recorder_takes_over_from_the_first(start: Start) -> None:
    attachment = await start(*stream_command(0.01))
    async with aclosing(attachment.read_output(0, is_recorder=True)) as first:
        await anext(first)
        async with aclosing(attachment.read_output(0, is_recorder=True)) as second:
            await anext(second)
            ended = None
            try:
                async for _ in first:
                    pass
            except Exception as error:
                ended = error
            assert "another recorder has come" in str(ended)
            await anext(second)


async def test_the_spool_keeps_two_segments_and_is_read_without_a_holder(start: Start, agent_folder: Path) -> None:
    attachment = await start(*stream_command(0.0, 2000), tuning=SMALL)
    end = await wait_for_exit(attachment)
    await attachment.acknowledge()
    spool = agent_folder / "spool"
    sizes = [path.stat().st_size for path in spool.iterdir()]
    assert len(sizes) == 2
    assert sum(sizes) <= 2 * (SMALL.segment_bytes + 64 * 1024)
    bounds = read_bounds(spool)
    assert bounds.end == end.end_offset
    pieces = list(read_spool(spool, 0, 10**9))
    assert pieces[0] == Gap(0, bounds.base)
    kept = b"".join(piece.data for piece in pieces if isinstance(piece, Output))
    assert len(kept) == bounds.end - bounds.base
    assert kept.endswith(b"end 0000002000")
    assert read_tail(spool, 1000) == Output(bounds.end - 1000, kept[-1000:])
    assert {path.stat().st_mode & 0o777 for path in spool.iterdir()} == {0o600}


async def test_offsets_go_on_from_run_to_run(start: Start) -> None:
    first = await start("sh", "-c", "printf one")
    assert await read_all(first) == b"one"
    await first.acknowledge()
    second = await start("sh", "-c", "printf two", run_id=f"{RUN_ID}-run_2", generation=2)
    assert second.welcome.run_offset == 3
    assert await read_all(second, 3) == b"two"
    assert await read_all(second, 0) == b"onetwo"
    await second.acknowledge()
    third = await start("sh", "-c", "printf three", run_id=f"{RUN_ID}-run_3", generation=3, after_offset=100)
    pieces = [piece async for piece in third.read_output(0)]
    assert pieces == [Output(0, b"onetwo"), Gap(6, 100), Output(100, b"three")]


async def test_typing_and_size_reach_the_terminal(start: Start) -> None:
    script = "stty -echo; echo ready; read line; echo $line; stty size; read last; stty size"
    attachment = await start("sh", "-c", script)
    await read_until(attachment, b"ready")
    await attachment.write("grüße\n".encode())
    await read_until(attachment, "grüße\r\n40 120\r\n".encode())
    await attachment.resize(100, 30)
    assert (await attachment.ping()).columns == 100
    await attachment.write(b"\n")
    assert (await read_all(attachment)).endswith(b"30 100\r\n")


async def test_a_megabyte_is_typed_whole_into_an_agent_that_reads_it(start: Start) -> None:
    attachment = await start(sys.executable, "-c", COUNT)
    await read_until(attachment, b"ready")
    for _ in range(16):
        await attachment.write(b"x" * 65536)
    assert (await read_all(attachment)).endswith(b"1048576")


async def test_signals_reach_the_foreground_group_or_the_agent(start: Start) -> None:
    script = "trap 'echo agent; exit 3' TERM; (trap 'echo child; exit 4' INT; echo up; while :; do sleep 0.05; done)"
    attachment = await start("bash", "-mc", script + "; echo back; while :; do sleep 0.05; done")
    await read_until(attachment, b"up")
    assert await attachment.send_signal(signal.SIGINT, target="foreground")
    await read_until(attachment, b"child\r\nback")
    assert await attachment.send_signal(signal.SIGTERM, target="group")
    end = await wait_for_exit(attachment)
    assert end.code == 3
    assert not await attachment.send_signal(signal.SIGTERM, target="group")


COUNT = """
import os, tty
tty.setraw(0)
print("ready", flush=True)
n = 0
while n < 1048576:
    n += len(os.read(0, 65536))
print(n, end="", flush=True)
"""


def descriptors(pid: int) -> Iterator[str]:
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        yield os.readlink(entry)  # noqa: PTH115


async def test_the_agent_inherits_its_terminal_and_no_other_descriptor(start: Start) -> None:
    attachment = await start("sleep", "60")
    assert attachment.welcome.agent_pid is not None
    links = list(descriptors(attachment.welcome.agent_pid))
    assert len(links) == 3
    assert len(set(links)) == 1
    assert links[0].startswith("/dev/pts/")
