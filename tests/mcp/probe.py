"""Operations that no team needs: they show the tests what the endpoint does with them."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from server.core.call import Call, NotYet
from server.core.names import Line
from server.core.operation import query
from server.core.permission import READ


@dataclass(frozen=True, slots=True)
class Item:
    name: str
    note: str | None


@dataclass(frozen=True, slots=True)
class Items:
    total: int
    items: list[Item]


@query(tool="probe_items", toolset="chat", allow=READ)
def probe_items(call: Call, *, format: Literal["concise", "json"] = "concise") -> Items:  # noqa: A002
    """Answer a list."""
    return Items(2, [Item("first", None), Item("second", "noted")])


@query(tool="probe_long", toolset="chat", allow=READ, describe=lambda text: text)
def probe_long(call: Call, *, line: Line, limit: Annotated[int, Field(ge=0, le=10_000_000)] = 100) -> str:
    """Answer many equal lines."""
    return "\n".join([line] * limit)


@query(tool="probe_failure", toolset="chat", allow=READ)
def probe_failure(call: Call) -> str:
    """Fail in a way that nobody foresaw."""
    raise RuntimeError("the secret of the inside")


@query(tool="probe_wait", toolset="chat", allow=READ, waits=True)
def probe_wait(call: Call, *, wait_s: Annotated[float, Field(ge=0, le=300)] = 0) -> str:
    """Wait for something that never comes."""
    if call.may_wait:
        raise NotYet("nobody")
    return "over"
