"""Amounts of money or time, as people write them: `10usd`, `0.50usd`, `2h`."""

import re
from dataclasses import dataclass
from typing import Literal

_AMOUNT = re.compile(r"^([0-9]{1,9}(?:\.[0-9]{1,6})?) ?(usd|m|h|d)$")
_UNITS = {"usd": 1_000_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


@dataclass(frozen=True, slots=True)
class Amount:
    """Millionths of a dollar, or milliseconds."""

    unit: Literal["usd", "time"]
    value: int


def parse_amount(text: str) -> Amount:
    """Read an amount above zero. Raises ValueError."""
    match = _AMOUNT.match(text.strip().lower())
    value = 0 if match is None else round(float(match[1]) * _UNITS[match[2]])
    if match is None or value <= 0:
        raise ValueError("an amount is money or time, as 10usd, 0.50usd, 30m or 2h")
    return Amount("usd" if match[2] == "usd" else "time", value)


def describe_amount(amount: Amount) -> str:
    """Return an amount as it is shown: $2.31, 1 h 20 min."""
    if amount.unit == "usd":
        return f"${amount.value / 1_000_000:.2f}" if amount.value >= 10_000 else f"${amount.value / 1_000_000:.4f}"
    hours, minutes = divmod(amount.value // 60_000, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def write_amount(amount: Amount) -> str:
    """Return an amount in the form that `parse_amount` reads."""
    if amount.unit == "usd":
        return f"{amount.value / 1_000_000:.6f}".rstrip("0").rstrip(".") + "usd"
    minutes = amount.value / 60_000
    return f"{minutes / 60:g}h" if minutes % 60 == 0 else f"{minutes:.6f}".rstrip("0").rstrip(".") + "m"
