"""The full-text index of messages: new text is written once at the end of each batch, changed text at once."""

from server.core.call import Transaction


def index_new_text(transaction: Transaction) -> None:
    """Put the text of messages that came since the last time into the full-text index."""
    transaction.run(
        "INSERT INTO message_text (rowid, content) SELECT id, content FROM message"
        " WHERE id > (SELECT coalesce(max(id), 0) FROM message_text_docsize)"
    )


def replace_text(transaction: Transaction, number: int, before: str, after: str) -> None:
    """Put other text in the place of a message's. One that came in this batch is not in the index yet."""
    values = {"id": number, "before": before, "after": after}
    if transaction.one("SELECT 1 FROM message_text_docsize WHERE id = :id", values) is not None:
        transaction.run(
            "INSERT INTO message_text (message_text, rowid, content) VALUES ('delete', :id, :before)", values
        )
        transaction.run("INSERT INTO message_text (rowid, content) VALUES (:id, :after)", values)
