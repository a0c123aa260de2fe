"""What happened: event classes, the envelope they are stored in, and who may see them."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, ClassVar, TypeVar, cast, dataclass_transform

TEAM = "team"
"""Audience: every member."""
OPERATORS = "operators"
"""Audience: chairman and operators."""


class _Everything(frozenset[str]):
    """The access of the server itself: every audience there is."""

    def __contains__(self, audience: object) -> bool:
        return True


EVERYTHING: frozenset[str] = _Everything()


def channel_audience(channel: str) -> str:
    """Return the audience of those who may read a channel that is not open to the whole team."""
    return f"channel:{channel}"


def member_audience(name: str) -> str:
    """Return the audience of one member alone."""
    return f"member:{name}"


class Event:
    """Base of all events: a frozen dataclass under `@event`: its fields are the body of the stored row."""

    kind: ClassVar[str]
    collection: ClassVar[str | None]
    """Part of the snapshot that the event changes, or None."""
    noun: ClassVar[str]
    """The field that holds the whole new row, so that a client puts it by `key` and needs no rule of its own."""
    key: ClassVar[str]
    changes_access: ClassVar[bool]
    """Readers' rights may differ after it: streams check them anew."""


EVENT_KINDS: dict[str, type[Event]] = {}

_Class = TypeVar("_Class", bound=type[Event])


@dataclass_transform(frozen_default=True)
def event(
    kind: str, *, collection: str | None = None, key: str = "name", changes_access: bool = False
) -> Callable[[_Class], _Class]:
    """Declare a frozen dataclass as an event of this kind."""

    def declare(cls: _Class) -> _Class:
        made: type[Any] = dataclass(frozen=True)(cls)
        if kind in EVENT_KINDS:
            raise ValueError(f"event {kind} is declared twice")
        made.kind, made.collection, made.key, made.changes_access = kind, collection, key, changes_access
        made.noun = fields(made)[0].name
        EVENT_KINDS[kind] = made
        return cast(_Class, made)

    return declare


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """One row of the log."""

    seq: int
    at: int
    """UTC milliseconds."""
    kind: str
    actor: str
    operation: str
    call_id: str
    audience: str
    subject: str
    body: bytes
    """JSON object of the event's fields."""
