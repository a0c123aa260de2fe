"""The real Codex, as prepared by us, against a scripted model: what we rely on in it."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest

from server.config import Provider, SecretReference
from server.supervision.kinds.codex.adapter import Codex
from server.supervision.kinds.kind import Activity
from server.supervision.kinds.refusals import NO_CREDIT, NO_MODEL, OVERLOADED, RATE, SIGN_IN, UNREACHABLE
from server.supervision.prompt_text import PromptMessage, compose_notice, find_push_ids
from tests.kinds.conftest import MakeRun
from tests.kinds.live import LiveCli, until_there
from tests.peers.agent_clis import require_cli
from tests.peers.hook_server import HookServer
from tests.peers.model_api import API_KEY, say, use_tool
from tests.peers.responses_api import ResponsesApi
from tests.peers.team_script import base_url

PROMPT = "Ask Codex"
NOTICE = compose_notice("k3x9", [PromptMessage("msg_91", "#general", "bo", "agent", "member", "Look, please.")])
AT_ONCE = ("request_max_retries", "stream_max_retries")
TOUCH = {"cmd": "touch made"}


@pytest.fixture
async def api() -> AsyncIterator[ResponsesApi]:
    async with ResponsesApi() as api:
        yield api


@pytest.fixture
def cli(make_run: MakeRun, hook_server: HookServer, api: ResponsesApi, monkeypatch: pytest.MonkeyPatch) -> LiveCli:
    monkeypatch.setenv("TEST_KEY", API_KEY)
    provider = Provider("scripted", "api_key", base_url("codex", api), SecretReference("env", "TEST_KEY"))
    retries = [word for name in AT_ONCE for word in ("-c", f"model_providers.bullpen.{name}=0")]
    command = (require_cli("codex"), *retries)
    run = make_run("codex", command=command, provider=provider, model="gpt-5", server_url=hook_server.url)
    return LiveCli(Codex(), run, hook_server, api)


@pytest.mark.parametrize(("mode", "made"), [("ask", False), ("plan", False), ("accept_edits", True), ("auto", True)])
async def test_it_starts_to_its_prompt_without_a_dialog_and_may_what_its_mode_allows(
    cli: LiveCli, mode: str, made: bool
) -> None:
    cli.in_mode(mode)
    cli.api.when(use_tool("exec_command", TOUCH), contains="touch it", with_results=False)

    async with cli.started(PROMPT) as terminal:
        assert not {"trust", "review", "Sign in", "update"} & set(terminal.text.split())
        await cli.ask(terminal, "touch it")
        asked = await cli.api.wait_until(lambda request: request.has_results)
        seen = await cli.wait_until_it_is(terminal, "idle", "turn")

    assert (cli.run.workdir / "made").exists() == made
    assert seen == Activity("idle", "turn finished", "session file", "turn")
    assert "Your name is ada." in asked.raw
    assert asked.headers["authorization"] == f"Bearer {API_KEY}"


async def test_its_hooks_prove_a_notice_that_is_typed_and_one_that_is_queued_while_it_works(cli: LiveCli) -> None:
    cli.api.when(say("late"), contains="be busy", gate="busy")

    async with cli.started(PROMPT) as terminal:
        assert not cli.kind.queue(cli.run, NOTICE), "there is no conversation yet"
        await cli.type(terminal, cli.kind.paste(NOTICE))
        typed = await cli.hooks.wait_until("UserPromptSubmit", "k3x9")
        await cli.wait_until_it_is(terminal, "idle", "turn")
        await cli.ask(terminal, "be busy")
        await until_there(lambda: cli.kind.observe(cli.run, terminal.pid) is None or None)
        taken = await asyncio.to_thread(cli.kind.queue, cli.run, NOTICE.replace("k3x9", "q4y8"))
        cli.api.release("busy")
        queued = await cli.hooks.wait_until("UserPromptSubmit", "q4y8")
        await until_there(lambda: cli.kind.remembered(cli.run, ["k3x9", "q4y8", "zzzz"]) == {"k3x9", "q4y8"} or None)
        await until_there(lambda: len(cli.kind.read_usage(cli.run, {}).requests) == len(cli.api.turns()) or None)

    assert taken
    requests = cli.kind.read_usage(cli.run, {}).requests
    assert {(use.input_tokens, use.cache_read_tokens, use.output_tokens) for use in requests} == {(90, 10, 5)}
    assert typed.payload["prompt"] == NOTICE
    assert find_push_ids(cli.kind.read_hook(queued.payload).prompt or "") == ("q4y8",)
    assert typed.authorization == f"Bearer {cli.run.token}"


async def test_a_permission_dialog_is_told_and_the_polite_exit_consents_to_nothing(cli: LiveCli) -> None:
    escalated = {**TOUCH, "sandbox_permissions": "require_escalated", "justification": "I must"}
    cli.api.when(use_tool("exec_command", escalated), contains="touch it", with_results=False)

    async with cli.started(PROMPT) as terminal:
        await cli.ask(terminal, "touch it")
        asked = await cli.hooks.wait_until("PermissionRequest")
        await terminal.wait_until_shown("Would you like to run")
        told = cli.kind.read_hook(asked.payload).activity
        await cli.type(terminal, cli.kind.polite_exit)
        code = await terminal.wait_until_ended()

    assert told == Activity("needs_you", "permission: Bash: touch made", "hook", "permission")
    assert code == 0
    assert not (cli.run.workdir / "made").exists()
    await until_there(lambda: cli.processes() == {} or None)


async def test_after_a_kill_it_goes_on_with_its_conversation_and_leaves_no_server_of_its_own(cli: LiveCli) -> None:
    async with cli.started(PROMPT) as terminal:
        assert not any("app-server" in words for words in cli.processes().values())
        await cli.ask(terminal, "[bp-aaaa] The word is heron.")
        await cli.wait_until_it_is(terminal, "idle", "turn")
        for pid in cli.processes():
            with suppress(ProcessLookupError):  # ended with its parent
                os.kill(pid, 9)
        await terminal.wait_until_ended()
    assert cli.kind.has_session(cli.run)

    async with cli.started(PROMPT) as terminal:
        await cli.ask(terminal, "What was the word?")
        asked = await cli.api.wait_until(lambda request: "What was the word?" in request.new_text)

    assert "The word is heron." in asked.raw


async def test_each_refusal_of_the_model_service_is_told_with_its_reason(cli: LiveCli) -> None:
    refusals = [
        (401, "invalid_api_key", "Incorrect API key", "needs_you", "login", SIGN_IN),
        (429, "rate_limit_exceeded", "Slow down", "limited", "rate_limit", RATE),
        (529, "overloaded_error", "Overloaded", "limited", "overloaded", OVERLOADED),
        (429, "insufficient_quota", "You exceeded your quota", "needs_you", "billing", NO_CREDIT),
        (404, "model_not_found", "The model gpt-5 does not exist", "needs_you", "model", NO_MODEL),
        (400, "context_length_exceeded", "Your input exceeds the context window", "idle", "turn_failed", "too long"),
    ]
    async with cli.started(PROMPT) as terminal:
        for number, (status, kind, message, activity, code, reason) in enumerate(refusals):
            cli.api.rules[:] = []
            cli.api.when(contains=f"case {number}", error=(status, kind, message))
            await cli.ask(terminal, f"case {number}")
            seen = await cli.wait_until_it_is(terminal, activity, code)
            assert reason in seen.reason, refusals[number]
            assert seen.source == "session file"
            cli.api.rules[:] = []
            await cli.ask(terminal, f"after {number}")
            await cli.wait_until_it_is(terminal, "idle", "turn")
        await cli.api.close()
        await cli.ask(terminal, "is anybody there?")
        seen = await cli.wait_until_it_is(terminal, "limited", "server_error")

    assert UNREACHABLE in seen.reason
