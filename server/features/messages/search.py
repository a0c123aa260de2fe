"""Search in messages: what one may read alone is looked at, the newest hits first, and the best of these first."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import orjson
from pydantic import Field
from typing_extensions import TypedDict  # pydantic needs this one before Python 3.12

from server.core.call import Call, Row, Transaction
from server.core.errors import BadArgument, NotFound, TookTooLong
from server.core.names import ChannelName, Cursor, MemberName, direct_channel_id
from server.core.operation import query as reading
from server.core.permission import READ
from server.features.channels import readable_channels, resolve_channel
from server.features.messages.excerpt import Piece, excerpt, pattern_of, rank
from server.features.messages.model import MESSAGE_COLUMNS, Message, message_of, shown_channel
from server.features.messages.search_terms import Asked, moment_of, read_query

BLOCK = 200
"""Hits ranked at a time: the newest, then the next older. To rank all of a million would take seconds."""
AT_MOST_S = 2.0
_CURSOR = re.compile(r"^([0-9]{1,18})\.([0-9]{1,6})$")
_WHOLE = 2**62


class Compatible(TypedDict):
    """Names that programs know a hit by elsewhere."""

    channel_id: str
    from_agent: str


class Hit(Message, Compatible):
    """A message that was found, and the part of it that shows why."""

    snippet: list[Piece]


@dataclass(frozen=True, slots=True)
class SearchResults:
    results: list[Hit]
    total: int
    """Hits of this block, counted up to its size: see `is_total`."""
    is_total: bool
    """There are no older hits than those counted."""
    query: str
    notes: list[str]
    """What of the query was not understood, in sentences."""
    next_cursor: str | None


def _describe(found: SearchResults) -> str:
    lines = [_line(hit) for hit in found.results] or ["Nothing was found."]
    lines += found.notes
    if found.next_cursor is not None:
        lines.append(f'… more: cursor="{found.next_cursor}"')
    return "\n".join(lines)


def _line(hit: Hit) -> str:
    text = " ".join("".join(piece["text"] for piece in hit["snippet"]).split())
    who = f"{hit['from']} ({hit['from_kind']}) in {shown_channel(hit['channel'])}"
    return f"{hit['id']} {who} {hit['created_at'][:16]}: {text}"


@reading(
    "GET /api/search",
    tool="search_messages",
    toolset="chat",
    allow=READ,
    describe=_describe,
    aliases={"q": "query"},
    hidden=("before", "sort"),
)
def search_messages(
    call: Call,
    *,
    query: Annotated[str, Field(max_length=4000)] = "",
    channel: ChannelName | None = None,
    sender: Annotated[MemberName | None, Field(alias="from")] = None,
    after: Annotated[str | None, Field(max_length=40, description="2026-11-24, today or 7d.")] = None,
    before: Annotated[str | None, Field(max_length=40, description="2026-11-24, today or 7d.")] = None,
    sort: Literal["best", "newest"] = "best",
    limit: Annotated[int, Field(ge=1, le=100)] = 20,
    cursor: Cursor | None = None,
) -> SearchResults:
    """Full-text search over messages you may read. In query: "a phrase", prefix*, -without, from: in: has:file.

    Raises NotFound, BadArgument, TookTooLong.
    """
    asked = read_query(query, call.now)
    if sender is not None:
        asked.senders.append(sender)
    asked.after = _moment(call, "after", after, asked.after)
    asked.before = _moment(call, "before", before, asked.before)
    if not (asked.asks or channel):
        return SearchResults([], 0, is_total=True, query=query, notes=asked.notes, next_cursor=None)
    places = _places(call, asked, channel)
    edge, offset = _position(cursor)
    try:
        with call.transaction.at_most(AT_MOST_S):
            rows = _newest_hits(call.transaction, asked, places, edge)
    except TookTooLong:
        raise TookTooLong(
            f"The search took longer than {AT_MOST_S:g} s and was ended.",
            hint="Narrow it: more words, in:channel, from:name, or after:7d.",
        ) from None
    block, older = rows[:BLOCK], len(rows) > BLOCK
    pattern = pattern_of(asked.terms)
    if pattern is not None and sort == "best":
        ranked = [(rank(row["content"], pattern, call.now - row["created_at"]), row["id"]) for row in block]
        order = {number: place for place, (_, number) in enumerate(sorted(ranked, reverse=True))}
        shown = sorted(block, key=lambda row: order[row["id"]])
    else:
        shown = list(block)
    page = shown[offset : offset + limit]
    return SearchResults(
        results=[_hit(row, pattern) for row in page],
        total=len(block),
        is_total=not older,
        query=query,
        notes=asked.notes,
        next_cursor=_next(edge, offset + limit, block, older=older),
    )


def _newest_hits(transaction: Transaction, asked: Asked, places: Sequence[str], edge: int) -> Sequence[Row]:
    low, high = _bounds(transaction, asked, edge)
    conditions = ["message.deleted_at IS NULL", "message.id >= :low", "message.id < :high"]
    if asked.senders:
        conditions.append("message.sender IN (SELECT value FROM json_each(:senders))")
    if asked.after is not None:
        conditions.append("message.created_at >= :after")
    if asked.before is not None:
        conditions.append("message.created_at < :before")
    if asked.has_file:
        conditions.append("message.files <> '[]'")
    if asked.is_pinned:
        conditions.append("message.pinned_at IS NOT NULL")
    one = len(places) == 1
    conditions.append(
        "message.channel = :place" if one else "message.channel IN (SELECT value FROM json_each(:places))"
    )
    values = {
        "match": asked.match, "low": low, "high": high, "after": asked.after, "before": asked.before,
        "senders": orjson.dumps(asked.senders).decode(), "places": orjson.dumps(places).decode(),
        "place": places[0] if one else "", "limit": BLOCK + 1,
    }  # fmt: skip
    columns = ", ".join(f"message.{column.strip()}" for column in MESSAGE_COLUMNS.split(","))
    if asked.match is not None:
        # CROSS JOIN: the index leads, newest first, and stops when there are enough.
        source = "message_text CROSS JOIN message ON message.id = message_text.rowid"
        within = "message_text MATCH :match AND message_text.rowid >= :low AND message_text.rowid < :high"
        order = "message_text.rowid"
    else:
        source, within, order = "message", "1", "message.id"
    return transaction.all(
        f"SELECT {columns} FROM {source} WHERE {within} AND {' AND '.join(conditions)}"  # noqa: S608 (constants)
        f" ORDER BY {order} DESC LIMIT :limit",
        values,
    )


def _bounds(transaction: Transaction, asked: Asked, edge: int) -> tuple[int, int]:
    """Return the ids between which hits can be: ids and times grow together, so no older message is looked at."""
    low = 0 if asked.after is None else _first_since(transaction, asked.after)
    high = edge if asked.before is None else min(edge, _first_since(transaction, asked.before))
    return low, high


def _first_since(transaction: Transaction, moment: int) -> int:
    """Find the first message of a moment or later, by halving."""
    row = transaction.one("SELECT coalesce(max(id), 0) AS last FROM message")
    assert row is not None
    low, high = 0, int(row["last"]) + 1
    while low < high:
        middle = (low + high) // 2
        row = transaction.one(
            "SELECT id, created_at FROM message WHERE id >= :middle ORDER BY id LIMIT 1", {"middle": middle}
        )
        if row is None or row["created_at"] >= moment:
            high = middle
        else:
            low = int(row["id"]) + 1
    return low


def _places(call: Call, asked: Asked, channel: str | None) -> list[str]:
    """Return the channels to look in: all that the caller may read, or those of them that were named."""
    if channel is not None and not asked.channels:
        return [resolve_channel(call, channel).id]
    readable = [place.id for place in readable_channels(call.transaction, call.caller)]
    if channel is not None:
        asked.channels.append(resolve_channel(call, channel).id)
    if not asked.channels:
        return readable
    named = []
    for name in asked.channels:
        party = name.removeprefix("dm:")
        known = direct_channel_id(call.caller.name, party) if name.startswith("dm:") and ":" not in party else name
        if known in readable:
            named.append(known)
        else:
            asked.notes.append(str(NotFound.among("channel", name, readable).message))
    return named


def _moment(call: Call, field: str, text: str | None, otherwise: int | None) -> int | None:
    if text is None:
        return otherwise
    moment = moment_of(text, call.now)
    if moment is None:
        raise BadArgument(f"“{text}” is no date.", hint="As 2026-11-24, today, yesterday or 7d.", field=field)
    return moment


def _position(cursor: str | None) -> tuple[int, int]:
    """Return before which message a block begins, and how many of it were shown. What is no cursor begins anew."""
    match = None if cursor is None else _CURSOR.match(cursor)
    return (_WHOLE, 0) if match is None else (int(match[1]), int(match[2]))


def _next(edge: int, shown: int, block: Sequence[Row], *, older: bool) -> str | None:
    """Return where the next page begins. It names the newest hit of its block, so what comes meanwhile shifts nothing.

    A block that is shown to the end is followed by the next older one.
    """
    if shown < len(block):
        return f"{min(edge, block[0]['id'] + 1)}.{shown}"
    return f"{block[-1]['id']}.0" if older else None


def _hit(row: Row, pattern: re.Pattern[str] | None) -> Hit:
    message = message_of(row)
    return {
        **message,
        "channel_id": message["channel"],
        "from_agent": message["from"],
        "snippet": excerpt(message["content"], pattern),
    }
