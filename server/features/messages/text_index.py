"""The full-text index of messages, written once at the end of each batch."""

from server.core.call import Transaction


def index_new_text(transaction: Transaction) -> None:
    """Put the text of messages that came since the last time into the full-text index."""
    transaction.run(
        "INSERT INTO message_text (rowid, content) SELECT id, content FROM message"
        " WHERE id > (SELECT coalesce(max(id), 0) FROM message_text_docsize)"
    )
