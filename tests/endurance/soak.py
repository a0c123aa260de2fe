"""Short in the suite, long by `make soak`; and figures that a run prints."""

import os
import sys

IS_SOAK = os.environ.get("BULLPEN_SOAK") == "1"


def short_or_long(short: int, long: int) -> int:
    """Return how often something is done."""
    return long if IS_SOAK else short


def report(name: str, **figures: object) -> None:
    """Print figures, which `make soak` shows: it is run to read them."""
    words = ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in figures.items())
    print(f"\n{name}: {words}", file=sys.stderr)


def percentile(values: list[float], share: float) -> float:
    """Return the value that a share of the values does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
