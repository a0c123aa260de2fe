"""Bytes on disk under the name of their SHA-256: the same bytes once, whole or not at all. Knows no feature.

What is received is written to `incoming`, made durable, and renamed; a row that names it is committed after that. Bytes
that no row names are swept away.
"""

import asyncio
import contextlib
import errno
import hashlib
import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from server.core.errors import BullpenError, StorageFull, TooLarge

HEAD_BYTES = 4096
"""What a type is told by."""
_WRITE_AT_BYTES = 512 * 1024
_HASH = re.compile(r"^[0-9a-f]{64}$")

FindNamed = Callable[[], Awaitable[frozenset[str]]]
"""Returns every hash that a row names."""


@dataclass(frozen=True, slots=True)
class Blob:
    """Bytes that are stored."""

    sha256: str
    size: int
    head: bytes
    is_utf8: bool
    """The whole of it is text."""


class Incoming:
    """Bytes that come in, piece by piece."""

    def __init__(self, descriptor: int, limit: int) -> None:
        self._descriptor = descriptor
        self._limit = limit
        self._digest = hashlib.sha256()
        self._text = _TextCheck()
        self._waiting = bytearray()
        self._head = b""
        self._size = 0

    async def write(self, piece: bytes) -> None:
        """Take some bytes. Raises TooLarge as soon as there are too many, StorageFull."""
        self._size += len(piece)
        if self._size > self._limit:
            raise too_large(self._limit)
        self._waiting += piece
        if len(self._waiting) >= _WRITE_AT_BYTES:
            await self._flush()

    async def finish(self) -> Blob:
        """Make what came durable and say what it is. Raises StorageFull."""
        await self._flush()
        await asyncio.to_thread(os.fsync, self._descriptor)
        return Blob(self._digest.hexdigest(), self._size, self._head, self._text.holds())

    async def _flush(self) -> None:
        piece, self._waiting = bytes(self._waiting), bytearray()
        self._head += piece[: HEAD_BYTES - len(self._head)]
        with _disk_full():
            await asyncio.to_thread(self._put, piece)

    def _put(self, piece: bytes) -> None:
        self._digest.update(piece)
        self._text.feed(piece)
        left = memoryview(piece)
        while left:
            left = left[os.write(self._descriptor, left) :]


class Blobs:
    """One folder of them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._incoming = folder / "incoming"
        self._naming = asyncio.Lock()
        """Held from the moment bytes get their name until their row is committed, and by the sweep."""

    def open(self) -> None:
        """Make the folder, and clear away what a server that died was receiving."""
        self._incoming.mkdir(mode=0o700, parents=True, exist_ok=True)
        for left in self._incoming.iterdir():
            left.unlink()

    def path(self, sha256: str) -> Path:
        """Return where bytes of a hash lie. Raises ValueError for what is no hash."""
        if not _HASH.match(sha256):
            raise ValueError(f"{sha256!r} is no hash")
        return self._folder / sha256[:2] / sha256[2:]

    @contextlib.asynccontextmanager
    async def receive(self, pieces: AsyncIterator[bytes], limit: int) -> AsyncIterator[Blob]:
        """Store bytes; inside, no sweep takes them: commit the row that names them there.

        Nothing stays if they are too many, stop coming, or no row is committed. Raises TooLarge, StorageFull.
        """
        temporary = self._incoming / os.urandom(16).hex()
        with _disk_full():
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            incoming = Incoming(descriptor, limit)
            async for piece in pieces:
                await incoming.write(piece)
            blob = await incoming.finish()
            async with self._naming:
                is_new = await asyncio.to_thread(self._name, temporary, blob.sha256)
                try:
                    yield blob
                except BullpenError:  # anything else may yet be committed: the sweep sees to it
                    if is_new:
                        self.path(blob.sha256).unlink(missing_ok=True)
                    raise
        finally:
            os.close(descriptor)
            temporary.unlink(missing_ok=True)

    async def sweep(self, find_named: FindNamed) -> int:
        """Remove bytes that no row names, and return how many there were."""
        async with self._naming:
            named = await find_named()
            return await asyncio.to_thread(self._remove_all_but, named)

    def _name(self, temporary: Path, sha256: str) -> bool:
        """Give received bytes their name, and tell whether they are new."""
        target = self.path(sha256)
        with _disk_full():
            target.parent.mkdir(mode=0o700, exist_ok=True)
            if target.exists():
                return False
            temporary.rename(target)
            for folder in (target.parent, self._folder):
                _sync_folder(folder)
        return True

    def _remove_all_but(self, named: frozenset[str]) -> int:
        removed = 0
        for file in self._folder.glob("[0-9a-f][0-9a-f]/*"):
            if file.parent.name + file.name not in named:
                file.unlink(missing_ok=True)
                removed += 1
        return removed


class _TextCheck:
    """Tells whether bytes are UTF-8 text, also when a character is cut in two by the end of a piece."""

    def __init__(self) -> None:
        self._tail = b""
        self._holds = True

    def feed(self, piece: bytes) -> None:
        if not self._holds:
            return
        data = self._tail + piece
        self._tail = b""
        try:
            text = data.decode()
        except UnicodeDecodeError as failure:
            if failure.start < len(data) - 3:
                self._holds = False
                return
            text, self._tail = data[: failure.start].decode(), data[failure.start :]
        self._holds = not _CONTROL.search(text)

    def holds(self) -> bool:
        return self._holds and not self._tail


_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
"""ESC stays: logs of terminals are full of it."""


def too_large(limit: int) -> TooLarge:
    """Build the error for more bytes than are taken."""
    return TooLarge(
        f"The file has more than {limit / 1024 / 1024:g} MiB.", hint="Split it, or say where it is instead.",
        field="content", facts={"limit_bytes": limit},
    )  # fmt: skip


@contextlib.contextmanager
def _disk_full() -> Iterator[None]:
    try:
        yield
    except OSError as failure:
        if failure.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise StorageFull("The disk is full: the file was not stored.", hint="Free some space and try again.") from None


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
