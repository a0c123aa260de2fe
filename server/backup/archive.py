"""A backup as a file: a compressed tar whose first member, the manifest, tells what must be in it."""

import gzip
import hashlib
import os
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Literal

import orjson
from pydantic import TypeAdapter, ValidationError

ENDING = ".tar.gz"
DATABASE = "team.sqlite3"
MANIFEST = "manifest.json"
FORMAT = 1
_LARGEST_MANIFEST = 64 * 1024 * 1024
_CHUNK = 1024 * 1024

Purpose = Literal["manual", "automatic", "before-restore"]


class DamagedBackup(Exception):
    """The file is no backup, or not a whole one. The text says what is wrong."""


@dataclass(frozen=True, slots=True)
class Part:
    """One file in a backup."""

    name: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup holds, written when it was made."""

    format: int
    team: str
    epoch: str
    schema: int
    version: str
    """Of the program that made it."""
    made_at: str
    purpose: Purpose
    seq: int
    """Of the last event in it."""
    head: str
    """Where its chain of hashes ends."""
    rows: dict[str, int]
    """Table → rows."""
    parts: list[Part]


@dataclass(frozen=True, slots=True)
class BackupFile:
    """A backup in a list."""

    name: str
    bytes: int
    team: str
    made_at: str
    purpose: str
    """manual | automatic | before-restore"""
    version: str
    schema: int
    seq: int
    messages: int
    files: int


def write(target: Path, folder: Path, manifest: Manifest) -> None:
    """Pack the manifest and its parts, read from a folder, into a new file that is on the disk when this returns."""
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as opened:
        with tarfile.open(fileobj=opened, mode="w:gz", compresslevel=1) as archive:
            content = orjson.dumps(asdict(manifest), option=orjson.OPT_INDENT_2)
            _add(archive, MANIFEST, len(content), _Bytes(content))
            for part in manifest.parts:
                with (folder / part.name).open("rb") as source:
                    _add(archive, part.name, part.bytes, source)
        opened.flush()
        os.fsync(opened.fileno())


def read_manifest(file: Path) -> Manifest:
    """Read what a backup says of itself, without reading the rest. Raises DamagedBackup, OSError."""
    with _readable(file) as archive:
        return _manifest(archive)


def unpack(file: Path, folder: Path) -> Manifest:
    """Unpack a backup into an empty folder, and check each part's size and hash. Raises DamagedBackup, OSError."""
    with _readable(file) as archive:
        manifest = _manifest(archive)
        expected = {part.name: part for part in manifest.parts}
        while (member := archive.next()) is not None:
            part = expected.pop(member.name, None)
            if part is None or not member.isreg():
                raise DamagedBackup(f"{member.name} is in it, and its manifest does not say so")
            _unpack_part(archive, member, part, folder)
        if expected:
            raise DamagedBackup(f"{next(iter(expected))} is missing")
        while archive.fileobj.read(_CHUNK):
            pass  # to the end, where gzip compares its own checksum
    return manifest


def described(file: Path) -> BackupFile:
    """Return a backup as it is listed. Raises DamagedBackup, OSError."""
    found = read_manifest(file)
    return BackupFile(
        name=file.name,
        bytes=file.stat().st_size,
        team=found.team,
        made_at=found.made_at,
        purpose=found.purpose,
        version=found.version,
        schema=found.schema,
        seq=found.seq,
        messages=found.rows.get("message", 0),
        files=sum(part.name.startswith("files/") for part in found.parts),
    )


def listed(folder: Path) -> list[BackupFile]:
    """Return the backups of a folder, newest first, and pass over what is none."""
    found = []
    for file in folder.glob(f"*{ENDING}"):
        try:
            found.append(described(file))
        except (DamagedBackup, OSError):
            continue
    return sorted(found, key=lambda backup: (backup.made_at, backup.name), reverse=True)


def sha256_of(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


class _Bytes:
    """Bytes as tarfile reads them."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def read(self, size: int = -1) -> bytes:
        size = len(self._content) if size < 0 else size
        piece, self._content = self._content[:size], self._content[size:]
        return piece


def _add(archive: tarfile.TarFile, name: str, size: int, source: "IO[bytes] | _Bytes") -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, 0o600
    archive.addfile(member, source)


@contextmanager
def _readable(file: Path) -> Iterator[tarfile.TarFile]:
    try:
        with gzip.open(file) as content, tarfile.open(fileobj=content, mode="r|") as archive:
            yield archive
    except (tarfile.TarError, EOFError, zlib.error) as failure:
        raise DamagedBackup(f"it is damaged ({failure})") from None
    except OSError as failure:
        if failure.errno is not None:
            raise
        raise DamagedBackup(f"it is damaged ({failure})") from None  # gzip's own


def _manifest(archive: tarfile.TarFile) -> Manifest:
    member = archive.next()
    if member is None or member.name != MANIFEST or not member.isreg() or member.size > _LARGEST_MANIFEST:
        raise DamagedBackup("it is no backup of Bullpen")
    source = archive.extractfile(member)
    assert source is not None
    content = source.read()
    try:
        said = orjson.loads(content)
        if said["format"] > FORMAT:
            raise DamagedBackup(f"it has format {said['format']}, this program knows up to {FORMAT}")
        manifest = TypeAdapter(Manifest).validate_python(said)
    except (orjson.JSONDecodeError, ValidationError, KeyError, TypeError) as failure:
        raise DamagedBackup("its manifest cannot be read") from failure
    for part in manifest.parts:
        path = PurePosixPath(part.name)
        if path.is_absolute() or ".." in path.parts or path.parts[0] not in (DATABASE, "files", "agents"):
            raise DamagedBackup(f"its manifest names {part.name!r}, which is no part of a backup")
    return manifest


def _unpack_part(archive: tarfile.TarFile, member: tarfile.TarInfo, part: Part, folder: Path) -> None:
    target = folder / part.name
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    source, digest, size = archive.extractfile(member), hashlib.sha256(), 0
    assert source is not None
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as opened:
        while piece := source.read(_CHUNK):
            digest.update(piece)
            size += len(piece)
            opened.write(piece)
        opened.flush()
        os.fsync(opened.fileno())
    if (size, digest.hexdigest()) != (part.bytes, part.sha256):
        raise DamagedBackup(f"{part.name} is not what was backed up")
