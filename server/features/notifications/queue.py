"""The queue as people see it: what was told, what is to be, what could not be; and once more by hand."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from server.core.call import Call, NotYet
from server.core.errors import Conflict
from server.core.event import OPERATORS
from server.core.names import Cursor, Limit
from server.core.operation import command, query
from server.core.permission import MANAGE_NOTIFICATIONS
from server.features.notifications.model import (
    Notification,
    NotificationChanged,
    NotificationId,
    change_notification,
    find_notification,
    notification_of,
)
from server.features.notifications.targets import TargetName, find_target


@dataclass(frozen=True, slots=True)
class Notifications:
    notifications: list[Notification]
    next_cursor: str | None


@query("GET /api/notifications", allow=MANAGE_NOTIFICATIONS)
def list_notifications(
    call: Call,
    *,
    status: Literal["pending", "delivered", "failed", "all"] = "all",
    target: TargetName | None = None,
    limit: Limit = 50,
    cursor: Cursor | None = None,
) -> Notifications:
    """What was told to the outside, and what is to be, newest first."""
    rows = call.transaction.all(
        "SELECT * FROM notification WHERE id < :before AND (:status = 'all' OR status = :status)"
        " AND (:target IS NULL OR target = :target) ORDER BY id DESC LIMIT :limit",
        {
            "before": int(cursor) if cursor is not None and cursor.isdigit() and len(cursor) < 19 else 2**62,
            "status": status,
            "target": target,
            "limit": limit,
        },
    )
    found = [notification_of(row) for row in rows]
    return Notifications(found, str(rows[-1]["id"]) if len(rows) == limit else None)


@query("GET /api/notifications/{id}", allow=MANAGE_NOTIFICATIONS, waits=True)
def get_notification(
    call: Call,
    *,
    id: NotificationId,  # noqa: A002 (the name in the route)
    wait_s: Annotated[float, Field(ge=0, le=60, description="Wait up to this long for its first attempt.")] = 0,
) -> Notification:
    """One notification. Waits until it was tried once if you say how long.

    Raises NotFound.
    """
    row = find_notification(call.transaction, id)
    if row["status"] == "pending" and not row["error"] and call.may_wait:
        raise NotYet(OPERATORS)
    return notification_of(row)


@command("POST /api/notifications/{id}/retry", allow=MANAGE_NOTIFICATIONS, emits=[NotificationChanged])
def retry_notification(call: Call, *, id: NotificationId) -> Notification:  # noqa: A002 (the name in the route)
    """Send a notification now that failed or waits. One that was put together with others goes with these.

    Raises NotFound, Conflict.
    """
    row = find_notification(call.transaction, id)
    if row["merged_into"] is not None:
        row = find_notification(call.transaction, row["merged_into"])
    if row["status"] == "delivered":
        raise Conflict(f"ntf_{row['id']} was delivered.", hint="To see whether a target works, send it a test.")
    find_target(call.transaction, row["target"])
    fresh = {"status": "pending", "failed_at": None, "error": "", "held": 0, "sending": 0}
    return notification_of(change_notification(call, row, **fresh, attempts=0, next_attempt_at=call.now))
