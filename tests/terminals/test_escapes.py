"""What a program prints cannot steer the terminal of whoever reads its log or sees its screen."""

import unicodedata

from server.terminals.emulator import render
from server.terminals.plain_text import plain_lines

from .escape_corpus import sequences


def test_the_corpus_is_as_large_as_is_promised() -> None:
    assert len(sequences()) >= 300


def test_a_cleaned_log_is_safe_to_print() -> None:
    for sequence in sequences():
        for line in plain_lines(f"before {sequence} after\r\n{sequence}".encode()):
            wrong = [character for character in line if character != "\t" and is_control(character)]
            assert wrong == [], (sequence, line)
    whole = "\n".join(plain_lines("\r\n".join(sequences()).encode()))
    assert not any(is_control(character) for character in whole if character not in "\n\t")


def test_a_screen_holds_plain_characters_only() -> None:
    screen = render("\r\n".join(sequences()).encode() + b"\x1bc\x1b[2J\x1b[Hand on it goes", 80, 24)
    assert screen.lines[0] == "and on it goes"
    for sequence in sequences():
        assert not any(is_control(character) for line in render(sequence.encode(), 40, 5).lines for character in line)


def is_control(character: str) -> bool:
    return unicodedata.category(character) in ("Cc", "Cf")
