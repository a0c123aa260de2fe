"""The real Claude Code, as prepared by us, against a scripted model: what we rely on in it."""

import asyncio
import json
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import pytest

from server.config import Provider, SecretReference
from server.supervision.kinds.claude.adapter import Claude
from server.supervision.kinds.kind import PAUSE_S, Activity, Launch, Run
from server.supervision.kinds.mcp_config import SERVER_NAME
from server.supervision.prompt_text import PromptMessage, compose_notice, compose_push, find_push_ids
from tests.kinds.conftest import TOKEN, MakeRun
from tests.peers import stdio_team
from tests.peers.hook_server import HookServer
from tests.peers.model_api import API_KEY, ModelApi, say, use_tool
from tests.peers.terminal import Terminal

T = TypeVar("T")
PROMPT = "\u276f"
"""The heavy arrow before its input line."""
ASKED = "Look at the log, please."
MESSAGES = [PromptMessage("msg_91", "#general", "bo", "agent", "member", ASKED)]


class Office:
    """One agent's run, and what a server would do with it."""

    def __init__(self, run: Run, hooks: HookServer, api: ModelApi) -> None:
        self.run, self.hooks, self.api = run, hooks, api
        self.kind = Claude()
        hooks.answer = lambda payload: self.kind.read_hook(payload).answer

    @asynccontextmanager
    async def started(self, team: Path | None = None) -> AsyncIterator[tuple[Terminal, Launch]]:
        """Start the CLI and wait until it says that it is idle. `team`: the folder of a scripted team for its tools."""
        launch = self.kind.prepare(self.run)
        if team is not None:
            server = {"command": sys.executable, "args": [stdio_team.__file__, str(team)], "alwaysLoad": True}
            (self.run.folder / "bridge" / "mcp.json").write_text(json.dumps({"mcpServers": {SERVER_NAME: server}}))
        async with Terminal(launch.argv, launch.environment, launch.working_directory) as terminal:
            await terminal.wait_until_shown(PROMPT)
            await self.wait_until_it_is(terminal, "idle")
            yield terminal, launch

    async def wait_until_it_is(self, terminal: Terminal, activity: str) -> Activity:
        def as_wanted() -> Activity | None:
            seen = self.kind.observe(self.run, terminal.pid)
            return seen if seen is not None and seen.activity == activity else None

        return await _until(as_wanted)

    async def wait_until_remembered(self, push_id: str) -> None:
        """Return when a push is in the transcript, which follows the turn by about a tenth of a second."""
        await _until(lambda: self.kind.remembered(self.run, [push_id]) or None)

    def push(self, launch: Launch, text: str) -> None:
        line = json.dumps({"type": "user", "message": {"role": "user", "content": text}}) + "\n"
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(launch.messaging_socket))
            client.sendall(line.encode())

    async def type(self, terminal: Terminal, writes: "tuple[bytes, ...] | list[bytes]") -> None:
        for write in writes:
            terminal.write(write)
            await asyncio.sleep(PAUSE_S)


async def _until(look: Callable[[], T | None]) -> T:
    """Look until there is something. What is looked at are files of another program: there is no event to wait for."""
    async with asyncio.timeout(15):
        while True:
            found = look()
            if found is not None:
                return found
            await asyncio.sleep(0.02)


@pytest.fixture
def office(
    make_run: MakeRun,
    claude_program: str,
    hook_server: HookServer,
    model_api: ModelApi,
    monkeypatch: pytest.MonkeyPatch,
) -> Office:
    monkeypatch.setenv("TEST_KEY", API_KEY)
    provider = Provider("scripted", "api_key", model_api.url, SecretReference("env", "TEST_KEY"))
    run = make_run(command=(claude_program,), provider=provider, server_url=hook_server.url)
    return Office(run, hook_server, model_api)


def _in_mode(office: Office, mode: str) -> None:
    office.run = replace(office.run, agent=replace(office.run.agent, permission_mode=mode))


@pytest.mark.parametrize("mode", ["ask", "plan", "accept_edits", "auto"])
async def test_it_starts_to_its_prompt_without_a_dialog(office: Office, mode: str) -> None:
    _in_mode(office, mode)

    async with office.started() as (terminal, launch):
        assert "Do you" not in terminal.text
        assert "Press" not in terminal.text
        assert office.kind.observe(office.run, terminal.pid) == Activity(
            "idle", "waits for a prompt", "session file", "prompt"
        )
        assert launch.messaging_socket is not None
        assert launch.messaging_socket.stat().st_mode & 0o077 == 0


async def test_a_push_wakes_it_and_its_hook_proves_with_our_token_that_it_was_seen(office: Office) -> None:
    async with office.started() as (terminal, launch):
        office.push(launch, compose_push("k3x9", MESSAGES))

        seen = await office.hooks.wait_until("UserPromptSubmit")
        asked = await office.api.wait_until(lambda request: ASKED in request.new_text)
        await office.hooks.wait_until("Stop")
        await office.wait_until_it_is(terminal, "idle")

    assert seen.authorization == f"Bearer {TOKEN}"
    assert seen.path == "/api/agents/ada/hooks"
    assert find_push_ids(office.kind.read_hook(seen.payload).prompt or "") == ("k3x9",)
    assert office.kind.read_hook(seen.payload).session_id == office.run.session_id
    assert f"| {ASKED}" in asked.new_text
    assert "Your name is ada." in asked.raw
    assert not {"ListAgents", "SendMessage"} & set(asked.tool_names)


async def test_after_a_kill_it_goes_on_with_its_conversation(office: Office) -> None:
    async with office.started() as (terminal, launch):
        office.push(launch, "[bp-aaaa] The word is heron.")
        await office.wait_until_remembered("aaaa")
        terminal.kill()
        await terminal.wait_until_ended()
    assert office.kind.has_session(office.run)

    async with office.started() as (terminal, launch):
        office.push(launch, "[bp-bbbb] What was the word?")
        asked = await office.api.wait_until(lambda request: "What was the word?" in request.new_text)

    assert "The word is heron." in asked.raw
    assert office.hooks.calls[-1].payload["session_id"] == office.run.session_id


async def test_it_starts_again_after_it_ended_before_anybody_spoke(office: Office) -> None:
    async with office.started() as (terminal, _launch):
        terminal.write("/exit\r")
        await terminal.wait_until_ended()

    async with office.started() as (terminal, _launch):
        assert PROMPT in terminal.text


async def test_a_push_that_a_kill_took_away_is_not_remembered_and_one_that_stayed_is(office: Office) -> None:
    office.api.when(say("late"), contains="[bp-bbbb]", gate="never")
    async with office.started() as (terminal, launch):
        office.push(launch, "[bp-aaaa] one")
        await office.wait_until_remembered("aaaa")
        office.push(launch, "[bp-bbbb] two")
        await office.api.wait_until(lambda request: "[bp-bbbb]" in request.new_text)
        terminal.kill()
        await terminal.wait_until_ended()
    remembered = office.kind.remembered(office.run, ["aaaa", "bbbb"])

    async with office.started() as (terminal, launch):
        office.push(launch, "[bp-cccc] three")
        asked = await office.api.wait_until(lambda request: "[bp-cccc]" in request.new_text)

    assert "aaaa" in remembered
    assert ("bbbb" in remembered) == ("[bp-bbbb]" in asked.raw)


async def test_a_burst_beyond_thirty_and_a_repeated_text_are_dropped_by_the_cli(office: Office) -> None:
    """If this fails, the CLI's guard has changed: the courier's pace is made for it."""
    async with office.started() as (terminal, launch):
        for number in range(40):
            office.push(launch, f"[bp-{number // 2:04}] the same text twice in a row")
        for number in range(20, 60):
            office.push(launch, f"[bp-{number:04}] another text")
        await _until(lambda: office.hooks.events().count("UserPromptSubmit") >= 30 or None)
        await office.hooks.wait_until("Stop")
        await office.wait_until_it_is(terminal, "idle")

    prompts = [str(call.payload["prompt"]) for call in office.hooks.calls if call.event == "UserPromptSubmit"]
    seen = [push_id for prompt in prompts for push_id in find_push_ids(prompt)]
    assert seen == [f"{number:04}" for number in range(len(seen))]
    assert 30 <= len(seen) <= 33


async def test_a_notice_typed_at_the_prompt_is_submitted_as_it_is(office: Office) -> None:
    notice = compose_notice("k3x9", MESSAGES)

    async with office.started() as (terminal, _launch):
        await office.type(terminal, [*office.kind.paste(notice)])
        seen = await office.hooks.wait_until("UserPromptSubmit")

    assert seen.payload["prompt"] == notice


async def test_a_permission_dialog_is_told_by_hook_and_record(office: Office) -> None:
    touch = use_tool("Bash", {"command": "touch made && ls", "description": "d"})
    office.api.when(touch, contains="[bp-", with_results=False)

    async with office.started() as (terminal, launch):
        office.push(launch, "[bp-aaaa] make it")
        asked = await office.hooks.wait_until("PermissionRequest")
        recorded = await office.wait_until_it_is(terminal, "needs_you")

    told = office.kind.read_hook(asked.payload).activity
    assert told == Activity("needs_you", "permission: Bash: touch made && ls", "hook", "permission")
    assert recorded.reason == "waits: permission prompt"
    assert not (office.run.workdir / "made").exists()


@pytest.mark.parametrize("mode", ["ask", "plan"])
async def test_our_own_tools_are_there_at_once_and_need_nobodys_consent(
    office: Office, mode: str, tmp_path: Path
) -> None:
    _in_mode(office, mode)
    office.api.when(use_tool("mcp__team__send_message", {"content": "hi"}), contains="[bp-", with_results=False)

    async with office.started(team=tmp_path) as (_terminal, launch):
        await _until(lambda: (tmp_path / "listed").exists() or None)
        office.push(launch, "[bp-aaaa] hello")
        asked = await office.api.wait_until(lambda request: "[bp-aaaa]" in request.new_text)
        answered = await office.api.wait_until(lambda request: request.has_results)
        await office.hooks.wait_until("Stop")

    assert "mcp__team__send_message" in asked.tool_names
    assert answered.new_results == "done"
    assert json.loads((tmp_path / "calls").read_text()) == ["send_message", {"content": "hi"}]


async def test_each_refusal_of_the_model_service_is_told_with_its_reason(office: Office) -> None:
    refusals = [
        ((401, "authentication_error", "invalid x-api-key"), "needs_you", "login", "not signed in"),
        ((429, "rate_limit_error", "slow down"), "limited", "rate_limit", "slow down"),
        ((529, "overloaded_error", "Overloaded"), "limited", "server_error", "does not answer as it should"),
        ((400, "invalid_request_error", "prompt is too long: 9 tokens > 8"), "idle", "turn_failed", "too long"),
        ((400, "invalid_request_error", "Your credit balance is too low"), "needs_you", "billing", "no credit left"),
    ]
    office.run = replace(office.run, agent=replace(office.run.agent, environment={"CLAUDE_CODE_MAX_RETRIES": "0"}))

    async with office.started() as (terminal, launch):
        for number, (error, activity, code, reason) in enumerate(refusals):
            office.api.rules[:] = []
            office.api.when(contains=f"[bp-000{number}]", error=error)
            office.hooks.calls[:] = []
            office.push(launch, f"[bp-000{number}] hello")
            failed = await office.hooks.wait_until("StopFailure")
            told = office.kind.read_hook(failed.payload).activity
            assert told is not None
            assert (told.activity, told.code) == (activity, code), failed.payload
            assert reason in told.reason
            await office.wait_until_it_is(terminal, "idle")
        await office.api.close()
        office.hooks.calls[:] = []
        office.push(launch, "[bp-0009] is anybody there?")
        failed = await office.hooks.wait_until("StopFailure")

    told = office.kind.read_hook(failed.payload).activity
    assert told is not None
    assert (told.activity, told.code) == ("limited", "server_error")
    assert "refused" in told.reason


@pytest.mark.parametrize("state", ["idle", "with a draft", "in a turn", "in a dialog"])
async def test_it_ends_politely_in_every_state_and_consents_to_nothing(office: Office, state: str) -> None:
    office.api.when(say("late"), contains="think", gate="never")
    touch = use_tool("Bash", {"command": "touch made && ls", "description": "d"})
    office.api.when(touch, contains="make it", with_results=False)

    async with office.started() as (terminal, launch):
        if state == "with a draft":
            terminal.write("half a thought")
            await terminal.wait_until_shown("half a thought")
        elif state == "in a turn":
            office.push(launch, "[bp-aaaa] think")
            await office.api.wait_until(lambda request: "think" in request.new_text)
            await office.wait_until_it_is(terminal, "working")
        elif state == "in a dialog":
            office.push(launch, "[bp-aaaa] make it")
            await terminal.wait_until_shown("Do you want to proceed?")
            await office.wait_until_it_is(terminal, "needs_you")
        await office.type(terminal, [*office.kind.polite_exit])
        code = await terminal.wait_until_ended(5)

    assert code == 0
    assert not (office.run.workdir / "made").exists()


async def test_a_project_of_the_work_directory_starts_no_server_of_its_own(office: Office, tmp_path: Path) -> None:
    office.run.workdir.mkdir(parents=True)
    started = tmp_path / "started"
    server = {"command": "touch", "args": [str(started)]}
    (office.run.workdir / ".mcp.json").write_text(json.dumps({"mcpServers": {"other": server}}))

    async with office.started() as (terminal, launch):
        office.push(launch, "[bp-aaaa] hello")
        await office.hooks.wait_until("Stop")
        assert "MCP server" not in terminal.text

    assert not started.exists()
