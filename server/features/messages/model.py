"""What a message is: its row, its shape outside, and what is told of it."""

from typing import Any

import orjson
from typing_extensions import TypedDict  # pydantic needs this one before Python 3.12

from server.core.call import Call, Row
from server.core.errors import NotFound
from server.core.event import Event, event
from server.core.moment import iso, iso_or_none
from server.core.names import message_id
from server.features.channels import Channel, audience_of, find_channel, may_read
from server.features.files.model import AttachedFile


class Reaction(TypedDict):
    """One emoji under a message, and who put it there, the first first."""

    emoji: str
    members: list[str]


Message = TypedDict(
    "Message",
    {
        "id": str,
        "seq": int,
        "channel": str,
        "from": str,
        "from_kind": str,
        "content": str,
        "mentions": list[str],
        "reply_to": str | None,
        "thread": str | None,
        "created_at": str,
        "edited_at": str | None,
        "deleted": bool,
        "reactions": list[Reaction],
        "pinned": bool,
        "files": list[AttachedFile],
        "priority": str,
        "metadata": dict[str, Any],
        "client_id": str | None,
    },
)
"""One message. `from_kind` is the server's word, never the sender's; `thread` is the root of its thread.

A TypedDict, for `from` is no name that a dataclass could have.
"""


@event("message.created", collection="messages", key="id")
class MessageCreated(Event):
    message: Message


@event("message.updated", collection="messages", key="id")
class MessageUpdated(Event):
    message: Message


@event("message.deleted", collection="messages", key="id")
class MessageDeleted(Event):
    """The message as it stays: who wrote it, when, and whom it named; none of its text."""

    message: Message


@event("reaction.changed", collection="messages", key="id")
class ReactionChanged(Event):
    message: Message
    emoji: str
    member: str
    on: bool


@event("pin.changed", collection="messages", key="id")
class PinChanged(Event):
    message: Message
    member: str


MESSAGE_COLUMNS = (
    "id, seq, channel, sender, sender_kind, content, mentions, reply_to, thread, priority, metadata, client_id,"
    " files, created_at, edited_at, deleted_at, reactions, pinned_by, pinned_at"
)


def message_of(row: Row) -> Message:
    """Build a message from a row of the table."""
    mentions, metadata = row["mentions"], row["metadata"]
    return {
        "id": message_id(row["id"]),
        "seq": row["seq"],
        "channel": row["channel"],
        "from": row["sender"],
        "from_kind": row["sender_kind"],
        "content": row["content"],
        "mentions": orjson.loads(mentions) if isinstance(mentions, str) else mentions,
        "reply_to": None if row["reply_to"] is None else message_id(row["reply_to"]),
        "thread": None if row["thread"] is None else message_id(row["thread"]),
        "created_at": iso(row["created_at"]),
        "edited_at": iso_or_none(row["edited_at"]),
        "deleted": row["deleted_at"] is not None,
        "reactions": orjson.loads(row["reactions"]),
        "pinned": row["pinned_at"] is not None,
        "files": orjson.loads(row["files"]),
        "priority": row["priority"],
        "metadata": orjson.loads(metadata) if isinstance(metadata, str) else metadata,
        "client_id": row["client_id"],
    }


def number_of(message: Message) -> int:
    """Return the number in a message's id."""
    return int(message["id"].removeprefix("msg_"))


def require_message(call: Call, number: int) -> tuple[Row, Channel]:
    """Return a message that the caller may read, and its channel. Raises NotFound, the same for a hidden one."""
    row = call.transaction.one(f"SELECT {MESSAGE_COLUMNS} FROM message WHERE id = :id", {"id": number})  # noqa: S608
    channel = None if row is None else find_channel(call.transaction, row["channel"])
    if row is None or channel is None or not may_read(call.caller, channel):
        raise NotFound(f"No message msg_{number} that you may read.", hint="Read it: get_history", field="id")
    return row, channel


def changed_message(call: Call, number: int, **values: object) -> Message:
    """Set columns of a message and return it as it is now."""
    row = call.transaction.one(
        f"UPDATE message SET {', '.join(f'{name} = :{name}' for name in values)} WHERE id = :id"  # noqa: S608
        f" RETURNING {MESSAGE_COLUMNS}",
        {**values, "id": number},
    )
    assert row is not None
    return message_of(row)


def tell_change(call: Call, place: Channel, number: int, change: Event) -> None:
    """Emit an event that carries a message, and note that it does."""
    seq = call.emit(change, subject=place.id, audience=audience_of(place))
    call.transaction.run("INSERT INTO message_told (message_id, seq) VALUES (:id, :seq)", {"id": number, "seq": seq})


def describe_message(message: Message) -> str:
    """Return a message as one compact paragraph for a model."""
    place = f" ↳{message['reply_to']}" if message["reply_to"] else ""
    who = f"{message['from']} ({message['from_kind']})"
    content = "(deleted)" if message["deleted"] else message["content"]
    edited = " (edited)" if message["edited_at"] and not message["deleted"] else ""
    marks = "".join(f" {reaction['emoji']}{len(reaction['members'])}" for reaction in message["reactions"])
    shown = f"\n  [{marks.strip()}]" if marks else ""
    files = "".join(f" [{file['id']} {file['name']}]" for file in message["files"])
    return f"{message['id']} {who}{place} {message['created_at'][11:16]}{edited}: {content}{files}{shown}"


def shown_channel(channel: str) -> str:
    """Return how a channel is written in a sentence."""
    return channel if channel.startswith("dm:") else f"#{channel}"
