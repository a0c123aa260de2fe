"""Text that is typed into an agent's terminal as a person would type it."""

from collections.abc import Sequence

from server.supervision.prompt_text import visible_text

_AT = "\uff20"
"""A wide @: the plain one makes some CLIs open a file or a list of files, which then takes the Enter."""


def typed_lines(text: str) -> Sequence[bytes]:
    """Return the writes that submit a text at an idle prompt: its lines ended by LF, then Enter alone.

    No paste brackets: a CLI may fold a paste away, and what could end one early is gone from the text.
    """
    plain = _plain(text)
    return (plain.encode(), b"\r") if plain else ()


def pasted_lines(text: str) -> Sequence[bytes]:
    """Return the writes that submit a text as a paste: for a CLI to which typed characters can be commands.

    The empty ones give it time: an Enter that it reads together with the paste is a line of the paste.
    """
    plain = _plain(text)
    return (b"\x1b[200~" + plain.encode() + b"\x1b[201~", b"", b"", b"\r") if plain else ()


def _plain(text: str) -> str:
    return visible_text(text).replace("\t", "    ").replace("@", _AT).strip()
