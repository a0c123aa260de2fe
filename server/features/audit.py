"""The audit trail: who changed what, by which door, when. The log is the trail; nothing is written twice.

Its rows are a chain of hashes: a row that was changed, taken out or moved is found, and named.
"""

from dataclasses import dataclass
from typing import Annotated, Any

import orjson
from pydantic import Field

from server.core.call import Call, Row
from server.core.errors import BadArgument
from server.core.event import EVENT_KINDS
from server.core.moment import iso, milliseconds
from server.core.names import Cursor, Limit
from server.core.operation import query
from server.core.permission import READ_AUDIT
from server.events import chain, log
from server.events.chain import Verified
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
    before: dict[str, Any] | None
    """What the same row was before, where it was asked for (`details`) and the reader may see it."""


@dataclass(frozen=True, slots=True)
class AuditEntries:
    entries: list[AuditEntry]
    next_cursor: str | None


def _describe(found: AuditEntries) -> str:
    lines = [f"{row.seq} {row.at[:19]}Z {row.actor} {row.operation} {row.kind} {row.subject}" for row in found.entries]
    more = [f'… more: cursor="{found.next_cursor}"'] if found.next_cursor else []
    return "\n".join([*lines, *more]) or "Nothing matches."


@query("GET /api/audit", tool="get_changelog", toolset="audit", allow=READ_AUDIT, describe=_describe,
       hidden=("details", "door", "kind"))  # fmt: skip
def list_audit(
    call: Call,
    *,
    actor: Word | None = None,
    operation: Word | None = None,
    kind: Word | None = None,
    subject: Word | None = None,
    since: Word | None = None,
    until: Word | None = None,
    door: Word | None = None,
    details: bool = False,
    limit: Limit = 50,
    cursor: Cursor | None = None,
) -> AuditEntries:
    """Changes, newest first, by filter. Times are ISO 8601. With `details` each says what the row was before.

    Raises BadArgument.
    """
    rows = call.transaction.all(
        "SELECT seq, at, actor, door, operation, kind, subject, call_id, audience,"  # noqa: S608 (a constant)
        f" {log.SHOWN_BODY} AS body FROM event WHERE seq < :before"
        " AND (:actor IS NULL OR actor = :actor) AND (:operation IS NULL OR operation = :operation)"
        " AND (:kind IS NULL OR kind = :kind) AND (:subject IS NULL OR subject = :subject)"
        " AND (:since IS NULL OR at >= :since) AND (:until IS NULL OR at < :until)"
        " AND (:door IS NULL OR door = :door) ORDER BY seq DESC LIMIT :limit",
        {
            "before": int(cursor) if cursor is not None and cursor.isdigit() else 2**62,
            "actor": actor,
            "operation": operation,
            "kind": kind,
            "subject": subject,
            "since": _moment(since, "since"),
            "until": _moment(until, "until"),
            "door": door,
            "limit": limit,
        },
    )
    access = access_of(call.transaction, call.caller)
    entries = [_entry(row, row["audience"] in access, _before(call, row) if details else None) for row in rows]
    return AuditEntries(entries, str(rows[-1]["seq"]) if len(rows) == limit else None)


@query("GET /api/audit/verify", allow=READ_AUDIT)
def verify_audit(call: Call) -> Verified:
    """Check every row of the audit trail against its chain, and name what was changed, taken out or moved."""
    return chain.verify(call.transaction)


def _before(call: Call, row: Row) -> Row | None:
    """Return the event that told of the same row before."""
    declared = EVENT_KINDS.get(row["kind"])
    if declared is None or declared.collection is None:
        return None
    kinds = [kind for kind, other in EVENT_KINDS.items() if other.collection == declared.collection]
    found = call.transaction.one(
        f"SELECT {log.SHOWN_BODY} AS body FROM event"  # noqa: S608 (a constant)
        " WHERE subject = :subject AND seq < :seq AND audience = :audience"
        " AND kind IN (SELECT value FROM json_each(:kinds)) ORDER BY seq DESC LIMIT 1",
        {**row, "kinds": orjson.dumps(kinds).decode()},
    )
    if found is None:
        return None
    now, then = orjson.loads(row["body"])[declared.noun], orjson.loads(found["body"])[declared.noun]
    return found if now.get(declared.key) == then.get(declared.key) else None


def _entry(row: Row, visible: bool, before: Row | None) -> AuditEntry:
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
        before=orjson.loads(before["body"]) if visible and before is not None else None,
    )


def _moment(text: str | None, field: str) -> int | None:
    if text is None:
        return None
    try:
        return milliseconds(text)
    except ValueError:
        raise BadArgument(f"“{text}” is not a time.", hint="Write it as 2026-11-20T14:02:00Z.", field=field) from None
