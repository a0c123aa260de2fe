"""Unseen: who sent something that stayed unseen is told so, once, and nobody is woken by it."""

from collections.abc import Sequence

from server.core.call import Call, Row
from server.core.names import message_id
from server.core.operation import command
from server.core.permission import SYSTEM
from server.features.messages.addressing import outlook_of
from server.features.messages.model import shown_channel
from server.features.messages.sending import NOTICE_EVENTS, send_notice

UNSEEN_AFTER_MS = 10 * 60_000
_AT_ONCE = 200
_LINES = 10


@command(allow=SYSTEM, emits=NOTICE_EVENTS, timed=True)
def tell_of_unseen(call: Call) -> int | None:
    """Tell senders what has stayed unseen for ten minutes: once per message and recipient, never of a notice."""
    rows = call.transaction.all(
        "SELECT delivery.id, delivery.message_id, delivery.recipient, delivery.channel, message.sender FROM delivery"
        " JOIN message ON message.id = delivery.message_id WHERE delivery.state IN ('stored', 'pushed')"
        " AND delivery.sender_told_at IS NULL AND delivery.stored_at <= :before"
        " ORDER BY delivery.stored_at LIMIT :limit",
        {"before": call.now - UNSEEN_AFTER_MS, "limit": _AT_ONCE},
    )
    by_sender: dict[str, list[Row]] = {}
    for row in rows:
        by_sender.setdefault(row["sender"], []).append(row)
        call.transaction.run(
            "UPDATE delivery SET sender_told_at = :now WHERE id = :id", {"id": row["id"], "now": call.now}
        )
    for sender, unseen in by_sender.items():
        send_notice(call, sender, _words(call, unseen), wakes=False)
    if len(rows) == _AT_ONCE:
        return call.now
    first = call.transaction.one(
        "SELECT min(stored_at) AS at FROM delivery WHERE state IN ('stored', 'pushed') AND sender_told_at IS NULL"
    )
    return None if first is None or first["at"] is None else int(first["at"]) + UNSEEN_AFTER_MS


def _words(call: Call, unseen: Sequence[Row]) -> str:
    lines = []
    for row in unseen[:_LINES]:
        will = outlook_of(call.transaction, row["recipient"]).will
        place = shown_channel(row["channel"])
        lines.append(f"- {message_id(row['message_id'])} in {place}: {row['recipient']} ({will})")
    more = [f"- and {len(unseen) - _LINES} more"] if len(unseen) > _LINES else []
    return "\n".join(["Not seen after 10 minutes:", *lines, *more])
