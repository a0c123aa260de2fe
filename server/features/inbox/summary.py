"""What of a channel concerns a member, and a busy channel in short: what it must know, and what the others speak of."""

from collections.abc import Collection, Sequence

import orjson

from server.core.call import Row, Transaction
from server.core.names import message_id
from server.features.inbox.model import ActiveThread
from server.features.messages.model import MESSAGE_COLUMNS
from server.features.reads import COUNTED_AT_MOST, UNREAD

LOOKED_AT = 200
"""The newest messages in which threads are counted."""
_LINE = 100


def concerning(transaction: Transaction, member: str, channel: str, after: int) -> tuple[set[int], set[int]]:
    """Return the unread messages that name a member, and those that are owed to it: up to 1000 each, the oldest."""
    parameters = {"member": member, "channel": channel, "after": after, "limit": COUNTED_AT_MOST}
    naming = transaction.all(
        "SELECT message_id FROM mention WHERE member = :member AND channel = :channel AND message_id > :after"
        " ORDER BY message_id LIMIT :limit",
        parameters,
    )
    owed = transaction.all(
        "SELECT message_id FROM delivery WHERE recipient = :member AND channel = :channel AND message_id > :after"
        " AND state <> 'handled' LIMIT :limit",
        parameters,
    )
    return {row["message_id"] for row in naming}, {row["message_id"] for row in owed}


def rows_of(transaction: Transaction, member: str, channel: str, after: int, ids: Collection[int]) -> Sequence[Row]:
    """Return those of some messages that are unread, in order."""
    return transaction.all(
        f"SELECT {MESSAGE_COLUMNS} FROM message WHERE id IN (SELECT value FROM json_each(:ids)) AND {UNREAD}"  # noqa: S608
        " ORDER BY id",
        {"ids": orjson.dumps(sorted(ids)).decode(), "member": member, "channel": channel, "after": after},
    )


def newest_rows(transaction: Transaction, member: str, channel: str, after: int, limit: int) -> Sequence[Row]:
    """Return the newest unread messages, the newest last."""
    rows = transaction.all(
        f"SELECT {MESSAGE_COLUMNS} FROM message WHERE {UNREAD} ORDER BY id DESC LIMIT :limit",  # noqa: S608
        {"member": member, "channel": channel, "after": after, "limit": limit},
    )
    return list(reversed(rows))


def active_threads(transaction: Transaction, channel: str, after: int) -> list[ActiveThread]:
    """Return the three threads with most replies among the newest messages, where there were two at least."""
    rows = transaction.all(
        "SELECT recent.thread, count(*) AS replies, root.content FROM (SELECT thread FROM message"
        " WHERE channel = :channel AND id > :after AND deleted_at IS NULL ORDER BY id DESC LIMIT :limit) AS recent"
        " JOIN message AS root ON root.id = recent.thread GROUP BY recent.thread, root.content HAVING count(*) > 1"
        " ORDER BY replies DESC, recent.thread DESC LIMIT 3",
        {"channel": channel, "after": after, "limit": LOOKED_AT},
    )
    return [ActiveThread(message_id(row["thread"]), row["replies"], first_line(row["content"])) for row in rows]


def first_lines(rows: Sequence[Row]) -> str:
    """Say in one line what the newest messages begin with."""
    return " | ".join(f"[{row['sender']}] {first_line(row['content'])}" for row in rows)


def first_line(content: str) -> str:
    line = content.strip().split("\n", 1)[0]
    return line if len(line) <= _LINE else f"{line[:_LINE]}…"
