"""What is sent: messages of 45 words, as many different ones as matter to a full-text index."""

import random

MARK = "~"
"""Stands once in every message and nowhere else in a stream: counting it counts messages."""

_RANDOM = random.Random(45)  # noqa: S311 (no secret)
_WORDS = ["".join(_RANDOM.choices("abcdefghijklmnoprstuvw", k=_RANDOM.randint(2, 9))) for _ in range(3000)]

TEXTS = [MARK + " ".join(_RANDOM.choices(_WORDS, k=45)) for _ in range(512)]
