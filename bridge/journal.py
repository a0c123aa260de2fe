"""The journal: what came on stdin and is not answered yet, so that a bridge that is killed goes on where it was.

The agent CLI never starts a bridge again; the shell loop around it does, on the same pipes. The file belongs to that
one loop, so that no later launch answers ids it never heard. What is read is written down before anything is done
with it. Records: `I<length>` and so many bytes as they came, `A<id>` answered, `K<key> <id>` the key of a call that
brought none, `S` the session of the handshake era, `M` the menu's version, `W` and `w` a long line of stdout begun
and written.
"""

from __future__ import annotations

import _thread
import json
import os

from bridge.request import name_of, parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

COMPACT_BYTES = 4 * 1024 * 1024
_MINE = "journal-"


class Journal:
    """Owed requests on disk; survives the process, not the machine. Without a launch it is kept in memory only."""

    def __init__(self, folder: str, launch: str = "", compact_bytes: int = COMPACT_BYTES) -> None:
        """Take `launch` as PID.COUNT: the shell loop's pid, and how often it has started a bridge before."""
        self._lock = _thread.allocate_lock()
        self._compact_bytes = compact_bytes
        self._file: int | None = None
        self._size = self._least_size = 0
        self._owed: dict[str, bytes] = {}
        self._keys: dict[str, str] = {}
        self._rest: list[bytes] = []
        self.greeting: bytes | None = None
        """The initialize line of the handshake era."""
        self.session: dict[str, str] | None = None
        """The headers of a session that is fully open."""
        self.menu = ""
        self.is_resumed = False
        self.was_writing = False
        """A line of stdout was perhaps cut in the middle."""
        loop, _, count = launch.partition(".")
        if not loop:
            return
        _remove_orphans(folder, loop)
        self._path = os.path.join(folder, f"{_MINE}{loop}")
        if count == "0":
            _remove(self._path)  # of another loop, which had the same pid once
        else:
            self._read()
        self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._compact()

    @property
    def begun(self) -> bytes:
        """The beginning of a line whose end has not come."""
        return b"".join(self._rest)

    def owed(self) -> list[bytes]:
        """Return the request lines that are not answered, in the order they came."""
        with self._lock:
            return list(self._owed.values())

    # Called by the thread that reads stdin only -------------------------------------------------------------------

    def read(self, data: bytes) -> list[bytes]:
        """Write down what came; return the lines that are complete by it. Each must be taken before the next call."""
        with self._lock:
            if self._size > max(self._compact_bytes, 2 * self._least_size):
                self._compact()
            self._write(b"I%d\n" % len(data) + data)
        return self._split(data)

    def take(self, request_id: object, line: bytes) -> None:
        """Owe an answer to a request."""
        with self._lock:
            self._owed[name_of(request_id)] = line

    def greet(self, line: bytes) -> None:
        """Take the CLI's initialize line, to open sessions anew by it."""
        self.greeting, self.session = line, None

    # Called by any thread -----------------------------------------------------------------------------------------

    def answered(self, request_id: object) -> None:
        name = name_of(request_id)
        with self._lock:
            self._keys.pop(name, None)
            if self._owed.pop(name, None) is not None:
                self._write(b"A" + name.encode() + b"\n")

    def key_for(self, request_id: object) -> str:
        """Return the key of a call that brought none, the same for as long as its answer is owed."""
        name = name_of(request_id)
        with self._lock:
            key = self._keys.get(name)
            if key is None:
                key = self._keys[name] = f"bridge-{os.urandom(16).hex()}"
                self._write(f"K{key} {name}\n".encode())
            return key

    def keep_session(self, headers: dict[str, str] | None) -> None:
        with self._lock:
            self.session = headers
            self._write(b"S" + json.dumps(headers).encode() + b"\n")

    def keep_menu(self, version: str) -> None:
        with self._lock:
            if version != self.menu:
                self.menu = version
                self._write(b"M" + json.dumps(version).encode() + b"\n")

    def writing(self, is_begun: bool) -> None:
        """Take note that a line too long to be written at once is begun, or written."""
        with self._lock:
            self._write(b"W\n" if is_begun else b"w\n")

    def close(self) -> None:
        """Owe nothing to anybody any more: the CLI has gone."""
        if self._file is not None:
            _remove(self._path)

    def _split(self, data: bytes) -> list[bytes]:
        first, *more = data.split(b"\n")
        self._rest.append(first)
        lines = []
        for begun in more:
            lines.append(b"".join(self._rest))
            self._rest = [begun]
        return [line for line in lines if line.strip()]

    def _write(self, record: bytes) -> None:
        if self._file is None:
            return
        try:
            os.write(self._file, record)
        except OSError:
            pass  # the disk is full: a kill would show now, nothing else does
        self._size += len(record)

    def _compact(self) -> None:
        """Write the whole anew, with nothing in it that is done."""
        if self._file is None:
            return
        lines = [line for line in (self.greeting, *self._owed.values()) if line is not None]
        if self.greeting is not None and self.greeting in self._owed.values():
            del lines[0]
        whole = b"".join(line + b"\n" for line in lines) + self.begun
        records = [b"I%d\n" % len(whole) + whole]
        if self.greeting is not None and self.greeting not in self._owed.values():
            records.append(b"A" + name_of((parse(self.greeting) or {}).get("id")).encode() + b"\n")
        records += [f"K{key} {name}\n".encode() for name, key in self._keys.items() if name in self._owed]
        records.append(b"S" + json.dumps(self.session).encode() + b"\n")
        records.append(b"M" + json.dumps(self.menu).encode() + b"\n")
        new = f"{self._path}.new"
        try:
            file = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
        except OSError:
            return
        try:
            for record in records:
                os.write(file, record)
            os.replace(new, self._path)
        except OSError:
            os.close(file)
            return
        os.close(self._file)
        self._file = file
        self._size = self._least_size = sum(len(record) for record in records)

    def _read(self) -> None:
        try:
            with open(self._path, "rb") as file:
                self._replay(file.read())
        except (OSError, ValueError):
            pass  # never written, or damaged: what was understood so far holds
        self.is_resumed = True

    def _replay(self, content: bytes) -> None:
        position = 0
        while (end := content.find(b"\n", position)) >= 0:
            kind, rest = content[position : position + 1], content[position + 1 : end]
            position = end + 1
            if kind == b"I":
                data = content[position : position + int(rest)]
                position += int(rest)
                for line in self._split(data):
                    self._replay_line(line)
            else:
                self._replay_record(kind, rest.decode())

    def _replay_line(self, line: bytes) -> None:
        message = parse(line)
        if message is None or "method" not in message:
            return
        params: Any = message.get("params")
        if "id" in message:
            self._owed[name_of(message["id"])] = line
            if message["method"] == "initialize":
                self.greet(line)
        elif message["method"] == "notifications/cancelled" and isinstance(params, dict):
            self._owed.pop(name_of(params.get("requestId")), None)

    def _replay_record(self, kind: bytes, rest: str) -> None:
        if kind == b"A":
            self._owed.pop(rest, None)
        elif kind == b"K":
            key, _, name = rest.partition(" ")
            self._keys[name] = key
        elif kind == b"S":
            self.session = json.loads(rest)
        elif kind == b"M":
            self.menu = json.loads(rest)
        elif kind in (b"W", b"w"):
            self.was_writing = kind == b"W"


def _remove_orphans(folder: str, loop: str) -> None:
    """Remove the journals of loops that have ended. Those whose pid is another process's by now stay until it ends."""
    for file in os.listdir(folder):
        owner = file.removeprefix(_MINE).partition(".")[0]
        if file.startswith(_MINE) and owner != loop and not (owner.isdigit() and _lives(int(owner))):
            _remove(os.path.join(folder, file))


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass
    return True


def _remove(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        pass
