"""Who may come in by a holder's socket, and what harm they can do there: none."""

import json
import os
import socket
import stat
import struct
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.terminals.adoption import find_holders
from server.terminals.attachment import attach
from server.terminals.errors import AlreadyHeld, HolderFailed, HolderLost
from server.terminals.identity import open_process
from server.terminals.launch import holder_command, launch
from server.terminals.record import HolderRecord

from .conftest import PATH, RUN_ID, Start, read_until

EMPTY_SPEC: dict[str, object] = {
    **dict.fromkeys(("spool_folder", "run_id", "nonce", "cwd", "group"), ""),
    **dict.fromkeys(("generation", "columns", "rows", "umask", "after_offset"), 1),
    **dict.fromkeys(("segment_bytes", "lag_bytes", "pause_s", "linger_s"), 1),
    "environment": {},
    "limits": {},
}


async def test_an_agent_folder_may_lie_deeper_than_a_socket_address_is_long(tmp_path: Path) -> None:
    folder = tmp_path / ("deep" * 20) / ("deeper" * 10) / "ada"
    folder.mkdir(parents=True)
    attachment = await launch(
        folder, run_id=RUN_ID, generation=1, argv=["cat"], environment={"PATH": PATH}, working_directory=tmp_path
    )
    assert (await attachment.kill_tree()).is_empty
    await attachment.acknowledge()


async def test_an_agent_is_held_once(start: Start) -> None:
    attachment = await start("cat")
    with pytest.raises(AlreadyHeld):
        await start("cat", run_id=f"{RUN_ID}-run_2", generation=2)
    assert (await attachment.ping()).run_id == RUN_ID


async def test_a_second_holder_exits_with_75(start: Start, agent_folder: Path) -> None:
    await start("cat")
    run = agent_folder / "run"
    text = json.dumps({**EMPTY_SPEC, "argv": ["true"], "run_folder": str(run)})
    second = subprocess.run(holder_command(), input=text.encode(), check=False, timeout=10)  # noqa: ASYNC221
    assert second.returncode == 75


async def test_a_wrong_nonce_is_refused(start: Start, agent_folder: Path) -> None:
    attachment = await start("cat")
    wrong = replace(attachment.record, nonce="0" * 64)
    with pytest.raises(HolderFailed, match="wrong nonce"):
        await attach(agent_folder, wrong)
    assert attachment.is_connected


async def test_a_socket_of_another_process_is_not_trusted(start: Start, agent_folder: Path) -> None:
    attachment = await start("cat")
    path = agent_folder / "run" / "holder.sock"
    path.unlink()
    with socket.socket(socket.AF_UNIX) as impostor:
        impostor.bind(str(path))
        impostor.listen()
        with pytest.raises(HolderFailed, match="in place of the holder"):
            await attach(agent_folder, attachment.record)


async def test_folder_socket_and_files_are_for_their_owner_alone(start: Start, agent_folder: Path) -> None:
    await start("cat")
    run = agent_folder / "run"
    for folder in (agent_folder, run, agent_folder / "spool"):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for path in run.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


async def test_a_holders_memory_and_environment_are_closed_to_its_own_user(start: Start) -> None:
    attachment = await start("cat")  # under root this shows nothing, since root owns what is closed
    assert owner_of_environment(attachment.record.pid) == 0
    assert attachment.welcome.agent_pid is not None
    assert owner_of_environment(attachment.welcome.agent_pid) == os.geteuid()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can pretend to be another user")
async def test_another_user_is_refused_even_with_the_nonce(start: Start, agent_folder: Path) -> None:
    attachment = await start("cat")
    run = agent_folder / "run"
    run.chmod(0o711)
    (run / "holder.sock").chmod(0o666)
    program = (
        "import os, socket, sys; os.setgid(65534); os.setuid(int(sys.argv[1])); peer = socket.socket(socket.AF_UNIX); "
        "peer.connect('holder.sock'); peer.sendall(bytes.fromhex(sys.argv[2])); print(len(peer.recv(100)))"
    )
    answers = []
    for uid in (65534, 0):
        command = [sys.executable, "-c", program, str(uid), hello(attachment.record).hex()]
        done = subprocess.run(command, cwd=run, capture_output=True, text=True, check=False, timeout=10)  # noqa: ASYNC221
        answers.append(done.stdout.strip() or done.stderr.strip().rpartition("\n")[2].partition(":")[0])
    assert answers[0] in ("0", "ConnectionResetError", "BrokenPipeError")
    assert answers[1] == "100"


async def test_a_new_controller_replaces_the_old_one(start: Start, agent_folder: Path) -> None:
    first = await start("cat")
    second = await attach(agent_folder)
    with pytest.raises((HolderLost, HolderFailed)):
        await first.ping()
    assert (await second.ping()).run_id == RUN_ID
    await second.close()


async def test_a_reader_cannot_type_or_kill(start: Start, agent_folder: Path) -> None:
    attachment = await start("cat")
    with connect(agent_folder) as reader:
        reader.sendall(hello(attachment.record, "reader") + frame(b"I", b"\0\0\0\1rm"))
        assert b"a reader does not send" in receive_all(reader)
    with connect(agent_folder) as reader:
        reader.sendall(hello(attachment.record, "reader") + frame(b"Q", b'{"id": 1, "do": "kill"}'))
        assert b"may only ping" in receive_all(reader)
    assert (await attachment.ping()).end == 0


@pytest.mark.parametrize("length", [0, 4097])
async def test_a_stranger_may_send_no_frame_longer_than_a_hello(start: Start, agent_folder: Path, length: int) -> None:
    await start("cat")
    with connect(agent_folder) as peer:
        peer.sendall(struct.pack(">I", length))
        assert b"a frame of" in receive_all(peer)


async def test_a_frame_of_more_than_a_megabyte_is_refused_before_it_has_come(start: Start, agent_folder: Path) -> None:
    attachment = await start("cat")
    with connect(agent_folder) as peer:
        peer.sendall(hello(attachment.record, "reader") + struct.pack(">I", 2**20 + 1))
        assert b"a frame of" in receive_all(peer)


async def test_an_unknown_request_of_a_newer_server_is_answered_not_punished(start: Start) -> None:
    attachment = await start("cat")
    assert await attachment._link.ask({"do": "levitate"}) == {"id": 1, "ok": False, "error": "unknown"}
    assert attachment.is_connected


async def test_holders_are_listed_and_other_folders_are_not(start: Start, agent_folder: Path) -> None:
    attachment = await start("cat")
    (agent_folder.parent / "bob" / "run").mkdir(parents=True)
    (agent_folder.parent / "bob" / "run" / "holder.json").write_text("{}")
    assert list(find_holders(agent_folder.parent)) == [(agent_folder, attachment.record)]
    assert list(find_holders(agent_folder / "nowhere")) == []


async def test_no_bytes_from_a_peer_can_end_the_holder_or_the_agent(start: Start, agent_folder: Path) -> None:
    attachment = await start("sh", "-c", "echo up; exec sleep 600")
    await read_until(attachment, b"up")
    record = attachment.record
    await attachment.close()
    fuzz(agent_folder, record)
    again = await attach(agent_folder)
    assert again.record.agent == record.agent
    assert record.agent is not None
    handle = open_process(record.agent)
    assert handle is not None
    handle.close()
    assert resident_kib(record.pid) < 40 * 1024
    assert (agent_folder / "run" / "holder.log").stat().st_size == 0
    await again.close()


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
VALUES = st.recursive(SCALARS, lambda some: st.lists(some, max_size=3) | st.dictionaries(st.text(), some, max_size=3))
HARMLESS = st.sampled_from(["ping", "resize", "children", "levitate", "signal"])
REQUESTS = st.fixed_dictionaries(
    {"id": st.integers(0, 9) | VALUES, "do": HARMLESS | VALUES},
    optional={"columns": VALUES, "rows": VALUES, "signal": st.sampled_from([0, 28, 65, -9]), "target": VALUES},
)
HELLOS = st.fixed_dictionaries(
    {"protocol": st.just(1) | VALUES, "nonce": VALUES, "role": VALUES | st.just("reader"), "from": VALUES}
)
PIECES = st.one_of(
    st.binary(max_size=60).map(lambda data: ("raw", data)),
    st.tuples(st.binary(min_size=1, max_size=1), st.binary(max_size=60)).map(lambda pair: ("frame", frame(*pair))),
    REQUESTS.map(lambda value: ("frame", frame(b"Q", json.dumps(value).encode()))),
    HELLOS.map(lambda value: ("frame", frame(b"H", json.dumps(value).encode()))),
    st.sampled_from([2**20 + 1, 2**32 - 1, 0]).map(lambda length: ("raw", struct.pack(">I", length))),
)


def fuzz(agent_folder: Path, record: HolderRecord) -> None:
    """Send what hypothesis thinks of, before and after a true hello, and hang up in the middle."""

    @settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(role=st.sampled_from([None, "controller", "recorder", "reader"]), pieces=st.lists(PIECES, max_size=5))
    def send(role: str | None, pieces: list[tuple[str, bytes]]) -> None:
        with connect(agent_folder) as peer:
            try:
                if role:
                    peer.sendall(hello(record, role))
                for _, data in pieces:
                    peer.sendall(data)
            except (BrokenPipeError, ConnectionResetError):
                pass

    send()


def resident_kib(pid: int) -> int:
    return int(Path(f"/proc/{pid}/status").read_text().partition("VmRSS:")[2].split()[0])


def owner_of_environment(pid: int) -> int:
    return Path(f"/proc/{pid}/environ").stat().st_uid


def frame(kind: bytes, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload) + 1) + kind + payload


def hello(record: HolderRecord, role: str = "controller") -> bytes:
    greeting = {"protocol": 1, "nonce": record.nonce, "role": role, "from": 0}
    return frame(b"H", json.dumps(greeting).encode())


def connect(agent_folder: Path) -> socket.socket:
    peer = socket.socket(socket.AF_UNIX)
    peer.settimeout(5)
    folder = os.open(agent_folder / "run", os.O_RDONLY)
    try:
        peer.connect(f"/proc/self/fd/{folder}/holder.sock")
    finally:
        os.close(folder)
    return peer


def receive_all(peer: socket.socket) -> bytes:
    return b"".join(chunks(peer))


def chunks(peer: socket.socket) -> Iterator[bytes]:
    while data := peer.recv(65536):
        yield data
