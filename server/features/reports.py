"""Reports on what the trail and the tables hold: was it by the rules, how fast, and what is out of the ordinary."""

import dataclasses
import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import orjson
from pydantic import Field

from server.core.call import Call, Caller, Row
from server.core.event import OPERATORS, Event, event
from server.core.moment import iso
from server.core.names import Limit, MemberName
from server.core.operation import command, query
from server.core.permission import READ, READ_AUDIT, SYSTEM
from server.features.state.model import EVERYBODY, ProjectId

ReportType = Literal["compliance", "efficiency", "anomaly"]
_LISTED = 50
_HOUR_MS, _DAY_MS = 3_600_000, 86_400_000
_CHANGES_AN_HOUR, _REJECTIONS, _DENIALS, _LOST_LEASES = 5, 3, 10, 3


@dataclass(frozen=True, slots=True)
class ReportLine:
    """One line of a report: what, how often, and whom it is about."""

    what: str
    count: int
    who: str | None
    example: str


@dataclass(frozen=True, slots=True)
class Report:
    id: str
    type: ReportType
    project_id: str | None
    since: str
    figures: dict[str, Any]
    findings: list[ReportLine]
    visibility: Literal["all", "chairman_only"]
    """For those who audit alone, if it names somebody who leads."""
    created_by: str
    created_at: str


@dataclass(frozen=True, slots=True)
class Reports:
    reports: list[Report]


@event("report.created")
class ReportCreated(Event):
    report: Report


@event("access.denied")
class AccessDenied(Event):
    """An attempt that was refused. The first ten a minute of each member are kept."""

    member: str
    operation: str
    message: str


def _describe(report: Report) -> str:
    figures = ", ".join(f"{name} {value}" for name, value in report.figures.items() if not isinstance(value, list))
    lines = [f"{report.id} {report.type} {report.project_id or 'team'} since {report.since[:10]}: {figures}"]
    return "\n".join(
        [*lines, *(f"{each.what} {each.who or ''} x{each.count} {each.example}" for each in report.findings)]
    )


def _describe_all(found: Reports) -> str:
    return "\n".join(map(_describe, found.reports)) or "No reports."


@command(allow=SYSTEM, emits=[AccessDenied])
def record_denial(call: Call, *, member: MemberName, operation: str, door: str, message: str) -> None:
    """Keep in the trail that a member was refused something."""
    attempt = dataclasses.replace(call, caller=Caller(member, "", ""), operation=operation, door=door)
    attempt.emit(AccessDenied(member, operation, message[:300]), subject=member, audience=OPERATORS)


@command("POST /api/audit/reports", tool="generate_audit_report", toolset="audit", allow=READ_AUDIT, status=201,
         emits=[ReportCreated], describe=_describe)  # fmt: skip
def generate_audit_report(
    call: Call,
    *,
    report_type: ReportType,
    project_id: ProjectId | None = None,
    days: Annotated[int, Field(ge=1, le=365)] = 7,
) -> Report:
    """Create a report of the last days: compliance, efficiency or anomaly. Without a project it is about the team."""
    since = call.now - days * _DAY_MS
    figures, findings = {"compliance": _compliance, "efficiency": _efficiency, "anomaly": _anomaly}[report_type](
        call, project_id, since
    )
    leading = {
        row["name"]
        for row in call.transaction.all("SELECT name FROM member WHERE role IN ('chairman', 'operator', 'lead')")
    }
    visibility = "chairman_only" if any(finding.who in leading for finding in findings) else "all"
    content = orjson.dumps({"figures": figures, "findings": findings}).decode()
    number = call.transaction.insert(
        "INSERT INTO report (type, project, since, content, visibility, created_by, created_at)"
        " VALUES (:type, :project, :since, :content, :visibility, :me, :now)",
        {"type": report_type, "project": project_id, "since": since, "content": content, "visibility": visibility,
         "me": call.caller.name, "now": call.now},
    )  # fmt: skip
    row = call.transaction.one("SELECT * FROM report WHERE id = :id", {"id": number})
    assert row is not None
    report = _report(row)
    call.emit(ReportCreated(report), subject=report.id, audience=OPERATORS)
    return report


@query("GET /api/audit/reports", tool="get_audit_reports", toolset="audit", allow=READ_AUDIT, describe=_describe_all)
def get_audit_reports(
    call: Call, *, project_id: ProjectId | None = None, report_type: ReportType | None = None, limit: Limit = 20
) -> Reports:
    """Stored reports, the newest first."""
    return _stored(call, project_id, report_type, limit, visible=("all", "chairman_only"))


@query("GET /api/reports/public", tool="get_public_reports", toolset="audit", allow=READ, describe=_describe_all)
def get_public_reports(
    call: Call, *, project_id: ProjectId | None = None, report_type: ReportType | None = None, limit: Limit = 20
) -> Reports:
    """Published reports, the newest first: those that name nobody who leads."""
    return _stored(call, project_id, report_type, limit, visible=("all",))


def _compliance(call: Call, project: str | None, since: int) -> tuple[dict[str, Any], list[ReportLine]]:
    """Find what was written without its owner, proposals that were refused or timed out, and refused attempts."""
    values = {"project": project, "since": since, "everybody": EVERYBODY, "limit": _LISTED}
    overridden = call.transaction.all(
        "SELECT version.changed_by AS who, count(*) AS count, max(state.project || '/' || state.field) AS example"
        " FROM state_version AS version JOIN state ON state.project = version.project AND state.field = version.field"
        " WHERE version.at >= :since AND version.source IN ('write', 'restore', 'task') AND version.version > 1"
        " AND state.owner NOT IN (:everybody, version.changed_by)"
        " AND (:project IS NULL OR version.project = :project) GROUP BY who ORDER BY count DESC LIMIT :limit",
        values,
    )
    decided = call.transaction.all(
        "SELECT status, asker AS who, count(*) AS count, max(summary) AS example FROM approval"
        " WHERE decided_at >= :since AND status IN ('rejected', 'expired') AND (:project IS NULL OR project = :project)"
        " GROUP BY status, asker ORDER BY count DESC LIMIT :limit",
        values,
    )
    denied = [] if project is not None else _denied(call, since)
    findings = [ReportLine("wrote without its owner", row["count"], row["who"], row["example"]) for row in overridden]
    words = {"rejected": "proposal rejected", "expired": "proposal nobody decided"}
    findings += [ReportLine(words[row["status"]], row["count"], row["who"], row["example"]) for row in decided]
    findings += [ReportLine("attempt refused", row["count"], row["who"], row["example"]) for row in denied]
    figures = {
        "changes": _count(call, "state_version", "at", project, since),
        "without_owner": sum(row["count"] for row in overridden),
        "rejected": sum(row["count"] for row in decided if row["status"] == "rejected"),
        "expired": sum(row["count"] for row in decided if row["status"] == "expired"),
        "refused_attempts": sum(row["count"] for row in denied),
    }
    return figures, findings


def _efficiency(call: Call, project: str | None, since: int) -> tuple[dict[str, Any], list[ReportLine]]:
    """Measure how much was done and how long people and agents took."""
    values = {"project": project, "since": since}
    decided = call.transaction.all(
        "SELECT status, decided_at - created_at AS took FROM approval WHERE decided_at >= :since"
        " AND status IN ('approved', 'rejected', 'answered', 'expired') AND (:project IS NULL OR project = :project)",
        values,
    )
    took = [row["took"] for row in decided if row["status"] != "expired"]
    rejected = sum(row["status"] == "rejected" for row in decided)
    fields = call.transaction.all(
        "SELECT project || '/' || field AS field, count(*) AS count FROM state_version WHERE at >= :since"
        " AND (:project IS NULL OR project = :project) GROUP BY 1 ORDER BY count DESC, 1 LIMIT 10",
        values,
    )
    closed = call.transaction.all(
        "SELECT status, closed_at - created_at AS took FROM task WHERE closed_at >= :since AND deleted_at IS NULL"
        " AND (:project IS NULL OR related_project = :project)",
        values,
    )
    done = [row["took"] for row in closed if row["status"] == "done"]
    figures = {
        "changes": _count(call, "state_version", "at", project, since),
        "decisions": len(took),
        "rejection_rate": round(rejected / len(took), 3) if took else 0.0,
        "decision_mean_s": round(statistics.fmean(took) / 1000, 1) if took else None,
        "decision_median_s": round(statistics.median(took) / 1000, 1) if took else None,
        "timed_out": len(decided) - len(took),
        "tasks_done": len(done),
        "tasks_failed": sum(row["status"] == "failed" for row in closed),
        "task_median_s": round(statistics.median(done) / 1000, 1) if done else None,
        "top_fields": [{"field": row["field"], "changes": row["count"]} for row in fields],
    }
    return figures, []


def _anomaly(call: Call, project: str | None, since: int) -> tuple[dict[str, Any], list[ReportLine]]:
    """Find what is out of the ordinary: fields that flap, members often rejected or refused, leases lost."""
    values = {"project": project, "since": since, "hour": _HOUR_MS, "limit": _LISTED}
    rows = call.transaction.all(
        "SELECT project || '/' || field AS field, at, changed_by FROM state_version WHERE at >= :since"
        " AND (:project IS NULL OR project = :project) ORDER BY project, field, at",
        values,
    )
    findings = [
        ReportLine(f"changed more than {_CHANGES_AN_HOUR} times within an hour", count, who, field)
        for field, count, who in _flapping(rows)
    ]
    rejected = call.transaction.all(
        "SELECT asker AS who, count(*) AS count, max(summary) AS example FROM approval WHERE decided_at >= :since"
        " AND status = 'rejected' AND (:project IS NULL OR project = :project) GROUP BY asker ORDER BY count DESC",
        values,
    )
    findings += [
        ReportLine(f"rejected more than {_REJECTIONS} times", row["count"], row["who"], row["example"])
        for row in rejected
        if row["count"] > _REJECTIONS
    ]
    if project is None:
        findings += [
            ReportLine(f"refused more than {_DENIALS} times", row["count"], row["who"], row["example"])
            for row in _denied(call, since)
            if row["count"] > _DENIALS
        ]
        lost = call.transaction.all(
            "SELECT json_extract(changes, '$.assignee[0]') AS who, count(*) AS count, max(comment) AS example"
            " FROM task_change WHERE at >= :since AND comment = 'lease expired' GROUP BY who ORDER BY count DESC",
            values,
        )
        findings += [
            ReportLine(f"lost {_LOST_LEASES} claims or more by silence", row["count"], row["who"], row["example"])
            for row in lost
            if row["count"] >= _LOST_LEASES
        ]
    return {"anomalies": len(findings)}, findings


def _flapping(rows: Sequence[Row]) -> list[tuple[str, int, str]]:
    """Return fields with too many changes within some hour, with the most of any hour and who made most of them."""
    fields: dict[str, list[Row]] = {}
    for row in rows:
        fields.setdefault(row["field"], []).append(row)
    found = []
    for field, changes in fields.items():
        most, first = 0, 0
        for last, change in enumerate(changes):
            while change["at"] - changes[first]["at"] > _HOUR_MS:
                first += 1
            most = max(most, last - first + 1)
        if most > _CHANGES_AN_HOUR:
            ((who, _),) = Counter(change["changed_by"] for change in changes).most_common(1)
            found.append((field, most, who))
    return sorted(found, key=lambda each: -each[1])[:_LISTED]


def _denied(call: Call, since: int) -> Sequence[Row]:
    return call.transaction.all(
        "SELECT actor AS who, count(*) AS count, max(operation) AS example FROM event WHERE kind = 'access.denied'"
        " AND at >= :since GROUP BY actor ORDER BY count DESC LIMIT :limit",
        {"since": since, "limit": _LISTED},
    )


def _count(call: Call, table: str, column: str, project: str | None, since: int) -> int:
    row = call.transaction.one(
        f"SELECT count(*) AS count FROM {table} WHERE {column} >= :since AND (:project IS NULL OR project = :project)",  # noqa: S608
        {"project": project, "since": since},
    )
    return 0 if row is None else int(row["count"])


def _stored(call: Call, project: str | None, report_type: str | None, limit: int, *, visible: Sequence[str]) -> Reports:
    rows = call.transaction.all(
        "SELECT * FROM report WHERE visibility IN (SELECT value FROM json_each(:visible))"
        " AND (:project IS NULL OR project = :project) AND (:type IS NULL OR type = :type)"
        " ORDER BY id DESC LIMIT :limit",
        {"visible": orjson.dumps(visible).decode(), "project": project, "type": report_type, "limit": limit},
    )
    return Reports([_report(row) for row in rows])


def _report(row: Row) -> Report:
    content = orjson.loads(row["content"])
    return Report(
        id=f"rep_{row['id']}",
        type=row["type"],
        project_id=row["project"],
        since=iso(row["since"]),
        figures=content["figures"],
        findings=[ReportLine(**finding) for finding in content["findings"]],
        visibility=row["visibility"],
        created_by=row["created_by"],
        created_at=iso(row["created_at"]),
    )
