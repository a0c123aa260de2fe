"""Three hundred sequences with which a program may try to steer, question or fool whoever looks at its terminal."""

from collections.abc import Iterator

BEL, ST, ESC = "\x07", "\x1b\\", "\x1b"


def sequences() -> list[str]:
    """Return them all, each once."""
    return list(dict.fromkeys(_sequences()))


def _sequences() -> Iterator[str]:
    # Questions that a terminal answers by typing: device attributes, status, cursor, modes, settings, versions.
    for prefix in ("", "?", ">", "="):
        yield from (f"{ESC}[{prefix}{number}c" for number in ("", "0", "1"))
        yield from (f"{ESC}[{prefix}{number}n" for number in (5, 6, 15, 25, 26, 53, 55, 56, 62, 63, 75, 85, 996))
    yield from (f"{ESC}[{prefix}{mode}$p" for prefix in ("", "?") for mode in (1, 4, 7, 20, 25, 1004, 2004, 2026, 2031))
    yield from (f"{ESC}P$q{setting}{ST}" for setting in ("m", "r", "s", "t", '"p', '"q', " q", "$|", "*|"))
    yield from (f"{ESC}P+q{name}{ST}" for name in ("544e", "436f", "524742", "6b31", "4d73"))
    yield from (f"{ESC}[{number}x" for number in ("", "0", "1"))
    yield from (f"{ESC}[{text}" for text in (">q", ">0q", "?u", ">1u", "=1;1u", "<u", ">4;2m", "?4m", "18t", "14;2t"))
    yield from (f"{ESC}Z", "\x05", f"{ESC}[0&w", f"{ESC}[1$w", f"{ESC}[2$w", f"{ESC}[1;1;1;1;5;5*y", f"{ESC}[?1;0;0S")
    # Windows: moved, resized, reported, their titles reported and stacked.
    yield from (
        f"{ESC}[{number}t" for number in (*range(1, 25), "8;5;5", "22;0", "23;0", "22;2", "23;2", "3;9;9", "4;9;9")
    )
    # Titles, icons, folders, links, colours asked for, clipboards, notifications, files, marks, and more of that kind.
    for code in (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 21, 22, 46, 50, 51, 52, 60, 61):
        for text in _texts(code):
            yield f"{ESC}]{code};{text}{BEL}"
            yield f"{ESC}]{code};{text}{ST}"
    for code in (104, 110, 111, 133, 176, 633, 697, 777, 1337, 5113, 5522, 7704, 9001, 99, 30, 66):
        yield f"{ESC}]{code};File=name=b3duZWQ=;inline=1:b3duZWQ={BEL}"
    # Pictures, programs for printers and keys, other strings.
    yield from (
        f"{ESC}{kind}{text}{ST}" for kind in "P_^X" for text in ("q#0;2;0;0;0", "Gf=24,a=q;AAAA", "1$tx", "0;1|17/70")
    )
    yield from (f"{ESC}[{number}i" for number in (0, 1, 4, 5, "?4", "?5"))
    # Modes in which moving the mouse, focusing, pasting or a change of colours types something.
    yield from (
        f"{ESC}[?{mode}h"
        for mode in (9, 1000, 1001, 1002, 1003, 1004, 1005, 1006, 1007, 1015, 1016, 1070, 2004, 2031, 2048, 9001, 1337)
    )
    yield from (f"{ESC}[?1000;1004;1006h", f"{ESC}[?1004;25h", f"{ESC}[?1003h{ESC}[?1006h")
    # Counts and lengths beyond reason, things left open, C1 forms of the same.
    yield from (f"{ESC}[999999999{final}" for final in "ABCDEFGLMPSTX@bdI")
    yield from (
        f"{ESC}[{';'.join(['38;5;1'] * 400)}m",
        f"{ESC}[{'9' * 400}m",
        f"{ESC}(0{ESC})0",
        f"{ESC}#8",
        f"{ESC}[!p",
    )
    yield from (
        "\x9b6n",
        "\x9bc",
        f"\x9d0;owned{BEL}",
        f"\x9d52;c;b3duZWQ={BEL}",
        "\x90$qm\x9c",
        "\x9e\x9c",
        "\x9f\x9c",
        "\x98\x9c",
    )
    # Text that hides text, or turns it.
    yield from (
        f"safe{mark}exe.txt" for mark in "\u202a\u202b\u202d\u202e\u2066\u2067\u2068\u200b\u200e\u200f\u2060\ufeff"
    )
    yield from ("\U000e0041\U000e0042tag", "over\rwritten", "gone\b\b\b\bhere", "\x0e\x0f", "bell\x07")


def _texts(code: int) -> tuple[str, ...]:
    if code == 52:
        return tuple(f"{where};{what}" for where in ("c", "p", "s", "") for what in ("b3duZWQ=", "?"))
    if code == 8:
        return (";javascript:alert(1)", ";https://evil.example/", "id=1;file:///etc/passwd", ";")
    if code in (4, 5):
        return ("1;?", "1;rgb:00/00/00")
    return ("?", "owned")
