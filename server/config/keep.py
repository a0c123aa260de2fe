"""How long something is kept: for ever, for a time, or so many of it. Written `forever`, `30d` or `10000`."""

import re
from dataclasses import dataclass

_DURATION = re.compile(r"^(\d{1,6})(h|d)$")
_UNIT_MS = {"h": 3_600_000, "d": 86_400_000}
WANTED = "forever, an age as 12h or 30d, or how many as 10000"


@dataclass(frozen=True, slots=True)
class Keep:
    """Neither an age nor a number: for ever."""

    for_ms: int | None = None
    count: int | None = None

    def __str__(self) -> str:
        if self.count is not None:
            return str(self.count)
        if self.for_ms is None:
            return "forever"
        unit = "d" if self.for_ms % _UNIT_MS["d"] == 0 else "h"
        return f"{self.for_ms // _UNIT_MS[unit]}{unit}"

    @property
    def is_forever(self) -> bool:
        return self.for_ms is None and self.count is None


def parse_keep(text: str) -> Keep:
    """Read how long something is kept. Raises ValueError."""
    text = text.strip()
    if text == "forever":
        return Keep()
    match = _DURATION.match(text)
    if match is not None and int(match[1]) > 0:
        return Keep(for_ms=int(match[1]) * _UNIT_MS[match[2]])
    if text.isascii() and text.isdigit() and 0 < int(text) < 10**9:
        return Keep(count=int(text))
    raise ValueError(f"“{text[:40]}” says not how long: {WANTED}")
