"""Constrained types used in signatures of operations. Not for parsing: pydantic does that at the edge."""

import re
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints

from server.core.glob import plain_path

MEMBER_NAME_PATTERN = r"^[a-z][a-z0-9_-]{0,31}$"
"""Also a folder name, a shell word and a mention; so nothing in it needs quoting."""

_MEMBER_NAME = re.compile(MEMBER_NAME_PATTERN)
_CHANNEL_ID = re.compile(r"^(dm:[a-z0-9_:-]{1,66}|(topic:)?[a-z0-9][a-z0-9_.-]{0,63})$")


def is_member_name(text: str) -> bool:
    """Tell whether a text has the form of a member's name."""
    return _MEMBER_NAME.match(text) is not None


def direct_channel_id(one: str, other: str) -> str:
    """Return the id of the direct channel between two members: the same whoever asks."""
    first, second = sorted((one, other))
    return f"dm:{first}:{second}"


def _plain_member_name(value: object) -> object:
    return value.strip().removeprefix("@").lower() if isinstance(value, str) else value


def _checked_member_name(value: str) -> str:
    if not is_member_name(value):
        raise ValueError("a name is 1 to 32 of a-z, 0-9, _ and -, and starts with a letter")
    return value


def _plain_channel_name(value: object) -> object:
    return value.strip().removeprefix("#").lower() if isinstance(value, str) else value


def _checked_channel_name(value: str) -> str:
    if not _CHANNEL_ID.match(value):
        raise ValueError("a channel is a-z, 0-9, _ . -, or topic:NAME, or dm:NAME")
    return value


def numbered(prefix: str) -> BeforeValidator:
    """Return what reads an id, as `msg_42`, `#42` or 42, as its number."""

    def read(value: object) -> object:
        if isinstance(value, str):
            text = value.strip().removeprefix("#").removeprefix(prefix + "_")
            value = int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63:
            return value
        raise ValueError(f"an id looks like {prefix}_42")

    return BeforeValidator(read, json_schema_input_type=str)


MemberName = Annotated[
    str,
    BeforeValidator(_plain_member_name, json_schema_input_type=str),
    AfterValidator(_checked_member_name),
    Field(description="A member, as `ada`.", max_length=40),
]
ChannelName = Annotated[
    str,
    BeforeValidator(_plain_channel_name, json_schema_input_type=str),
    AfterValidator(_checked_channel_name),
    Field(description="As `#general`, `topic:plan` or `dm:ada`.", max_length=80),
]
MessageId = Annotated[int, numbered("msg"), Field(description="Message, as `msg_91`.")]
TokenId = Annotated[int, numbered("tok"), Field(description="Token, as `tok_3`.")]
FilePath = Annotated[
    str,
    AfterValidator(plain_path),
    Field(max_length=400, description="Relative to the project: `src/api.py`, `src/**`."),
]
Limit = Annotated[int, Field(ge=1, le=200)]
Cursor = Annotated[str, Field(max_length=200, description="`next_cursor` of the page before.")]
Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
"""One short line of text."""
Note = Annotated[str, StringConstraints(strip_whitespace=True, max_length=1000)]


def message_id(number: int) -> str:
    """Return the id as people and programs see it."""
    return f"msg_{number}"


def offset_of(cursor: str | None) -> int:
    """Return how many rows a cursor of a list with pages has gone by; one that is none begins anew."""
    return int(cursor) if cursor is not None and cursor.isascii() and cursor.isdigit() and len(cursor) < 10 else 0
