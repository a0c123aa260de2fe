"""A call: who is calling, in which transaction, at what time, and what it emits."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

from server.core.errors import NotAllowed
from server.core.event import TEAM, Event

Row = Mapping[str, Any]
Parameters = Mapping[str, object]


class Transaction(Protocol):
    """Rows inside one transaction. SQL takes named parameters only."""

    def one(self, sql: str, parameters: Parameters = ...) -> Row | None:
        """Return the first row, or None."""

    def all(self, sql: str, parameters: Parameters = ...) -> Sequence[Row]:
        """Return all rows."""

    def insert(self, sql: str, parameters: Parameters = ...) -> int:
        """Insert one row into a table whose first column is its integer key, and return that key."""

    def run(self, sql: str, parameters: Parameters = ...) -> int:
        """Execute a statement and return the number of rows it changed."""

    def at_most(self, seconds: float) -> AbstractContextManager[None]:
        """End the statements inside when so much time has gone by. Raises TookTooLong."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Whom a token says."""

    name: str
    kind: str
    """human | agent | bot | system"""
    role: str
    token_id: int | None = None
    """The token it came with, or None."""
    session: bytes | None = None
    """Hash of the browser session it came with, or None."""
    run_id: str | None = None
    """The run of an agent whose own token this is."""


SYSTEM_CALLER = Caller(name="system", kind="system", role="system")
ANONYMOUS = Caller(name="anonymous", kind="anonymous", role="anonymous")


class NotYet(Exception):
    """Nothing to answer yet: run the operation again when something that concerns the caller has happened.

    Raised only while the caller's time lasts (`Call.may_wait`).
    """

    def __init__(self, *audiences: str) -> None:
        super().__init__()
        self.audiences = audiences


Append = Callable[["Call", Event, str, str], int]


@dataclass(frozen=True, slots=True)
class Ephemeral:
    """Something that is told to who is there, and stored nowhere."""

    kind: str
    audience: str
    subject: str
    body: Mapping[str, object]


@dataclass(slots=True)
class Aftermath:
    """What follows a query once it has read: it cannot write itself."""

    told: list[Ephemeral] = field(default_factory=list)
    then: list[tuple[str, Mapping[str, object]]] = field(default_factory=list)
    """Operations that are run in the server's own name before the query is answered."""


@dataclass(slots=True)
class Call:
    """One run of one operation. It lives as long as its transaction."""

    caller: Caller
    transaction: Transaction
    now: int
    """UTC milliseconds, the same for the whole call."""
    call_id: str
    operation: str
    door: str
    """How the caller came in: rest | mcp | dashboard | server."""
    random: Callable[[int], bytes]
    """Source of secrets: returns that many bytes."""
    append: Append | None = None
    """None in a query: a query cannot emit."""
    may_wait: bool = False
    wake: Callable[[int], None] | None = None
    emitted: list[int] = field(default_factory=list)
    aftermath: Aftermath | None = None
    """None in a command, which does in its own transaction what it has to do."""
    opened: Any = None
    """What the operation returned that goes before this one."""

    def emit(self, event: Event, *, subject: str, audience: str = TEAM) -> int:
        """Append an event in this transaction and return its seq."""
        if self.append is None:
            raise RuntimeError(f"{self.operation} is a query and cannot emit {event.kind}")
        seq = self.append(self, event, subject, audience)
        self.emitted.append(seq)
        return seq

    def tell(self, ephemeral: Ephemeral) -> None:
        """Have something told once this query has read, to who is there."""
        self._after().told.append(ephemeral)

    def follow_up(self, operation: str, **arguments: object) -> None:
        """Have an operation run in the server's own name before this query is answered."""
        self._after().then.append((operation, arguments))

    def _after(self) -> Aftermath:
        if self.aftermath is None:
            raise RuntimeError(f"{self.operation} is a command: nothing follows it")
        return self.aftermath

    def wake_at(self, moment: int) -> None:
        """Have the timed operations run at a moment (UTC ms) at the latest: something will be due then."""
        if self.wake is not None:
            self.wake(moment)

    def acting_as(self, caller: Caller) -> "Call":
        """Return this call in another's name, in the same transaction (the server acting for a member)."""
        return dataclasses.replace(self, caller=caller, may_wait=False)

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """Undo what is done inside, events and all, if it raises."""
        emitted = len(self.emitted)
        self.transaction.run("SAVEPOINT attempt")
        try:
            yield
        except BaseException:
            self.transaction.run("ROLLBACK TO attempt")
            del self.emitted[emitted:]
            raise
        finally:
            self.transaction.run("RELEASE attempt")

    def require(self, condition: bool, message: str, *, hint: str = "") -> None:
        """Raise NotAllowed unless the condition holds."""
        if not condition:
            raise NotAllowed(message, hint=hint)
