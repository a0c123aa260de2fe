"""A disk that remembers every write and sync, and can be rebuilt as it would be after the power went at any point.

What was synced is there. What was written since is lost, there, or torn at 512 bytes, each write by itself. An honest
fsync is assumed; entries of directories are not modelled.
"""

import random
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import apsw

SECTOR = 512


@dataclass(frozen=True)
class Write:
    name: str
    offset: int
    data: bytes


@dataclass(frozen=True)
class Truncate:
    name: str
    size: int


@dataclass(frozen=True)
class Sync:
    name: str


@dataclass(frozen=True)
class Delete:
    name: str


@dataclass(frozen=True)
class Acknowledged:
    """A caller was answered: this key is promised."""

    key: str


Step = Write | Truncate | Sync | Delete | Acknowledged


class RecordedDisk(apsw.VFS):
    """SQLite's way to the disk, with a record of all that happens on it."""

    def __init__(self, name: str) -> None:
        super().__init__(name, "")
        self.steps: list[Step] = []

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> "_RecordedFile":  # noqa: N802 (APSW's name)
        return _RecordedFile(self.steps, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: N802 (APSW's name)
        self.steps.append(Delete(Path(filename).name))
        super().xDelete(filename, syncdir)

    def after_power_loss(self, point: int, chance: random.Random, folder: Path) -> set[str]:
        """Write the files as they may be if the power goes before a step; return the keys promised by then."""
        durable: dict[str, bytearray] = defaultdict(bytearray)
        pending: dict[str, list[Write | Truncate]] = defaultdict(list)
        promised: set[str] = set()
        for step in self.steps[:point]:
            match step:
                case Acknowledged(key):
                    promised.add(key)
                case Delete(name):
                    durable.pop(name, None)
                    pending.pop(name, None)
                case Sync(name):
                    for change in pending.pop(name, []):
                        _apply(durable[name], change)
                case Write(name) | Truncate(name):
                    pending[name].append(step)
        for name, changes in pending.items():
            for change in changes:
                _apply_perhaps(durable[name], change, chance)
        for name, content in durable.items():
            (folder / name).write_bytes(content)
        return promised


class _RecordedFile(apsw.VFSFile):
    def __init__(self, steps: list[Step], name: str | apsw.URIFilename | None, flags: list[int]) -> None:
        super().__init__("", name, flags)
        full = name.filename() if isinstance(name, apsw.URIFilename) else str(name)
        self._name = Path(full).name
        self._steps = steps

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802 (APSW's name)
        self._steps.append(Write(self._name, offset, bytes(data)))
        super().xWrite(data, offset)

    def xTruncate(self, size: int) -> None:  # noqa: N802 (APSW's name)
        self._steps.append(Truncate(self._name, size))
        super().xTruncate(size)

    def xSync(self, flags: int) -> None:  # noqa: N802 (APSW's name)
        self._steps.append(Sync(self._name))  # the data is not worth a real sync: the model decides what is there


def _apply(content: bytearray, change: Write | Truncate) -> None:
    if isinstance(change, Truncate):
        del content[change.size :]
        content.extend(bytes(change.size - len(content)))
        return
    content.extend(bytes(max(0, change.offset - len(content))))
    content[change.offset : change.offset + len(change.data)] = change.data


def _apply_perhaps(content: bytearray, change: Write | Truncate, chance: random.Random) -> None:
    fate = chance.choice(("lost", "there", "torn"))
    if fate == "there" or (fate == "torn" and isinstance(change, Truncate)):
        _apply(content, change)
    elif fate == "torn" and isinstance(change, Write):
        for start in range(0, len(change.data), SECTOR):
            if chance.random() < 0.5:
                _apply(content, Write(change.name, change.offset + start, change.data[start : start + SECTOR]))
