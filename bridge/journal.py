"""The journal: what came on stdin and is not answered yet, so that a bridge that is killed goes on where it was.

The agent CLI never starts a bridge again; the shell loop around it does, on the same pipes. The file belongs to that
one loop, so that no later launch answers ids it never heard. Records: `I<length>` and so many bytes as they came, or
`P<length>` with `C` after it once they are no longer in the socket too; `A<id>` answered, `K<key> <id>` the key of a
call that brought none, `S` the session of the handshake era, `M` the menu's version, `W` and `w` a long line of stdout
begun and written.
"""

from __future__ import annotations

import _thread
import json
import os

from bridge.request import name_of, parse
from bridge.stdin import record, written

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from bridge.stdin import Stdin

COMPACT_BYTES = 4 * 1024 * 1024
_MINE = "journal-"


class Journal:
    """Owed requests on disk; survives the process, not the machine. Without a launch it is kept in memory only."""

    def __init__(self, folder: str, stdin: Stdin, launch: str = "", compact_bytes: int = COMPACT_BYTES) -> None:
        """Take `launch` as PID.COUNT: the shell loop's pid, and how often it has started a bridge before."""
        self._stdin = stdin
        self._lock = _thread.allocate_lock()
        self._compact_bytes = compact_bytes
        self._file: int | None = None
        self._least_size = 0
        self._is_damaged = False
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
            self._take_over()
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
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

    def read(self) -> list[bytes] | None:
        """Wait for stdin; return the lines that are complete by what came, None at its end.

        Each request among them must be taken before the next call.
        """
        self._stdin.wait()
        with self._lock:
            data = self._move()
        return self._split(data) if data else None

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

    def _move(self) -> bytes:
        if self._file is None:
            return self._stdin.read()
        size = os.lseek(self._file, 0, os.SEEK_CUR)
        if self._is_damaged or size > max(self._compact_bytes, 2 * self._least_size):
            self._compact()
        if self._is_damaged:
            return self._stdin.read()
        data, is_written = self._stdin.move_to(self._file)
        self._is_damaged = not is_written
        return data

    def _write(self, entry: bytes) -> None:
        if self._file is not None and not self._is_damaged:
            self._is_damaged = not written(self._file, entry)  # a kill would show now, nothing else does

    def _compact(self) -> None:
        """Write the whole anew, with nothing in it that is done."""
        if self._file is None:
            return
        lines = [line for line in (self.greeting, *self._owed.values()) if line is not None]
        if self.greeting is not None and self.greeting in self._owed.values():
            del lines[0]
        whole = b"".join(line + b"\n" for line in lines) + self.begun
        records = [record(whole)] if whole else []
        if self.greeting is not None and self.greeting not in self._owed.values():
            records.append(b"A" + name_of((parse(self.greeting) or {}).get("id")).encode() + b"\n")
        records += [f"K{key} {name}\n".encode() for name, key in self._keys.items() if name in self._owed]
        records.append(b"S" + json.dumps(self.session).encode() + b"\n")
        records.append(b"M" + json.dumps(self.menu).encode() + b"\n")
        new = f"{self._path}.new"
        try:
            file = os.open(new, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
        except OSError:
            self._is_damaged = True
            return
        try:
            self._is_damaged = not written(file, b"".join(records))
            if not self._is_damaged:
                os.replace(new, self._path)
        except OSError:
            self._is_damaged = True
        if self._is_damaged:
            os.close(file)
            return
        os.close(self._file)
        self._file = file
        self._least_size = sum(len(entry) for entry in records)

    def _take_over(self) -> None:
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
            if kind in (b"I", b"P"):
                length = int(rest)
                if kind == b"I" and not length:  # only the last can be without: it was killed before it was told
                    length = len(content) - position
                data = content[position : position + length]
                position += length
                is_unsure = kind == b"P" and not content.startswith(b"C\n", position)
                if not (is_unsure and (len(data) < length or self._stdin.still_holds(data))):
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
