"""Facts: which events of the log are worth telling outside, and what is said of them. One event, some facts."""

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

import orjson

from server.core.call import Caller, Transaction
from server.core.event import StoredEvent
from server.core.moment import milliseconds
from server.features.channels import find_channel, may_read
from server.features.messages.model import shown_channel
from server.features.notifications.model import Fact

WAIT_UNREAD_MS = 30_000
"""A message that its reader sees in the dashboard within so long is not told outside."""
_LOOP_WITHIN_MS = 10 * 60_000
_LOOP_EXITS = 3
_EXCERPT = 500


def facts_of(transaction: Transaction, event: StoredEvent) -> list[Fact]:
    """Return what one event means to those outside."""
    reader = _READERS.get(event.kind)
    return [] if reader is None else reader(transaction, event, orjson.loads(event.body))


_SAYS_ITSELF = frozenset({"permission", "login", "stall", "limit", "terminal"})
"""Kinds whose summary goes on from the agent's name, as “wants to run: make”."""


def approval_code(approval_id: str, content_hash: str) -> str:
    """Return the short code by which a person decides from outside: of this request with this content."""
    return hashlib.sha256(f"{approval_id} {content_hash}".encode()).hexdigest()[:4]


def _approval(transaction: Transaction, event: StoredEvent, body: Mapping[str, Any]) -> list[Fact]:
    row = body["approval"]
    if row["kind"] == "failure":
        return []  # told as what has become of the agent
    says_itself = row["kind"] in _SAYS_ITSELF
    reason = {
        "question": "question",
        "tool": "permission",
        "permission": "permission",
        "budget": "budget_exceeded",
    }.get(row["kind"], "approval")
    humans = transaction.all(
        "SELECT name, role FROM member WHERE kind = 'human' AND retired_at IS NULL AND name <> :asker", row
    )
    may = frozenset(
        human["name"] for human in humans
        if human["role"] in ("chairman", "operator") or human["name"] == row["delegated_to"]
    )  # fmt: skip
    what = "asks" if reason == "question" else "asks to change shared state" if row["kind"] == "state" else "asks to"
    offered = f"\nOptions: {', '.join(row['options'])}" if row["options"] else ""
    return [
        Fact(
            kind="needs_you",
            reason=reason,
            subject=f"asks:{row['asker']}",
            item=row["id"],
            title=f"{row['asker']} {row['summary']}" if says_itself else f"{row['asker']} {what}: {row['summary']}",
            text=row["details"][:_EXCERPT] + offered,
            path=f"/needs/{row['id']}",
            deciders=may,
            code=approval_code(row["id"], row["hash"]),
            facts={"approval": row["id"], "asker": row["asker"], "kind": row["kind"]},
        )
    ]


def _agent(transaction: Transaction, event: StoredEvent, body: Mapping[str, Any]) -> list[Fact]:
    agent = body["agent"]
    name, path = agent["name"], f"/agents/{agent['name']}"
    found = []
    # Where its CLI says by a word why, the request or the trouble in the queue tells of it.
    is_unexplained = agent["activity"] == "needs_you" and not agent["activity_reason_code"]
    if is_unexplained and agent["state"] in ("ready", "degraded"):
        found.append(
            Fact(
                kind="needs_you",
                reason="permission",
                subject=f"agent:{name}",
                item=f"needs:{name}:{agent['activity_since']}",
                title=f"{name} needs you",
                text=agent["activity_reason"],
                path=path,
                facts={"agent": name, "since": agent["activity_since"]},
            )
        )
    if agent["state"] == "fatal":
        found.append(
            Fact(
                kind="agent_failed",
                reason="fatal",
                subject=f"agent:{name}",
                item=f"fatal:{name}:{agent['since']}",
                title=f"{name} failed and is not started again",
                text=agent["reason"],
                path=path,
                facts={"agent": name},
            )
        )
    elif agent["state"] == "backoff" and _is_looping(transaction, name, event.at):
        found.append(
            Fact(
                kind="agent_failed",
                reason="crash_loop",
                subject=f"agent:{name}",
                item=f"crash_loop:{name}:{event.at // 3_600_000}",  # once an hour is enough
                title=f"{name} keeps failing",
                text=agent["reason"],
                path=path,
                facts={"agent": name},
            )
        )
    return found


def _is_looping(transaction: Transaction, name: str, at: int) -> bool:
    row = transaction.one(
        "SELECT count(*) AS exits FROM run WHERE agent = :name AND ended_at > :since",
        {"name": name, "since": at - _LOOP_WITHIN_MS},
    )
    return row is not None and row["exits"] >= _LOOP_EXITS


def _message(transaction: Transaction, event: StoredEvent, body: Mapping[str, Any]) -> list[Fact]:
    message = body["message"]
    if message["from_kind"] == "system":
        return []  # what the server itself has to say is told as what it is about
    channel = message["channel"]
    is_direct = channel.startswith("dm:")
    concerned = channel.split(":")[1:] if is_direct else message["mentions"]
    found = []
    for name in concerned:
        if name == message["from"]:
            continue
        human = transaction.one(
            "SELECT role FROM member WHERE name = :name AND kind = 'human' AND retired_at IS NULL", {"name": name}
        )
        if human is None:
            continue
        place = find_channel(transaction, channel)
        if place is None or not may_read(Caller(name, "human", human["role"]), place):
            continue
        sender = message["from"]
        found.append(
            Fact(
                kind="dm" if is_direct else "mention",
                reason="",
                subject=f"{channel}:{name}",
                item=message["id"],
                title=f"Message from {sender}" if is_direct else f"{sender} mentions you in {shown_channel(channel)}",
                text="",  # read when it is sent: it may be edited, and of a deleted one nothing is kept
                path=f"/dm/{sender}" if is_direct else f"/c/{channel}",
                member=name,
                wait_ms=WAIT_UNREAD_MS,
                facts={"message": message["id"], "channel": channel, "from": sender},
            )
        )
    return found


def _task(transaction: Transaction, event: StoredEvent, body: Mapping[str, Any]) -> list[Fact]:
    task = body["task"]
    if task["status"] != "done" or task["deleted"] or event.at != milliseconds(task["closed_at"]):
        return []
    return [
        Fact(
            kind="task_done",
            reason="",
            subject=f"done:{task['parent_id'] or task['assignee'] or task['creator']}",
            item=f"{task['id']}:{task['closed_at']}",
            title=f"Done: {task['title']}",
            text=task["result"][:_EXCERPT],
            path=f"/tasks/{task['id']}",
            facts={"task": task["id"], "assignee": task["assignee"]},
        )
    ]


def _guard(transaction: Transaction, event: StoredEvent, body: Mapping[str, Any]) -> list[Fact]:
    guard = body["guard"]
    return [
        Fact(
            kind="guard",
            reason="",
            subject=f"guard:{guard['channel']}",
            item=guard["id"],
            title=f"A guard pauses {' and '.join(guard['members'])} in {shown_channel(guard['channel'])}",
            text=guard["evidence"],
            path="/",
            facts={"guard": guard["id"], "channel": guard["channel"]},
        )
    ]


_READERS: Mapping[str, Callable[[Transaction, StoredEvent, Mapping[str, Any]], list[Fact]]] = {
    "approval.created": _approval,
    "agent.status": _agent,
    "message.created": _message,
    "message.updated": _message,  # an edit may name somebody for the first time; the others were told of this item
    "task.changed": _task,
    "guard.tripped": _guard,
}
WORTH_A_LOOK = frozenset(_READERS)
"""Kinds of events that may be told of."""
