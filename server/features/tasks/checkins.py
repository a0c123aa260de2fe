"""How often somebody is asked how far a task is: daily, weekly, biweekly, or by cron (UTC). Pure."""

from server.core.errors import BadArgument
from server.features.schedules.timing import read_timing

_DAYS = {"daily": 1, "weekly": 7, "biweekly": 14}
_DAY_MS = 86_400_000


def next_checkin(interval: str | None, after: int) -> int | None:
    """Return the next time after a moment (UTC ms), or None without an interval. Raises BadArgument."""
    if not interval:
        return None
    if interval in _DAYS:
        return after + _DAYS[interval] * _DAY_MS
    try:
        timing = read_timing(cron_expr=interval, every=None, at=None, zone="UTC", now=after)
    except BadArgument as error:
        raise BadArgument(
            error.message, hint="daily, weekly, biweekly, or cron as “0 9 * * 1-5”.", field="checkin_interval"
        ) from None
    return timing.next_after(after)
