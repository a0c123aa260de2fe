"""The one follower of the log: from a cursor that is stored with what it made, so nothing is lost or told twice."""

from collections.abc import Iterator

import orjson

from server.core.call import Call, Row
from server.core.operation import command
from server.core.permission import SYSTEM
from server.events import log
from server.features.notifications.chat import is_chatting
from server.features.notifications.facts import facts_of
from server.features.notifications.model import Fact, NotificationChanged, enqueue, settings_of
from server.features.notifications.targets import CURSOR
from server.features.team import get_meta, put_meta

_AT_ONCE = 500


@command(allow=SYSTEM, emits=[NotificationChanged])
def follow_events(call: Call) -> bool:
    """Turn what has happened since the cursor into notifications. Returns whether there is more."""
    after = int(get_meta(call.transaction, CURSOR) or 0)
    rows = log.between(call.transaction, after, 2**62, _AT_ONCE)
    targets = call.transaction.all("SELECT * FROM notification_target WHERE removed_at IS NULL ORDER BY rowid")
    if not rows or not targets:
        return False
    settings = settings_of(call.transaction)
    for event in rows:
        for fact in facts_of(call.transaction, event):
            for target in targets:
                for member in _told(target, fact):
                    at_once = fact.member is not None and is_chatting(call, target["name"], member)
                    enqueue(call, target, member, fact, settings, at_once=at_once)
    put_meta(call.transaction, CURSOR, str(rows[-1].seq))
    return len(rows) == _AT_ONCE


def _told(target: Row, fact: Fact) -> Iterator[str]:
    """Yield whom of a target's people a fact is for; the empty name stands for the target itself."""
    if fact.kind not in orjson.loads(target["events"]):
        return
    people = orjson.loads(target["people"])
    if target["type"] == "wechat":
        for name in people:
            if fact.member in (None, name) and (fact.deciders is None or name in fact.deciders):
                yield name
    elif fact.member is None or fact.member == target["member"]:
        yield ""
