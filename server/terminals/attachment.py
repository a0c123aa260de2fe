"""The server's end of a holder: one connection that controls, and one more for each reading of the output.

Two kinds of connection, so that a stop is never stuck behind output that somebody is slow to read.
"""

import asyncio
import json
import os
import socket
import struct
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter, ValidationError

from server.terminals.errors import HolderFailed, HolderLost, InputFull
from server.terminals.orphans import find_marked
from server.terminals.record import (
    EXIT_RECORD,
    SOCKET_FILE,
    ExitRecord,
    HolderRecord,
    read_holder,
    run_folder,
    spool_folder,
)
from server.terminals.spool import Gap, Output

PROTOCOL = 1
MAX_FRAME_BYTES = 1 << 20
STREAM_BUFFER_BYTES = 128 * 1024
INPUT_CHUNK_BYTES = 256 * 1024
ANSWER_TIMEOUT_S = 2.0
KILL_TIMEOUT_S = 8.0


@dataclass(frozen=True)
class Welcome:
    """What a holder says of itself and its agent."""

    protocol: int
    run_id: str
    generation: int
    agent_pid: int | None
    columns: int
    rows: int
    base: int
    """Oldest offset it can still send."""
    end: int
    """Offset after the newest byte."""
    run_offset: int
    """Where this run's output begins."""
    has_exited: bool


@dataclass(frozen=True)
class KilledTree:
    """What is left of an agent's processes after a tree kill: nothing, or an alarm."""

    survivors: tuple[int, ...]

    @property
    def is_empty(self) -> bool:
        return not self.survivors


_WELCOME = TypeAdapter(Welcome)
_PIDS = TypeAdapter(tuple[int, ...])


class Attachment:
    """The server's hold on one running, or just ended, agent. Closing it leaves the agent as it is."""

    def __init__(self, agent_folder: Path, record: HolderRecord, welcome: Welcome, link: "_ControlLink") -> None:
        self.agent_folder = agent_folder
        self.record = record
        self.welcome = welcome
        self._link = link
        self._size = welcome.columns, welcome.rows

    @property
    def spool(self) -> Path:
        """Return the folder that `spool.read_spool` and `spool.read_tail` read."""
        return spool_folder(self.agent_folder)

    @property
    def is_connected(self) -> bool:
        return self._link.lost is None

    @property
    def size(self) -> tuple[int, int]:
        """Columns and rows of the terminal now."""
        return self._size

    async def write(self, data: bytes) -> bool:
        """Type into the terminal, and tell whether the terminal shows it: it does not while it asks for a password.

        Raises InputFull or HolderLost; what was typed up to then stays typed.
        """
        was_shown = True
        for start in range(0, len(data), INPUT_CHUNK_BYTES):
            answer = await self._link.send_input(data[start : start + INPUT_CHUNK_BYTES])
            if not answer.get("ok"):
                if answer.get("error") == "input_full":
                    raise InputFull("The agent does not read its terminal.", hint="Try again, or interrupt it.")
                raise HolderLost("The agent has ended.")
            # A holder of an earlier version does not tell: then nothing may be taken for shown.
            was_shown = was_shown and bool(answer.get("echo"))
        return was_shown

    async def resize(self, columns: int, rows: int) -> None:
        await self._link.ask({"do": "resize", "columns": columns, "rows": rows})
        self._size = columns, rows

    async def send_signal(self, number: int, *, target: Literal["foreground", "group"]) -> bool:
        """Signal the terminal's foreground group, or the agent's own group. False: there is none any more."""
        return bool((await self._link.ask({"do": "signal", "signal": number, "target": target})).get("ok"))

    async def announce_stop(self) -> None:
        """Tell the holder that the end to come is wanted: the exit record then says `asked`."""
        await self._link.ask({"do": "stopping"})

    async def list_children(self) -> tuple[int, ...]:
        """Return the agent's pid and those of orphans of its tree; empty when the tree is."""
        return _PIDS.validate_python((await self._link.ask({"do": "children"})).get("children"))

    async def kill_tree(self, *, because: str = "") -> KilledTree:
        """Kill the agent and all that came of it, and look whether any of it is left, also by its run id.

        `because`: `oom`, for the exit record; nothing else is told.
        """
        answer = await self._link.ask({"do": "kill", "because": because}, KILL_TIMEOUT_S)
        marked = await asyncio.to_thread(find_marked, self.record.run_id)
        left = {*_PIDS.validate_python(answer.get("survivors")), *(process.pid for process in marked)}
        return KilledTree(tuple(sorted(left)))

    async def ping(self) -> Welcome:
        """Raises HolderLost after 2 s without an answer."""
        return _WELCOME.validate_python(await self._link.ask({"do": "ping"}))

    async def wait_until_exit(self) -> ExitRecord:
        """Wait for the agent's end. Raises HolderLost if the holder goes first; look at it with `adoption.examine`."""
        await self._link.changed.wait()
        if self._link.exit is not None:
            return self._link.exit
        raise self._link.lost or HolderLost("The holder has gone.")

    async def acknowledge(self) -> None:
        """Say that the exit record is safe with us, and wait until the holder has given up the agent's lock.

        Call it only after the agent's end; without it the holder stays for a minute. Raises HolderFailed if the record
        is not on disk yet (the disk is full): keep the record that `wait_until_exit` gave, and try again.
        """
        if self._link.lost is None:
            answer = await self._link.ask({"do": "acknowledge"})
            if not answer.get("ok"):
                raise HolderFailed("The exit record could not be written.", hint="Free space on the disk.")
        try:
            await asyncio.wait_for(self._link.closed.wait(), ANSWER_TIMEOUT_S)
        except TimeoutError as error:
            raise HolderLost("The holder does not end.") from error

    async def read_output(self, offset: int, *, is_recorder: bool = False) -> AsyncGenerator[Output | Gap, None]:
        """Yield the output from `offset` on, in order and complete but for the gaps it names, up to the agent's end.

        Slow reading slows nothing but this reading; only for the one recorder the agent is held back, and briefly.
        Raises HolderLost if the holder goes before the end. Close it with `contextlib.aclosing` when leaving early.
        """
        role = "recorder" if is_recorder else "reader"
        peer = await _connect(self.agent_folder, self.record)
        reader, writer = await asyncio.open_connection(sock=peer, limit=STREAM_BUFFER_BYTES)
        try:
            writer.write(_hello(self.record, role, offset))
            while True:
                kind, payload = await _read_frame(reader)
                if kind == b"O":
                    yield Output(struct.unpack_from(">Q", payload)[0], payload[8:])
                elif kind == b"G":
                    yield Gap(*struct.unpack(">QQ", payload))
                elif kind == b"X":
                    return
                elif kind == b"E":
                    raise _refusal(payload)
        finally:
            writer.close()

    async def close(self) -> None:
        self._link.close()
        await self._link.closed.wait()


async def attach(agent_folder: Path, record: HolderRecord | None = None) -> Attachment:
    """Connect to the holder on record, or to the one that the agent's folder names. Raises HolderLost, HolderFailed."""
    record = record or read_holder(agent_folder)
    if record is None:
        raise HolderLost(f"{agent_folder.name} has no holder.")
    peer = await _connect(agent_folder, record)
    loop = asyncio.get_running_loop()
    _, link = await loop.create_connection(_ControlLink, sock=peer)
    try:
        welcome = await link.greet(record)
        if (welcome.run_id, welcome.generation) != (record.run_id, record.generation):
            raise HolderFailed("The holder that answers is not the one on record.")
    except BaseException:
        link.close()
        raise
    return Attachment(agent_folder, record, welcome, link)


class _ControlLink(asyncio.Protocol):
    """The controlling connection: requests by number, and the news of the agent's end."""

    def __init__(self) -> None:
        self.exit: ExitRecord | None = None
        self.lost: HolderLost | HolderFailed | None = None
        self.changed = asyncio.Event()
        """Set when `exit` or `lost` is."""
        self.closed = asyncio.Event()
        self._inbox = bytearray()
        self._answers: dict[int, asyncio.Future[Mapping[str, object]]] = {}
        self._number = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._inbox += data
        while len(self._inbox) >= 4:
            (length,) = struct.unpack_from(">I", self._inbox)
            if not 1 <= length <= MAX_FRAME_BYTES:
                self._lose(HolderFailed("The holder sent something that is not in the protocol."))
                return
            if len(self._inbox) < 4 + length:
                return
            kind, payload = bytes(self._inbox[4:5]), bytes(self._inbox[5 : 4 + length])
            del self._inbox[: 4 + length]
            try:
                self._on_frame(kind, payload)
            except (ValueError, ValidationError) as error:
                self._lose(HolderFailed(f"The holder sent something that cannot be read: {error}"))
                return

    def connection_lost(self, exc: Exception | None) -> None:
        self._lose(HolderLost("The holder has closed the connection."))
        self.closed.set()

    def close(self) -> None:
        self._transport.close()

    async def greet(self, record: HolderRecord) -> Welcome:
        answer = await self._exchange(0, _hello(record, "controller", None), ANSWER_TIMEOUT_S)
        return _WELCOME.validate_python(answer)

    async def ask(self, request: Mapping[str, object], timeout_s: float = ANSWER_TIMEOUT_S) -> Mapping[str, object]:
        """Send a request and return its answer. Raises HolderLost."""
        number = self._next_number()
        return await self._exchange(number, _frame(b"Q", json.dumps({"id": number, **request}).encode()), timeout_s)

    async def send_input(self, data: bytes) -> Mapping[str, object]:
        number = self._next_number()
        return await self._exchange(number, _frame(b"I", struct.pack(">I", number) + data), ANSWER_TIMEOUT_S)

    async def _exchange(self, number: int, frame: bytes, timeout_s: float) -> Mapping[str, object]:
        if self.lost is not None:
            raise self.lost
        answer: asyncio.Future[Mapping[str, object]] = asyncio.get_running_loop().create_future()
        self._answers[number] = answer
        self._transport.write(frame)
        try:
            return await asyncio.wait_for(answer, timeout_s)
        except TimeoutError as error:
            raise HolderLost(f"The holder did not answer within {timeout_s:g} s.") from error
        finally:
            self._answers.pop(number, None)

    def _next_number(self) -> int:
        self._number = self._number % (2**32 - 1) + 1  # 0 is the hello
        return self._number

    def _on_frame(self, kind: bytes, payload: bytes) -> None:
        if kind in (b"R", b"W"):
            answer = json.loads(payload)
            waiting = self._answers.get(0 if kind == b"W" else answer.get("id"))
            if waiting is not None and not waiting.done():
                waiting.set_result(answer)
        elif kind == b"X":
            self.exit = EXIT_RECORD.validate_json(payload)
            self.changed.set()
        elif kind == b"E":
            self._lose(_refusal(payload))

    def _lose(self, error: HolderLost | HolderFailed) -> None:
        if self.lost is None:
            self.lost = error
            for waiting in self._answers.values():
                if not waiting.done():
                    waiting.set_exception(error)
        self.changed.set()
        self._transport.close()


def _frame(kind: bytes, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload) + 1) + kind + payload


def _hello(record: HolderRecord, role: str, offset: int | None) -> bytes:
    hello = {"protocol": PROTOCOL, "nonce": record.nonce, "role": role, "from": offset}
    return _frame(b"H", json.dumps(hello).encode())


def _refusal(payload: bytes) -> HolderFailed:
    return HolderFailed(f"The holder refused: {json.loads(payload).get('message')}.")


async def _read_frame(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    try:
        (length,) = struct.unpack(">I", await reader.readexactly(4))
        if not 1 <= length <= MAX_FRAME_BYTES:
            raise HolderFailed("The holder sent something that is not in the protocol.")
        frame = await reader.readexactly(length)
    except (asyncio.IncompleteReadError, OSError) as error:
        raise HolderLost("The holder has closed the connection.") from error
    return frame[:1], frame[1:]


async def _connect(agent_folder: Path, record: HolderRecord) -> socket.socket:
    """Connect to the holder's socket and to nobody else who might have put one there. Raises HolderLost, HolderFailed.

    By way of the folder's descriptor, because a socket's path has at most 107 bytes.
    """
    peer = socket.socket(socket.AF_UNIX)
    peer.setblocking(False)
    try:
        folder = os.open(run_folder(agent_folder), os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            path = f"/proc/self/fd/{folder}/{SOCKET_FILE}"
            await asyncio.wait_for(asyncio.get_running_loop().sock_connect(peer, path), ANSWER_TIMEOUT_S)
        finally:
            os.close(folder)
        pid, uid, _ = struct.unpack("3i", peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        if uid != os.geteuid() or pid != record.pid:
            raise HolderFailed(f"Process {pid} answers in place of the holder.")
    except BaseException as error:
        peer.close()
        if isinstance(error, OSError):  # TimeoutError is one
            raise HolderLost("The holder does not answer.") from error
        raise
    return peer
