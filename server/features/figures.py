"""Figures: how much of everything there is, for those who watch the office with a monitoring system."""

from server.core.call import Call
from server.core.figure import Figure
from server.core.operation import query
from server.core.permission import SYSTEM

_FIGURES = (
    ("agents", "Agents by the state of their process.", "state", "SELECT state AS word, count(*) AS n FROM agent"),
    ("agent_activities", "Agents by what they are doing.", "activity",
     "SELECT activity AS word, count(*) AS n FROM agent WHERE state IN ('ready', 'degraded')"),
    ("agent_restarts", "Unplanned starts, ever, by agent.", "agent",
     "SELECT name AS word, sum(restarts) AS n FROM agent"),
    ("members", "Members who are on the team.", "kind",
     "SELECT kind AS word, count(*) AS n FROM member WHERE retired_at IS NULL"),
    ("deliveries_open", "What is owed and not handled yet.", "state",
     "SELECT state AS word, count(*) AS n FROM delivery WHERE state <> 'handled'"),
    ("tasks", "Tasks.", "status", "SELECT status AS word, count(*) AS n FROM task WHERE deleted_at IS NULL"),
    ("approvals_pending", "What waits for a person.", "kind",
     "SELECT kind AS word, count(*) AS n FROM approval WHERE status = 'pending'"),
)  # fmt: skip


@query(allow=SYSTEM)
def count_everything(call: Call) -> list[Figure]:
    """Count what there is. Cheap: nothing that grows with the history is walked through."""
    figures = [
        Figure(
            name,
            text,
            label,
            {row["word"]: row["n"] for row in call.transaction.all(f"{sql} GROUP BY word ORDER BY word")},
        )
        for name, text, label, sql in _FIGURES
    ]
    heads = call.transaction.one(
        "SELECT coalesce((SELECT max(id) FROM message), 0) AS messages, coalesce((SELECT max(seq) FROM event), 0)"
        " AS events,"
        " coalesce((SELECT min(stored_at) FROM delivery WHERE state IN ('stored', 'pushed')), :now) AS oldest",
        {"now": call.now},
    )
    assert heads is not None
    return [
        *figures,
        Figure("messages", "Messages ever sent.", "", {"": heads["messages"]}),
        Figure("events", "The seq of the last event.", "", {"": heads["events"]}),
        Figure("oldest_unseen_ms", "Age of the oldest that is owed and was not seen.", "",
               {"": call.now - heads["oldest"]}),
    ]  # fmt: skip
