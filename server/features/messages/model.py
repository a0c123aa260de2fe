"""What a message is: its row, its shape outside, and what is told of it."""

from typing import Any

import orjson
from typing_extensions import TypedDict  # pydantic needs this one before Python 3.12

from server.core.call import Row
from server.core.event import Event, event
from server.core.moment import iso, iso_or_none
from server.core.names import message_id

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
        "reactions": list[Any],
        "pinned": bool,
        "files": list[Any],
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


MESSAGE_COLUMNS = (
    "id, seq, channel, sender, sender_kind, content, mentions, reply_to, thread, priority, metadata, client_id,"
    " created_at, edited_at, deleted_at"
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
        "reactions": [],
        "pinned": False,
        "files": [],
        "priority": row["priority"],
        "metadata": orjson.loads(metadata) if isinstance(metadata, str) else metadata,
        "client_id": row["client_id"],
    }


def describe_message(message: Message) -> str:
    """Return a message as one compact paragraph for a model."""
    place = f" ↳{message['reply_to']}" if message["reply_to"] else ""
    who = f"{message['from']} ({message['from_kind']})"
    return f"{message['id']} {who}{place} {message['created_at'][11:16]}: {message['content']}"


def shown_channel(channel: str) -> str:
    """Return how a channel is written in a sentence."""
    return channel if channel.startswith("dm:") else f"#{channel}"
