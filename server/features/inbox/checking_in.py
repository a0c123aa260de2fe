"""Checking in: report what one does, say something, read what is owed, and wait for it, in one call."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field, StringConstraints

from server.core.call import Call, NotYet, Transaction
from server.core.errors import BadArgument
from server.core.operation import command, operation_of, query
from server.core.permission import READ, SPEAK
from server.features.agents import AgentStatus, say_activity
from server.features.channels import access_of
from server.features.deliveries import MessageDelivery, count_owed, owed_to, seen
from server.features.inbox.views import shown_count
from server.features.messages.model import MESSAGE_COLUMNS, Message, describe_message, message_of, shown_channel
from server.features.messages.sending import send_message
from server.features.reads import all_reads
from server.features.tasks.board import DONE
from server.features.tasks.claims import update_task
from server.features.tasks.model import TaskId, describe_task

LARGEST_BYTES = 40 * 1024
"""Of the messages in one answer: what goes beyond it is owed until it is shown. The largest message fits."""
_BADGE_LOOKS_AT = 100

Status = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=120)]
Text = Annotated[str, Field(min_length=1)]
Destination = Annotated[str, Field(max_length=80, description="#channel or @member.")]


@dataclass(frozen=True, slots=True)
class Reported:
    """What became of what was reported and said."""

    noted: str


@dataclass(frozen=True, slots=True)
class CheckIn:
    messages: list[Message]
    more: int
    unread: int
    timed_out: bool
    noted: str = ""


@dataclass(frozen=True, slots=True)
class Badge:
    """What waits for a member, in a word: so much has come that it has not seen."""

    new: int
    """At most 100."""
    mentions: int
    mentioned_by: list[str]


def _describe_check_in(found: CheckIn) -> str:
    lines = [found.noted] if found.noted else []
    if not found.messages:
        return "\n".join([*lines, f"Nothing new. {shown_count(found.unread)} unread in channels."])
    lines.append(f"{len(found.messages)} new:")
    lines.extend(f"{shown_channel(message['channel'])} {describe_message(message)}" for message in found.messages)
    if found.more:
        lines.append(f"… {found.more} more: check_in again")
    return "\n".join(lines)


@command(allow=READ, emits=list(dict.fromkeys([AgentStatus, *DONE])))
def report_in(
    call: Call,
    *,
    status: Status | None = None,
    task_id: TaskId | None = None,
    to: Destination | None = None,
    text: Text | None = None,
) -> Reported:
    """What goes before checking in: store what the caller does, and send what it says.

    Raises NotFound, NotAllowed, BadArgument, Conflict, TooLarge.
    """
    if (to is None) != (text is None):
        raise BadArgument("“to” and “text” go together.", hint='As to="#general", text="Done."', field="to")
    call.require(
        SPEAK.admits(call.caller.role) or (text is None and task_id is None), "Viewers read: they send nothing."
    )
    words: list[str] = []
    if task_id is not None:
        words.append(f"noted. {describe_task(update_task(call, task_id=task_id, note=status or 'at work'))}")
    if status is not None and call.caller.kind == "agent" and _is_supervised(call.transaction, call.caller.name):
        say_activity(call, call.caller.name, status)
    if status is not None and not words:
        words.append("noted.")
    if to is not None and text is not None:
        words.append(_send(call, to.strip().lower(), text))
    return Reported("\n".join(words))


@command(
    tool="check_in",
    toolset="session",
    allow=READ,
    emits=[MessageDelivery],
    waits=True,
    opening="report_in",
    describe=_describe_check_in,
)
def check_in(
    call: Call,
    *,
    status: Status | None = None,
    task_id: TaskId | None = None,
    to: Destination | None = None,
    text: Text | None = None,
    wait_s: Annotated[float, Field(ge=0, le=300, description="Seconds.")] = 0,
    limit: Annotated[int, Field(ge=1, le=50)] = 20,
) -> CheckIn:
    """Report what you do, say something, and read what is owed to you. May wait. Use between work and when idle.

    Raises NotFound, NotAllowed, BadArgument, Conflict, TooLarge.
    """
    del status, task_id, to, text  # `report_in` has seen to them
    me, transaction = call.caller.name, call.transaction
    owed = owed_to(transaction, me, limit)
    if not owed and call.may_wait:
        raise NotYet(*access_of(transaction, call.caller))
    messages: list[Message] = []
    size = 0
    for item in owed:
        message = _message(transaction, item.message)
        size += len(describe_message(message).encode())
        if messages and size > LARGEST_BYTES:
            break
        messages.append(message)
    seen(call, me, [item.message for item in owed[: len(messages)]], "pull")
    unread = sum(read.unread for read in all_reads(transaction, me))
    noted = call.opened.noted if isinstance(call.opened, Reported) else ""
    return CheckIn(messages, count_owed(transaction, me), unread, timed_out=not messages and wait_s > 0, noted=noted)


@query(allow=READ)
def get_badge(call: Call) -> Badge:
    """What the caller is owed and has not seen. Showing it proves nothing and marks nothing."""
    rows = call.transaction.all(
        "SELECT message.sender, EXISTS (SELECT 1 FROM mention WHERE mention.member = :me"
        " AND mention.channel = message.channel AND mention.message_id = message.id) AS is_named"
        " FROM delivery JOIN message ON message.id = delivery.message_id"
        " WHERE delivery.recipient = :me AND delivery.state IN ('stored', 'pushed') ORDER BY delivery.id LIMIT :limit",
        {"me": call.caller.name, "limit": _BADGE_LOOKS_AT},
    )
    naming = [row["sender"] for row in rows if row["is_named"]]
    return Badge(len(rows), len(naming), list(dict.fromkeys(naming)))


def _send(call: Call, to: str, text: str) -> str:
    member, channel = (to[1:], None) if to.startswith("@") else (None, to.removeprefix("#"))
    describe = operation_of(send_message).describe
    assert describe is not None
    return describe(send_message(call, channel=channel, to=member, content=text))


def _is_supervised(transaction: Transaction, name: str) -> bool:
    return transaction.one("SELECT 1 FROM agent WHERE name = :name", {"name": name}) is not None


def _message(transaction: Transaction, number: int) -> Message:
    row = transaction.one(f"SELECT {MESSAGE_COLUMNS} FROM message WHERE id = :id", {"id": number})  # noqa: S608
    assert row is not None
    return message_of(row)
