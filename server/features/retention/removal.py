"""Takes messages away that are older than they are kept, oldest first, a bounded batch in each transaction.

A thread goes as a whole, when its last message is due. What somebody has not seen yet is kept, what is pinned, and what
a task was made from. The audit trail keeps its own time, and gives the text to nobody any more.
"""

from collections.abc import Sequence

import orjson

from server.config import Keep
from server.core.call import Call, Transaction
from server.core.event import Event, event
from server.core.names import message_id
from server.core.operation import command
from server.core.permission import SYSTEM
from server.features.channels import audience_of, find_channel
from server.features.messages.editing import withhold_text
from server.features.messages.text_index import forget_text
from server.features.reads import ReadUpdated, recount
from server.features.retention.policy import rules_by_channel

BATCH = 500
LOOK_MS = 60_000
ATTACHED = (
    ("delivery", "message_id"),
    ("message_version", "message_id"),
    ("message_told", "message_id"),
    ("message_file", "message"),
)
"""Tables whose rows go with a message, and their column. A test compares them with the schema."""
HOLDS = (("task", "source_message"), ("guard", "message_id"), ("guard", "notice"))
"""Tables whose rows hold a message back."""


@event("messages.removed")
class MessagesRemoved(Event):
    """These messages are gone for good, and what hung on them. One event for each batch."""

    channel: str
    ids: list[str]


@command(allow=SYSTEM, emits=[MessagesRemoved, ReadUpdated], timed=True)
def remove_old_messages(call: Call) -> int | None:
    """Remove a batch of what is not kept any longer, and say when to look again."""
    rules = rules_by_channel(call.transaction)
    for channel, keep in rules.items():
        found = _due(call, channel, keep)
        if found:
            _remove(call, channel, found)
            return call.now
    return call.now + LOOK_MS if rules else None


_IS_HELD = " OR ".join(
    [
        "other.pinned_at IS NOT NULL",
        "EXISTS (SELECT 1 FROM delivery WHERE message_id = other.id AND state IN ('stored', 'pushed'))",
        *(f"EXISTS (SELECT 1 FROM {table} WHERE {column} = other.id)" for table, column in HOLDS),  # noqa: S608 (ours)
    ]
)


def _due(call: Call, channel: str, keep: Keep) -> list[int]:
    rows = call.transaction.all(
        "WITH edge (id) AS (SELECT min(:edge, (SELECT coalesce(max(id), 0) FROM message_text_docsize)))"  # noqa: S608 (ours)
        " SELECT id FROM message WHERE channel = :channel AND id <= (SELECT id FROM edge)"
        " AND NOT EXISTS (SELECT 1 FROM message AS other WHERE other.id = coalesce(message.thread, message.id)"
        f" AND ({_IS_HELD}))"
        " AND NOT EXISTS (SELECT 1 FROM message AS other WHERE other.thread = coalesce(message.thread, message.id)"
        f" AND (other.id > (SELECT id FROM edge) OR {_IS_HELD}))"
        " ORDER BY id LIMIT :limit",
        {"channel": channel, "edge": _edge(call, channel, keep), "limit": BATCH},
    )
    return [row["id"] for row in rows]


def _edge(call: Call, channel: str, keep: Keep) -> int:
    """Return the last message that is not kept any longer, whatever holds it back; 0 if there is none."""
    if keep.for_ms is not None:
        return _last_before(call.transaction, call.now - keep.for_ms)
    row = call.transaction.one(
        "SELECT id FROM message WHERE channel = :channel ORDER BY id DESC LIMIT 1 OFFSET :count",
        {"channel": channel, "count": keep.count},
    )
    return 0 if row is None else int(row["id"])


def _last_before(transaction: Transaction, moment: int) -> int:
    """Find by halving the last message stored before a moment: ids are in the order of time, and no index is needed."""
    row = transaction.one("SELECT coalesce(max(id), 0) AS id FROM message")
    assert row is not None
    low, high = 0, int(row["id"])
    while low < high:
        middle = (low + high + 1) // 2
        row = transaction.one("SELECT created_at FROM message WHERE id >= :id ORDER BY id LIMIT 1", {"id": middle})
        if row is not None and row["created_at"] < moment:
            low = middle
        else:
            high = middle - 1
    return low


def _remove(call: Call, channel_id: str, numbers: Sequence[int]) -> None:
    transaction, ids = call.transaction, {"ids": orjson.dumps(list(numbers)).decode()}
    among = "IN (SELECT value FROM json_each(:ids))"
    for row in transaction.all(f"SELECT id, seq FROM message WHERE id {among}", ids):  # noqa: S608 (ours)
        withhold_text(transaction, row)
    forget_text(transaction, numbers)
    # By member, as the key has it: a message names twenty at most.
    transaction.run(
        "DELETE FROM mention WHERE (member, channel, message_id) IN (SELECT named.value, message.channel, message.id"  # noqa: S608 (ours)
        f" FROM message, json_each(message.mentions) AS named WHERE message.id {among})",
        ids,
    )
    for table, column in ATTACHED:
        transaction.run(f"DELETE FROM {table} WHERE {column} {among}", ids)  # noqa: S608 (ours)
    # What is left of a thread in this batch goes with one of the next.
    transaction.run(f"UPDATE message SET thread = NULL, reply_to = NULL WHERE thread {among}", ids)  # noqa: S608 (ours)
    transaction.run(f"DELETE FROM message WHERE id {among}", ids)  # noqa: S608 (ours)
    channel = find_channel(transaction, channel_id)
    assert channel is not None
    removed = MessagesRemoved(channel_id, [message_id(number) for number in numbers])
    call.emit(removed, subject=channel_id, audience=audience_of(channel))
    recount(call, channel_id, numbers[-1])
