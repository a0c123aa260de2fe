"""What a file is: its row, its shape outside, what is told of it, and who may see it."""

from typing import Annotated

from pydantic import Field, StringConstraints
from typing_extensions import TypedDict  # pydantic needs this one before Python 3.12

from server.core.call import Call, Row
from server.core.errors import NotFound
from server.core.event import TEAM, Event, event, member_audience
from server.core.moment import iso
from server.core.names import numbered
from server.features.channels import audience_of, find_channel, may_read

FileId = Annotated[int, numbered("file"), Field(description="File, as `file_3`.")]
FolderId = Annotated[int, numbered("folder"), Field(description="Folder, as `folder_2`.")]
FileName = Annotated[str, StringConstraints(min_length=1, max_length=120)]
"""Cleaned already."""
Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class File(TypedDict):
    """One shared file. `channel`: who reads it may have the file; without one it is its uploader's, or a task's."""

    id: str
    seq: int
    name: str
    size: int
    media_type: str
    sha256: str
    channel: str | None
    folder_id: str | None
    task_id: str | None
    uploaded_by: str
    created_at: str
    deleted: bool


class AttachedFile(TypedDict):
    """A file as it is shown with a message."""

    id: str
    name: str
    size: int
    media_type: str


@event("file.changed", collection="files", key="id")
class FileChanged(Event):
    file: File


def file_id(number: int) -> str:
    """Return the id as people and programs see it."""
    return f"file_{number}"


def folder_id(number: int) -> str:
    return f"folder_{number}"


def file_of(row: Row) -> File:
    """Build a file from a row of the table."""
    return {
        "id": file_id(row["id"]),
        "seq": row["seq"],
        "name": row["name"],
        "size": row["size"],
        "media_type": row["media_type"],
        "sha256": row["sha256"],
        "channel": row["channel"],
        "folder_id": None if row["folder"] is None else folder_id(row["folder"]),
        "task_id": None if row["task"] is None else f"task_{row['task']}",
        "uploaded_by": row["uploaded_by"],
        "created_at": iso(row["created_at"]),
        "deleted": row["deleted_at"] is not None,
    }


def find_file(call: Call, number: int) -> Row:
    """Return the row of a file that the caller may have. Raises NotFound, the same for one that it may not."""
    row = call.transaction.one("SELECT * FROM file WHERE id = :id AND deleted_at IS NULL", {"id": number})
    if row is None or not may_have(call, row):
        raise NotFound(f"No file {file_id(number)}.", hint="Look: list_files, GET /api/files", field="file_id")
    return row


def may_have(call: Call, row: Row) -> bool:
    """Tell whether the caller may have a file: its own, a task's, or one in a channel or message that it may read."""
    if row["uploaded_by"] == call.caller.name or row["task"] is not None or call.caller.kind == "system":
        return True
    places = [] if row["channel"] is None else [row["channel"]]
    shown_in = call.transaction.all(
        "SELECT DISTINCT message.channel FROM message_file JOIN message ON message.id = message_file.message"
        " WHERE message_file.file = :id AND message.deleted_at IS NULL",
        {"id": row["id"]},
    )
    for name in (*places, *(shown["channel"] for shown in shown_in)):
        channel = find_channel(call.transaction, name)
        if channel is not None and may_read(call.caller, channel):
            return True
    return False


def tell(call: Call, number: int) -> File:
    """Tell those who may have a file what it now is, and return it."""
    row = call.transaction.one("SELECT * FROM file WHERE id = :id", {"id": number})
    assert row is not None
    file = file_of(row)
    channel = None if row["channel"] is None else find_channel(call.transaction, row["channel"])
    if channel is not None:
        audience = audience_of(channel)
    else:
        audience = member_audience(row["uploaded_by"]) if row["task"] is None else TEAM
    call.emit(FileChanged(file), subject=file["id"], audience=audience)
    return file


def shown_size(size: int) -> str:
    """Return a size as people read it."""
    for unit in ("B", "KiB", "MiB"):
        if size < 1024 or unit == "MiB":
            break
        size /= 1024  # type: ignore[assignment]
    return f"{size:.0f} {unit}" if unit == "B" or size >= 10 else f"{size:.1f} {unit}"


def describe_file(file: File) -> str:
    """Return a file as one compact line for a model."""
    place = file["channel"] or file["task_id"] or "yours alone until you send it"
    return f"{file['id']} {file['name']} ({shown_size(file['size'])}, {file['media_type']}) {place}"
