"""What a search asks for: words, "phrases", prefix*, -without, and operators. Nothing that is typed is an error."""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from server.core.moment import milliseconds
from server.core.search_text import indexed

TERMS_AT_MOST = 32
_DAY_MS = 86_400_000
_PART = re.compile(r'(-?)(?:(from|in|before|after|has|is):)?("[^"]*"\*?|\S+)', re.IGNORECASE)
_WORD = re.compile(r"[^\W_]+")
_DAYS_AGO = re.compile(r"^([0-9]{1,4})d$")


@dataclass(frozen=True, slots=True)
class Term:
    """Words that must stand beside each other; the last may be a beginning."""

    words: tuple[str, ...]
    prefix: bool = False

    @property
    def match(self) -> str:
        """The term in FTS5's language. Every word is quoted: nothing in it means anything there."""
        return f'"{" ".join(self.words)}"{"*" if self.prefix else ""}'


@dataclass(slots=True)
class Asked:
    """A query, read."""

    terms: list[Term] = field(default_factory=list)
    without: list[Term] = field(default_factory=list)
    senders: list[str] = field(default_factory=list)
    channels: list[str] = field(default_factory=list)
    after: int | None = None
    """UTC milliseconds, and from then on."""
    before: int | None = None
    has_file: bool = False
    is_pinned: bool = False
    notes: list[str] = field(default_factory=list)
    """What was not understood, in sentences."""

    @property
    def match(self) -> str | None:
        """The words as an FTS5 query that never fails, or None if there are none to look for."""
        if not self.terms:
            return None
        wanted = " AND ".join(term.match for term in self.terms)
        return f"({wanted})" + "".join(f" NOT {term.match}" for term in self.without)

    @property
    def asks(self) -> bool:
        """Tell whether anything at all is looked for."""
        return bool(self.terms or self.senders or self.channels or self.has_file or self.is_pinned) or (
            self.after is not None or self.before is not None
        )


def read_query(text: str, now: int) -> Asked:
    """Read what somebody typed; `now` (UTC ms) is what `after:7d` counts from."""
    asked = Asked()
    for minus, operator, value in _PART.findall(unicodedata.normalize("NFC", text)):
        if operator and not minus:
            _operator(asked, operator.lower(), value.strip('"*'), now)
        else:
            written = f"{operator}:{value}" if operator else value
            terms = asked.without if minus else asked.terms
            terms.extend(_terms(written, TERMS_AT_MOST - len(asked.terms) - len(asked.without)))
    return asked


def moment_of(text: str, now: int) -> int | None:
    """Read a date, a time, today, yesterday or 7d (days ago) as UTC milliseconds, or return None."""
    plain = text.strip().lower()
    today = datetime.fromtimestamp(now / 1000, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    if plain in ("today", "yesterday"):
        return round((today - timedelta(days=plain == "yesterday")).timestamp() * 1000)
    days = _DAYS_AGO.match(plain)
    if days is not None:
        return now - int(days[1]) * _DAY_MS
    try:
        return milliseconds(text.strip())
    except (ValueError, OverflowError):
        return None


def _operator(asked: Asked, operator: str, value: str, now: int) -> None:
    if operator == "from":
        asked.senders.append(value.removeprefix("@").lower())
    elif operator == "in":
        asked.channels.append(value.removeprefix("#").lower())
    elif operator in ("before", "after"):
        moment = moment_of(value, now)
        if moment is None:
            asked.notes.append(f"“{operator}:{value}” is no date: write it as 2026-11-24, today, yesterday or 7d.")
        else:
            setattr(asked, operator, moment)
    elif operator == "has" and value.lower() in ("file", "files"):
        asked.has_file = True
    elif operator == "is" and value.lower() == "pinned":
        asked.is_pinned = True
    else:
        asked.notes.append(f"“{operator}:{value}” is not known: there are has:file and is:pinned.")


def _terms(written: str, room: int) -> Iterator[Term]:
    prefix = written.endswith("*")
    words = _WORD.findall(indexed(written))
    if words and room > 0:
        # A character of an unspaced script is a whole word already.
        yield Term(tuple(words[:TERMS_AT_MOST]), prefix and words[-1].isascii())
