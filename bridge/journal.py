"""The journal: what was asked and not answered yet, so that a bridge that is killed goes on where it was.

The agent CLI never starts a bridge again; the shell loop around it does, on the same pipes. The file is named after
that shell, so that no later launch answers ids it never heard. Lines: `+KEY REQUEST`, `-ID`, `LREQUEST`, `PHEX`.
"""

import json
import os
import threading

COMPACT_BYTES = 4 * 1024 * 1024


class Journal:
    """Owed requests on disk; survives the process, not the machine."""

    def __init__(self, folder: str) -> None:
        os.makedirs(folder, mode=0o700, exist_ok=True)
        mine = f"journal-{os.getppid()}-{_start_of(os.getppid())}"
        _remove_others(folder, mine)
        self._path = os.path.join(folder, mine)
        self._lock = threading.Lock()
        self._owed: dict[str, str] = {}
        self.greeting: str | None = None
        """The initialize line of the older era."""
        self.partial = b""
        """The beginning of a line whose end had not come."""
        self._read()
        self.is_resumed = bool(self._owed or self.greeting)
        self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._size = os.fstat(self._file).st_size

    def owed(self) -> list[tuple[str, str]]:
        """Return (key, request line) of what is not answered."""
        with self._lock:
            return [tuple(entry.split(" ", 1)) for entry in self._owed.values()]  # type: ignore[misc]

    def accept(self, request_id: object, key: str, line: str) -> None:
        with self._lock:
            self._owed[json.dumps(request_id)] = f"{key} {line}"
            self._write(f"+{key} {line}\n")

    def answered(self, request_id: object) -> None:
        with self._lock:
            if self._owed.pop(json.dumps(request_id), None) is not None:
                self._write(f"-{json.dumps(request_id)}\n")
                if self._size > COMPACT_BYTES:
                    self._compact()

    def greet(self, line: str) -> None:
        with self._lock:
            self.greeting = line
            self._write(f"L{line}\n")

    def keep_partial(self, data: bytes) -> None:
        with self._lock:
            self._write(f"P{data.hex()}\n")

    def close(self) -> None:
        """Nothing is owed to anybody any more: the CLI has gone."""
        try:
            os.unlink(self._path)
        except OSError:
            pass

    def _write(self, entry: str) -> None:
        data = entry.encode("utf-8", "surrogatepass")
        os.write(self._file, data)
        self._size += len(data)

    def _compact(self) -> None:
        entries = [f"+{entry}\n" for entry in self._owed.values()]
        if self.greeting is not None:
            entries.insert(0, f"L{self.greeting}\n")
        new = self._path + ".new"
        with open(new, "wb") as file:
            file.write("".join(entries).encode("utf-8", "surrogatepass"))
        os.replace(new, self._path)
        os.close(self._file)
        self._file = os.open(self._path, os.O_WRONLY | os.O_APPEND)
        self._size = os.fstat(self._file).st_size

    def _read(self) -> None:
        try:
            with open(self._path, "rb") as file:
                content = file.read().decode("utf-8", "surrogatepass")
        except OSError:
            return
        for entry in content.split("\n")[:-1]:  # a torn last entry was never acted on
            kind, rest = entry[:1], entry[1:]
            if kind == "P":
                self.partial = bytes.fromhex(rest)
                continue
            if kind == "+":
                request = json.loads(rest.split(" ", 1)[1])
                self._owed[json.dumps(request["id"])] = rest
                self.partial = b""
            elif kind == "-":
                self._owed.pop(rest, None)
            elif kind == "L":
                self.greeting = rest
                self.partial = b""


def _start_of(pid: int) -> str:
    """Return when a process began, in clock ticks: with it a pid names one process only."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[19]
    except OSError:
        return "0"


def _remove_others(folder: str, mine: str) -> None:
    for name in os.listdir(folder):
        if not name.startswith("journal-") or name.startswith(mine):
            continue
        words = name.split("-")
        if len(words) >= 3 and words[1].isdigit() and _start_of(int(words[1])) == words[2].removesuffix(".new"):
            continue  # another launch that still lives
        try:
            os.unlink(os.path.join(folder, name))
        except OSError:
            pass
