"""Terminals, as far as they are the team's business: who reads, who has the keyboard, and what was typed.

The bytes themselves are no feature's: the web floor puts what a terminal shows into these operations' answers.
"""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from server.core.call import Call
from server.core.event import OPERATORS, Event, event
from server.core.names import MemberName
from server.core.operation import command, query
from server.core.permission import SEND_KEYS, TYPE_IN_TERMINALS, WATCH_TERMINALS
from server.core.picture import Picture
from server.features.agents import find_agent

TypedLine = Annotated[str, StringConstraints(max_length=4000)]
Keys = Annotated[str, Field(max_length=4000, description='Key names and quoted text: `Esc "go on" Enter C-c Down`.')]


@dataclass(frozen=True, slots=True)
class TerminalLease:
    agent: str
    holder: str
    forced: bool


@event("terminal.taken")
class TerminalTaken(Event):
    lease: TerminalLease


@event("terminal.typed")
class TerminalTyped(Event):
    """One line that somebody typed; what the terminal did not show stands in it as `<not shown>`."""

    agent: str
    line: str


@dataclass(frozen=True, slots=True)
class AgentLogs:
    """What a terminal has printed, as lines of plain text."""

    agent: str
    lines: list[str]
    offset: int
    """Where the output ended when it was read: give it as `since` to get what came later."""


@dataclass(frozen=True, slots=True)
class Screenshot:
    """What stands on a terminal's screen."""

    agent: str
    running: bool
    """False: this is the last it showed."""
    text: str
    columns: int
    rows: int
    cursor_column: int
    cursor_row: int
    offset: int


@dataclass(frozen=True, slots=True)
class SavedScreenshot:
    name: str
    screenshot: str
    """Path of a PNG on the server's machine; the next one replaces it."""


@dataclass(frozen=True, slots=True)
class SentKeys:
    name: str
    sent: str


def _describe_logs(found: AgentLogs) -> str:
    return "\n".join(found.lines) or f"{found.agent} has printed nothing."


def _describe_screen(found: Screenshot | Picture) -> str:
    if isinstance(found, Picture):
        return found.caption
    state = "" if found.running else f"({found.agent} is not running; its last screen)\n"
    return f"{state}{found.text}" if found.text else f"{state}The screen is empty."


def _describe_sent(sent: SentKeys) -> str:
    return f"typed into {sent.name}: {sent.sent}. Look: screenshot_agent"


@query("GET /api/agents/{name}/logs", tool="get_agent_logs", toolset="process", allow=WATCH_TERMINALS,
       describe=_describe_logs, hidden=("since", "raw"))  # fmt: skip
def get_agent_logs(
    call: Call,
    *,
    name: MemberName,
    lines: Annotated[int, Field(ge=1, le=5000)] = 40,
    grep: Annotated[str, Field(max_length=200, description="Only lines that hold this text.")] = "",
    since: Annotated[int, Field(ge=0, lt=2**62)] | None = None,
    raw: Annotated[bool, Field(description="The bytes as they came, escape sequences and all.")] = False,
) -> AgentLogs:
    """Last lines of an agent terminal as plain text.

    Raises NotFound.
    """
    return AgentLogs(find_agent(call.transaction, name).name, [], 0)


@query("GET /api/agents/{name}/screenshot", tool="screenshot_agent", toolset="process", allow=WATCH_TERMINALS,
       describe=_describe_screen)  # fmt: skip
def screenshot_agent(
    call: Call, *, name: MemberName, form: Annotated[Literal["text", "png"], Field(alias="as")] = "text"
) -> Screenshot | Picture:
    """Terminal screen as text (default) or PNG.

    Raises NotFound, TooMany.
    """
    return Screenshot(find_agent(call.transaction, name).name, False, "", 0, 0, 0, 0, 0)


@query("POST /api/agents/{name}/screenshot", allow=WATCH_TERMINALS)
def save_screenshot(call: Call, *, name: MemberName) -> SavedScreenshot:
    """Draw an agent's screen into a file on the server's machine, as TeamMCP's clients know it.

    Raises NotFound, TooMany.
    """
    return SavedScreenshot(find_agent(call.transaction, name).name, "")


@command("POST /api/agents/{name}/sendkeys", tool="send_keys_to_agent", toolset="process", allow=SEND_KEYS,
         emits=[TerminalTaken], describe=_describe_sent, destructive=True)  # fmt: skip
def send_keys_to_agent(call: Call, *, name: MemberName, keys: Keys) -> SentKeys:
    """Type into an agent terminal. Needs the terminal-input grant; logged.

    Raises NotFound, NotAllowed, Conflict, BadArgument.
    """
    find_agent(call.transaction, name)
    call.emit(TerminalTaken(TerminalLease(name, call.caller.name, False)), subject=name, audience=OPERATORS)
    return SentKeys(name, keys)


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


@command(allow=SEND_KEYS, emits=[TerminalTyped])
def record_typed(call: Call, *, name: MemberName, lines: list[TypedLine]) -> dict[str, Any]:
    """Put on record what somebody has typed into an agent's terminal, line by line."""
    for line in lines:
        call.emit(TerminalTyped(name, line), subject=name, audience=OPERATORS)
    return {}
