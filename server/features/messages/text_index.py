"""The full-text index of messages: new ones at the end of each batch, changed ones at once."""

from collections.abc import Sequence

import orjson

from server.core.call import Transaction
from server.core.search_text import indexed

AT_ONCE = 2000
"""Messages indexed in one batch at most: after an update that indexes all anew, nobody waits for all of them."""


def index_new_text(transaction: Transaction) -> None:
    """Put the text of messages that came since the last time into the index.

    It is read at the end of the batch: of a message that was sent and edited in it, the last text alone is there.
    """
    rows = transaction.all(
        "SELECT id, content FROM message WHERE id > :last AND deleted_at IS NULL ORDER BY id LIMIT :limit",
        {"last": _last_indexed(transaction), "limit": AT_ONCE},
    )
    for row in rows:
        _insert(transaction, row["id"], row["content"])


def index_message(transaction: Transaction, number: int) -> None:
    """Have a message found by the text it now has, and no longer by what it had before.

    One that is not indexed yet is left to the end of the batch: rows must come in order, or others are passed over.
    """
    if number > _last_indexed(transaction):
        return
    row = transaction.one("SELECT content, deleted_at FROM message WHERE id = :id", {"id": number})
    transaction.run("DELETE FROM message_text WHERE rowid = :id", {"id": number})
    # An empty row keeps its place: the last row tells how far the index has come.
    _insert(transaction, number, row["content"] if row is not None and row["deleted_at"] is None else "")


def forget_message(transaction: Transaction, number: int) -> None:
    """Have a message found no more. One that is not indexed yet must be marked as deleted in the same batch."""
    if number <= _last_indexed(transaction):
        transaction.run("DELETE FROM message_text WHERE rowid = :id", {"id": number})
        _insert(transaction, number, "")


def _last_indexed(transaction: Transaction) -> int:
    row = transaction.one("SELECT coalesce(max(id), 0) AS last FROM message_text_docsize")
    assert row is not None
    return int(row["last"])


def _insert(transaction: Transaction, number: int, content: str) -> None:
    transaction.run(
        "INSERT INTO message_text (rowid, content) VALUES (:id, :content)",
        {"id": number, "content": content if content.isascii() else indexed(content)},
    )


def forget_text(transaction: Transaction, numbers: Sequence[int]) -> None:
    """Have messages that are removed for good found no more."""
    transaction.run(
        "DELETE FROM message_text WHERE rowid IN (SELECT value FROM json_each(:ids))",
        {"ids": orjson.dumps(list(numbers)).decode()},
    )
