"""What bounds an agent: `budget` (what it may cost) and `limits` (what its processes may take)."""

import re

from server.config import keys
from server.config.model import BudgetConfig, LimitsConfig
from server.config.section import Section
from server.core.amount import parse_amount, write_amount

_PERCENT = re.compile(r"^([0-9]{1,3}) ?%$")
_MEMORY = re.compile(r"^([0-9]{1,7}) ?([kmgt])(?:i?b)?$")
_UNIT_BYTES = {"k": 1024, "m": 1024**2, "g": 1024**3, "t": 1024**4}
LEAST_MEMORY = 64 * 1024**2
_HIGHEST = 1_000_000


def read_budget(section: Section) -> BudgetConfig:
    """Read what an agent may cost."""
    section.only(keys.BUDGET)
    default = BudgetConfig()
    return BudgetConfig(
        per_day=_amount(section, "per_day"),
        per_task=_amount(section, "per_task"),
        per_month=_amount(section, "per_month"),
        warn_at=_percent(section, "warn_at", default.warn_at),
        on_exceed=section.choice("on_exceed", keys.ON_EXCEED, default.on_exceed),
    )


def read_limits(section: Section) -> LimitsConfig:
    """Read what an agent's processes may take."""
    section.only(keys.LIMITS)
    return LimitsConfig(
        memory_bytes=_memory(section),
        cpu=_processors(section),
        pids=_count(section, "pids", 8),
        open_files=_count(section, "open_files", 64),
    )


def _amount(section: Section, key: str) -> str | None:
    if section.value(key) is None:
        return None
    try:
        return write_amount(parse_amount(section.text(key)))
    except ValueError:
        section.wrong(key, "money or time, as 10usd, 0.50usd, 30m or 2h")
        return None


def _percent(section: Section, key: str, default: int) -> int:
    if section.value(key) is None:
        return default
    match = _PERCENT.match(section.text(key).strip())
    if match is None or not 1 <= int(match[1]) <= 100:
        section.wrong(key, "a share, as 70%")
        return default
    return int(match[1])


def _memory(section: Section) -> int | None:
    if section.value("memory") is None:
        return None
    match = _MEMORY.match(section.text("memory").strip().lower())
    found = 0 if match is None else int(match[1]) * _UNIT_BYTES[match[2]]
    if found < LEAST_MEMORY:
        section.wrong("memory", "a size of at least 64m, as 512m or 4g")
        return None
    return found


def _processors(section: Section) -> float | None:
    value = section.value("cpu")
    if value is None:
        return None
    if isinstance(value.data, int | float) and not isinstance(value.data, bool) and 0.01 <= value.data <= 1024:
        return float(value.data)
    section.wrong("cpu", "a number of processors, as 2 or 0.5")
    return None


def _count(section: Section, key: str, lowest: int) -> int | None:
    return section.whole(key, 0, lowest, _HIGHEST) or None if section.value(key) is not None else None
