"""How well a text answers a search, and the part of it that shows why, with the found words marked. Pure."""

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache

from typing_extensions import TypedDict  # pydantic needs this one before Python 3.12

from server.features.messages.search_terms import Term

SHOWN = 240
"""Characters of an excerpt."""
_LEAD = 60
"""Characters shown before the first found word."""
_READ_AT_MOST = 8 * 1024
"""Characters of a text that are looked at for its rank: a long one is not worth more."""
_MARKS_AT_MOST = 40
_SATURATION = 1.2
_LENGTH_WEIGHT = 0.75
_TYPICAL_LENGTH = 300.0
_HALF_LIFE_MS = 30 * 86_400_000


class Piece(TypedDict):
    """A stretch of an excerpt; `mark`: it is what was looked for."""

    text: str
    mark: bool


def pattern_of(terms: Sequence[Term]) -> re.Pattern[str] | None:
    """Return what finds the terms in a folded text, or None if there are none."""
    found = [r"[\W_]*".join(_word(word) for word in term.words) + ("" if term.prefix else _end(term)) for term in terms]
    return re.compile("|".join(f"({part})" for part in found)) if found else None


def folded(text: str) -> str:
    """Return a text of the same length without case and accents, as the index compares."""
    return text.lower() if text.isascii() else "".join(map(_fold, text))


def rank(text: str, pattern: re.Pattern[str], age_ms: int) -> float:
    """Return how well a text answers: how often each term stands in it, the shorter and the newer the better.

    How rare a term is does not count: all of them are in every text that is ranked.
    """
    read = folded(text[:_READ_AT_MOST])
    counts: dict[int | None, int] = {}
    for match in pattern.finditer(read):
        counts[match.lastindex] = counts.get(match.lastindex, 0) + 1
    norm = _SATURATION * (1 - _LENGTH_WEIGHT + _LENGTH_WEIGHT * len(read) / _TYPICAL_LENGTH)
    score = sum(count * (_SATURATION + 1) / (count + norm) for count in counts.values())
    return score * float(0.5 + 0.5 * 0.5 ** (max(age_ms, 0) / _HALF_LIFE_MS))


def excerpt(text: str, pattern: re.Pattern[str] | None) -> list[Piece]:
    """Return the part of a text around the first found word, cut into pieces."""
    matches = [] if pattern is None else [match.span() for match in pattern.finditer(folded(text))]
    start = max(0, matches[0][0] - _LEAD) if matches and matches[0][0] > SHOWN - _LEAD else 0
    if start:
        space = text.find(" ", start, matches[0][0])
        start = space + 1 if space >= 0 else start
    end = min(len(text), start + SHOWN)
    pieces: list[Piece] = []
    at = start
    for begins, ends in matches[:_MARKS_AT_MOST]:
        if begins < at or ends > end:
            continue
        if begins > at:
            pieces.append({"text": text[at:begins], "mark": False})
        pieces.append({"text": text[begins:ends], "mark": True})
        at = ends
    pieces.append({"text": text[at:end] + ("…" if end < len(text) else ""), "mark": False})
    if start:
        pieces.insert(0, {"text": "…", "mark": False})
    return [piece for piece in pieces if piece["text"]]


def _word(word: str) -> str:
    spaced = word.isascii() or len(word) > 1
    return (r"(?<![^\W_])" if spaced else "") + re.escape(folded(word))


def _end(term: Term) -> str:
    last = term.words[-1]
    return r"(?![^\W_])" if last.isascii() or len(last) > 1 else ""


@lru_cache(maxsize=8192)
def _fold(character: str) -> str:
    base = unicodedata.normalize("NFD", character)[0].lower()
    return base if len(base) == 1 else character
