"""What an inbox shows, and how much of it at once."""

from dataclasses import dataclass
from typing import Literal

import orjson

from server.features.messages.model import Message, describe_message, shown_channel

LARGEST_BYTES = 44 * 1024
"""Of one answer as JSON: the largest message fits whole, and so does its text into the result of a tool."""
LARGEST_MESSAGE_BYTES = 40 * 1024
"""Of one message as JSON, in which a character may have six bytes."""
EXCERPT_CHARACTERS = 2000
"""Shown of a message that is too large even by itself."""

Reason = Literal["mention", "owed", "new"]


class InboxMessage(Message):
    """A message as the inbox shows it."""

    why: Reason
    clipped: bool
    """Only its beginning is shown: read it with get_history."""


@dataclass(frozen=True, slots=True)
class ActiveThread:
    thread: str
    replies: int
    """Of the channel's newest messages."""
    first_line: str


@dataclass(frozen=True, slots=True)
class InboxChannel:
    """What is unread in one channel: its messages, or a summary where there are many."""

    channel: str
    delivery_mode: Literal["messages", "summary"]
    unread_count: int
    """Stops at 1000, as every count here."""
    mentions: int
    ack_id: str | None
    """Acknowledge up to here: everything unread before it was shown whole. None if the oldest was not."""
    messages: list[InboxMessage]
    more: int
    """Unread ones that are not shown here."""
    skip_to: str | None
    """The newest. Acknowledged with `skip`, it passes over `more` that you were not shown."""
    withheld: int
    """Unread ones that your notification level holds back: only="withheld" shows them."""
    threads: list[ActiveThread]
    topic_summary: str


@dataclass(frozen=True, slots=True)
class InboxChange:
    """Something that concerns one and is no message: an assignment, a decision, a field one follows."""

    id: str
    kind: Literal["task", "decision", "state"]
    subject: str
    by: str
    at: str
    text: str


@dataclass(frozen=True, slots=True)
class Inbox:
    agent: str
    total_unread: int
    total_withheld: int
    channels: list[InboxChannel]
    changes: list[InboxChange]
    changes_ack_id: str | None
    """Acknowledge the changes up to here."""
    more_changes: bool
    next_cursor: str | None
    """For what had no room in this answer."""


class Room:
    """What is left of the bytes of one answer."""

    def __init__(self) -> None:
        self._left = LARGEST_BYTES

    def take(self, part: object, *, beside: int = 0) -> bool:
        """Make room for a part and some bytes beside it, if there is any left for it."""
        size = len(orjson.dumps(part)) + 1 + beside
        if size > self._left:
            return False
        self._left -= size
        return True

    def take_message(self, message: InboxMessage) -> InboxMessage | None:
        """Make room for a message, or for its beginning if it is too large for any answer; None if it must wait."""
        if len(orjson.dumps(message)) > LARGEST_MESSAGE_BYTES:
            excerpt = message["content"][:EXCERPT_CHARACTERS] + " …"
            message = {**message, "content": excerpt, "metadata": {}, "clipped": True}
        return message if self.take(message) else None


def describe_inbox(inbox: Inbox) -> str:
    """Return an inbox as compact text for a model."""
    lines: list[str] = []
    for part in inbox.channels:
        lines.append(f"{shown_channel(part.channel)}: {_counts(part)}")
        lines.extend(f"  {_describe(message)}" for message in part.messages)
        lines.extend(f"  thread {each.thread}: {each.replies} replies: {each.first_line}" for each in part.threads)
        if part.delivery_mode == "summary" and part.topic_summary:
            lines.append(f"  newest: {part.topic_summary}")
        if part.more:
            lines.append(f"  {part.more} not shown: {_how_to_go_on(part)}")
    if inbox.changes:
        more = ", more after that" if inbox.more_changes else ""
        lines.append(f'changes (ack_inbox changes="{inbox.changes_ack_id}"{more}):')
        lines.extend(f"  {change.text}" for change in inbox.changes)
    if inbox.next_cursor is not None:
        lines.append(f'… there is more: get_inbox(cursor="{inbox.next_cursor}")')
    return "\n".join(lines) or "Nothing unread."


def _counts(part: InboxChannel) -> str:
    unread = "999+" if part.unread_count >= 1000 else str(part.unread_count)
    ack = f", ack_id {part.ack_id}" if part.ack_id else ""
    withheld = f", {part.withheld} withheld by your notification level" if part.withheld else ""
    return f"{unread} unread, {part.mentions} mentions{ack}{withheld}"


def _describe(message: InboxMessage) -> str:
    mark = "" if message["why"] == "new" else f"  [{message['why']}]"
    clipped = "  [clipped: get_history]" if message["clipped"] else ""
    return f"{describe_message(message)}{mark}{clipped}"


def _how_to_go_on(part: InboxChannel) -> str:
    if part.delivery_mode == "summary":
        return f"read them with get_history, or pass over them: ack_id {part.skip_to} with skip=true"
    return "acknowledge these and ask again"
