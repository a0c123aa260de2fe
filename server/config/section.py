"""Reading a mapping key by key, noting what is wrong instead of stopping at it. Knows no key of the team file."""

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from server.config.document import Place, Problem, Value
from server.config.secrets import SecretReference, parse_secret

_SIZE = re.compile(r"^([0-9]{1,6}) ?([KMGT]iB)$")
_UNIT_BYTES = {"KiB": 1024, "MiB": 1024**2, "GiB": 1024**3, "TiB": 1024**4}
_DURATION = re.compile(r"^(\d+(?:\.\d+)?)(ms|s|m|h|d)$")
_UNIT_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def nearest(word: str, known: Iterable[str]) -> str:
    """Return the hint that names the most similar known word, or those that there are."""
    choices = sorted(known)
    near = difflib.get_close_matches(word, choices, n=1, cutoff=0.55)
    if near:
        return f"Did you mean “{near[0]}”?"
    return f"Known: {', '.join(choices)}." if choices else ""


class Section:
    """A mapping being read: each getter notes a problem and returns the default instead of raising."""

    def __init__(self, value: Value, path: str, problems: list[Problem]) -> None:
        self.place = value.place
        self.path = path
        self.problems = problems
        self._key_places = value.key_places
        self._data: dict[str, Value] = {}
        if isinstance(value.data, dict):
            self._data = value.data
        elif value.data is not None:
            self.problem(value.place, f"{path or 'the file'} takes keys and values, not {_shape(value)}.")

    def __contains__(self, key: str) -> bool:
        return key in self._data

    def __iter__(self) -> Iterator[tuple[str, Value]]:
        return iter((key, value) for key, value in self._data.items() if not key.startswith("x-"))

    def problem(self, place: Place, message: str, hint: str = "") -> None:
        self.problems.append(Problem(place, message, hint))

    def only(self, known: Iterable[str], not_yet: Mapping[str, str] | None = None) -> None:
        """Refuse every key but these and `x-…`; `not_yet` are keys of the format that this version cannot honour."""
        known, not_yet = tuple(known), not_yet or {}
        for key, _ in self:
            if key in known:
                continue
            place = self.place_of_key(key)
            where = f" in {self.path}" if self.path else ""
            if key in not_yet:
                self.problem(place, f"“{key}”{where} is not in this version yet.", not_yet[key])
            else:
                self.problem(place, f"unknown key “{key}”{where}.", nearest(key, (*known, *not_yet)))

    def value(self, key: str) -> Value | None:
        """Return the value unless it is missing or null."""
        value = self._data.get(key)
        return None if value is None or value.data is None else value

    def place_of(self, key: str) -> Place:
        value = self._data.get(key)
        return value.place if value else self.place

    def place_of_key(self, key: str) -> Place:
        return self._key_places.get(key, self.place)

    def section(self, key: str) -> "Section":
        value = self._data.get(key) or Value(self.place, {})
        return Section(value, self.inside(key), self.problems)

    def inside(self, key: str) -> str:
        return f"{self.path}.{key}" if self.path else key

    def wrong(self, key: str, wanted: str, hint: str = "") -> None:
        value = self._data[key]
        shown = f"“{value.data}”" if isinstance(value.data, str | int | float) else _shape(value)
        self.problem(value.place, f"{self.inside(key)} is {shown}; it takes {wanted}.", hint)

    def text(self, key: str, default: str = "") -> str:
        value = self.value(key)
        if value is None:
            return default
        if isinstance(value.data, str) and value.data.strip():
            return value.data
        if isinstance(value.data, int | float) and not isinstance(value.data, bool):
            return str(value.data)
        self.wrong(key, "text")
        return default

    def choice(self, key: str, choices: Sequence[str], default: str, not_yet: Sequence[str] = ()) -> str:
        value = self.value(key)
        if value is None:
            return default
        if isinstance(value.data, str) and value.data in choices:
            return value.data
        if isinstance(value.data, str) and value.data in not_yet:
            self.problem(
                value.place, f"{self.inside(key)}: “{value.data}” is not in this version yet.",
                f"It takes {', '.join(choices)}.",
            )  # fmt: skip
            return default
        hint = nearest(value.data, choices) if isinstance(value.data, str) else ""
        self.wrong(key, f"one of {', '.join(choices)}", hint if hint.startswith("Did") else "")
        return default

    def flag(self, key: str, default: bool) -> bool:
        value = self.value(key)
        if value is None:
            return default
        if isinstance(value.data, bool):
            return value.data
        self.wrong(key, "true or false")
        return default

    def whole(self, key: str, default: int, lowest: int, highest: int) -> int:
        value = self.value(key)
        if value is None:
            return default
        if isinstance(value.data, int) and not isinstance(value.data, bool) and lowest <= value.data <= highest:
            return value.data
        self.wrong(key, f"a whole number from {lowest} to {highest}")
        return default

    def duration(self, key: str, default: float) -> float:
        """Return seconds; written as 90s, 10m, 2h or 7d."""
        value = self.value(key)
        if value is None:
            return default
        seconds = duration_s(value.data) if isinstance(value.data, str) else None
        if seconds is None:
            self.wrong(key, "a duration with its unit, as 500ms, 90s, 10m, 2h or 7d")
            return default
        return seconds

    def size(self, key: str, default: int) -> int:
        """Return bytes; written as 500KiB, 25MiB or 1GiB."""
        value = self.value(key)
        if value is None:
            return default
        match = _SIZE.match(value.data.strip()) if isinstance(value.data, str) else None
        if match is None or not int(match[1]):
            self.wrong(key, "a size with its unit, as 500KiB, 25MiB or 1GiB")
            return default
        return int(match[1]) * _UNIT_BYTES[match[2]]

    def texts(self, key: str, default: tuple[str, ...] = ()) -> tuple[str, ...]:
        """Return a list of texts; numbers are taken as they are written."""
        return tuple(str(value.data) for value in self.items(key, scalars=True)) if self.value(key) else default

    def items(self, key: str, *, scalars: bool = False) -> list[Value]:
        value = self.value(key)
        if value is None:
            return []
        if not isinstance(value.data, list):
            self.wrong(key, "a list, as [one, two]")
            return []
        good = []
        for item in value.data:
            if scalars and not (isinstance(item.data, str | int | float) and not isinstance(item.data, bool)):
                self.problem(item.place, f"{self.inside(key)} takes a list of texts, not {_shape(item)}.")
            else:
                good.append(item)
        return good


def read_secret(section: Section, key: str, folder: Path) -> SecretReference | None:
    """Read a reference to a secret; a literal is a problem, and is not repeated in it."""
    value = section.value(key)
    if value is None:
        return None
    try:
        return parse_secret(value.data if isinstance(value.data, str) else "", folder)
    except ValueError as error:
        section.problem(value.place, f"{section.inside(key)}: {error}.")
        return None


def duration_s(text: str) -> float | None:
    """Return the seconds of `90s`, `10m`, `2h`, `7d` or `500ms`, or None if it is no duration."""
    match = _DURATION.match(text.strip())
    return float(match[1]) * _UNIT_S[match[2]] if match else None


def _shape(value: Value) -> str:
    if isinstance(value.data, dict):
        return "keys and values"
    if isinstance(value.data, list):
        return "a list"
    return "nothing" if value.data is None else f"“{value.data}”"
