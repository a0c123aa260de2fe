"""A picture as the answer of an operation: bytes to a browser, an image to a model."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Picture:
    """A PNG."""

    png: bytes
    caption: str
    """What it shows, in a few words."""
