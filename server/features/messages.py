"""Messages: what members say in channels, and to whom each is owed."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import orjson
from pydantic import Field
from typing_extensions import TypedDict  # pydantic needs this one before Python 3.12

from server.core.call import SYSTEM_CALLER, Call, Row, Transaction
from server.core.errors import BadArgument, NotFound, TooLarge
from server.core.event import Event, event
from server.core.moment import iso, iso_or_none
from server.core.names import ChannelName, Limit, MemberName, MessageId, message_id
from server.core.operation import command, query
from server.core.permission import READ, SPEAK
from server.events.log import next_seq
from server.features.channels import (
    Channel,
    ChannelCreated,
    audience_of,
    require_postable,
    resolve_channel,
)
from server.features.deliveries import MessageDelivery, Receipt, handled_by_answer, owe, receipts_between
from server.features.reads import ReadUpdated
from server.features.team import is_active, require_active

LONGEST_BYTES = 32 * 1024
MENTIONS_AT_MOST = 20
# The @ stands before what may not precede it, so that text without one is passed over at once.
_MENTION = re.compile(r"@(?<![\w@/.-]@)([a-z][a-z0-9_-]{0,31})(?![a-z0-9_-])", re.IGNORECASE)


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


@dataclass(frozen=True, slots=True)
class Recipient:
    """Whom a message is owed to, whether it is awake, and what will happen."""

    name: str
    awake: bool | None
    """None: nobody can know (a human, or a bot that reads by itself)."""
    will: str


class SentMessage(Message):
    """A message just sent, and what will become of it."""

    recipients: list[Recipient]


@dataclass(frozen=True, slots=True)
class History:
    messages: list[Message]
    receipts: list[Receipt]
    """How far the messages of this page have come."""
    hasMore: bool  # noqa: N815 (a documented name that programs rely on)
    next_cursor: str | None


@event("message.created", collection="messages", key="id")
class MessageCreated(Event):
    message: Message


def _describe_sent(sent: SentMessage) -> str:
    owed = "; ".join(f"{recipient.name}: {recipient.will}" for recipient in sent["recipients"])
    return f"sent {sent['id']} to {_shown(sent['channel'])}" + (
        f" ({owed})" if owed else " (nobody mentioned, nobody is woken)"
    )


def _describe_history(history: History) -> str:
    lines = [describe_message(message) for message in history.messages]
    if history.hasMore:
        lines.insert(0, f"… older ones: before={history.next_cursor}")
    return "\n".join(lines) or "No messages."


def describe_message(message: Message) -> str:
    """Return a message as one compact paragraph for a model."""
    place = f" ↳{message['reply_to']}" if message["reply_to"] else ""
    who = f"{message['from']} ({message['from_kind']})"
    return f"{message['id']} {who}{place} {message['created_at'][11:16]}: {message['content']}"


Content = Annotated[str, Field(min_length=1, description="Text, Markdown. At most 32 KiB.")]
Mentions = Annotated[list[MemberName], Field(max_length=MENTIONS_AT_MOST, description="Names to wake, beside @name.")]
Metadata = Annotated[dict[str, Any], Field(max_length=32)]


@command(
    "POST /api/send",
    tool="send_message",
    toolset="chat",
    allow=SPEAK,
    emits=[MessageCreated, MessageDelivery, ChannelCreated, ReadUpdated],
    status=201,
    describe=_describe_sent,
    aliases={"replyTo": "reply_to"},
    hidden=("to", "delivery", "metadata", "client_id"),
    required_in_tool=("channel",),
)
def send_message(
    call: Call,
    *,
    channel: ChannelName | None = None,
    to: MemberName | None = None,
    content: Content,
    mentions: Mentions = [],  # noqa: B006 (pydantic copies it)
    reply_to: MessageId | None = None,
    priority: Literal["now", "next", "later"] = "next",
    delivery: Literal["queue", "next_step", "interrupt"] = "queue",
    metadata: Metadata = {},  # noqa: B006 (pydantic copies it)
    client_id: Annotated[str | None, Field(max_length=64)] = None,
) -> SentMessage:
    """Post to a channel. Mention with @name. Reply in a thread with reply_to. Do not send bare acknowledgements.

    Raises NotFound, BadArgument, TooLarge, Conflict, NotAllowed.
    """
    place = resolve_channel(call, _place(channel, to))
    require_postable(call, place)
    _check_content(content, metadata)
    if delivery != "queue":
        raise BadArgument("Only delivery “queue” is built in this version.", hint="Leave it out.", field="delivery")
    replied = None if reply_to is None else _replied(call, place, reply_to)
    thread = None if replied is None else (replied["thread"] or replied["id"])
    named = _mentioned(call, place, content, mentions)
    seq = next_seq(call.transaction)
    number = call.transaction.insert(
        "INSERT INTO message (seq, channel, sender, sender_kind, content, mentions, reply_to, thread, priority,"
        " metadata, client_id, created_at) VALUES (:seq, :channel, :sender, :kind, :content, :mentions, :reply_to,"
        " :thread, :priority, :metadata, :client_id, :now)",
        {
            "seq": seq,
            "channel": place.id,
            "sender": call.caller.name,
            "kind": call.caller.kind,
            "content": content,
            "mentions": orjson.dumps(named).decode(),
            "reply_to": reply_to,
            "thread": thread,
            "priority": priority,
            "metadata": orjson.dumps(metadata).decode(),
            "client_id": client_id,
            "now": call.now,
        },
    )
    message = message_of(
        {
            "id": number,
            "seq": seq,
            "channel": place.id,
            "sender": call.caller.name,
            "sender_kind": call.caller.kind,
            "content": content,
            "mentions": named,
            "reply_to": reply_to,
            "thread": thread,
            "priority": priority,
            "metadata": metadata,
            "client_id": client_id,
            "created_at": call.now,
            "edited_at": None,
            "deleted_at": None,
        }
    )
    call.emit(MessageCreated(message), subject=place.id, audience=audience_of(place))
    handled_by_answer(call, call.caller.name, place.id, reply_to)
    owed = _owed(call, place, named, replied)
    owe(call, number, place.id, owed)
    return {**message, "recipients": [_recipient(call.transaction, name) for name in owed]}


@command(
    tool="send_dm",
    toolset="chat",
    allow=SPEAK,
    emits=[MessageCreated, MessageDelivery, ChannelCreated, ReadUpdated],
    describe=_describe_sent,
)
def send_dm(call: Call, *, recipient: MemberName, content: Content, reply_to: MessageId | None = None) -> SentMessage:
    """Direct message to one agent or human.

    Raises NotFound, BadArgument, TooLarge.
    """
    return send_message(call, to=recipient, content=content, reply_to=reply_to)


NOTICE_EVENTS = (MessageCreated, MessageDelivery, ChannelCreated, ReadUpdated)
"""What telling a member something may emit."""


def send_notice(call: Call, recipient: str, content: str) -> SentMessage | None:
    """Tell one member something in the server's own name. It is owed to them as a direct message is.

    Returns None if they are not on the team any more.
    """
    if not is_active(call.transaction, recipient):
        return None
    return send_message(call.acting_as(SYSTEM_CALLER), to=recipient, content=content)


@query("GET /api/history", tool="get_history", toolset="chat", allow=READ, describe=_describe_history)
def get_history(
    call: Call,
    *,
    channel: ChannelName,
    limit: Limit = 50,
    before: MessageId | None = None,
    after: MessageId | None = None,
    around: MessageId | None = None,
    thread: MessageId | None = None,
) -> History:
    """Messages of a channel, oldest first, the newest page unless told otherwise. Page back with before.

    Raises NotFound, BadArgument.
    """
    if sum(value is not None for value in (before, after, around)) > 1:
        raise BadArgument("Give one of before, after and around.", field="before")
    place = resolve_channel(call, channel)
    transaction = call.transaction
    if around is not None:
        older = _page(transaction, place, "id <= :edge", "DESC", around, limit // 2 + 1, thread)
        newer = _page(transaction, place, "id > :edge", "ASC", around, limit // 2, thread)
        return _history(transaction, [*reversed(older), *newer], more=len(older) > limit // 2)
    if after is not None:
        newer = _page(transaction, place, "id > :edge", "ASC", after, limit, thread)
        return _history(transaction, newer, more=len(newer) == limit)
    rows = _page(transaction, place, "id < :edge", "DESC", before or 2**62, limit + 1, thread)
    return _history(transaction, list(reversed(rows[:limit])), more=len(rows) > limit)


def index_new_text(transaction: Transaction) -> None:
    """Put the text of messages that came since the last time into the full-text index."""
    transaction.run(
        "INSERT INTO message_text (rowid, content) SELECT id, content FROM message"
        " WHERE id > (SELECT coalesce(max(id), 0) FROM message_text_docsize)"
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


MESSAGE_COLUMNS = (
    "id, seq, channel, sender, sender_kind, content, mentions, reply_to, thread, priority, metadata, client_id,"
    " created_at, edited_at, deleted_at"
)


def _place(channel: str | None, to: str | None) -> str:
    if (channel is None) == (to is None):
        raise BadArgument("Say where: `channel`, or `to` for a direct message.", field="channel")
    return channel if channel is not None else f"dm:{to}"


def _check_content(content: str, metadata: dict[str, Any]) -> None:
    if not content.strip():
        raise BadArgument("The message is empty.", field="content")
    size = len(content.encode())
    if size > LONGEST_BYTES or len(orjson.dumps(metadata)) > LONGEST_BYTES:
        raise TooLarge(
            f"The message has {size} bytes, at most {LONGEST_BYTES} are taken.",
            hint="Send it in parts, or write a file and say where it is.",
            field="content",
        )


def _replied(call: Call, place: Channel, number: int) -> Row:
    row = call.transaction.one(
        "SELECT id, sender, thread FROM message WHERE id = :id AND channel = :channel",
        {"id": number, "channel": place.id},
    )
    if row is None:
        raise NotFound(f"No message msg_{number} in {_shown(place.id)}.", hint="Read it: get_history", field="reply_to")
    return row


def _mentioned(call: Call, place: Channel, content: str, explicit: Sequence[str]) -> list[str]:
    """Return the members a message names: explicit ones must exist, an @word in the text counts if it is a member."""
    for name in explicit:
        require_active(call.transaction, name, field="mentions")
    found = dict.fromkeys(explicit)
    for word in _MENTION.findall(content):
        name = word.lower()
        if name == "all":
            found.update(dict.fromkeys(place.members))
        elif name not in found and len(found) < MENTIONS_AT_MOST and is_active(call.transaction, name):
            found[name] = None
    found.pop(call.caller.name, None)
    return list(found)


def _owed(call: Call, place: Channel, named: Sequence[str], replied: Row | None) -> list[str]:
    """Return who is owed the message: the other party of a DM, who is named, whose message is replied to."""
    owed = dict.fromkeys(place.members if place.type == "dm" else named)
    if replied is not None and is_active(call.transaction, replied["sender"]):
        owed[replied["sender"]] = None
    owed.pop(call.caller.name, None)
    return [name for name in owed if place.type == "group" or name in place.members]


def _recipient(transaction: Transaction, name: str) -> Recipient:
    row = transaction.one(
        "SELECT member.kind, agent.kind AS agent_kind, agent.state, agent.activity, agent.connected FROM member"
        " LEFT JOIN agent ON agent.name = member.name WHERE member.name = :name",
        {"name": name},
    )
    assert row is not None
    if row["kind"] == "human":
        return Recipient(name, None, "sees it in the dashboard")
    if row["state"] is None or row["agent_kind"] == "external":
        awake = bool(row["connected"]) if row["state"] is not None else None
        return Recipient(name, awake, "fetches it by itself")
    if row["state"] in ("ready", "degraded"):
        later = {"working": "reads it at its next step", "needs_you": "reads it when its question is answered"}
        return Recipient(name, True, later.get(row["activity"], "is woken now"))
    if row["state"] in ("starting", "backoff", "unknown", "stopping"):
        return Recipient(name, False, f"is {row['state']}: gets it when it is ready")
    return Recipient(name, False, f"is {row['state']}: gets it when somebody starts it")


def _page(
    transaction: Transaction, place: Channel, edge: str, order: str, number: int, limit: int, thread: int | None
) -> Sequence[Row]:
    of_thread = "" if thread is None else " AND (thread = :thread OR id = :thread)"
    return transaction.all(
        f"SELECT {MESSAGE_COLUMNS} FROM message WHERE channel = :channel AND {edge}{of_thread}"  # noqa: S608
        f" ORDER BY id {order} LIMIT :limit",
        {"channel": place.id, "edge": number, "limit": limit, "thread": thread},
    )


def _history(transaction: Transaction, rows: Sequence[Row], *, more: bool) -> History:
    messages = [message_of(row) for row in rows]
    receipts = receipts_between(transaction, rows[0]["channel"], rows[0]["id"], rows[-1]["id"]) if rows else []
    return History(messages, receipts, more, messages[0]["id"] if more and messages else None)


def _shown(channel: str) -> str:
    return channel if channel.startswith("dm:") else f"#{channel}"
