"""Secrets that are shown once and stored as hashes: tokens, sign-in codes, sessions."""

import hashlib
import re
import zlib
from collections.abc import Callable

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_SECRET_LENGTH = 32
"""Base62 digits: 190 bits."""
_CHECKSUM_LENGTH = 6
TOKEN = re.compile(r"bp_[a-z0-9-]{1,32}_[0-9A-Za-z]{38}")
"""What log redaction and secret scanners look for."""

Random = Callable[[int], bytes]


def new_token(team: str, random: Random) -> str:
    """Return `bp_<team>_<secret><checksum>`. The checksum lets a scanner, and us, refuse a mistyped one unseen."""
    head = f"bp_{team}_{_base62(random(24), _SECRET_LENGTH)}"
    return head + _checksum(head)


def is_token(text: str) -> bool:
    """Tell whether a text has a token's form and its checksum holds."""
    return TOKEN.fullmatch(text) is not None and _checksum(text[:-_CHECKSUM_LENGTH]) == text[-_CHECKSUM_LENGTH:]


def new_code(random: Random) -> str:
    """Return 190 random bits as text that needs no quoting in a URL."""
    return _base62(random(24), _SECRET_LENGTH)


def hashed(secret: str) -> bytes:
    """Return what is stored of a secret. SHA-256 alone: 190 random bits need no slow hash."""
    return hashlib.sha256(secret.encode()).digest()


def redacted(text: str) -> str:
    """Return a text with every token in it blacked out."""
    return TOKEN.sub("bp_…", text)


def _base62(raw: bytes, length: int) -> str:
    number, digits = int.from_bytes(raw, "big"), []
    for _ in range(length):
        number, digit = divmod(number, 62)
        digits.append(_ALPHABET[digit])
    return "".join(digits)


def _checksum(head: str) -> str:
    return _base62(zlib.crc32(head.encode()).to_bytes(4, "big"), _CHECKSUM_LENGTH)
