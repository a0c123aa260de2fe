"""What one result is: ours beside a limit of the same run, and the goal for it."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Effort:
    """How long to measure."""

    rounds: int
    seconds: float
    """Of each measurement of a round."""
    quick: bool = False

    @classmethod
    def full(cls) -> "Effort":
        return cls(rounds=7, seconds=0.7)

    @classmethod
    def short(cls) -> "Effort":
        return cls(rounds=3, seconds=0.3, quick=True)


@dataclass(frozen=True)
class Figure:
    """One line of the table."""

    name: str
    unit: str
    ours: float
    goal: float | None
    """None: told for what it tells, nothing is promised."""
    floor: float | None = None
    """What `--check` insists on: far enough from the goal that a loaded machine passes."""
    limit: float | None = None
    ratio: float | None = None
    """Ours to the limit; None if the goal is absolute."""
    at_most: bool = False
    """The goal is an upper bound."""
    note: str = ""

    @property
    def judged(self) -> float:
        """What the goal is compared with."""
        return self.ours if self.ratio is None else self.ratio

    @property
    def reached(self) -> bool | None:
        return None if self.goal is None else self._within(self.goal)

    @property
    def above_floor(self) -> bool:
        return self.floor is None or self._within(self.floor)

    def _within(self, bound: float) -> bool:
        return self.judged <= bound if self.at_most else self.judged >= bound


def compared(
    name: str,
    unit: str,
    ours: Sequence[float],
    limits: Sequence[float],
    *,
    goal: float | None,
    floor: float | None = None,
    at_most: bool = False,
    note: str = "",
) -> Figure:
    """Build a figure of rounds: the ratio is the median of the rounds' ratios, never a ratio of medians."""
    ratio = statistics.median(our / limit for our, limit in zip(ours, limits, strict=True))
    return Figure(
        name, unit, statistics.median(ours), goal, floor, statistics.median(limits), ratio, at_most=at_most, note=note
    )
