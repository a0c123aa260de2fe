"""The kind `claude`: Claude Code in a configuration folder of its own, with our bridge, hooks and a push socket."""

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from server.config import AgentConfig
from server.supervision.kinds.claude import records, usage
from server.supervision.kinds.claude.account import account_environment, account_files, sign_in_of
from server.supervision.kinds.claude.dialogs import dialog_on
from server.supervision.kinds.claude.hooks import meaning_of
from server.supervision.kinds.claude.permissions import answer_of
from server.supervision.kinds.claude.seed import seed_settings, seed_state
from server.supervision.kinds.credentials import billing_of
from server.supervision.kinds.environment import agent_environment, find_program, working_directory
from server.supervision.kinds.files import make_folder, socket_path, write_private
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
from server.supervision.kinds.mcp_config import write_mcp_config
from server.supervision.kinds.sign_in import share_sign_in
from server.supervision.kinds.typing_in import typed_lines

_PERMISSION_MODES = {"ask": "manual", "plan": "plan", "accept_edits": "acceptEdits", "auto": "bypassPermissions"}

_QUIET = {
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    "CLAUDE_CODE_DISABLE_OFFICIAL_MARKETPLACE_AUTOINSTALL": "1",
    "DISABLE_AUTOUPDATER": "1",
    "DISABLE_ERROR_REPORTING": "1",
    "DISABLE_TELEMETRY": "1",
    # Tools that appear while it runs are in the next request in full, not behind a search.
    "ENABLE_TOOL_SEARCH": "false",
}


class Claude:
    """Adapter of Claude Code."""

    name = "claude"
    has_process = True
    has_bridge = True
    ways: Sequence[str] = ("socket", "hook_context", "paste")
    polite_exit: Sequence[bytes] = (b"\x1b", b"\x03", b"\x03", b"\x03")
    """Esc closes a dialog without consent or ends the turn; Ctrl-C empties the input; two more end it.

    Not `/exit` and Enter: with a permission dialog open, Enter says yes.
    """

    interrupt: Sequence[bytes] = (b"\x1b",)
    """Esc ends the turn with whatever tool runs in it, and closes a dialog without consent."""

    def problem(self, agent: AgentConfig) -> str | None:
        if _program(agent) is None:
            if agent.command:
                return f"There is no program {agent.command[0]}: correct command of {agent.name} in agents.yaml."
            return "Claude Code is not installed: npm install -g @anthropic-ai/claude-code, or set command to its path."
        return None

    def prepare(self, run: Run) -> Launch:
        agent = run.agent
        program = _program(agent)
        if program is None:
            raise CannotLaunch(self.problem(agent) or "Claude Code is not installed.")
        workdir = working_directory(run)
        configuration = make_folder(run.folder / "claude")
        environment = {
            **agent_environment(run),
            **_QUIET,
            **account_environment(agent),
            "CLAUDE_CONFIG_DIR": str(configuration),
        }
        mode = _PERMISSION_MODES[agent.permission_mode]
        if mode == "bypassPermissions" and os.geteuid() == 0:
            environment["IS_SANDBOX"] = "1"  # as root it refuses this mode elsewhere
        share_sign_in(sign_in_of(agent, configuration))
        seed_state(configuration, workdir, environment.get("ANTHROPIC_API_KEY"))
        usage.forget_status(configuration)  # it is of the process before
        hooks = f"{run.server_url}/api/agents/{agent.name}/hooks"
        rules = agent.permissions
        seed_settings(configuration, hooks, run.token, mode, allow=rules.allow, deny=rules.deny)
        instructions = configuration / "instructions.md"
        write_private(instructions, compose_instructions(agent))
        socket = socket_path(run.folder / "push", "claude.sock")
        conversation = "--resume" if self.has_session(run) else "--session-id"
        records.discard_empty_conversation(configuration, run.session_id)
        argv = [
            program,
            *agent.command[1:],
            *("--mcp-config", str(write_mcp_config(run)), "--strict-mcp-config"),
            *("--permission-mode", mode),
            *("--messaging-socket-path", str(socket)),
            *("--append-system-prompt-file", str(instructions)),
            # Without it a resumed conversation keeps the instructions it was begun with.
            *("--system-prompt-snapshot", "off"),
            *("--name", agent.name),
            *(("--model", agent.model) if agent.model else ()),
            *(("--fallback-model", ",".join(agent.fallback_models)) if agent.fallback_models else ()),
            *(("--effort", agent.effort) if agent.effort else ()),
            *(conversation, run.session_id),
        ]
        return Launch(tuple(argv), environment, workdir, messaging_socket=socket, reads=account_files(agent))

    def has_session(self, run: Run) -> bool:
        return records.has_conversation(run.folder / "claude", run.session_id)

    def observe(self, run: Run, pid: int) -> Activity | None:
        return records.read_activity(run.folder / "claude", pid)

    def billing(self, agent: AgentConfig) -> str:
        return billing_of(agent, "ANTHROPIC_API_KEY")

    def share_sign_in(self, run: Run) -> None:
        share_sign_in(sign_in_of(run.agent, run.folder / "claude"))

    def read_usage(self, run: Run, marks: Mapping[str, int]) -> UsageReading:
        return usage.read_usage(run.folder / "claude", marks)

    def read_screen(self, text: str) -> Activity | None:
        return dialog_on(text)

    def read_hook(self, payload: Mapping[str, object]) -> HookMeaning:
        return meaning_of(payload)

    def answer(self, asked: Asked, payload: Mapping[str, object], decided: Decided) -> Mapping[str, object]:
        return answer_of(asked, payload, decided)

    def remembered(self, run: Run, push_ids: Iterable[str]) -> frozenset[str]:
        return records.find_pushes(run.folder / "claude", push_ids)

    def paste(self, text: str) -> Sequence[bytes]:
        return typed_lines(text)

    def queue(self, run: Run, text: str) -> bool:
        return False


def _program(agent: AgentConfig) -> str | None:
    if agent.command:
        return find_program(agent, agent.command[0])
    return find_program(agent, "claude") or find_program(agent, str(Path("~/.local/bin/claude")))
