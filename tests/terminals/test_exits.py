"""How an agent ended is on record, whoever was there to see it."""

import os
import signal
from pathlib import Path

import pytest

from server.terminals.adoption import Found, examine
from server.terminals.identity import ProcessIdentity, open_process
from server.terminals.launch import HolderTuning
from server.terminals.record import read_exit

from .conftest import RUN_ID, Start, read_all, read_until, wait_for_exit, wait_until


@pytest.mark.parametrize("code", [0, 1, 7, 127])
async def test_an_exit_code_is_recorded_exactly(start: Start, agent_folder: Path, code: int) -> None:
    attachment = await start("sh", "-c", f"echo so long; exit {code}")
    end = await wait_for_exit(attachment)
    assert (end.code, end.signal, end.reason, end.core) == (code, None, "self", False)
    assert end.tail == "so long\r\n"
    assert end.started_at <= end.ended_at
    assert read_exit(agent_folder, RUN_ID) == end


@pytest.mark.parametrize(("number", "reason"), [(signal.SIGSEGV, "self"), (signal.SIGKILL, "killed")])
async def test_a_death_by_signal_is_recorded_exactly(start: Start, number: signal.Signals, reason: str) -> None:
    attachment = await start("sh", "-c", f"kill -{number.value} $$")
    end = await wait_for_exit(attachment)
    assert (end.code, end.signal, end.signal_name, end.reason) == (None, number, number.name, reason)


async def test_an_end_that_was_asked_for_says_so(start: Start) -> None:
    attachment = await start("cat")
    await attachment.announce_stop()
    await attachment.write(b"\x04")
    end = await wait_for_exit(attachment)
    assert (end.code, end.reason) == (0, "asked")


async def test_an_exit_without_a_server_is_found_by_the_next_one(start: Start, agent_folder: Path) -> None:
    attachment = await start("sh", "-c", "read x; exit 7")
    await attachment.write(b"\n")
    await attachment.close()
    await wait_until(lambda: read_exit(agent_folder, RUN_ID) is not None)
    finding = await examine(agent_folder, attachment.record)
    assert finding.found is Found.EXITED
    assert finding.exit is not None
    assert finding.exit.code == 7
    assert finding.attachment is not None
    await finding.attachment.acknowledge()


async def test_a_holder_that_nobody_acknowledges_ends_by_itself_and_leaves_the_record(
    start: Start, agent_folder: Path
) -> None:
    attachment = await start("true", tuning=HolderTuning(linger_s=0.2))
    end = await wait_for_exit(attachment)
    await wait_until(lambda: not is_alive(attachment.record.holder))
    assert read_exit(agent_folder, RUN_ID) == end
    assert (await examine(agent_folder, attachment.record)).found is Found.GONE


async def test_after_an_acknowledgement_the_next_run_can_start_at_once(start: Start) -> None:
    for generation in range(1, 6):
        attachment = await start("true", run_id=f"{RUN_ID}-{generation}", generation=generation)
        assert (await wait_for_exit(attachment)).generation == generation
        await attachment.acknowledge()


async def test_a_command_that_is_not_there_is_127(start: Start) -> None:
    end = await wait_for_exit(await start("no-such-command-anywhere"))
    assert (end.code, end.reason) == (127, "not_started")
    assert "no-such-command-anywhere" in end.tail


async def test_a_command_that_cannot_be_executed_is_126(start: Start, tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_text("no format that any kernel knows")
    program.chmod(0o700)
    end = await wait_for_exit(await start(str(program)))
    assert (end.code, end.reason) == (126, "not_started")


async def test_a_working_folder_that_is_not_there_is_126(start: Start, tmp_path: Path) -> None:
    end = await wait_for_exit(await start("true", working_directory=tmp_path / "gone"))
    assert (end.code, end.reason) == (126, "not_started")
    assert "gone" in end.tail


async def test_the_last_output_is_whole_although_the_agent_ends_at_once(start: Start) -> None:
    attachment = await start("sh", "-c", "seq 100000 100999; exit 1")
    end = await wait_for_exit(attachment)
    assert (await read_all(attachment)).split() == [b"%d" % n for n in range(100000, 101000)]
    assert end.tail.encode().endswith(b"100998\r\n100999\r\n")
    assert len(end.tail) == 4096


async def test_an_agent_that_shuts_its_terminal_and_opens_it_again_is_still_heard(start: Start) -> None:
    script = "exec 3>&- </dev/null >/dev/null 2>&1; sleep 0.1; echo back >/dev/tty; read x </dev/tty; exit 5"
    attachment = await start("bash", "-c", "echo first; " + script)
    await read_until(attachment, b"back")
    await attachment.write(b"\n")
    assert (await wait_for_exit(attachment)).code == 5


async def test_the_environment_is_passed_exactly(start: Start) -> None:
    environment = {"PATH": "/usr/bin:/bin", "NAME": "Jürgen = 'ö'\nsecond line", "EMPTY": ""}
    attachment = await start("env", "-0", environment=environment)
    pairs = (await read_all(attachment)).replace(b"\r\n", b"\n").decode().rstrip("\0").split("\0")
    assert dict(pair.split("=", 1) for pair in pairs) == {**environment, "BULLPEN_RUN_ID": RUN_ID}


async def test_no_part_of_the_spec_is_to_be_seen_from_outside(start: Start) -> None:
    attachment = await start("sh", "-c", "echo up; cat", environment={"PATH": "/bin", "SECRET": "swordfish"})
    await read_until(attachment, b"up")
    holder = Path(f"/proc/{attachment.record.pid}")
    seen = (holder / "cmdline").read_bytes()
    if os.geteuid() == 0:  # nobody else may read these at all
        seen += (holder / "environ").read_bytes()
    for secret in (b"swordfish", attachment.record.nonce.encode(), RUN_ID.encode()):
        assert secret not in seen
    assert attachment.record.nonce not in repr(attachment.record)


async def test_the_agent_has_its_limits_and_file_mask(start: Start) -> None:
    tuning = HolderTuning(limits={"NOFILE": 77, "CORE": 0}, umask=0o027)
    attachment = await start("sh", "-c", "ulimit -n; ulimit -c; umask", tuning=tuning)
    assert (await read_all(attachment)).split() == [b"77", b"0", b"0027"]


async def test_no_signal_is_ignored_or_blocked_in_the_agent(start: Start) -> None:
    attachment = await start("grep", "-E", "^Sig(Ign|Blk)", "/proc/self/status")
    words = (await read_all(attachment)).split()
    # glibc's posix_spawn (make starts tests with it) ignores 32 and 33 in its children; they are glibc's own.
    masks = {name: int(mask, 16) & ~(0b11 << 31) for name, mask in zip(words[::2], words[1::2], strict=True)}
    assert masks == {b"SigBlk:": 0, b"SigIgn:": 0}


def is_alive(identity: ProcessIdentity) -> bool:
    handle = open_process(identity)
    if handle is None:
        return False
    handle.close()
    return True
