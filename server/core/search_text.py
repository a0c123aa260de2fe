"""Text for full-text search: how it is indexed, and how what people type becomes a query that SQLite takes."""

import re

_UNSPACED = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff"
"""Kana, Han and Hangul: scripts in which words are not, or not reliably, divided by spaces."""
_CHARACTER = re.compile(f"([{_UNSPACED}])")
_PART = re.compile(r'"([^"]*)"|(\S+)')
_WORD = re.compile(r"\w+")
_MOST_WORDS = 20


def indexed(text: str) -> str:
    """Return a text as it is indexed: each character of an unspaced script is a word of its own."""
    return _CHARACTER.sub(r" \1 ", text)


def query_of(text: str) -> str | None:
    """Return an FTS5 query that never fails, or None if the text holds no word.

    All words must be there, each as a beginning; phrases in quotes as they are.
    """
    terms: list[str] = []
    for phrase, word in _PART.findall(text):
        words = _WORD.findall(indexed(phrase or word))
        if words:
            ends = "" if phrase or _CHARACTER.match(words[-1]) else "*"
            terms.append(f'"{" ".join(words)}"{ends}')
    return " ".join(terms[:_MOST_WORDS]) or None
