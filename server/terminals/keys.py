"""Names of keys: what a key sends to a terminal, and how what was typed is told again in words."""

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType

PAUSE_S = 0.1
"""Between two keys: an Esc with something right behind it would be another key, an Enter in a paste a line break."""
MOST_KEYS = 100
NOT_SHOWN = "<not shown>"
_LONGEST_LINE = 1000


class UnknownKey(ValueError):
    """A word that is no key. The message says what to write."""


_SEQUENCES = {
    "Enter": "\r",
    "Esc": "\x1b",
    "Tab": "\t",
    "S-Tab": "\x1b[Z",
    "Backspace": "\x7f",
    "Space": " ",
    "Up": "\x1b[A",
    "Down": "\x1b[B",
    "Right": "\x1b[C",
    "Left": "\x1b[D",
    "Home": "\x1b[H",
    "End": "\x1b[F",
    "Insert": "\x1b[2~",
    "Delete": "\x1b[3~",
    "PageUp": "\x1b[5~",
    "PageDown": "\x1b[6~",
    **{f"F{number}": f"\x1bO{letter}" for number, letter in enumerate("PQRS", 1)},
    **{f"F{number}": f"\x1b[{code}~" for number, code in enumerate((15, 17, 18, 19, 20, 21, 23, 24), 5)},
    **{f"C-{chr(96 + code)}": chr(code) for code in range(1, 27) if code not in (9, 13)},
    "C-\\": "\x1c",
}
KEYS: Mapping[str, str] = MappingProxyType(_SEQUENCES)
"""Name → what it sends, in the terminal's normal mode."""
_ALIASES = {"escape": "Esc", "return": "Enter", "cr": "Enter", "btab": "S-Tab", "bspace": "Backspace", "del": "Delete",
            "pgup": "PageUp", "pgdn": "PageDown", "c-m": "Enter", "c-i": "Tab"}  # fmt: skip
_BY_LOWER = {name.lower(): name for name in KEYS} | _ALIASES
_WORD = re.compile(r'"(?P<text>(?:[^"\\]|\\.)*)"|\'(?P<plain>[^\']*)\'|(?P<word>\S+)')
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")

_CURSOR_KEYS = ("Up", "Down", "Right", "Left", "Home", "End")
_NAMES = {sequence: name for name, sequence in KEYS.items() if name != "Space"} | {
    "\n": "C-j",
    "\b": "Backspace",
    # As they are sent when the program has set application mode.
    **{f"\x1bO{sequence[-1]}": name for name, sequence in KEYS.items() if name in _CURSOR_KEYS},
}  # fmt: skip
_TYPED = re.compile(r"\x1b\[20[01]~|\x1b[\[O][0-?]*[ -/]*[@-~]|[\x00-\x1f\x7f]|[^\x00-\x1f\x7f]+")
_ENDS = frozenset({"Enter", "C-j", "C-c", "C-d", "Esc"})


def parse_keys(text: str) -> list[str]:
    """Return what to send for `Esc "text" Enter`, piece by piece. Raises UnknownKey."""
    pieces = [_piece(found) for found in _WORD.finditer(text)]
    if not pieces:
        raise UnknownKey('Nothing to type. As: Esc "go on" Enter.')
    if len(pieces) > MOST_KEYS:
        raise UnknownKey(f"At most {MOST_KEYS} keys at once, and these are {len(pieces)}.")
    return pieces


def key_name(word: str) -> str | None:
    """Return the name of the key that a word means, or None."""
    return _BY_LOWER.get(word.lower())


def quoted(text: str) -> str:
    """Return a text so that `parse_keys` takes it for text."""
    return '"' + re.sub(r'(["\\])', r"\\\1", text) + '"'


def _piece(found: re.Match[str]) -> str:
    word = found["word"]
    if word is not None:
        name = key_name(word)
        if name is not None:
            return KEYS[name]
        if len(word) > 1:
            raise UnknownKey(f"“{word[:40]}” is no key. Put text in quotes: \"{word[:40]}\" Enter.")  # fmt: skip
        return word
    text = found["plain"] if found["plain"] is not None else re.sub(r"\\(.)", r"\1", found["text"])
    if _CONTROL.search(text):
        raise UnknownKey("There is a control character in the text. Name the key instead, as Enter or C-c.")
    return text


class TypedLine:
    """What somebody types, told line by line: text that the terminal shows, keys by name, the rest as not shown."""

    def __init__(self) -> None:
        self._line = ""

    def feed(self, typed: str, *, shown: bool) -> list[str]:
        """Take what was typed and return the lines that it ends."""
        return list(self._feed(typed, shown=shown))

    def rest(self) -> list[str]:
        """Return the line that nobody ended, if there is one."""
        line, self._line = self._line, ""
        return [line] if line else []

    def _feed(self, typed: str, *, shown: bool) -> Iterator[str]:
        for piece in _TYPED.findall(typed):
            if piece in ("\x1b[200~", "\x1b[201~"):
                continue
            name = _NAMES.get(piece)
            if name == "Backspace" and shown and self._line and not self._line.endswith(">"):
                self._line = self._line[:-1]
            elif name is not None or piece[0] < " " or piece[0] == "\x7f":
                self._add(f"<{name or 'Esc'}>")
            elif shown:
                self._line += piece.translate(_VISIBLE)
            elif not self._line.endswith(NOT_SHOWN):
                self._add(NOT_SHOWN)
            if name in _ENDS or len(self._line) >= _LONGEST_LINE:
                for start in range(0, len(self._line), _LONGEST_LINE):
                    yield self._line[start : start + _LONGEST_LINE]
                self._line = ""

    def _add(self, word: str) -> None:
        self._line = f"{self._line} {word}" if self._line and not self._line.endswith(" ") else self._line + word


_VISIBLE = dict.fromkeys((*range(0x80, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200B, 0xFEFF))
"""What would hide or turn the rest of the line."""
