"""Trims the log to the time it is kept, and forgets what has expired: answers to repeats, sessions, sign-in links."""

from server.core.call import Call
from server.core.event import OPERATORS, Event, event
from server.core.operation import command
from server.core.permission import SYSTEM
from server.events import log
from server.features.retention.policy import team_rules

BATCH = 500
TRIM_MS = 600_000
SWEEP_MS = 600_000
REPEATS_MS = 48 * 3_600_000
"""How long a request may be repeated under its idempotency key."""


@event("audit.trimmed")
class AuditTrimmed(Event):
    """The oldest rows of the log were taken away; the chain begins behind the anchor."""

    anchor: str
    rows: int


@command(allow=SYSTEM, emits=[AuditTrimmed], timed=True)
def trim_audit(call: Call) -> int | None:
    """Take away a batch of the log that is older than it is kept, and say when to look again."""
    kept_ms = team_rules(call.transaction).audit.for_ms
    if kept_ms is None:
        return None
    anchor, rows = log.trim(call.transaction, call.now - kept_ms, BATCH)
    if not rows:
        return call.now + TRIM_MS
    call.emit(AuditTrimmed(str(anchor), rows), subject="audit", audience=OPERATORS)
    return call.now


# Nothing that anybody can see changes, so there is nothing to tell.
@command(allow=SYSTEM, emits=[], timed=True)
def sweep_expired(call: Call) -> int:
    """Forget answers to repeats after 48 hours, sessions and sign-in links when they have expired."""
    swept = call.transaction.run(
        "DELETE FROM idempotency WHERE (caller, key) IN"
        " (SELECT caller, key FROM idempotency WHERE at < :before ORDER BY at LIMIT :limit)",
        {"before": call.now - REPEATS_MS, "limit": BATCH},
    )
    for table in ("session", "sign_in_link"):
        call.transaction.run(f"DELETE FROM {table} WHERE expires_at < :now", {"now": call.now})  # noqa: S608 (ours)
    return call.now if swept == BATCH else call.now + SWEEP_MS
