"""Paths with wildcards, and whether two of them can mean the same file. Pure."""

import re
from functools import lru_cache

_CLASS = re.compile(r"\[[^\]]*\]")


def plain_path(text: str) -> str:
    """Return a path of the project in its one form: relative, with single slashes. Raises ValueError."""
    path = text.strip().replace("\\", "/")
    while path.startswith("./"):
        path = path[2:]
    parts = path.split("/")
    if not path or path.startswith("/") or ".." in parts or "." in parts or "\0" in path:
        raise ValueError("a path is relative to the project, as src/api.py or src/**, without ..")
    return "/".join(part for part in parts if part)


@lru_cache(maxsize=8192)
def can_meet(one: str, other: str) -> bool:
    """Tell whether some file matches both: `*` and `?` within a folder, `**` across folders, a folder holds its files.

    A bracket class counts as any character: rather a warning too many.
    """
    return _folders_meet(tuple(_folders(one)), tuple(_folders(other)))


def _folders(path: str) -> list[str]:
    parts = _CLASS.sub("?", path).split("/")
    return parts if "**" in parts[-1] else [*parts, "**"]  # a path also means what lies beneath it


@lru_cache(maxsize=8192)
def _folders_meet(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    if not one or not other:
        return all(part == "**" for part in one or other)
    if one[0] == "**":
        return _folders_meet(one[1:], other) or _folders_meet(one, other[1:])
    if other[0] == "**":
        return _folders_meet(one, other[1:]) or _folders_meet(one[1:], other)
    return _names_meet(one[0], other[0]) and _folders_meet(one[1:], other[1:])


def _names_meet(one: str, other: str) -> bool:
    """Tell whether some name matches both patterns: one row of the usual table at a time."""
    row = [True] + [False] * len(other)
    for column, character in enumerate(other, 1):
        row[column] = row[column - 1] and character == "*"
    for mine in one:
        below = [row[0] and mine == "*"] + [False] * len(other)
        for column, theirs in enumerate(other, 1):
            if mine == "*" or theirs == "*":
                below[column] = row[column] or below[column - 1] or (mine != "*" and theirs != "*")
            else:
                below[column] = row[column - 1] and (mine == theirs or "?" in (mine, theirs))
        row = below
    return row[-1]
