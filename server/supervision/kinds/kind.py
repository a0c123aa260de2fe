"""What differs between agent CLIs, behind one small interface. What one CLI needs stands in that CLI's own file."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from server.config import AgentConfig

PAUSE_S = 0.2
"""Between two writes into a terminal: a CLI reads what comes at once as one paste, and an Enter in it as a line."""


class CannotLaunch(Exception):
    """An agent cannot be started here. The message is one sentence with its remedy, and holds no secret."""


@dataclass(frozen=True)
class Run:
    """One launch of one agent: all that a kind may build on."""

    agent: AgentConfig
    run_id: str
    generation: int
    session_id: str
    """UUID chosen by us before the first launch and kept over restarts, so that a conversation can be resumed.

    A kind resumes it if it is there (`has_session`) and creates it if not; a fresh start takes another UUID.
    """
    folder: Path
    """DATA/agents/NAME, 0700; holds token, home/, tmp/, claude/, bridge/, push/, run/, spool/.

    A sandbox shows the agent every folder in it but `run` and `spool`, which are the holder's.
    """
    workdir: Path
    server_url: str
    token_file: Path
    """0600, one line; re-read by the bridge, never in argv or in the environment."""
    token: str
    """The same token, for files of mode 0600 that need it as text (hook headers)."""

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def temporary(self) -> Path:
        return self.folder / "tmp"


@dataclass(frozen=True)
class Launch:
    """What the holder starts."""

    argv: tuple[str, ...]
    environment: Mapping[str, str]
    """Whole environment of the agent: an allow-list, nothing is inherited."""
    working_directory: Path
    messaging_socket: Path | None = None
    """Where the CLI will listen for pushes; there only once it runs."""
    reads: tuple[Path, ...] = ()
    """What it needs beside its command and its own folder; in a sandbox these are shown to it, read-only."""
    cols: int = 120
    rows: int = 40


@dataclass(frozen=True)
class Activity:
    """What an agent is doing, and how that is known."""

    activity: str
    """working | idle | needs_you | limited | stalled | unknown"""
    reason: str
    source: str
    """hook | mcp | session file | transcript | screen"""
    code: str = ""
    """A word for the reason: permission, question, plan, login, account, billing, trust, model, rate_limit, overloaded,
    server_error, tool, prompt, compaction, turn, call, …"""
    resets_at: int | None = None
    """UTC milliseconds at which a limit ends, if the CLI says so."""
    progressed_at: int | None = field(default=None, compare=False)
    """UTC milliseconds of the last sign of progress that the CLI keeps on record."""


@dataclass(frozen=True)
class Asked:
    """What a CLI asks a person while its tool waits. All of it comes from the agent."""

    kind: str
    """permission | question"""
    summary: str
    details: str
    """Whole, with what cannot be seen made visible."""
    options: Sequence[str]
    tool: str
    input: Mapping[str, Any]
    folder: str
    pattern: str | None = None
    """In words, what more may be allowed than this once."""
    rules: list[dict[str, str]] = field(default_factory=list)
    """The same in the CLI's own form."""
    questions: list[dict[str, Any]] = field(default_factory=list)
    """Each with `question`, `options` (label, description) and `several`."""
    is_whole: bool = True


@dataclass(frozen=True)
class Decided:
    """What became of a request: approved | rejected | answered | expired | closed | cancelled."""

    status: str
    by: str | None = None
    comment: str = ""
    answer: str = ""
    scope: str | None = None
    changed_input: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class ToolEnd:
    """A tool has run, or the turn is over: whatever was asked before it has been answered."""

    tool: str | None = None
    """None: the whole turn is over."""
    input: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class RequestRecord:
    """One request of a model, as a CLI wrote it down."""

    key: str
    """Its own id; the last that is told under it holds."""
    model: str
    at: int
    """UTC milliseconds."""
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    priced: bool = False
    """What it costs is in the CLI's own counter of cost."""


@dataclass(frozen=True)
class AccountLimit:
    """One limit of the account behind an agent."""

    name: str
    used_percent: float
    resets_at: int | None
    """UTC milliseconds."""
    length_s: int | None


@dataclass(frozen=True)
class UsageReading:
    """What a CLI's records tell of its use since they were last read. None: they do not tell."""

    requests: Sequence[RequestRecord] = ()
    marks: Mapping[str, int] = field(default_factory=dict)
    """How far each record is read now, in bytes."""
    cost_total_usd: float | None = None
    """Of this process, since it began."""
    cost_model: str = ""
    context_percent: float | None = None
    context_size: int | None = None
    compactions: int = 0
    """Since they were last read."""
    limits: Sequence[AccountLimit] | None = None


@dataclass(frozen=True)
class HookMeaning:
    """What one hook call of a CLI tells."""

    activity: Activity | None = None
    prompt: str | None = None
    """Text that has just entered the model's turn: the proof that a pushed message was seen."""
    edited: str | None = None
    """A file that the agent has just changed, as its CLI names it."""
    session_id: str | None = None
    """The conversation it happened in; another than the run's after the agent was told to clear it."""
    answer: Mapping[str, object] = field(default_factory=dict)
    """What the hook's HTTP response says to the CLI."""
    context: Callable[[str], Mapping[str, object]] | None = field(default=None, compare=False)
    """What to answer instead, to put a text before the model in this turn; None: this hook takes none."""
    begins_turn: bool = field(default=False, compare=False)
    asked: Asked | None = None
    """The CLI waits for a person's answer: the response is held back until there is one (`Kind.answer`)."""
    ended: ToolEnd | None = None
    children: int = 0
    """By how many more (or fewer) sub-agents work for it."""


class Kind(Protocol):
    """The adapter of one agent CLI. Methods may read and write files and run programs: call them in a thread."""

    @property
    def name(self) -> str:
        """The word for it in agents.yaml."""

    @property
    def has_process(self) -> bool:
        """False: nothing is started; the member connects by itself, and `prepare` must not be called."""

    @property
    def has_bridge(self) -> bool:
        """It starts our bridge and keeps a record of itself: it is ready once both are there."""

    @property
    def ways(self) -> Sequence[str]:
        """Ways a message can be pushed, best first; none: the agent fetches by itself.

        `socket`: the CLI's messaging socket, for composed text. `hook_context`: the answer to a hook of its turn.
        `paste`: typed at an idle prompt, where it has a person's authority: for notices of our own, never for what
        another member wrote. `queue`: the same, for a CLI that is in a turn and takes prompts into a queue of its own.
        """

    @property
    def interrupt(self) -> Sequence[bytes]:
        """Writes that end a turn, with whatever tool runs in it, and leave an idle prompt, without consent to
        anything; none: it cannot be."""

    @property
    def polite_exit(self) -> Sequence[bytes]:
        """Writes, PAUSE_S apart, that ask the CLI to end, safe in every state of its screen; none: send a signal."""

    def problem(self, agent: AgentConfig) -> str | None:
        """Say in one sentence with its remedy why this agent cannot be launched here, or None. Changes nothing."""

    def prepare(self, run: Run) -> Launch:
        """Write the folder's files and return what to start. The same run may be prepared again.

        Raises CannotLaunch, and OSError if the folder cannot be written.
        """

    def has_session(self, run: Run) -> bool:
        """Tell whether the CLI has stored a conversation under the run's session id."""

    def observe(self, run: Run, pid: int) -> Activity | None:
        """Read the CLI's own record of what it is doing, or None if it keeps none or it is not there yet."""

    def billing(self, agent: AgentConfig) -> str:
        """Say who pays for its requests: api, plan or unknown."""

    def share_sign_in(self, run: Run) -> None:
        """Let a running agent and the person whose sign-in it shares have whichever was renewed last."""

    def read_usage(self, run: Run, marks: Mapping[str, int]) -> UsageReading:
        """Read what the CLI wrote down of its use since `marks`, which earlier readings gave."""

    def read_screen(self, text: str) -> Activity | None:
        """Recognise on the screen a dialog that keeps the CLI from its prompt; the last resort."""

    def read_hook(self, payload: Mapping[str, object]) -> HookMeaning:
        """Interpret one hook call. The payload comes from the agent: nothing in it is to be trusted."""

    def answer(self, asked: Asked, payload: Mapping[str, object], decided: Decided) -> Mapping[str, object]:
        """Return what the response to a held hook call says; nothing leaves the question to the CLI's own dialog."""

    def remembered(self, run: Run, push_ids: Iterable[str]) -> frozenset[str]:
        """Return those of the pushes that stand in the stored conversation.

        Ask before an agent that ended is started again: a CLI tells of a prompt by its hook a moment before it is on
        disk, so a push that was proved seen can be lost with the process and must be offered again.
        """

    def paste(self, text: str) -> Sequence[bytes]:
        """Return the writes, PAUSE_S apart, that submit a text at an idle prompt."""

    def queue(self, run: Run, text: str) -> bool:
        """Put a text into the CLI's own queue of prompts, and tell whether it was taken; for the way `queue`."""
