"""Knowledge: findings that others should know. The same finding twice is one, with two contributors."""

import hashlib
import unicodedata
from dataclasses import dataclass
from typing import Annotated

import orjson
from pydantic import Field, StringConstraints

from server.core.call import Call, Row
from server.core.errors import NotFound
from server.core.event import Event, event
from server.core.moment import iso, iso_or_none
from server.core.names import Cursor, Limit, Line, Note, offset_of
from server.core.operation import command, query
from server.core.permission import READ, SPEAK
from server.core.search_text import indexed, query_of
from server.events.log import next_seq

FindingId = Annotated[str, Field(pattern=r"^fact_[0-9a-f]{16}$", description="Finding, as `fact_09f7…`.")]
Statement = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=20_000)]
Tag = Annotated[str, StringConstraints(strip_whitespace=True, to_lower=True, min_length=1, max_length=40)]
Tags = Annotated[list[Tag], Field(max_length=20)]


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding. Its id follows from its text."""

    id: str
    seq: int
    content: str
    tags: list[str]
    source: str
    contributors: list[str]
    """Who posted it, the first one first."""
    created_at: str
    updated_at: str
    retracted_at: str | None
    retracted_by: str | None
    retracted_why: str


@dataclass(frozen=True, slots=True)
class Posted:
    finding: Finding
    known_already: bool


@dataclass(frozen=True, slots=True)
class Findings:
    findings: list[Finding]
    next_cursor: str | None


@event("finding.posted", collection="findings", key="id")
class FindingPosted(Event):
    finding: Finding


@event("finding.retracted", collection="findings", key="id")
class FindingRetracted(Event):
    finding: Finding


def _describe(finding: Finding) -> str:
    tags = f" [{', '.join(finding.tags)}]" if finding.tags else ""
    source = f" ({finding.source})" if finding.source else ""
    return f"{finding.id} {', '.join(finding.contributors)} {finding.updated_at[:10]}{tags}: {finding.content}{source}"


def _describe_all(found: Findings) -> str:
    more = [f'… more: cursor="{found.next_cursor}"'] if found.next_cursor else []
    return "\n".join([*map(_describe, found.findings), *more]) or "Nothing is known of that."


def _describe_posted(posted: Posted) -> str:
    known = "was known already; you are among its contributors" if posted.known_already else "is recorded"
    return f"{posted.finding.id} {known}"


@command("POST /api/knowledge", tool="post_knowledge", toolset="knowledge", allow=SPEAK, status=201,
         emits=[FindingPosted], describe=_describe_posted, repeatable=True)  # fmt: skip
def post_knowledge(call: Call, *, content: Statement, tags: Tags = [], source: Note = "") -> Posted:  # noqa: B006
    """Record a finding others should know. Same content twice adds you as a contributor; a retracted one is revived."""
    plain = " ".join(unicodedata.normalize("NFC", content).split())
    digest = f"fact_{hashlib.sha256(plain.encode()).hexdigest()[:16]}"
    row = call.transaction.one("SELECT * FROM finding WHERE hash = :hash", {"hash": digest})
    values = {"hash": digest, "seq": next_seq(call.transaction), "now": call.now, "me": call.caller.name}
    if row is None:
        values |= {"content": content, "tags": orjson.dumps(sorted(set(tags))).decode(), "source": source}
        number = call.transaction.insert(
            "INSERT INTO finding (hash, seq, content, tags, source, created_at, updated_at)"
            " VALUES (:hash, :seq, :content, :tags, :source, :now, :now)",
            values,
        )
        _contribute(call, number)
        _index(call, number, content, tags)
    else:
        number = row["id"]
        all_tags = sorted({*orjson.loads(row["tags"]), *tags})
        is_news = _contribute(call, number) or row["retracted_at"] is not None
        if is_news or all_tags != orjson.loads(row["tags"]):
            call.transaction.run(
                "UPDATE finding SET seq = :seq, tags = :tags, updated_at = :now, retracted_at = NULL,"
                " retracted_by = NULL, retracted_why = '' WHERE hash = :hash",
                {**values, "tags": orjson.dumps(all_tags).decode()},
            )
            _index(call, number, row["content"], all_tags)
        else:
            return Posted(_finding(call, row), known_already=True)
    finding = _finding(call, _find(call, digest))
    call.emit(FindingPosted(finding), subject=finding.id)
    return Posted(finding, known_already=row is not None)


@query("GET /api/knowledge", tool="search_knowledge", toolset="knowledge", allow=READ, describe=_describe_all,
       hidden=("since_seq", "cursor"))  # fmt: skip
def search_knowledge(
    call: Call,
    *,
    query: Annotated[str, Field(max_length=500)] = "",
    tags: Tags = [],  # noqa: B006 (pydantic copies it)
    since_seq: Annotated[int, Field(ge=0)] = 0,
    limit: Limit = 20,
    cursor: Cursor | None = None,
) -> Findings:
    """Search team findings: the best first, or the newest without words. All tags must be there."""
    words, offset = query_of(query), offset_of(cursor)
    values = {"words": words, "since": since_seq, "tags": orjson.dumps(tags).decode(), "count": len(set(tags)),
              "limit": limit + 1, "offset": offset}  # fmt: skip
    condition = (
        "finding.retracted_at IS NULL AND finding.seq > :since AND (:count = 0 OR (SELECT count(*) FROM"
        " json_each(finding.tags) AS has JOIN (SELECT DISTINCT value FROM json_each(:tags)) AS wanted"
        " ON wanted.value = has.value) = :count)"
    )
    if words is not None:
        sql = (
            f"SELECT finding.* FROM finding_text JOIN finding ON finding.id = finding_text.rowid"  # noqa: S608
            f" WHERE finding_text MATCH :words AND {condition} ORDER BY bm25(finding_text, 1.0, 2.0), finding.id"
        )
    elif query.strip():
        return Findings([], None)
    else:
        sql = f"SELECT * FROM finding WHERE {condition} ORDER BY seq DESC"  # noqa: S608 (constants)
    rows = call.transaction.all(f"{sql} LIMIT :limit OFFSET :offset", values)
    return Findings([_finding(call, row) for row in rows[:limit]], str(offset + limit) if len(rows) > limit else None)


@command("POST /api/knowledge/{finding_id}/retract", tool="retract_knowledge", toolset="knowledge", allow=SPEAK,
         emits=[FindingRetracted], destructive=True, repeatable=True,
         describe=lambda finding: f"retracted {finding.id}")  # fmt: skip
def retract_knowledge(call: Call, *, finding_id: FindingId, reason: Line) -> Finding:
    """Withdraw a finding that proved wrong. Posting it again revives it.

    Raises NotFound.
    """
    row = _find(call, finding_id)
    if row["retracted_at"] is not None:
        return _finding(call, row)
    call.transaction.run(
        "UPDATE finding SET seq = :seq, updated_at = :now, retracted_at = :now, retracted_by = :me,"
        " retracted_why = :reason WHERE hash = :hash",
        {"seq": next_seq(call.transaction), "now": call.now, "me": call.caller.name, "reason": reason,
         "hash": finding_id},
    )  # fmt: skip
    finding = _finding(call, _find(call, finding_id))
    call.emit(FindingRetracted(finding), subject=finding.id)
    return finding


def _find(call: Call, finding_id: str) -> Row:
    row = call.transaction.one("SELECT * FROM finding WHERE hash = :hash", {"hash": finding_id})
    if row is None:
        raise NotFound(f"No finding {finding_id}.", hint="Look: search_knowledge", field="finding_id")
    return row


def _contribute(call: Call, number: int) -> bool:
    return bool(
        call.transaction.run(
            "INSERT INTO finding_contributor (finding, member, at) VALUES (:finding, :me, :now) ON CONFLICT DO NOTHING",
            {"finding": number, "me": call.caller.name, "now": call.now},
        )
    )


def _index(call: Call, number: int, content: str, tags: list[str]) -> None:
    call.transaction.run("DELETE FROM finding_text WHERE rowid = :id", {"id": number})
    call.transaction.run(
        "INSERT INTO finding_text (rowid, content, tags) VALUES (:id, :content, :tags)",
        {"id": number, "content": indexed(content), "tags": indexed(" ".join(tags))},
    )


def _finding(call: Call, row: Row) -> Finding:
    contributors = call.transaction.all(
        "SELECT member FROM finding_contributor WHERE finding = :id ORDER BY at, member", {"id": row["id"]}
    )
    return Finding(
        id=row["hash"],
        seq=row["seq"],
        content=row["content"],
        tags=orjson.loads(row["tags"]),
        source=row["source"],
        contributors=[contributor["member"] for contributor in contributors],
        created_at=iso(row["created_at"]),
        updated_at=iso(row["updated_at"]),
        retracted_at=iso_or_none(row["retracted_at"]),
        retracted_by=row["retracted_by"],
        retracted_why=row["retracted_why"],
    )
