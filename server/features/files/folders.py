"""Folders: a channel's files in order, at most five deep."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from server.core.call import Call, Row, Transaction
from server.core.errors import BadArgument, Conflict, NotFound
from server.core.event import Event, event
from server.core.file_name import clean_name
from server.core.moment import iso
from server.core.names import ChannelName
from server.core.operation import command, query
from server.core.permission import READ, SPEAK
from server.events.log import next_seq
from server.features.channels import ChannelCreated, audience_of, require_postable, require_readable, resolve_channel
from server.features.files.model import FileChanged, FolderId, folder_id, tell
from server.features.reads import ReadUpdated

DEEPEST = 5
FOLDERS_AT_MOST = 500
"""Of one channel."""

FolderName = Annotated[str, Field(min_length=1, max_length=120)]


@dataclass(frozen=True, slots=True)
class Folder:
    id: str
    seq: int
    channel: str
    parent_id: str | None
    name: str
    created_by: str
    created_at: str
    deleted: bool = False


@dataclass(frozen=True, slots=True)
class Folders:
    folders: list[Folder]


@dataclass(frozen=True, slots=True)
class DeletedFolders:
    ok: bool
    deleted_folders: int


@event("folder.changed", collection="folders", key="id")
class FolderChanged(Event):
    folder: Folder


@command("POST /api/folders", allow=SPEAK, status=201, emits=[FolderChanged, ChannelCreated, ReadUpdated])
def create_folder(call: Call, *, name: FolderName, channel: ChannelName, parent_id: FolderId | None = None) -> Folder:
    """Make a folder for a channel's files.

    Raises NotFound, Conflict, BadArgument.
    """
    place = resolve_channel(call, channel)
    require_postable(call, place)
    depth = 1
    if parent_id is not None:
        parent = _find(call, parent_id)
        if parent["channel"] != place.id:
            raise BadArgument("The folder above is in another channel.", field="parent_id")
        depth = parent["depth"] + 1
    if depth > DEEPEST:
        raise BadArgument(f"Folders go {DEEPEST} deep.", hint="Put it beside instead.", field="parent_id")
    if len(folders_of(call.transaction, place.id)) >= FOLDERS_AT_MOST:
        raise Conflict(f"A channel has {FOLDERS_AT_MOST} folders at most.", hint="Delete some that nobody needs.")
    plain = clean_name(name)
    _check_free(call, place.id, parent_id, plain)
    number = call.transaction.insert(
        "INSERT INTO folder (seq, channel, parent, depth, name, created_by, created_at)"
        " VALUES (:seq, :channel, :parent, :depth, :name, :me, :now)",
        {"seq": next_seq(call.transaction), "channel": place.id, "parent": parent_id, "depth": depth, "name": plain,
         "me": call.caller.name, "now": call.now},
    )  # fmt: skip
    return _tell(call, _find(call, number))


@query("GET /api/folders", allow=READ)
def list_folders(call: Call, *, channel: ChannelName) -> Folders:
    """Folders of a channel, by name.

    Raises NotFound.
    """
    return Folders(folders_of(call.transaction, resolve_channel(call, channel).id))


@command("PUT /api/folders/{folder_id}", allow=SPEAK, emits=[FolderChanged], repeatable=True)
def rename_folder(call: Call, *, folder_id: FolderId, name: FolderName) -> Folder:
    """Give a folder another name: who made it may, and people who operate.

    Raises NotFound, NotAllowed, Conflict.
    """
    row = _own(call, folder_id)
    plain = clean_name(name)
    if plain != row["name"]:
        _check_free(call, row["channel"], row["parent"], plain)
    call.transaction.run(
        "UPDATE folder SET name = :name, seq = :seq WHERE id = :id",
        {"name": plain, "seq": next_seq(call.transaction), "id": folder_id},
    )
    return _tell(call, _find(call, folder_id))


@command("DELETE /api/folders/{folder_id}", allow=SPEAK, emits=[FolderChanged, FileChanged], destructive=True)
def delete_folder(call: Call, *, folder_id: FolderId) -> DeletedFolders:
    """Remove a folder and those in it; the files stay in the channel.

    Raises NotFound, NotAllowed.
    """
    _own(call, folder_id)
    beneath = call.transaction.all(
        "WITH RECURSIVE below (id) AS (SELECT :id UNION SELECT folder.id FROM folder JOIN below"
        " ON folder.parent = below.id) SELECT folder.* FROM folder JOIN below ON below.id = folder.id"
        " ORDER BY folder.depth DESC",
        {"id": folder_id},
    )
    for row in beneath:
        files = call.transaction.all("SELECT id FROM file WHERE folder = :id", {"id": row["id"]})
        call.transaction.run("UPDATE file SET folder = NULL WHERE folder = :id", {"id": row["id"]})
        for file in files:
            tell(call, file["id"])
        call.transaction.run("DELETE FROM folder WHERE id = :id", {"id": row["id"]})
        _tell(call, row, deleted=True)
    return DeletedFolders(ok=True, deleted_folders=len(beneath))


def folders_of(transaction: Transaction, channel: str) -> list[Folder]:
    """Return the folders of a channel, those above first."""
    rows = transaction.all("SELECT * FROM folder WHERE channel = :channel ORDER BY depth, name", {"channel": channel})
    return [_folder(row) for row in rows]


def _find(call: Call, number: int) -> Row:
    row = call.transaction.one("SELECT * FROM folder WHERE id = :id", {"id": number})
    if row is None:
        raise NotFound(f"No folder {folder_id(number)}.", hint="Look: GET /api/folders?channel=…", field="folder_id")
    require_readable(call, row["channel"])
    return row


def _own(call: Call, number: int) -> Row:
    row = _find(call, number)
    call.require(
        call.caller.name == row["created_by"] or call.caller.role in ("chairman", "operator", "system"),
        "Only who made a folder and operators change it.",
    )
    return row


def _check_free(call: Call, channel: str, parent: int | None, name: str) -> None:
    row = call.transaction.one(
        "SELECT id FROM folder WHERE channel = :channel AND name = :name"
        " AND coalesce(parent, 0) = coalesce(:parent, 0)",
        {"channel": channel, "parent": parent, "name": name},
    )
    if row is not None:
        raise Conflict(
            f"There is a folder “{name}” here.", hint="Use it, or choose another name.", field="name",
            facts={"folder_id": folder_id(row["id"])},
        )  # fmt: skip


def _tell(call: Call, row: Row, *, deleted: bool = False) -> Folder:
    folder = _folder(row, deleted=deleted)
    channel = require_readable(call, row["channel"])
    call.emit(FolderChanged(folder), subject=folder.id, audience=audience_of(channel))
    return folder


def _folder(row: Row, *, deleted: bool = False) -> Folder:
    return Folder(
        id=folder_id(row["id"]),
        seq=row["seq"],
        channel=row["channel"],
        parent_id=None if row["parent"] is None else folder_id(row["parent"]),
        name=row["name"],
        created_by=row["created_by"],
        created_at=iso(row["created_at"]),
        deleted=deleted,
    )
