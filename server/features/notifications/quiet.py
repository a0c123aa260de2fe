"""Quiet hours: when they end, and what is told all the same. Pure."""

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo


@dataclass(frozen=True)
class Quiet:
    """From one time of day to another by the wall clock of a zone; over midnight if the end is the earlier."""

    start: str
    end: str
    tz: str
    exceptions: list[str]
    """Kinds and reasons that are told at any time."""


def quiet_until(quiet: Quiet | None, kind: str, reason: str, at: int) -> int | None:
    """Return when the quiet hours end in which a moment lies (both UTC ms), or None if it may be told then."""
    if quiet is None or kind in quiet.exceptions or reason in quiet.exceptions or quiet.start == quiet.end:
        return None
    zone = ZoneInfo(quiet.tz)
    local = (datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=at)).astimezone(zone)
    start, end, now = time.fromisoformat(quiet.start), time.fromisoformat(quiet.end), local.time()
    is_quiet = start <= now < end if start < end else now >= start or now < end
    if not is_quiet:
        return None
    day = local.date() + timedelta(days=1 if now >= end else 0)
    return round(datetime.combine(day, end, zone).timestamp() * 1000)
