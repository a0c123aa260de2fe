"""Builds the inbox: quiet channels whole, busy ones in short, never more than fits; showing it marks nothing read."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Literal

from pydantic import Field

from server.core.call import Call, Row, Transaction
from server.core.names import Cursor, message_id, offset_of
from server.core.operation import query
from server.core.permission import READ
from server.features.inbox.changes import changes_for, marks_of
from server.features.inbox.model import Inbox, InboxChannel, InboxMessage, Reason, Room, describe_inbox
from server.features.inbox.summary import active_threads, concerning, first_lines, newest_rows, rows_of
from server.features.messages.model import MESSAGE_COLUMNS, message_of
from server.features.reads import PROGRAMS, UNREAD, Read, all_reads, note_shown, shown_up_to

NEWEST = 5
"""Of a busy channel."""
_PART_BYTES = 500
"""What a channel takes beside its messages."""
Only = Literal["all", "mentions", "withheld"]
_Scope = Literal["all", "concerning", "rest", "nothing"]


@query(
    "GET /api/inbox",
    tool="get_inbox",
    toolset="inbox",
    allow=READ,
    describe=describe_inbox,
    hidden=["summary_threshold"],
)
def get_inbox(
    call: Call,
    *,
    detail_limit: Annotated[int, Field(ge=1, le=50)] = 10,
    summary_threshold: Annotated[int, Field(ge=1, le=200)] = 20,
    only: Only | None = None,
    cursor: Cursor | None = None,
) -> Inbox:
    """Unread messages by channel, and what changed for you. Busy channels in short. Returns ack ids."""
    me, transaction = call.caller.name, call.transaction
    room = Room()
    changes, changes_up_to, more_changes = ([], None, False) if cursor else changes_for(transaction, me)
    room.take(changes)
    inbox = _Inbox(call, detail_limit, summary_threshold, only, room)
    reads = sorted((read for read in all_reads(transaction, me) if read.unread), key=lambda read: _rank(read.channel))
    channel, _, shown = (cursor or "").partition("@")
    rest = [read for read in reads if not cursor or _rank(read.channel) >= _rank(channel)]
    inbox.fill(rest, channel, offset_of(shown))
    if changes_up_to is not None and changes_up_to > marks_of(transaction, me)[0]:
        call.follow_up("mark_changes_shown", member=me, seq=changes_up_to)
    return Inbox(
        agent=me,
        total_unread=sum(read.unread for read in reads),
        total_withheld=inbox.withheld,
        channels=inbox.parts,
        changes=changes,
        changes_ack_id=None if changes_up_to is None else f"chg_{changes_up_to}",
        more_changes=more_changes,
        next_cursor=inbox.next_cursor,
    )


def _rank(channel: str) -> tuple[bool, str]:
    """Order channels: what somebody wrote to one alone comes first."""
    return not channel.startswith("dm:"), channel


@dataclass
class _Inbox:
    """An inbox as it is filled, channel by channel, until there is no room."""

    call: Call
    detail_limit: int
    summary_threshold: int
    only: Only | None
    room: Room
    parts: list[InboxChannel] = field(default_factory=list)
    withheld: int = 0
    next_cursor: str | None = None

    def fill(self, reads: Sequence[Read], first: str, shown: int) -> None:
        """Take in what is unread in these channels; of the first, only what comes after a message."""
        for read in reads:
            scope = _scope(read.level, self.only)
            mark = _number(read.last_read)
            after = max(mark, shown) if read.channel == first else mark
            held_back = self._held_back(read, mark)
            self.withheld += held_back
            if scope is None or self.next_cursor is not None:
                continue
            if not self.room.take(read.channel, beside=_PART_BYTES):
                self.next_cursor = read.channel
                continue
            summarised = scope == "all" and read.unread > self.summary_threshold and after == mark
            part = self._summary(read, mark) if summarised else self._messages(read, after, scope)
            if part is not None:
                self.parts.append(replace(part, withheld=held_back))

    def _held_back(self, read: Read, mark: int) -> int:
        if read.level == "all":
            return 0
        if read.level == "none":
            return read.unread
        named, owed = concerning(self.call.transaction, self.call.caller.name, read.channel, mark)
        return max(0, read.unread - len(named | owed))

    def _messages(self, read: Read, after: int, scope: _Scope) -> InboxChannel:
        me, channel = self.call.caller.name, read.channel
        named, owed = concerning(self.call.transaction, me, channel, after)
        rows = _rows(self.call.transaction, me, channel, after, scope, named | owed, self.detail_limit)
        messages = self._shown(rows, named, owed)
        if len(messages) < len(rows):
            self.next_cursor = f"{channel}@{_number(messages[-1]['id']) if messages else after}"
        return self._part(read, "messages", messages, whole_after=after if scope == "all" else _number(read.last_read))

    def _summary(self, read: Read, mark: int) -> InboxChannel | None:
        """Shorten a busy channel; None if there is no room for it beside what is there already."""
        me, channel, transaction = self.call.caller.name, read.channel, self.call.transaction
        named, owed = concerning(transaction, me, channel, mark)
        newest = newest_rows(transaction, me, channel, mark, min(self.detail_limit, NEWEST))
        wanted = {*sorted(named)[-self.detail_limit :], *sorted(owed)[: self.detail_limit]}
        rows = rows_of(transaction, me, channel, mark, wanted | {row["id"] for row in newest})
        threads, lines = active_threads(transaction, channel, mark), first_lines(newest)
        if not self.room.take((threads, lines)):
            self.next_cursor = channel
            return None
        first = [row for row in rows if row["id"] in wanted]
        messages = self._shown([*first, *(row for row in rows if row["id"] not in wanted)], named, owed)
        if len(messages) < len(rows) and self.parts:
            self.next_cursor = channel
            return None
        messages.sort(key=lambda message: _number(message["id"]))
        part = self._part(read, "summary", messages, whole_after=mark)
        return replace(part, threads=threads, topic_summary=lines)

    def _shown(self, rows: Sequence[Row], named: Collection[int], owed: Collection[int]) -> list[InboxMessage]:
        """Return as many messages as there is room for."""
        shown: list[InboxMessage] = []
        for row in rows:
            why: Reason = "mention" if row["id"] in named else "owed" if row["id"] in owed else "new"
            message = self.room.take_message({**message_of(row), "why": why, "clipped": False})
            if message is None:
                break
            shown.append(message)
        return shown

    def _part(
        self, read: Read, mode: Literal["messages", "summary"], messages: list[InboxMessage], *, whole_after: int
    ) -> InboxChannel:
        call, me, channel = self.call, self.call.caller.name, read.channel
        mark = _number(read.last_read)
        known = shown_up_to(call.transaction, me, channel) if call.caller.kind in PROGRAMS else whole_after
        whole = {_number(message["id"]) for message in messages if not message["clipped"]}
        reached = known
        for row in call.transaction.all(
            f"SELECT id FROM message WHERE {UNREAD} ORDER BY id LIMIT :limit",  # noqa: S608
            {"member": me, "channel": channel, "after": known, "limit": len(whole) + 1},
        ):
            if row["id"] not in whole:
                break
            reached = row["id"]
        note_shown(call, channel, known + 1, reached)
        newest = newest_rows(call.transaction, me, channel, mark, 1)
        more = max(0, read.unread - len(messages))
        return InboxChannel(
            channel=channel,
            delivery_mode=mode,
            unread_count=read.unread,
            mentions=read.mentions,
            ack_id=message_id(reached) if reached > mark else None,
            messages=messages,
            more=more,
            skip_to=message_id(newest[0]["id"]) if more and newest else None,
            withheld=0,
            threads=[],
            topic_summary="",
        )


def _scope(level: str, only: Only | None) -> _Scope | None:
    """Say what of a channel is shown; None: the channel is left out."""
    if only == "all":
        return "all"
    if only == "mentions":
        return "concerning"
    if only == "withheld":
        return None if level == "all" else "rest" if level == "mentions" else "all"
    return "all" if level == "all" else "concerning" if level == "mentions" else "nothing"


def _rows(
    transaction: Transaction, member: str, channel: str, after: int, scope: _Scope, concerned: set[int], limit: int
) -> Sequence[Row]:
    if scope == "nothing":
        return []
    if scope == "concerning":
        return rows_of(transaction, member, channel, after, sorted(concerned)[:limit])
    rest = "" if scope == "all" else (
        " AND NOT EXISTS (SELECT 1 FROM mention WHERE mention.member = :member AND mention.channel = :channel"
        " AND mention.message_id = message.id)"
    )  # fmt: skip
    return transaction.all(
        f"SELECT {MESSAGE_COLUMNS} FROM message WHERE {UNREAD}{rest} ORDER BY id LIMIT :limit",  # noqa: S608
        {"member": member, "channel": channel, "after": after, "limit": limit},
    )


def _number(message: str | None) -> int:
    return 0 if message is None else int(message.partition("_")[2])
