"""Digests: at its hour, what one person would want to know, put together; and what is old leaves the queue."""

import orjson

from server.core.call import Call
from server.core.moment import iso
from server.core.operation import command
from server.core.permission import SYSTEM
from server.features.notifications.model import Fact, NotificationChanged, enqueue, settings_of
from server.features.notifications.targets import DIGEST_DUE, DIGEST_SINCE
from server.features.reads import all_reads
from server.features.schedules.timing import read_timing
from server.features.team import get_meta, put_meta

KEPT_MS = 30 * 86_400_000
_PRUNE_EVERY_MS = 3_600_000
_LINES = 8


@command(allow=SYSTEM, emits=[NotificationChanged], timed=True)
def make_digest(call: Call) -> int | None:
    """Put the digest into the queue if it is due. One that was missed is made up for once."""
    _prune(call)
    due = int(get_meta(call.transaction, DIGEST_DUE) or 0)
    settings = settings_of(call.transaction)
    if not due or not settings.digest_cron:
        return call.now + _PRUNE_EVERY_MS
    if due > call.now:
        return min(due, call.now + _PRUNE_EVERY_MS)
    since = int(get_meta(call.transaction, DIGEST_SINCE) or 0)
    fact = _digest(call, settings.digest_to, since, due)
    for target in call.transaction.all("SELECT * FROM notification_target WHERE removed_at IS NULL ORDER BY rowid"):
        people = orjson.loads(target["people"])
        told = target["member"] in (None, settings.digest_to) if not people else settings.digest_to in people
        if told and "digest" in orjson.loads(target["events"]):
            enqueue(call, target, settings.digest_to if people else "", fact, settings, at_once=True)
    timing = read_timing(cron_expr=settings.digest_cron, every=None, at=None, zone=settings.digest_tz, now=call.now)
    following = timing.next_after(call.now)
    put_meta(call.transaction, DIGEST_SINCE, str(call.now))
    put_meta(call.transaction, DIGEST_DUE, "" if following is None else str(following))
    call.wake_at(call.now)
    return following


def _digest(call: Call, member: str, since: int, due: int) -> Fact:
    """Say what waits and what was done, without a word of what was written to anybody."""
    waiting = call.transaction.all(
        "SELECT asker, summary FROM approval WHERE status = 'pending' ORDER BY expires_at LIMIT 100"
    )
    failing = call.transaction.all(
        "SELECT name, state, reason FROM agent WHERE state IN ('fatal', 'backoff') ORDER BY name LIMIT 100"
    )
    done = call.transaction.all(
        "SELECT title, assignee FROM task WHERE status = 'done' AND closed_at >= :since AND closed_at < :now"
        " AND deleted_at IS NULL ORDER BY closed_at DESC LIMIT 100",
        {"since": since, "now": call.now},
    )
    reads = all_reads(call.transaction, member)
    unread, mentions = sum(read.unread for read in reads), sum(read.mentions for read in reads)
    parts = [
        _part("Waiting for a decision", [f"{row['asker']}: {row['summary']}" for row in waiting]),
        _part("Failing", [f"{row['name']}: {row['state']}, {row['reason']}" for row in failing]),
        _part("Done", [f"{row['title']} ({row['assignee'] or 'nobody'})" for row in done]),
        f"Unread: {unread}, with {mentions} mentions of {member}" if unread else "",
    ]
    title = f"{len(waiting)} waiting, {len(failing)} failing, {len(done)} done"
    text = "\n".join(part for part in parts if part) or "Nothing waits, nothing failed."
    return Fact("digest", "", "digest", f"digest:{iso(due)}", title, text, "/")


def _part(title: str, lines: list[str]) -> str:
    if not lines:
        return ""
    more = [f"… and {len(lines) - _LINES} more"] if len(lines) > _LINES else []
    return "\n".join([f"{title}:", *(f"- {line}" for line in lines[:_LINES]), *more])


def _prune(call: Call) -> None:
    call.transaction.run(
        "DELETE FROM notification WHERE status <> 'pending' AND coalesce(delivered_at, failed_at) < :before"
        " AND NOT EXISTS (SELECT 1 FROM notification AS other WHERE other.merged_into = notification.id"
        " AND other.status = 'pending')",
        {"before": call.now - KEPT_MS},
    )
    call.transaction.run("DELETE FROM chat_message WHERE at < :before", {"before": call.now - KEPT_MS})
