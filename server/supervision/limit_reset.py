"""When a limit of a model service ends, read from the words with which a CLI tells of it. Pure."""

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_EPOCH = re.compile(r"\|\s*(\d{10})\b")
_IN = re.compile(r"\b(?:retry|again|resets?)\s+(?:after|in)\s+(\d+)\s*(s|sec|seconds?|m|min|minutes?|h|hours?)\b", re.I)
_AT = re.compile(
    r"\bresets?\b[^0-9a-z]*(?:at\s+)?(?:(?P<month>[A-Z][a-z]{2,8})\s+(?P<day>\d{1,2})(?:,|\s+at)?\s+)?"
    r"(?P<hour>\d{1,2})(?::(?P<minute>\d{2}))?\s*(?P<half>am|pm)?\s*(?:\((?P<zone>[A-Za-z_/+-]+)\)|(?P<utc>UTC))?",
    re.I,
)
_SECONDS = {"s": 1, "m": 60, "h": 3600}
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
LONGEST_MS = 8 * 86_400_000
"""What lies further ahead was misread."""


def limit_reset_at(text: str, now: int) -> int | None:
    """Return the moment (UTC ms) at which a limit ends as a text says, or None if it does not say so."""
    found = _moment_in(text, now)
    return found if found is not None and now < found <= now + LONGEST_MS else None


def _moment_in(text: str, now: int) -> int | None:
    if epoch := _EPOCH.search(text):
        return int(epoch[1]) * 1000
    if wait := _IN.search(text):
        return now + int(wait[1]) * _SECONDS[wait[2][0].lower()] * 1000
    if clock := _AT.search(text):
        return _next(clock, now)
    return None


def _next(clock: re.Match[str], now: int) -> int | None:
    """Return the next moment at which a clock in its zone, UTC if none is named, shows a time."""
    hour, minute = int(clock["hour"]), int(clock["minute"] or 0)
    if clock["half"] is None and clock["minute"] is None:
        return None  # a bare number is no time of day
    if clock["half"] is not None:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if clock["half"].lower() == "pm" else 0)
    try:
        zone = ZoneInfo(clock["zone"]) if clock["zone"] else UTC
        here = datetime.fromtimestamp(now / 1000, zone)
        moment = here.replace(hour=hour, minute=minute, second=0, microsecond=0)
        if clock["month"] is not None:
            month = _MONTHS.index(clock["month"][:3].lower()) + 1
            moment = moment.replace(month=month, day=int(clock["day"]))
            if moment < here - timedelta(days=180):
                moment = moment.replace(year=moment.year + 1)
        elif moment <= here:
            moment += timedelta(days=1)
    except (ValueError, ZoneInfoNotFoundError):
        return None
    return round(moment.timestamp() * 1000)
