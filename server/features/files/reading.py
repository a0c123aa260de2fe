"""Reading files: which there are, what one is, and whose bytes may be handed out."""

from dataclasses import dataclass
from typing import Annotated

import orjson
from pydantic import Field

from server.core.call import Call
from server.core.names import ChannelName, Cursor, Limit, offset_of
from server.core.operation import command, query
from server.core.permission import READ, SPEAK, SYSTEM
from server.features.channels import readable_channels, resolve_channel
from server.features.files.folders import Folder, folders_of
from server.features.files.model import File, FileId, FolderId, describe_file, file_of, find_file
from server.features.tasks.model import TaskId


@dataclass(frozen=True, slots=True)
class Files:
    files: list[File]
    folders: list[Folder]
    """Of the channel, if one was named."""
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class Download:
    """A file that an agent asked for, and where it now is in its work dir."""

    file: File
    path: str


def _describe(found: Files) -> str:
    lines = [describe_file(file) for file in found.files] or ["No files."]
    return "\n".join([*lines, *([f'… more: cursor="{found.next_cursor}"'] if found.next_cursor else [])])


@query("GET /api/files", tool="list_files", toolset="files", allow=READ, describe=_describe,
       hidden=("folder_id", "cursor"))  # fmt: skip
def list_files(
    call: Call,
    *,
    channel: ChannelName | None = None,
    task_id: TaskId | None = None,
    folder_id: FolderId | None = None,
    limit: Limit = 50,
    cursor: Cursor | None = None,
) -> Files:
    """Shared files of a channel or task, newest first; all you may have without.

    Raises NotFound.
    """
    place = None if channel is None else resolve_channel(call, channel)
    places = [place.id] if place is not None else [each.id for each in readable_channels(call.transaction, call.caller)]
    offset = offset_of(cursor)
    rows = call.transaction.all(
        "SELECT * FROM file WHERE deleted_at IS NULL"
        " AND (channel IN (SELECT value FROM json_each(:places))"
        " OR (:anywhere AND (uploaded_by = :me OR task IS NOT NULL)))"
        " AND (:task IS NULL OR task = :task) AND (:folder IS NULL OR folder = :folder)"
        " ORDER BY id DESC LIMIT :limit OFFSET :offset",
        {
            "places": orjson.dumps(places).decode(),
            "anywhere": int(place is None),
            "me": call.caller.name,
            "task": task_id,
            "folder": folder_id,
            "limit": limit + 1,
            "offset": offset,
        },
    )
    return Files(
        [file_of(row) for row in rows[:limit]],
        [] if place is None else folders_of(call.transaction, place.id),
        str(offset + limit) if len(rows) > limit else None,
    )


@query("GET /api/files/{file_id}/meta", allow=READ)
def get_file_meta(call: Call, *, file_id: FileId) -> File:
    """What a file is, without its bytes.

    Raises NotFound.
    """
    return file_of(find_file(call, file_id))


@query("GET /api/files/{file_id}", allow=READ, streamed=True)
def get_file(call: Call, *, file_id: FileId) -> File:
    """The bytes of a file. Only pictures and plain text are shown by a browser; everything else it saves.

    Raises NotFound.
    """
    return file_of(find_file(call, file_id))


@command(tool="download_file", toolset="files", allow=SPEAK, emits=[], repeatable=True,
         describe=lambda found: f"{found.file['name']} is at {found.path}")  # fmt: skip
def download_file(
    call: Call, *, file_id: FileId, path: Annotated[str | None, Field(max_length=4096)] = None
) -> Download:
    """Save a shared file into your work dir; returns the path, not the bytes.

    Raises NotFound, NotAllowed, Conflict.
    """
    return Download(file_of(find_file(call, file_id)), path or "")


@query(allow=SYSTEM)
def list_stored_hashes(call: Call) -> list[str]:
    """Every hash of bytes that some file needs."""
    rows = call.transaction.all("SELECT DISTINCT sha256 FROM file WHERE deleted_at IS NULL")
    return [row["sha256"] for row in rows]
