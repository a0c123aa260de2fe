"""The history of a channel, page by page."""

from collections.abc import Sequence
from dataclasses import dataclass

from server.core.call import Call, Row, Transaction
from server.core.errors import BadArgument
from server.core.names import ChannelName, Limit, MessageId
from server.core.operation import query
from server.core.permission import READ
from server.features.channels import Channel, resolve_channel
from server.features.deliveries import Receipt, receipts_of
from server.features.messages.model import MESSAGE_COLUMNS, Message, describe_message, message_of, require_message
from server.features.reads import PROGRAMS, note_shown

SHOWN_AT_MOST = 44_000
"""UTF-16 units of a page that every reader is sure to be shown."""


@dataclass(frozen=True, slots=True)
class History:
    messages: list[Message]
    receipts: list[Receipt]
    """How far the messages of this page have come."""
    hasMore: bool  # noqa: N815 (a documented name that programs rely on)
    next_cursor: str | None


def _describe_history(history: History) -> str:
    lines = [describe_message(message) for message in history.messages]
    if history.hasMore:
        lines.insert(0, f"… older ones: before={history.next_cursor}")
    return "\n".join(lines) or "No messages."


@dataclass(frozen=True, slots=True)
class Thread:
    """A message, and what was replied to it."""

    root: Message
    messages: list[Message]
    """The replies, oldest first."""
    receipts: list[Receipt]
    next_cursor: str | None


def _describe_thread(thread: Thread) -> str:
    lines = [describe_message(message) for message in (thread.root, *thread.messages)]
    more = [f"… newer ones: after={thread.next_cursor}"] if thread.next_cursor else []
    return "\n".join([*lines, *more])


@query("GET /api/threads/{id}", allow=READ, describe=_describe_thread)
def get_thread(
    call: Call,
    *,
    id: MessageId,  # noqa: A002 (the name in the route)
    after: MessageId | None = None,
    limit: Limit = 100,
) -> Thread:
    """The thread that a message belongs to: its root, and the replies after one, oldest first.

    Raises NotFound.
    """
    found, _ = require_message(call, id)
    root = found if found["thread"] is None else require_message(call, found["thread"])[0]
    rows = call.transaction.all(
        f"SELECT {MESSAGE_COLUMNS} FROM message WHERE thread = :root AND id > :after ORDER BY id LIMIT :limit",  # noqa: S608
        {"root": root["id"], "after": after or 0, "limit": limit + 1},
    )
    shown = rows[:limit]
    replies = [message_of(row) for row in shown]
    return Thread(
        root=message_of(root),
        messages=replies,
        receipts=receipts_of(call.transaction, [root["id"], *(row["id"] for row in shown)]),
        next_cursor=replies[-1]["id"] if len(rows) > limit else None,
    )


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
    found = _found(call.transaction, place, limit, before, after, around, thread)
    if thread is None and call.caller.kind in PROGRAMS:
        _note_shown(call, place.id, found.messages)
    return found


def _found(
    transaction: Transaction,
    place: Channel,
    limit: int,
    before: int | None,
    after: int | None,
    around: int | None,
    thread: int | None,
) -> History:
    if around is not None:
        older = _page(transaction, place, "id <= :edge", "DESC", around, limit // 2 + 1, thread)
        newer = _page(transaction, place, "id > :edge", "ASC", around, limit // 2, thread)
        return _history(transaction, [*reversed(older), *newer], more=len(older) > limit // 2)
    if after is not None:
        newer = _page(transaction, place, "id > :edge", "ASC", after, limit, thread)
        return _history(transaction, newer, more=len(newer) == limit)
    rows = _page(transaction, place, "id < :edge", "DESC", before or 2**62, limit + 1, thread)
    return _history(transaction, list(reversed(rows[:limit])), more=len(rows) > limit)


def _note_shown(call: Call, channel: str, messages: Sequence[Message]) -> None:
    """Put on record how far this page shows a channel: a tool's text holds no more of a long one than its beginning."""
    shown, units = [], 0
    for message in messages:
        units += len(describe_message(message).encode("utf-16-le")) // 2 + 1
        if units > SHOWN_AT_MOST:
            break
        shown.append(int(message["id"].partition("_")[2]))
    if shown:
        note_shown(call, channel, shown[0], shown[-1])


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
    receipts = receipts_of(transaction, [row["id"] for row in rows])
    return History(messages, receipts, more, messages[0]["id"] if more and messages else None)
