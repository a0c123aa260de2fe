"""The five fields of cron: read strictly, explained in a sentence. When they match is croniter's business."""

from collections.abc import Sequence
from dataclasses import dataclass

from server.core.errors import BadArgument

ALIASES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_MONTH_WORDS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
_DAY_WORDS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
_WEEKDAYS, _WEEKEND = frozenset({1, 2, 3, 4, 5}), frozenset({0, 6})
_TOO_MANY_TIMES = 6


@dataclass(frozen=True)
class _Field:
    name: str
    low: int
    high: int
    words: Sequence[str] = ()
    first_word: int = 0


_FIELDS = (
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day of month", 1, 31),
    _Field("month", 1, 12, _MONTHS, 1),
    _Field("day of week", 0, 7, _DAYS, 0),
)


@dataclass(frozen=True)
class Cron:
    """Five fields, each with what it stands for."""

    text: str
    """As croniter is given it."""
    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    """0 is Sunday."""

    @property
    def is_every_hour(self) -> bool:
        """It names no hour: it follows the clock through an hour that comes twice."""
        return len(self.hours) == 24

    @property
    def is_by_day(self) -> bool:
        return self.text.split()[2] != "*"

    @property
    def is_by_weekday(self) -> bool:
        return self.text.split()[4] != "*"

    def sentence(self) -> str:
        """Return in words when it matches."""
        return " ".join(part for part in (self._times(), self._dates(), self._in_months()) if part)

    def _times(self) -> str:
        minutes, hours = sorted(self.minutes), sorted(self.hours)
        if self.is_every_hour:
            step = _step(minutes, 60)
            if step == 1:
                return "every minute"
            if step is not None:
                return f"every {step} minutes"
            return f"every hour at {_and([f':{minute:02d}' for minute in minutes])}"
        if len(minutes) * len(hours) <= _TOO_MANY_TIMES:
            return f"at {_and([f'{hour:02d}:{minute:02d}' for hour in hours for minute in minutes])}"
        step = _step(minutes, 60)
        if step == 1:
            often = "every minute"
        elif step is not None:
            often = f"every {step} minutes"
        else:
            often = f"at {_and([f':{minute:02d}' for minute in minutes])}"
        if hours == list(range(hours[0], hours[-1] + 1)):
            return f"{often} from {hours[0]:02d}:00 to {hours[-1]:02d}:59"
        return f"{often} in the hours {_and([f'{hour:02d}' for hour in hours])}"

    def _dates(self) -> str:
        days = f"on day {_and([str(day) for day in sorted(self.days)])} of the month" if self.is_by_day else ""
        if not self.is_by_weekday or len(self.weekdays) == 7:
            weekdays = "" if self.is_by_weekday else ("every day" if not days and not self.is_every_hour else "")
        elif self.weekdays == _WEEKDAYS:
            weekdays = "on weekdays"
        elif self.weekdays == _WEEKEND:
            weekdays = "on Saturday and Sunday"
        else:
            weekdays = f"on {_and([_DAY_WORDS[day] for day in sorted(self.weekdays, key=lambda day: day or 7)])}"
        return f"{days} and {weekdays}" if days and weekdays else days or weekdays

    def _in_months(self) -> str:
        if len(self.months) == 12:
            return ""
        return f"in {_and([_MONTH_WORDS[month - 1] for month in sorted(self.months)])}"


def read_cron(text: str) -> Cron:
    """Read `minute hour day month weekday` or an alias as `@daily`. Raises BadArgument naming the wrong field."""
    plain = " ".join(text.lower().split())
    plain = ALIASES.get(plain, plain)
    parts = plain.split(" ")
    if plain.startswith("@"):
        raise _bad(text, f"the aliases are {', '.join(ALIASES)}.")
    if len(parts) != len(_FIELDS):
        raise _bad(text, "cron has five fields: minute hour day month weekday.")
    sets = [_read_field(text, part, field) for part, field in zip(parts, _FIELDS, strict=True)]
    sets[4] = frozenset(day % 7 for day in sets[4])
    # Lists only, so that croniter cannot read a range or a step in another way than it was explained.
    listed = [
        part if part == "*" else ",".join(map(str, sorted(found))) for part, found in zip(parts, sets, strict=True)
    ]
    return Cron(" ".join(listed), *sets)


def _read_field(text: str, part: str, field: _Field) -> frozenset[int]:
    values: set[int] = set()
    for item in part.split(","):
        span, slash, step_text = item.partition("/")
        step = 1
        if slash:
            if not (step_text.isascii() and step_text.isdigit() and len(step_text) < 4 and int(step_text) > 0):
                raise _bad(text, f"{field.name}: after / comes a number from 1.")
            step = int(step_text)
        if span == "*":
            low, high = field.low, field.high
        else:
            first, dash, last = span.partition("-")
            low = _number(text, first, field)
            high = _number(text, last, field) if dash else (field.high if slash else low)
        if high < low and field.name == "day of week" and high == 0:
            high = 7
        if high < low:
            raise _bad(text, f"{field.name}: {span} runs backwards. Write two ranges with a comma between them.")
        values.update(range(low, high + 1, step))
    return frozenset(values)


def _number(text: str, word: str, field: _Field) -> int:
    if word in field.words:
        return field.words.index(word) + field.first_word
    if not (word.isascii() and word.isdigit() and len(word) < 3 and field.low <= int(word) <= field.high):
        names = f", or {field.words[0]} to {field.words[-1]}" if field.words else ""
        raise _bad(text, f"{field.name} must be {field.low}-{field.high}{names}.")
    return int(word)


def _bad(text: str, problem: str) -> BadArgument:
    return BadArgument(f"“{text[:80]}”: {problem}", hint="For 01:00 daily use “0 1 * * *”.", field="cron_expr")


def _step(values: Sequence[int], whole: int) -> int | None:
    if len(values) < 2:
        return None
    step = values[1] - values[0]
    return step if whole % step == 0 and list(values) == list(range(0, whole, step)) else None


def _and(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
