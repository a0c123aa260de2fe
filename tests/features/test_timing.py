"""When schedules run: the wall clock of a zone, also where it is changed, against a year walked minute by minute."""

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.core.errors import BadArgument
from server.features.schedules.cron import Cron, read_cron
from server.features.schedules.timing import Timing, preview, read_timing

ZONES = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata")
YEAR = 2026
EXPRESSIONS = (
    "30 2 * * *", "*/15 2 * * *", "0 3 * * *", "*/30 * * * *", "15 1-3 * * *", "0 */2 * * *", "45 1 * * sun",
    "0 9 * * 1-5", "0 0 29 2 *", "0 12 1,15 * mon", "10 2 * mar,oct sun", "0 0 1 * *",
)  # fmt: skip


_MINUTE = timedelta(minutes=1)


def _ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def _minutes(zone: ZoneInfo) -> Iterator[tuple[datetime, datetime, bool]]:
    """Walk a year by minutes: the moment, its wall clock, whether that came before. Clocks change on a half hour."""
    moment, end, minute = datetime(YEAR, 1, 1, tzinfo=UTC), datetime(YEAR + 1, 1, 1, tzinfo=UTC), timedelta(minutes=1)
    while moment < end:
        local = moment.astimezone(zone)
        wall = local.replace(tzinfo=None, fold=0)
        for _ in range(30):
            yield moment, wall, local.fold == 1
            moment, wall = moment + minute, wall + minute


def _matches(cron: Cron, wall: datetime) -> bool:
    if wall.minute not in cron.minutes or wall.hour not in cron.hours or wall.month not in cron.months:
        return False
    by_day, by_weekday = wall.day in cron.days, wall.isoweekday() % 7 in cron.weekdays
    return by_day or by_weekday if cron.is_by_day and cron.is_by_weekday else by_day and by_weekday


def _expected(crons: list[Cron], zone: ZoneInfo) -> list[list[int]]:
    """Find the runs of a year by looking at every minute of it, and at every minute the clock leaves out."""
    found: list[list[int]] = [[] for _ in crons]
    last: datetime | None = None
    for moment, wall, repeated in _minutes(zone):
        left_out = []
        if last is not None and wall - last > _MINUTE:
            minutes = round((wall - last) / _MINUTE)
            left_out = [last + number * _MINUTE for number in range(1, minutes)]
        last = wall
        for runs, cron in zip(found, crons, strict=True):
            due = _matches(cron, wall) and (not repeated or cron.is_every_hour)
            if due or any(_matches(cron, missing) for missing in left_out):
                runs.append(_ms(moment))
    return found


@pytest.mark.parametrize("zone", ZONES)
def test_a_year_with_both_changes_of_the_clock_has_exactly_the_right_runs(zone: str) -> None:
    place = ZoneInfo(zone)
    crons = [read_cron(text) for text in EXPRESSIONS]
    start, end = _ms(datetime(YEAR, 1, 1, tzinfo=UTC)) - 1, _ms(datetime(YEAR + 1, 1, 1, tzinfo=UTC))
    for cron, expected in zip(crons, _expected(crons, place), strict=True):
        timing, runs = Timing(place, cron=cron), []
        moment = timing.next_after(start)
        while moment is not None and moment < end:
            runs.append(moment)
            moment = timing.next_after(moment)
        assert runs == expected, cron.text


@pytest.mark.parametrize("zone", ZONES)
@given(minute=st.integers(0, 365 * 1440), text=st.sampled_from(EXPRESSIONS))
@settings(max_examples=100, deadline=None)
def test_the_next_run_is_to_come_and_nothing_lies_between(zone: str, minute: int, text: str) -> None:
    moment = _ms(datetime(YEAR, 1, 1, tzinfo=UTC)) + minute * 60_000
    timing = Timing(ZoneInfo(zone), cron=read_cron(text))
    following = timing.next_after(moment)
    assert following is not None
    assert following > moment
    assert timing.next_after((moment + following) // 2) == following


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("0 9 * * 1-5", "At 09:00 on weekdays, Europe/Berlin"),
        ("@daily", "At 00:00 every day, Europe/Berlin"),
        ("*/15 * * * *", "Every 15 minutes, Europe/Berlin"),
        ("* * * * *", "Every minute, Europe/Berlin"),
        ("5 * * * *", "Every hour at :05, Europe/Berlin"),
        ("*/20 9-17 * * mon-fri", "Every 20 minutes from 09:00 to 17:59 on weekdays, Europe/Berlin"),
        ("0 8,20 1 jan *", "At 08:00 and 20:00 on day 1 of the month in January, Europe/Berlin"),
        ("0 0 13 * fri", "At 00:00 on day 13 of the month and on Friday, Europe/Berlin"),
        ("30 6 * * sat,sun", "At 06:30 on Saturday and Sunday, Europe/Berlin"),
        ("0 0 * * fri-sun", "At 00:00 on Friday, Saturday and Sunday, Europe/Berlin"),
    ],
)
def test_a_schedule_is_told_in_a_sentence(text: str, sentence: str) -> None:
    assert Timing(ZoneInfo("Europe/Berlin"), cron=read_cron(text)).sentence() == sentence


def test_what_surprises_is_said_before_it_happens() -> None:
    now = _ms(datetime(2026, 1, 1, tzinfo=UTC))

    def warnings(text: str, zone: str = "Europe/Berlin") -> list[str]:
        return preview(read_timing(cron_expr=text, every=None, at=None, zone=zone, now=now), now).warnings

    assert warnings("30 2 * * *") == [
        "02:30 does not exist on 2026-03-29: it runs at 03:00.",
        "02:30 comes twice on 2026-10-25: it runs the first time.",
    ]
    assert warnings("30 2 * * *", "Asia/Kolkata") == []
    assert warnings("0 9 * * *") == []
    assert warnings("0 0 13 * fri") == [
        "Day of month and day of week are both given: it runs on days that match either."
    ]
    assert warnings("0 12 31 * *") == ["Some months have no such day: it does not run in them."]


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("0 25 * * *", "hour must be 0-23"),
        ("60 * * * *", "minute must be 0-59"),
        ("0 0 0 * *", "day of month must be 1-31"),
        ("0 0 * foo *", "month must be 1-12, or jan to dec"),
        ("0 0 * * 8", "day of week must be 0-7"),
        ("R R * * *", "minute must be 0-59"),
        ("H * * * *", "minute must be 0-59"),
        ("0 0 L * *", "day of month must be 1-31"),
        ("0 0 * * 1#2", "day of week must be"),
        ("* * * * * *", "five fields"),
        ("* * * *", "five fields"),
        ("@fortnightly", "the aliases are"),
        ("*/0 * * * *", "after / comes a number"),
        ("0 22-2 * * *", "runs backwards"),
        ("0 0 31 2 *", "never happens"),
        ("٣ * * * *", "minute must be"),
    ],
)
def test_what_is_no_cron_is_refused_by_field(text: str, field: str) -> None:
    with pytest.raises(BadArgument, match=field):
        read_timing(cron_expr=text, every=None, at=None, zone="UTC", now=0)


def test_every_and_at_are_read_and_kept_to() -> None:
    now = _ms(datetime(2026, 1, 1, tzinfo=UTC))
    every = read_timing(cron_expr=None, every="90m", at=None, zone="UTC", now=now)
    first = every.next_after(now, anchor=now)
    assert first == now + 90 * 60_000
    assert every.next_after(first + 1000, anchor=now) == now + 180 * 60_000, "late runs do not move the later ones"
    assert every.sentence() == "Every 90 minutes"
    once = read_timing(cron_expr=None, every=None, at="2026-07-01T09:00", zone="Europe/Berlin", now=now)
    assert once.next_after(now) == _ms(datetime(2026, 7, 1, 7, tzinfo=UTC))
    assert once.next_after(_ms(datetime(2026, 7, 1, 7, tzinfo=UTC))) is None
    for wrong in (
        {"every": "10s"},
        {"every": "often"},
        {"at": "2020-01-01"},
        {"at": "soon"},
        {"every": "1h", "at": "x"},
    ):
        with pytest.raises(BadArgument):
            read_timing(**{"cron_expr": None, "every": None, "at": None, "zone": "UTC", "now": now, **wrong})  # type: ignore[arg-type]
    for zone in ("Mars/Base", "../etc/passwd", "", "/etc/passwd", "Europe", "\0"):
        with pytest.raises(BadArgument):
            read_timing(cron_expr="* * * * *", every=None, at=None, zone=zone, now=now)


_FIELD = st.text("0123456789*/,-", min_size=1, max_size=8) | st.sampled_from(["*", "*/5", "1-5", "mon", "L", "31", "2"])
_CRON = st.lists(_FIELD, min_size=5, max_size=5).map(" ".join) | st.text(max_size=40)


@given(_CRON, st.sampled_from(ZONES))
@settings(max_examples=5000, deadline=None)
def test_any_text_is_read_or_refused(text: str, zone: str) -> None:
    with contextlib.suppress(BadArgument):
        timing = read_timing(cron_expr=text, every=None, at=None, zone=zone, now=1_800_000_000_000)
        assert timing.sentence()
