"""A figure of the office: so many of something, by one property."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """A number of things of one sort, told apart by one property (agents by `state`)."""

    name: str
    help: str
    label: str
    """What tells them apart; empty where nothing does."""
    counts: dict[str, float]
