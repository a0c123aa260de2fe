"""A stop leaves nothing behind."""

import signal
import sys
import uuid
from pathlib import Path

import pytest

from server.terminals.adoption import Found, examine, kill_remains
from server.terminals.identity import ProcessIdentity, open_process, read_boot_id, read_stat
from server.terminals.launch import HolderTuning
from server.terminals.record import read_exit

from .conftest import PROGRAMS, RUN_ID, Start, read_until, wait_for_exit, wait_until

KINDS = {"main", "same-group", "own-group", "own-session", "double-fork", "wiped", "chain"}


class HostileTree:
    """The processes of one hostile.py, by their own account and by what they carry."""

    def __init__(self, folder: Path) -> None:
        self.marker = f"marker-{uuid.uuid4()}"
        self.path = folder / self.marker

    @property
    def command(self) -> tuple[str, ...]:
        return sys.executable, "-S", str(PROGRAMS / "hostile.py"), str(self.path), self.marker

    def is_complete(self) -> bool:
        """Tell whether all kinds are up and the chain is on its way."""
        lines = self.path.read_text().splitlines() if self.path.exists() else []
        names = [line.split()[0] for line in lines]
        return set(names) == KINDS and names.count("chain") > 5

    def processes(self, wanted: str | None = None) -> list[ProcessIdentity]:
        """Return all that were ever started, or those of one kind."""
        boot_id = read_boot_id()
        entries = [line.split() for line in self.path.read_text().splitlines()]
        return [
            ProcessIdentity(boot_id, int(pid), int(ticks)) for name, pid, ticks in entries if wanted in (None, name)
        ]

    def survivors(self) -> set[int]:
        """Return the pids that are alive by either count."""
        alive = {process.pid for process in self.processes() if is_alive(process)}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and self._carries_marker(entry):
                alive.add(int(entry.name))
        return alive

    def _carries_marker(self, process: Path) -> bool:
        stat = read_stat(int(process.name))
        try:
            content = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
        except OSError:
            return False
        return stat is not None and stat.state != "Z" and self.marker.encode() in content


def is_alive(identity: ProcessIdentity) -> bool:
    handle = open_process(identity)
    if handle is None:
        return False
    handle.close()
    return True


@pytest.mark.parametrize("attempt", range(20))
async def test_a_tree_kill_leaves_no_process_of_a_hostile_tree(start: Start, tmp_path: Path, attempt: int) -> None:
    tree = HostileTree(tmp_path)
    attachment = await start(*tree.command, environment={"PATH": "/usr/bin:/bin", "MARKER": tree.marker})
    await wait_until(tree.is_complete, 15)
    assert len(tree.survivors()) >= len(KINDS) - 1  # the chain may be between two of its processes
    killed = await attachment.kill_tree()
    assert tree.survivors() == set()
    assert killed.is_empty
    end = await wait_for_exit(attachment)
    assert (end.signal, end.reason, end.survivors) == (signal.SIGKILL, "asked", ())
    assert await attachment.list_children() == ()
    await attachment.acknowledge()


async def test_what_an_agent_leaves_behind_at_its_own_end_is_killed(start: Start, tmp_path: Path) -> None:
    tree = HostileTree(tmp_path)
    script = '"$@" & while ! grep -q chain "$4"; do sleep 0.05; done; exit 0'
    attachment = await start("sh", "-c", script, "sh", *tree.command)
    end = await wait_for_exit(attachment)
    assert (end.code, end.reason) == (0, "self")
    assert tree.survivors() == set()


async def test_a_holder_told_to_end_takes_its_tree_with_it_and_leaves_a_record(
    start: Start, agent_folder: Path, tmp_path: Path
) -> None:
    tree = HostileTree(tmp_path)
    attachment = await start(*tree.command)
    await wait_until(tree.is_complete, 15)
    handle = open_process(attachment.record.holder)
    assert handle is not None
    with handle:
        handle.send_signal(signal.SIGTERM)
        await handle.wait_until_ended()
    assert tree.survivors() == set()
    end = read_exit(agent_folder, RUN_ID)
    assert end is not None
    assert (end.signal, end.reason) == (signal.SIGKILL, "killed")


async def test_a_killed_holder_takes_the_agent_with_it_and_the_rest_is_found_as_orphans(
    start: Start, agent_folder: Path, tmp_path: Path
) -> None:
    tree = HostileTree(tmp_path)
    attachment = await start(*tree.command)
    await wait_until(tree.is_complete, 15)
    await kill_holder(attachment.record.holder)
    finding = await examine(agent_folder, attachment.record)
    assert finding.found is Found.ORPHAN
    assert await kill_remains(attachment.record) == ()
    assert (await examine(agent_folder, attachment.record)).found is Found.GONE
    # Without holder, environment, session and parent there is no trace of the last one.
    (wiped,) = tree.processes("wiped")
    assert tree.survivors() == {wiped.pid}
    handle = open_process(wiped)
    assert handle is not None
    with handle:
        handle.send_signal(signal.SIGKILL)


async def kill_holder(holder: ProcessIdentity) -> None:
    handle = open_process(holder)
    assert handle is not None
    with handle:
        handle.send_signal(signal.SIGKILL)
        await handle.wait_until_ended()


async def test_an_agent_whose_holder_is_killed_is_gone_and_its_end_is_unknown(start: Start, agent_folder: Path) -> None:
    attachment = await start("sh", "-c", "trap '' HUP TERM; echo up; while :; do sleep 1; done")
    await read_until(attachment, b"up")
    agent = attachment.record.agent
    assert agent is not None
    await kill_holder(attachment.record.holder)
    await wait_until(lambda: not is_alive(agent))
    finding = await examine(agent_folder, attachment.record)
    assert finding.found in (Found.GONE, Found.ORPHAN)  # the shell's own child may outlive it for a moment
    assert finding.exit is None
    await kill_remains(attachment.record)


async def test_a_hung_holder_is_known_as_such_and_ended_with_its_tree(
    start: Start, agent_folder: Path, tmp_path: Path
) -> None:
    tree = HostileTree(tmp_path)
    attachment = await start(*tree.command)
    await wait_until(tree.is_complete, 15)
    handle = open_process(attachment.record.holder)
    assert handle is not None
    with handle:
        handle.send_signal(signal.SIGSTOP)
        finding = await examine(agent_folder, attachment.record, patience_s=0.3)
        assert finding.found is Found.HUNG
        assert await kill_remains(attachment.record) == ()
        assert not handle.is_alive()
    assert tree.survivors() == set()


async def test_a_running_agent_is_found_and_attached_again(start: Start, agent_folder: Path) -> None:
    attachment = await start("cat", tuning=HolderTuning(linger_s=1))
    await attachment.close()
    finding = await examine(agent_folder, attachment.record)
    assert finding.found is Found.RUNNING
    assert finding.attachment is not None
    assert finding.attachment.welcome.agent_pid == attachment.welcome.agent_pid
    assert (await finding.attachment.kill_tree()).is_empty
    await finding.attachment.close()


async def test_a_process_of_another_boot_or_start_is_nobody(start: Start) -> None:
    attachment = await start("cat")
    holder = attachment.record.holder
    assert is_alive(holder)
    assert not is_alive(ProcessIdentity("another boot", holder.pid, holder.start_ticks))
    assert not is_alive(ProcessIdentity(holder.boot_id, holder.pid, holder.start_ticks + 1))
