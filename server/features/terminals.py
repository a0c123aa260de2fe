"""Terminals, as far as they are anybody's business but the browser's: who took the keyboard of which agent."""

from dataclasses import dataclass

from server.core.call import Call
from server.core.event import OPERATORS, Event, event
from server.core.names import MemberName
from server.core.operation import command
from server.core.permission import TYPE_IN_TERMINALS
from server.features.agents import find_agent


@dataclass(frozen=True, slots=True)
class TerminalLease:
    agent: str
    holder: str
    forced: bool


@event("terminal.taken")
class TerminalTaken(Event):
    lease: TerminalLease


@command(allow=TYPE_IN_TERMINALS, emits=[TerminalTaken])
def take_terminal(call: Call, *, name: MemberName, forced: bool = False) -> TerminalLease:
    """Put on record that a human types into an agent's terminal from now on.

    Raises NotFound, NotAllowed.
    """
    find_agent(call.transaction, name)
    call.require(not forced or call.caller.role == "chairman", "Only the chairman takes a terminal from somebody.")
    lease = TerminalLease(name, call.caller.name, forced)
    call.emit(TerminalTaken(lease), subject=name, audience=OPERATORS)
    return lease
