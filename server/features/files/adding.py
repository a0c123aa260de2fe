"""Adding files: their bytes are stored already; here they get a row, an owner and a place."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from server.core.call import Call
from server.core.errors import BadArgument, Conflict, NotFound
from server.core.names import ChannelName
from server.core.operation import command
from server.core.permission import SPEAK
from server.events.log import next_seq
from server.features.channels import Channel, ChannelCreated, require_postable, resolve_channel
from server.features.files.model import (
    File,
    FileChanged,
    FileId,
    FileName,
    FolderId,
    Hash,
    describe_file,
    find_file,
    folder_id,
    shown_size,
    tell,
)
from server.features.reads import ReadUpdated
from server.features.tasks.model import TaskId, find_task

ADDED = (FileChanged, ChannelCreated, ReadUpdated)
"""The first file in a direct conversation opens it."""
_Bytes = Annotated[int, Field(ge=0)]


class StoredBytes(BaseModel):
    """What the server itself has stored and measured, and how much one member may store."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: FileName
    sha256: Hash
    size: _Bytes
    media_type: Annotated[str, Field(max_length=100)]
    quota_bytes: _Bytes


class AddedFile(File):
    """A file just added, by the names that programs know it by elsewhere too."""

    file_id: str
    file_name: str
    file_size: int
    mime_type: str


@command("POST /api/files", allow=SPEAK, status=201, emits=ADDED, streamed=True, hidden=("stored",))
def add_file(
    call: Call,
    *,
    stored: StoredBytes,
    channel: ChannelName | None = None,
    folder_id: FolderId | None = None,
    task_id: TaskId | None = None,
) -> AddedFile:
    """Share a file: with a channel, with a task, or with nobody until it is sent in a message.

    Raises NotFound, BadArgument, Conflict, TooLarge, StorageFull.
    """
    return _add(call, stored, channel, folder_id, task_id)


@command(
    tool="upload_file",
    toolset="files",
    allow=SPEAK,
    emits=ADDED,
    describe=lambda file: f"stored {describe_file(file)}",
    hidden=("stored",),
)
def upload_file(
    call: Call,
    *,
    path: Annotated[str | None, Field(max_length=4096)] = None,
    name: Annotated[str | None, Field(max_length=400)] = None,
    content: str | None = None,
    channel: ChannelName | None = None,
    task_id: TaskId | None = None,
    stored: StoredBytes | None = None,
) -> AddedFile:
    """Share a file by path in your work dir, or text content with a name.

    Raises NotFound, BadArgument, Conflict, TooLarge, StorageFull, NotAllowed.
    """
    if stored is None:
        raise BadArgument("Say what to share.", hint="Give path, or name and content.", field="path")
    return _add(call, stored, channel, None, task_id)


@command("DELETE /api/files/{file_id}", allow=SPEAK, emits=[FileChanged], destructive=True)
def delete_file(call: Call, *, file_id: FileId) -> File:
    """Remove a file: its uploader may, and people who operate. Messages keep its name.

    Raises NotFound, NotAllowed.
    """
    row = find_file(call, file_id)
    call.require(
        call.caller.name == row["uploaded_by"] or call.caller.role in ("chairman", "operator", "system"),
        "Only who uploaded a file and operators remove it.",
    )
    call.transaction.run(
        "UPDATE file SET deleted_at = :now, folder = NULL, seq = :seq WHERE id = :id",
        {"now": call.now, "seq": next_seq(call.transaction), "id": file_id},
    )
    return tell(call, file_id)


@command("PUT /api/files/{file_id}/move", allow=SPEAK, emits=ADDED, repeatable=True)
def move_file(
    call: Call, *, file_id: FileId, folder_id: FolderId | None = None, channel: ChannelName | None = None
) -> File:
    """Put a file into a folder, or out of one; or, if it is one's own, into another channel.

    Raises NotFound, BadArgument, NotAllowed, Conflict.
    """
    row = find_file(call, file_id)
    place = row["channel"]
    if channel is not None:
        moved = resolve_channel(call, channel)
        require_postable(call, moved)
        call.require(
            moved.id == place or call.caller.name == row["uploaded_by"] or call.caller.role in ("chairman", "operator"),
            "Only who uploaded a file and operators move it to another channel.",
        )
        place = moved.id
    if folder_id is not None:
        place = _check_folder(call, place, folder_id)
    call.transaction.run(
        "UPDATE file SET folder = :folder, channel = :channel, seq = :seq WHERE id = :id",
        {"folder": folder_id, "channel": place, "seq": next_seq(call.transaction), "id": file_id},
    )
    return tell(call, file_id)


def _add(call: Call, stored: StoredBytes, channel: str | None, folder: int | None, task: int | None) -> AddedFile:
    place: Channel | None = None
    if channel is not None:
        place = resolve_channel(call, channel)
        require_postable(call, place)
    if task is not None:
        find_task(call.transaction, task)
    if folder is not None:
        _check_folder(call, None if place is None else place.id, folder)
    _check_quota(call, stored)
    number = call.transaction.insert(
        "INSERT INTO file (seq, name, size, media_type, sha256, channel, folder, task, uploaded_by, created_at)"
        " VALUES (:seq, :name, :size, :media_type, :sha256, :channel, :folder, :task, :me, :now)",
        {
            "seq": next_seq(call.transaction),
            "name": stored.name,
            "size": stored.size,
            "media_type": stored.media_type,
            "sha256": stored.sha256,
            "channel": None if place is None else place.id,
            "folder": folder,
            "task": task,
            "me": call.caller.name,
            "now": call.now,
        },
    )
    file = tell(call, number)
    return {
        **file,
        "file_id": file["id"],
        "file_name": file["name"],
        "file_size": file["size"],
        "mime_type": file["media_type"],
    }


def _check_folder(call: Call, channel: str | None, number: int) -> str:
    row = call.transaction.one("SELECT channel FROM folder WHERE id = :id", {"id": number})
    if row is None or row["channel"] != channel:
        raise NotFound(
            f"No folder {folder_id(number)} in {channel or 'no channel'}.",
            hint="Look: GET /api/folders?channel=…", field="folder_id",
        )  # fmt: skip
    return str(row["channel"])


def _check_quota(call: Call, stored: StoredBytes) -> None:
    row = call.transaction.one(
        "SELECT coalesce(sum(size), 0) AS used FROM file WHERE uploaded_by = :me AND deleted_at IS NULL",
        {"me": call.caller.name},
    )
    assert row is not None
    if row["used"] + stored.size > stored.quota_bytes:
        raise Conflict(
            f"The file has {shown_size(stored.size)}; of {shown_size(stored.quota_bytes)}"
            f" you have used {shown_size(row['used'])}.",
            hint="Delete files that nobody needs: DELETE /api/files/{id}, bullpen file rm",
            code="quota_reached",
            facts={"used_bytes": row["used"], "quota_bytes": stored.quota_bytes, "size": stored.size},
        )
