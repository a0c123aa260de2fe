"""The kind `gemini`: Gemini CLI in a home of its own, with our bridge and hooks."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from server.config import AgentConfig
from server.supervision.kinds.credentials import billing_of
from server.supervision.kinds.environment import (
    agent_environment,
    find_program,
    refuse_project_settings,
    working_directory,
)
from server.supervision.kinds.files import make_inner_folder, write_private
from server.supervision.kinds.gemini import records, usage
from server.supervision.kinds.gemini.account import account_of, sign_in_of
from server.supervision.kinds.gemini.hooks import meaning_of
from server.supervision.kinds.gemini.seed import seed
from server.supervision.kinds.instructions import compose_instructions
from server.supervision.kinds.kind import (
    Activity,
    Asked,
    CannotLaunch,
    Decided,
    HookMeaning,
    Launch,
    Run,
    UsageReading,
)
from server.supervision.kinds.mcp_config import bridge_server, hook_words
from server.supervision.kinds.sign_in import share_sign_in
from server.supervision.kinds.typing_in import pasted_lines

_PERMISSION_MODES = {"ask": "default", "plan": "plan", "accept_edits": "auto_edit", "auto": "yolo"}
_FIXED = {
    # Else it starts itself a second time, for more memory, and stays as a parent.
    "GEMINI_CLI_NO_RELAUNCH": "true",
    "GEMINI_TELEMETRY_ENABLED": "false",
    "COLORTERM": "truecolor",
}

_PROJECT_SETTINGS = (".gemini/settings.json",)


class Gemini:
    """Adapter of Gemini CLI."""

    name = "gemini"
    has_process = True
    has_bridge = True
    ways: Sequence[str] = ("paste",)
    interrupt: Sequence[bytes] = (b"\x1b",)
    polite_exit: Sequence[bytes] = (b"\x1b", b"\x03", b"\x03", b"\x03")
    """Esc refuses what a dialog asks or ends the turn; Ctrl-C empties the input; two more end it."""

    def problem(self, agent: AgentConfig) -> str | None:
        if _program(agent) is None:
            if agent.command:
                return f"There is no program {agent.command[0]}: correct command of {agent.name} in agents.yaml."
            return "Gemini CLI is not installed: npm install -g @google/gemini-cli, or set command to its path."
        return None

    def prepare(self, run: Run) -> Launch:
        agent = run.agent
        program = _program(agent)
        if program is None:
            raise CannotLaunch(self.problem(agent) or "Gemini CLI is not installed.")
        workdir = working_directory(run)
        refuse_project_settings(run, workdir, "Gemini CLI", _PROJECT_SETTINGS)
        configuration = _configuration(run)
        account = account_of(agent, configuration)
        seed(configuration, auth_type=account.auth_type, server=bridge_server(run), hook=hook_words(run))
        write_private(configuration / "GEMINI.md", compose_instructions(agent))
        log = configuration / records.LOG
        write_private(log, "")
        conversation = "--resume" if self.has_session(run) else "--session-id"
        records.discard_empty_conversation(configuration, run.session_id)
        argv = [
            program,
            *agent.command[1:],
            *("--approval-mode", _PERMISSION_MODES[agent.permission_mode]),
            *(("--model", agent.model) if agent.model else ()),
            *(conversation, run.session_id),
        ]
        environment = {**agent_environment(run), **_FIXED, **account.environment, "GEMINI_DEBUG_LOG_FILE": str(log)}
        return Launch(tuple(argv), environment, workdir, reads=account.files)

    def has_session(self, run: Run) -> bool:
        return records.has_conversation(_configuration(run), run.session_id)

    def observe(self, run: Run, pid: int) -> Activity | None:
        configuration = _configuration(run)
        seen = records.read_activity(configuration, run.session_id)
        if seen is None:  # in a turn, of which the log tells nothing that is missed
            records.shorten_log(configuration)
        return seen

    def billing(self, agent: AgentConfig) -> str:
        return billing_of(agent, "GEMINI_API_KEY")

    def share_sign_in(self, run: Run) -> None:
        share_sign_in(sign_in_of(run.agent, _configuration(run)))

    def read_usage(self, run: Run, marks: Mapping[str, int]) -> UsageReading:
        return usage.read_usage(_configuration(run), marks)

    def read_screen(self, text: str) -> Activity | None:
        return None

    def read_hook(self, payload: Mapping[str, object]) -> HookMeaning:
        return meaning_of(payload)

    def answer(self, asked: Asked, payload: Mapping[str, object], decided: Decided) -> Mapping[str, object]:
        return {}

    def remembered(self, run: Run, push_ids: Iterable[str]) -> frozenset[str]:
        return records.find_pushes(_configuration(run), push_ids)

    def paste(self, text: str) -> Sequence[bytes]:
        return pasted_lines(text)

    def queue(self, run: Run, text: str) -> bool:
        return False


def _configuration(run: Run) -> Path:
    """Return its folder: the one in the agent's home, for only the whole home can be put elsewhere."""
    return make_inner_folder(run.home / ".gemini")


def _program(agent: AgentConfig) -> str | None:
    return find_program(agent, agent.command[0] if agent.command else "gemini")
