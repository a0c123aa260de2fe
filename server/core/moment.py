"""Points in time: integer UTC milliseconds inside and in SQL, ISO 8601 outside."""

from datetime import UTC, datetime
from functools import lru_cache


def iso(at: int) -> str:
    """Return UTC milliseconds as ISO 8601 with milliseconds and Z."""
    seconds, milliseconds = divmod(at, 1000)
    return f"{_to_the_second(seconds)}.{milliseconds:03d}Z"


@lru_cache(maxsize=4096)  # what happens now happens in the same second, and formatting is dear
def _to_the_second(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}"


def iso_or_none(at: int | None) -> str | None:
    return None if at is None else iso(at)


def milliseconds(text: str) -> int:
    """Read an ISO 8601 time (UTC if it names no zone) as UTC milliseconds. Raises ValueError."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return round(moment.timestamp() * 1000)
