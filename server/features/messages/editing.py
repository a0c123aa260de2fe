"""Editing and deleting: a message keeps what it said before, until it is deleted; then nothing of it is left."""

from dataclasses import dataclass
from typing import Any

import orjson

from server.core.call import Call, Row, Transaction
from server.core.errors import Conflict
from server.core.moment import iso
from server.core.names import MessageId
from server.core.operation import command, query
from server.core.permission import READ, SPEAK
from server.events import log
from server.features.channels import Channel, require_open
from server.features.deliveries import MessageDelivery, withdraw
from server.features.guards.chain import Chain
from server.features.guards.limits import limits_of
from server.features.guards.model import GuardTripped
from server.features.guards.watch import Said, judge
from server.features.messages.addressing import Named, address, named, outlooks_of, words_of
from server.features.messages.model import (
    Message,
    MessageDeleted,
    MessageUpdated,
    changed_message,
    message_of,
    require_message,
    tell_change,
)
from server.features.messages.sending import Content, SentMessage, check_content, owe_unless_held, with_hold
from server.features.messages.text_index import forget_message, index_message
from server.features.reads import ReadUpdated, forget_mention, has_unread, record_mentions, tell_read

VERSIONS_AT_MOST = 100


@dataclass(frozen=True, slots=True)
class MessageVersion:
    """What a message said, from one moment to the next version's."""

    version: int
    content: str
    written_at: str


@dataclass(frozen=True, slots=True)
class MessageVersions:
    """All that a message said; the last is what it says now."""

    message_id: str
    versions: list[MessageVersion]


def _describe_edited(edited: SentMessage) -> str:
    names = ", ".join(recipient.name for recipient in edited["recipients"])
    return f"edited {edited['id']}" + (f"; newly named: {names}" if names else "")


def _describe_deleted(message: Message) -> str:
    return f"deleted {message['id']}"


@command(
    "PUT /api/messages/{id}",
    tool="edit_message",
    toolset="curate",
    allow=SPEAK,
    emits=[MessageUpdated, MessageDelivery, ReadUpdated, GuardTripped],
    repeatable=True,
    describe=_describe_edited,
)
def edit_message(call: Call, *, id: MessageId, content: Content) -> SentMessage:  # noqa: A002 (the name in the route)
    """Edit your own message. Whom it names is read anew: who is named for the first time is owed it.

    Raises NotFound, NotAllowed, BadArgument, Conflict, TooLarge.
    """
    row, place = require_message(call, id)
    call.require(row["sender"] == call.caller.name, f"msg_{id} is {row['sender']}'s.", hint="Reply to it instead.")
    if row["deleted_at"] is not None:
        raise Conflict(f"msg_{id} was deleted.", hint="Send a new one.", field="id")
    require_open(place)
    check_content(content)
    if content == row["content"]:
        return {**message_of(row), "recipients": [], "guard": None}
    _keep_version(call, row)
    added, mentions = _named_now(call, place, row, content)
    message = changed_message(call, id, content=content, mentions=orjson.dumps(mentions).decode(), edited_at=call.now)
    index_message(call.transaction, id)
    tell_change(call, place, id, MessageUpdated(message))
    before = orjson.loads(row["mentions"])
    record_mentions(call, id, place.id, [name for name in mentions if name not in before])
    for name in before:
        if name not in mentions:
            forget_mention(call, id, place.id, name)
    for name in sorted(set(before) ^ set(mentions)):
        if has_unread(call.transaction, name, place.id, id):
            tell_read(call, name, place.id)
    receiving = [
        found["recipient"]
        for found in call.transaction.all("SELECT recipient FROM delivery WHERE message_id = :id", {"id": id})
    ]
    if place.type != "dm":
        withdraw(call, id, [name for name in receiving if name in before and name not in mentions])
    addressed = address(call, place, added, None)
    addressed.owed[:] = [name for name in addressed.owed if name not in receiving]
    chain = call.transaction.one("SELECT root, hop FROM message WHERE id = :id", {"id": id})
    assert chain is not None
    said = Said(id, place, content, Chain(chain["root"], chain["hop"]))
    hold = judge(call, said, addressed.owed, limits_of(call.transaction, call.caller.name))
    owe_unless_held(call, id, place, addressed.owed, "queue", hold)
    recipients = with_hold(outlooks_of(call.transaction, place, addressed, "queue"), hold)
    return {**message, "recipients": recipients, "guard": None if hold is None else hold.sentence}


@command(
    "DELETE /api/messages/{id}",
    tool="delete_message",
    toolset="curate",
    allow=SPEAK,
    emits=[MessageDeleted, MessageDelivery],
    destructive=True,
    repeatable=True,
    describe=_describe_deleted,
)
def delete_message(call: Call, *, id: MessageId) -> Message:  # noqa: A002 (the name in the route)
    """Delete your own message: its text is gone for everybody, and that it was there stays in the audit trail.

    Raises NotFound, NotAllowed.
    """
    row, place = require_message(call, id)
    call.require(
        row["sender"] == call.caller.name or call.caller.role in ("chairman", "operator", "system"),
        f"msg_{id} is {row['sender']}'s.",
        hint="Its sender and operators delete it.",
    )
    if row["deleted_at"] is not None:
        return message_of(row)
    forget_message(call.transaction, id)
    message = changed_message(
        call,
        id,
        content="",
        metadata="{}",
        files="[]",
        reactions="[]",
        pinned_by=None,
        pinned_at=None,
        deleted_at=call.now,
    )
    withhold_text(call.transaction, row)
    call.transaction.run("DELETE FROM message_version WHERE message_id = :id", {"id": id})
    withdraw(call, id)
    tell_change(call, place, id, MessageDeleted(message))
    return message


@query("GET /api/messages/{id}/versions", allow=READ)
def list_message_versions(call: Call, *, id: MessageId) -> MessageVersions:  # noqa: A002 (the name in the route)
    """What a message said before it was edited, oldest first; the last version is what it says now.

    Raises NotFound.
    """
    row, _ = require_message(call, id)
    kept = call.transaction.all(
        "SELECT version, content, written_at FROM message_version WHERE message_id = :id ORDER BY version", {"id": id}
    )
    versions = [MessageVersion(old["version"], old["content"], iso(old["written_at"])) for old in kept]
    if row["deleted_at"] is None:
        versions.append(MessageVersion(len(kept) + 1, row["content"], iso(row["edited_at"] or row["created_at"])))
    return MessageVersions(f"msg_{id}", versions)


def withhold_text(transaction: Transaction, row: Row) -> None:
    """Have no event that told a message give its text to readers any more."""
    told = transaction.all("SELECT seq FROM message_told WHERE message_id = :id", {"id": row["id"]})
    for seq in (row["seq"], *(found["seq"] for found in told)):
        log.withhold(transaction, seq, _without_text)


def _keep_version(call: Call, row: Row) -> None:
    count = call.transaction.one(
        "SELECT count(*) AS count FROM message_version WHERE message_id = :id", {"id": row["id"]}
    )
    assert count is not None
    if count["count"] >= VERSIONS_AT_MOST:
        raise Conflict(f"msg_{row['id']} was edited {VERSIONS_AT_MOST} times.", hint="Send a new one.", field="id")
    call.transaction.run(
        "INSERT INTO message_version (message_id, version, content, written_at) VALUES (:id, :version, :content, :at)",
        {
            "id": row["id"],
            "version": count["count"] + 1,
            "content": row["content"],
            "at": row["edited_at"] or row["created_at"],
        },
    )


def _named_now(call: Call, place: Channel, row: Row, content: str) -> tuple[Named, list[str]]:
    """Return whom the new text adds, and all whom it names.

    A group that was named before stays whom it was when the message was sent: who joined since is owed nothing.
    """
    old_direct, old_groups = words_of(call.transaction, row["content"])
    direct, groups = words_of(call.transaction, content)
    added = named(call, place, direct, [word for word in groups if word not in old_groups])
    # Whom the text did not name stood in a group of it, or was given beside it.
    stays = not old_groups or bool(set(groups) & set(old_groups))
    kept = [name for name in orjson.loads(row["mentions"]) if name not in old_direct] if stays else []
    return added, list(dict.fromkeys([*kept, *added.everybody]))


def _without_text(body: dict[str, Any]) -> dict[str, Any]:
    message = {**body["message"], "content": "", "metadata": {}, "files": [], "reactions": [], "deleted": True}
    return {**body, "message": message}
