"""The kind `codex`: Codex in a home of its own, with our bridge and hooks, and without its shared background server."""

import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from server.config import AgentConfig
from server.supervision.kinds.codex import records, usage
from server.supervision.kinds.codex.account import account_of, sign_in_of
from server.supervision.kinds.codex.hooks import meaning_of
from server.supervision.kinds.codex.seed import seed
from server.supervision.kinds.credentials import billing_of
from server.supervision.kinds.environment import (
    agent_environment,
    find_program,
    refuse_project_settings,
    working_directory,
)
from server.supervision.kinds.files import make_folder, write_private
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
from server.supervision.kinds.typing_in import typed_lines

_INSTRUCTIONS = "AGENTS.md"
_QUEUE_TIMEOUT_S = 10.0
"""It takes 0.2 s."""

_PROJECT_SETTINGS = (".codex/config.toml", ".codex/hooks.json")


class Codex:
    """Adapter of Codex."""

    name = "codex"
    has_process = True
    has_bridge = True
    ways: Sequence[str] = ("queue", "paste")
    interrupt: Sequence[bytes] = (b"\x1b",)
    polite_exit: Sequence[bytes] = (b"\x1b", b"\x03", b"\x03", b"\x03")
    """Esc refuses what a dialog asks or ends the turn; Ctrl-C empties the input; two more end it."""

    def problem(self, agent: AgentConfig) -> str | None:
        if _program(agent) is None:
            if agent.command:
                return f"There is no program {agent.command[0]}: correct command of {agent.name} in agents.yaml."
            return "Codex is not installed: npm install -g @openai/codex, or set command to its path."
        return None

    def prepare(self, run: Run) -> Launch:
        agent = run.agent
        program = _program(agent)
        if program is None:
            raise CannotLaunch(self.problem(agent) or "Codex is not installed.")
        workdir = working_directory(run)
        refuse_project_settings(run, workdir, "Codex", _PROJECT_SETTINGS)
        configuration = _configuration(run)
        account = account_of(agent, configuration)
        seed(
            configuration,
            workdir,
            settings=account.settings,
            server=bridge_server(run),
            hook=hook_words(run),
            permission_mode=agent.permission_mode,
        )
        # Read by each process anew, in a resumed conversation too. Its time is that of the launch.
        write_private(configuration / _INSTRUCTIONS, compose_instructions(agent))
        conversation = records.choose_conversation(configuration, run.session_id)
        argv = [
            program,
            *agent.command[1:],
            *(("resume", conversation) if conversation else ()),
            # Its shared server would outlive the agent, and serve whoever comes next with this agent's tools.
            "--no-daemon",
            # What scrolled away can be read back.
            "--no-alt-screen",
            *(("--model", agent.model) if agent.model else ()),
        ]
        return Launch(tuple(argv), self._environment(run) | dict(account.environment), workdir)

    def has_session(self, run: Run) -> bool:
        return records.find_conversation(_configuration(run), run.session_id) is not None

    def observe(self, run: Run, pid: int) -> Activity | None:
        configuration = _configuration(run)
        try:
            prepared_ms = int((configuration / _INSTRUCTIONS).stat().st_mtime * 1000)
        except OSError:
            return None
        return records.read_activity(configuration, run.session_id, prepared_ms)

    def billing(self, agent: AgentConfig) -> str:
        return billing_of(agent, "OPENAI_API_KEY")

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
        return typed_lines(text)

    def queue(self, run: Run, text: str) -> bool:
        conversation = records.find_conversation(_configuration(run), run.session_id)
        program = _program(run.agent)
        if conversation is None or program is None or run.agent.isolation.mode != "none":
            # It would run outside of the sandbox, with a configuration that the agent can change.
            return False
        command = [program, "queue", "--thread", conversation, "--message", text]
        try:
            done = subprocess.run(
                command,
                env=self._environment(run),
                cwd=working_directory(run),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=_QUEUE_TIMEOUT_S,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            return False
        return done.returncode == 0

    def _environment(self, run: Run) -> dict[str, str]:
        return {**agent_environment(run), "CODEX_HOME": str(_configuration(run))}


def _configuration(run: Run) -> Path:
    return make_folder(run.folder / "codex")


def _program(agent: AgentConfig) -> str | None:
    return find_program(agent, agent.command[0] if agent.command else "codex")
