"""What people write by a chat bridge: said in their own name, with the rights they have now, each message once.

`approve CODE` and `deny CODE` decide the request that the code came with, `answer CODE TEXT` a question, if that person
may; `status` tells what is being done. Everything else is a message.
"""

import dataclasses
import re
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from server.core.call import Call, Caller
from server.core.errors import BullpenError
from server.core.event import OPERATORS, Event, event
from server.core.names import ChannelName, MemberName
from server.core.operation import command, query
from server.core.permission import MANAGE_NOTIFICATIONS, SPEAK, SYSTEM
from server.features.approvals.deciding import resolve_approval
from server.features.approvals.model import ApprovalChanged
from server.features.approvals.queue import pending_approvals
from server.features.messages.sending import NOTICE_EVENTS, send_message, send_notice
from server.features.notifications.facts import approval_code
from server.features.notifications.model import NotificationChanged, tell
from server.features.notifications.targets import TargetName
from server.features.state.model import StateChanged
from server.features.team import get_meta, put_meta

CHATTING_MS = 10 * 60_000
"""Who has written so recently is there, and not in the dashboard."""
_APPROVE = ("approve", "yes", "ok", "批准", "同意", "通过")
_DENY = ("deny", "reject", "no", "拒绝", "驳回", "不同意")
_ANSWER = ("answer", "回答")
_STATUS = ("status", "进度")
_GAP = "[\\s:\uff1a]"
_DECISION = re.compile(
    rf"^(?P<word>[^\W\d_]+){_GAP}*(?P<code>[0-9a-f]{{4}})(?:{_GAP}+(?P<rest>.*))?$", re.IGNORECASE | re.DOTALL
)


@dataclass(frozen=True)
class Decision:
    """What a person wants decided how."""

    code: str
    approved: bool | None
    """None: it answers a question."""
    text: str


@event("chat_bridge.asked")
class ChatBridgeAsked(Event):
    """Somebody signs a chat bridge in or out."""

    bridge: str
    action: str


@event("chat_bridge.changed")
class ChatBridgeChanged(Event):
    """A chat bridge is connected, or is not any more. Who is interested asks for its state."""

    bridge: str
    state: str
    reason: str


@event("chat_bridge.received")
class ChatReceived(Event):
    """A person wrote by a chat bridge."""

    bridge: str
    member: str
    outcome: str
    """message | decision | status | refused"""


@command(allow=MANAGE_NOTIFICATIONS, emits=[ChatBridgeAsked])
def ask_chat_bridge(call: Call, *, bridge: TargetName, action: Literal["login", "logout"]) -> None:
    """Put on record who signs a chat bridge in or out."""
    call.emit(ChatBridgeAsked(bridge, action), subject=bridge, audience=OPERATORS)


@command(allow=SYSTEM, emits=[ChatBridgeChanged, *NOTICE_EVENTS])
def report_chat_bridge(call: Call, *, bridge: TargetName, state: str, reason: str = "", is_lost: bool = False) -> None:
    """Record that a chat bridge is connected or not; if it was lost, tell the chairman."""
    call.emit(ChatBridgeChanged(bridge, state, reason), subject=bridge, audience=OPERATORS)
    if is_lost:
        for human in call.transaction.all(
            "SELECT name FROM member WHERE kind = 'human' AND role = 'chairman' AND retired_at IS NULL"
        ):
            text = f"The chat bridge {bridge} is signed out: {reason}. Sign in: /settings, or bullpen wechat login"
            send_notice(call, human["name"], text)


@query(allow=SYSTEM)
def get_chat_cursor(call: Call, *, bridge: TargetName) -> str:
    """Up to where a chat bridge has been read."""
    return get_meta(call.transaction, f"chat_cursor:{bridge}") or ""


@command(allow=SYSTEM, emits=[])
def set_chat_cursor(call: Call, *, bridge: TargetName, cursor: str) -> None:
    """Remember up to where a chat bridge has been read, once all before it was taken in."""
    put_meta(call.transaction, f"chat_cursor:{bridge}", cursor)


@command(allow=SYSTEM, emits=[ChatReceived, NotificationChanged, ApprovalChanged, StateChanged, *NOTICE_EVENTS])
def receive_chat(
    call: Call,
    *,
    bridge: TargetName,
    member: MemberName,
    place: ChannelName,
    message_id: Annotated[str, Field(max_length=200)],
    text: str,
) -> str:
    """Take in one message as that human's own, once, and return what to answer them, or nothing."""
    new = call.transaction.run(
        "INSERT INTO chat_message (bridge, id, at) VALUES (:bridge, :id, :now) ON CONFLICT (bridge, id) DO NOTHING",
        {"bridge": bridge, "id": message_id, "now": call.now},
    )
    if not new:
        return ""
    call.transaction.run(
        "INSERT INTO chat_peer (bridge, member, wrote_at) VALUES (:bridge, :member, :now)"
        " ON CONFLICT (bridge, member) DO UPDATE SET wrote_at = :now",
        {"bridge": bridge, "member": member, "now": call.now},
    )
    _wake_waiting(call, bridge, member)
    human = call.transaction.one(
        "SELECT name, kind, role FROM member WHERE name = :name AND kind = 'human' AND retired_at IS NULL",
        {"name": member},
    )
    outcome, answer = "refused", f"{member} is not on this team any more."
    if human is not None:
        caller = Caller(human["name"], human["kind"], human["role"])
        try:
            with call.attempt():
                outcome, answer = _take(dataclasses.replace(call.acting_as(caller), door=bridge), place, text)
        except BullpenError as error:
            answer = f"{error.message} {error.hint}".strip()
    call.emit(ChatReceived(bridge, member, outcome), subject=member, audience=OPERATORS)
    return answer


def is_chatting(call: Call, bridge: str, member: str) -> bool:
    """Tell whether a person has written by a chat bridge a moment ago."""
    row = call.transaction.one(
        "SELECT wrote_at FROM chat_peer WHERE bridge = :bridge AND member = :member",
        {"bridge": bridge, "member": member},
    )
    return row is not None and call.now - row["wrote_at"] < CHATTING_MS


def decision_in(text: str) -> Decision | None:
    """Return what a message decides, or None if it is only a message."""
    match = _DECISION.match(text.strip())
    if match is None:
        return None
    word, rest = match["word"].lower(), (match["rest"] or "").strip()
    if word in _APPROVE or word in _DENY:
        return Decision(match["code"].lower(), word in _APPROVE, rest)
    return Decision(match["code"].lower(), None, rest) if word in _ANSWER else None


def _take(call: Call, place: str, text: str) -> tuple[str, str]:
    word = text.strip().lower()
    if word in _STATUS:
        return "status", _doing(call)
    if word in (*_APPROVE, *_DENY):
        return "refused", f"Which? Say the code too, as: {word} 3f9a"
    decision = decision_in(text)
    if decision is not None:
        return "decision", _decide(call, decision)
    call.require(SPEAK.admits(call.caller.role), f"{call.caller.name} may read here and not write.")
    send_message(call, channel=place, content=text, metadata={"source": call.door})
    return "message", ""


def _decide(call: Call, decision: Decision) -> str:
    call.require(SPEAK.admits(call.caller.role), f"{call.caller.name} may not decide.")
    found = [row for row in pending_approvals(call) if approval_code(row.id, row.hash) == decision.code]
    if len(found) != 1:
        return f"Nothing that waits has the code {decision.code}." if not found else "Decide it in the dashboard."
    (asked,) = found
    if (asked.kind == "question") != (decision.approved is None):
        return (
            f"{asked.id} is a question: answer {decision.code} TEXT"
            if asked.kind == "question"
            else (f"{asked.id} wants approve or deny {decision.code}")
        )
    decided = resolve_approval(
        call,
        approval_id=int(asked.id.removeprefix("ap_")),
        approved=decision.approved,
        answer=decision.text if decision.approved is None else "",
        comment="" if decision.approved is None else decision.text[:1000],
        hash=asked.hash,
    )
    return f"{decided.status}: {decided.summary} ({decided.id})"


def _doing(call: Call) -> str:
    rows = call.transaction.all(
        "SELECT id, title, assignee FROM task WHERE status = 'doing' AND deleted_at IS NULL ORDER BY id LIMIT 20"
    )
    return "\n".join(f"#{row['id']} {row['title']} ({row['assignee']})" for row in rows) or "Nothing is being done."


def _wake_waiting(call: Call, bridge: str, member: str) -> None:
    """Make due what could not be sent until that person wrote."""
    for row in call.transaction.all(
        "UPDATE notification SET next_attempt_at = :now WHERE target = :bridge AND member = :member"
        " AND status = 'pending' AND sending = 0 AND held = 0 AND merged_into IS NULL AND next_attempt_at > :now"
        " RETURNING *",
        {"bridge": bridge, "member": member, "now": call.now},
    ):
        tell(call, row)
