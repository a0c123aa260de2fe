"""The audit listing: who changed what, by which door, when. The log is the trail; nothing is written twice."""

from dataclasses import dataclass
from typing import Annotated, Any

import orjson
from pydantic import Field

from server.core.call import Call, Row
from server.core.errors import BadArgument
from server.core.moment import iso, milliseconds
from server.core.names import Cursor, Limit
from server.core.operation import query
from server.core.permission import READ_AUDIT
from server.features.channels import access_of

Word = Annotated[str, Field(max_length=80)]


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One change. `body` is None where the reader may not see what it was about (others' direct messages)."""

    seq: int
    at: str
    actor: str
    door: str
    operation: str
    kind: str
    subject: str
    call_id: str
    body: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class AuditEntries:
    entries: list[AuditEntry]
    next_cursor: str | None


@query("GET /api/audit", allow=READ_AUDIT)
def list_audit(
    call: Call,
    *,
    actor: Word | None = None,
    operation: Word | None = None,
    kind: Word | None = None,
    subject: Word | None = None,
    since: Word | None = None,
    until: Word | None = None,
    limit: Limit = 50,
    cursor: Cursor | None = None,
) -> AuditEntries:
    """Changes, newest first, by filter. Times are ISO 8601.

    Raises BadArgument.
    """
    rows = call.transaction.all(
        "SELECT seq, at, actor, door, operation, kind, subject, call_id, audience, body FROM event WHERE seq < :before"
        " AND (:actor IS NULL OR actor = :actor) AND (:operation IS NULL OR operation = :operation)"
        " AND (:kind IS NULL OR kind = :kind) AND (:subject IS NULL OR subject = :subject)"
        " AND (:since IS NULL OR at >= :since) AND (:until IS NULL OR at < :until) ORDER BY seq DESC LIMIT :limit",
        {
            "before": int(cursor) if cursor is not None and cursor.isdigit() else 2**62,
            "actor": actor,
            "operation": operation,
            "kind": kind,
            "subject": subject,
            "since": _moment(since, "since"),
            "until": _moment(until, "until"),
            "limit": limit,
        },
    )
    access = access_of(call.transaction, call.caller)
    entries = [_entry(row, row["audience"] in access) for row in rows]
    return AuditEntries(entries, str(rows[-1]["seq"]) if len(rows) == limit else None)


def _entry(row: Row, visible: bool) -> AuditEntry:
    return AuditEntry(
        seq=row["seq"],
        at=iso(row["at"]),
        actor=row["actor"],
        door=row["door"],
        operation=row["operation"],
        kind=row["kind"],
        subject=row["subject"],
        call_id=row["call_id"],
        body=orjson.loads(row["body"]) if visible else None,
    )


def _moment(text: str | None, field: str) -> int | None:
    if text is None:
        return None
    try:
        return milliseconds(text)
    except ValueError:
        raise BadArgument(f"“{text}” is not a time.", hint="Write it as 2026-11-20T14:02:00Z.", field=field) from None
