"""Terminal output as plain text: nothing in it can steer a terminal."""

import re

_ESCAPES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[ -/]*[0-~]|[\x00-\x08\x0b-\x1f\x7f-\x9f]"
)
_HIDDEN = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\U000e0000-\U000e007f]")


def plain_lines(output: bytes) -> list[str]:
    """Return terminal output as lines of text, runs of empty ones as one."""
    text = output.decode("utf-8", "replace").replace("\r\n", "\n")
    lines: list[str] = []
    for line in text.split("\n"):
        shown = plain(line.rstrip("\r").rpartition("\r")[2])  # what a carriage return left standing
        if shown.strip() or (lines and lines[-1]):
            lines.append(shown.rstrip())
    return lines


def plain(text: str) -> str:
    """Return a text without escape sequences, controls, and characters that hide or turn others."""
    return _HIDDEN.sub("", _ESCAPES.sub("", text))
