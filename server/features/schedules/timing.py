"""When a schedule runs: by cron in a time zone, every so often, or once. Pure: the one preview there is.

Where clocks change, a wall-clock time that does not exist runs when the gap is over, and one that comes twice runs the
first time only, unless every hour is meant (Vixie cron's rules, by the wall clock and not by luck: croniter alone fires
twice, and never tells).
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from croniter import CroniterError, croniter

from server.core.errors import BadArgument
from server.core.moment import iso
from server.features.schedules.cron import Cron, read_cron

SHORTEST_S, LONGEST_S = 60, 366 * 86_400
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_UNIT_WORDS = ((604_800, "week"), (86_400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))
_EVERY = re.compile(r"^\s*(\d{1,9})\s*([smhdw]?)\s*$")
_NEAR = timedelta(hours=3)
_SHORT_MONTHS = {2: 29, 4: 30, 6: 30, 9: 30, 11: 30}


@dataclass(frozen=True)
class Timing:
    """One of cron, every_s and at is given."""

    zone: ZoneInfo
    cron: Cron | None = None
    every_s: int | None = None
    at: int | None = None
    """UTC ms."""

    def next_after(self, moment: int, *, anchor: int = 0) -> int | None:
        """Return the first run after a moment, or None if there is none. Both UTC ms; `every` counts from `anchor`."""
        if self.at is not None:
            return self.at if self.at > moment else None
        if self.every_s is not None:
            step = self.every_s * 1000
            return anchor + max((moment - anchor) // step + 1, 1) * step
        assert self.cron is not None
        try:
            return _next_by_cron(self.cron, self.zone, moment)
        except CroniterError:
            return None  # 30 February

    def sentence(self) -> str:
        """Return in words when it runs."""
        if self.at is not None:
            local = _utc(self.at).astimezone(self.zone)
            return f"Once, on {local:%Y-%m-%d} at {local:%H:%M}, {self.zone.key}"
        if self.every_s is not None:
            return f"Every {_span(self.every_s)}"
        assert self.cron is not None
        words = self.cron.sentence()
        return f"{words[0].upper()}{words[1:]}, {self.zone.key}"

    def warnings(self, now: int) -> list[str]:
        """Return what may surprise within a year: changes of the clock, days that some months lack."""
        cron = self.cron
        if cron is None:
            return []
        found = []
        if cron.is_by_day and cron.is_by_weekday:
            found.append("Day of month and day of week are both given: it runs on days that match either.")
        if cron.is_by_day and not cron.is_by_weekday:
            days = min(cron.days)
            lacking = [month for month in sorted(cron.months) if _SHORT_MONTHS.get(month, 31) < days]
            if lacking or (cron.days == {29} and 2 in cron.months):
                found.append("Some months have no such day: it does not run in them.")
        if not cron.is_every_hour:
            found += _clock_changes(cron, self.zone, now)
        return found


@dataclass(frozen=True, slots=True)
class Preview:
    """What a schedule means before it is saved."""

    sentence: str
    next: list[str]
    """The next five runs, UTC."""
    local: list[str]
    """The same by the wall clock of its zone, with the offset."""
    warnings: list[str]


def read_timing(
    *, cron_expr: str | None, every: str | None, at: str | None, zone: str, now: int, anchor: int | None = None
) -> Timing:
    """Read when a schedule runs. Raises BadArgument if it never does, or more often than once a minute."""
    place = zone_of(zone)
    if sum(given is not None for given in (cron_expr, every, at)) != 1:
        raise BadArgument("Say when: one of cron_expr, every and at.", hint="As cron_expr=“0 9 * * 1-5”.", field="at")
    if cron_expr is not None:
        timing = Timing(place, cron=read_cron(cron_expr))
        problem, field = f"“{cron_expr}” never happens.", "cron_expr"
    elif every is not None:
        timing, problem, field = Timing(place, every_s=_every(every)), "", "every"
    else:
        assert at is not None
        timing, problem, field = Timing(place, at=_at(at, place)), f"{at} is over.", "at"
    if timing.next_after(now, anchor=now if anchor is None else anchor) is None:
        raise BadArgument(problem, hint="Choose a time that is to come.", field=field)
    return timing


def preview(timing: Timing, now: int, *, anchor: int | None = None, count: int = 5) -> Preview:
    """Return the sentence, the next runs and what may surprise."""
    runs: list[int] = []
    moment: int | None = now
    while len(runs) < count and moment is not None:
        moment = timing.next_after(moment, anchor=now if anchor is None else anchor)
        runs += [] if moment is None else [moment]
    local = [_utc(run).astimezone(timing.zone).isoformat(timespec="minutes") for run in runs]
    return Preview(timing.sentence(), [iso(run) for run in runs], local, timing.warnings(now))


def _next_by_cron(cron: Cron, zone: ZoneInfo, moment: int) -> int:
    now = _utc(moment)
    here = now.astimezone(zone)
    shift = _offset(now + _NEAR, zone) - _offset(now - _NEAR, zone)
    if not shift:
        (wall,) = _walls(cron, here.replace(tzinfo=None), 1)
        return _ms(_instants(cron, wall, zone)[0])
    # The clocks are being changed: wall-clock order is not the order of time, so look at all that is near.
    span = abs(shift) + timedelta(minutes=1)
    naive = here.replace(tzinfo=None)
    found: list[int] = []
    for wall in _walls(cron, naive - span, None):
        found += [at for at in map(_ms, _instants(cron, wall, zone)) if at > moment]
        if found and wall > naive + span:
            break
    return min(found)


def _walls(cron: Cron, after: datetime, count: int | None) -> Iterator[datetime]:
    """Yield wall-clock times that match, as naive datetimes: reckoned in UTC, where no clock changes."""
    matches = croniter(cron.text, after.replace(tzinfo=UTC), ret_type=datetime)
    while count is None or count > 0:
        yield matches.get_next(datetime).replace(tzinfo=None)
        count = None if count is None else count - 1


def _instants(cron: Cron, wall: datetime, zone: ZoneInfo) -> Sequence[datetime]:
    """Return when a wall-clock time is: once, twice if every hour is meant, or at the end of the gap it falls into."""
    first = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if first.astimezone(zone).replace(tzinfo=None) != wall:
        return [_change_between(wall.replace(tzinfo=zone, fold=1).astimezone(UTC), first, zone)]
    second = wall.replace(tzinfo=zone, fold=1).astimezone(UTC)
    return [first, second] if cron.is_every_hour and second != first else [first]


def _change_between(low: datetime, high: datetime, zone: ZoneInfo) -> datetime:
    """Return the moment between two at which the offset of a zone changes."""
    before = _offset(low, zone)
    first, last = int(low.timestamp()), int(high.timestamp())
    while last - first > 1:
        middle = (first + last) // 2
        if _offset(datetime.fromtimestamp(middle, UTC), zone) == before:
            first = middle
        else:
            last = middle
    return datetime.fromtimestamp(last, UTC)


def _clock_changes(cron: Cron, zone: ZoneInfo, now: int) -> list[str]:
    found = []
    day, start = timedelta(days=1), _utc(now)
    for number in range(366):
        low, high = start + number * day, start + (number + 1) * day
        shift = _offset(high, zone) - _offset(low, zone)
        if not shift:
            continue
        change = _change_between(low, high, zone)
        before = (change - timedelta(seconds=1)).astimezone(zone).replace(tzinfo=None) + timedelta(seconds=1)
        first, last = (before, before + shift) if shift > timedelta() else (before + shift, before)
        (wall,) = _walls(cron, first - timedelta(minutes=1), 1)
        if first <= wall < last:
            if shift > timedelta():
                end = change.astimezone(zone)
                found.append(f"{wall:%H:%M} does not exist on {wall:%Y-%m-%d}: it runs at {end:%H:%M}.")
            else:
                found.append(f"{wall:%H:%M} comes twice on {wall:%Y-%m-%d}: it runs the first time.")
    return found


def zone_of(name: str) -> ZoneInfo:
    """Return a time zone by its name. Raises BadArgument."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # also a name that is a folder, or no file's name at all
        raise BadArgument(f"No time zone “{name[:60]}”.", hint="As Europe/Berlin, or UTC.", field="tz") from None


def _every(text: str) -> int:
    match = _EVERY.fullmatch(text)
    seconds = int(match[1]) * _UNITS[match[2] or "s"] if match else 0
    if not SHORTEST_S <= seconds <= LONGEST_S:
        raise BadArgument(f"every {text[:20]} is not from a minute to a year.", hint="As 15m, 2h or 1d.", field="every")
    return seconds


def _at(text: str, zone: ZoneInfo) -> int:
    try:
        moment = datetime.fromisoformat(text.strip())
        return _ms(moment.replace(tzinfo=zone) if moment.tzinfo is None else moment)
    except (ValueError, OverflowError):
        raise BadArgument(f"“{text[:40]}” is no time.", hint="As 2026-11-24T17:00.", field="at") from None


def _span(seconds: int) -> str:
    for unit, word in _UNIT_WORDS:
        if seconds % unit == 0:
            count = seconds // unit
            return word if count == 1 else f"{count} {word}s"
    raise AssertionError(seconds)


def _offset(moment: datetime, zone: ZoneInfo) -> timedelta:
    offset = moment.astimezone(zone).utcoffset()
    assert offset is not None
    return offset


def _utc(moment: int) -> datetime:
    return datetime.fromtimestamp(moment / 1000, UTC)


def _ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
