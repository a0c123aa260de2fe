"""Files between the office and an agent's own folder, and texts too long for a message: what goes around operations.

A path comes from a model and may be a trap: nothing outside the folder is read or written, whatever is swapped
meanwhile.
"""

import asyncio
import dataclasses
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from server.core.call import Caller
from server.core.errors import BadArgument, Conflict, NotAllowed, NotFound
from server.dispatch import Answer, Dispatch, Work
from server.storage.beneath import OutsideFolder, folder_beneath, read_beneath, relative_path
from server.storage.blobs import Blobs, too_large
from server.web.files import PIECE_BYTES, FileLimits, stored_bytes

FindFolder = Callable[[str], Path | None]
"""Returns the work dir of an agent that runs on this machine, or None."""

LONGEST_MESSAGE_BYTES = 32 * 1024
_EXCERPT_CHARACTERS = 1500
_SAVED_IN = "downloads"
_NAMES_TRIED = 100


class WorkFolders:
    """Goes around `upload_file`, `download_file` and `send_message`."""

    def __init__(self, dispatch: Dispatch, blobs: Blobs, limits: FileLimits, find_folder: FindFolder) -> None:
        self._dispatch = dispatch
        self._blobs = blobs
        self._limits = limits
        self._find_folder = find_folder
        dispatch.around |= {
            "upload_file": self._upload,
            "download_file": self._download,
            "send_message": self._send,
        }

    async def _upload(self, work: Work) -> Answer:
        asked: Any = work.arguments
        if (asked.path is None) == (asked.content is None):
            raise BadArgument("Give one of path and content.", hint="With content, a name too.", field="path")
        if asked.content is not None:
            if not asked.name:
                raise BadArgument("“name” is missing.", hint="As name=notes.md.", field="name")
            return await self._store(work, asked.name, _one(asked.content.encode()))
        folder = self._own_folder(work.caller)
        descriptor = await asyncio.to_thread(_open_for_reading, folder, asked.path)
        try:
            if os.fstat(descriptor).st_size > self._limits.file_bytes:
                raise too_large(self._limits.file_bytes)
            return await self._store(work, asked.name or asked.path, _read(descriptor))
        finally:
            os.close(descriptor)

    async def _store(self, work: Work, name: str, pieces: AsyncIterator[bytes]) -> Answer:
        async with self._blobs.receive(pieces, self._limits.file_bytes) as blob:
            given = work.arguments.model_dump(exclude={"stored"}) | {"stored": stored_bytes(blob, name, self._limits)}
            # What was read stands in the arguments, so that a key with another file behind it is refused.
            return await work.run(work.operation.arguments.model_validate(given))

    async def _download(self, work: Work) -> Answer:
        answer = await work.run(work.arguments)
        found = answer.value
        folder = self._own_folder(work.caller)
        source = self._blobs.path(found.file["sha256"])
        path = await asyncio.to_thread(_save, folder, found.path, found.file["name"], source)
        return Answer(dataclasses.replace(found, path=path), answer.replayed)

    async def _send(self, work: Work) -> Answer:
        asked: Any = work.arguments
        if asked.long_text != "file" or len(asked.content.encode()) <= LONGEST_MESSAGE_BYTES:
            return await work.run(asked)
        key = None if work.idempotency_key is None else f"file of {work.idempotency_key}"[:255]
        async with self._blobs.receive(_one(asked.content.encode()), self._limits.file_bytes) as blob:
            stored = stored_bytes(blob, "message.md", self._limits)
            add = self._dispatch.registry["add_file"]
            added = await self._dispatch.run(add, work.caller, {"stored": stored}, door=work.door, idempotency_key=key)
        file = added.value
        begins = asked.content[:_EXCERPT_CHARACTERS].rstrip()
        excerpt = f"{begins} …\n\n(The whole text, {file['size']} bytes: {file['id']})"
        number = int(file["id"].removeprefix("file_"))
        return await work.run(asked.model_copy(update={"content": excerpt, "files": [*asked.files, number]}))

    def _own_folder(self, caller: Caller) -> Path:
        folder = self._find_folder(caller.name) if caller.kind == "agent" else None
        if folder is None or not folder.is_dir():
            raise NotAllowed(
                "You have no work dir on this machine.",
                hint="Upload with name and content; fetch with GET /api/files/{id}.",
            )
        return folder


def _open_for_reading(folder: Path, path: str) -> int:
    try:
        return read_beneath(folder, path)
    except OutsideFolder as failure:
        raise _outside(failure) from None
    except FileNotFoundError:
        raise NotFound(f"There is no file {path} in your work dir.", field="path") from None
    except OSError as failure:
        raise BadArgument(f"{path} cannot be read: {failure.strerror}.", field="path") from None


def _save(folder: Path, asked: str, name: str, source: Path) -> str:
    """Copy bytes to a new file beneath a folder and return its path. Never replaces one."""
    try:
        place, _, own = relative_path(folder, asked).rpartition("/") if asked else (_SAVED_IN, "", "")
        descriptor = folder_beneath(folder, place) if place else os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OutsideFolder as failure:
        raise _outside(failure) from None
    except OSError as failure:
        raise BadArgument(f"Nothing can be saved at {asked}: {failure.strerror}.", field="path") from None
    try:
        if own in (".", ".."):
            raise BadArgument("The path names no file.", field="path")
        saved = _copy(descriptor, own or name, source, numbered=not own)
    finally:
        os.close(descriptor)
    return f"{place}/{saved}" if place else saved


def _copy(folder: int, name: str, source: Path, *, numbered: bool) -> str:
    temporary = f".{os.urandom(8).hex()}.part"
    with source.open("rb") as reading:
        writing = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644, dir_fd=folder)
        try:
            with os.fdopen(writing, "wb") as target:
                while piece := reading.read(PIECE_BYTES):
                    target.write(piece)
            for tried in _names(name, numbered=numbered):
                try:
                    # A link to a name that exists fails: nothing of the agent's is ever replaced.
                    os.link(temporary, tried, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
                except FileExistsError:
                    continue
                return tried
        finally:
            os.unlink(temporary, dir_fd=folder)
    raise Conflict(f"There is a file {name} already.", hint="Give another path.", field="path")


def _names(name: str, *, numbered: bool) -> list[str]:
    if not numbered:
        return [name]
    stem, dot, ending = name.rpartition(".")
    stem, ending = (stem, dot + ending) if stem else (name, "")
    return [name, *(f"{stem}-{number}{ending}" for number in range(2, _NAMES_TRIED))]


def _outside(failure: OutsideFolder) -> NotAllowed:
    return NotAllowed(f"{failure}.", hint="Name a plain file in your work dir, as report.md.", field="path")


async def _read(descriptor: int) -> AsyncIterator[bytes]:
    while piece := await asyncio.to_thread(os.read, descriptor, PIECE_BYTES * 4):
        yield piece


async def _one(data: bytes) -> AsyncIterator[bytes]:
    yield data
