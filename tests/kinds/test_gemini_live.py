"""The real Gemini CLI, as prepared by us, against a scripted model: what we rely on in it."""

from collections.abc import AsyncIterator

import pytest

from server.config import Provider, SecretReference
from server.supervision.kinds.gemini.adapter import Gemini
from server.supervision.kinds.kind import Activity
from server.supervision.kinds.refusals import NO_CREDIT, OVERLOADED, RATE, SIGN_IN, UNREACHABLE
from server.supervision.prompt_text import PromptMessage, compose_notice
from tests.kinds.conftest import MakeRun
from tests.kinds.live import LiveCli, until_there
from tests.peers.agent_clis import require_cli
from tests.peers.gemini_api import GeminiApi
from tests.peers.hook_server import HookServer
from tests.peers.model_api import API_KEY, use_tool

PROMPT = "Type your message"
NOTICE = compose_notice("k3x9", [PromptMessage("msg_91", "#general", "bo", "agent", "member", "Look, please.")])
TOUCH = use_tool("run_shell_command", {"command": "touch made"})
WRITE = use_tool("write_file", {"file_path": "made", "content": "made"})


@pytest.fixture
async def api() -> AsyncIterator[GeminiApi]:
    async with GeminiApi() as api:
        yield api


@pytest.fixture
def cli(make_run: MakeRun, hook_server: HookServer, api: GeminiApi, monkeypatch: pytest.MonkeyPatch) -> LiveCli:
    monkeypatch.setenv("TEST_KEY", API_KEY)
    provider = Provider("scripted", "api_key", api.url, SecretReference("env", "TEST_KEY"))
    command = (require_cli("gemini"),)
    run = make_run("gemini", command=command, provider=provider, model="gemini-2.5-pro", server_url=hook_server.url)
    return LiveCli(Gemini(), run, hook_server, api)


@pytest.mark.parametrize("mode", ["plan", "accept_edits", "auto"])
async def test_it_starts_to_its_prompt_without_a_dialog_and_may_what_its_mode_allows(cli: LiveCli, mode: str) -> None:
    cli.in_mode(mode)
    tool = TOUCH if mode == "auto" else WRITE
    cli.api.when(tool, contains="make it", with_results=False)

    async with cli.started(PROMPT) as terminal:
        assert not {"trust", "Sign", "update", "Waiting"} & set(terminal.text.split())
        await cli.ask(terminal, "make it")
        asked = await cli.api.wait_until(lambda request: request.has_results)
        await cli.wait_until_it_is(terminal, "idle", "turn")

    assert (cli.run.workdir / "made").exists() == (mode != "plan")
    assert "Your name is ada." in asked.raw
    assert asked.headers["x-goog-api-key"] == API_KEY


async def test_its_hook_proves_a_typed_notice_and_a_dialog_is_told_and_consented_to_by_nobody(cli: LiveCli) -> None:
    cli.api.when(TOUCH, contains="touch it", with_results=False)

    async with cli.started(PROMPT) as terminal:
        await cli.ask(terminal, NOTICE)
        typed = await cli.hooks.wait_until("BeforeAgent", "k3x9")
        await cli.wait_until_it_is(terminal, "idle", "turn")
        await cli.ask(terminal, "touch it")
        asked = await cli.hooks.wait_until("Notification")
        await terminal.wait_until_shown("Allow execution of")
        terminal.write(b"\x1b")
        cancelled = await cli.wait_until_it_is(terminal, "idle", "cancelled")
        await until_there(lambda: len(cli.kind.read_usage(cli.run, {}).requests) == len(cli.api.turns()) or None)
        await cli.type(terminal, cli.kind.polite_exit)
        code = await terminal.wait_until_ended()

    requests = cli.kind.read_usage(cli.run, {}).requests
    assert {(use.input_tokens, use.cache_read_tokens, use.output_tokens) for use in requests} == {(90, 10, 5)}
    assert typed.payload["prompt"] == NOTICE
    assert typed.authorization == f"Bearer {cli.run.token}"
    assert cli.kind.remembered(cli.run, ["k3x9", "zzzz"]) == {"k3x9"}
    told = cli.kind.read_hook(asked.payload).activity
    assert told == Activity("needs_you", "permission: touch made", "hook", "permission")
    assert cancelled.reason == "its turn was cancelled"
    assert code == 0
    assert not (cli.run.workdir / "made").exists()
    await until_there(lambda: cli.processes() == {} or None)


async def test_each_refusal_of_the_model_service_is_told_with_its_reason(cli: LiveCli) -> None:
    refusals = [
        (401, "UNAUTHENTICATED", "Request had invalid credentials", "needs_you", "login", SIGN_IN),
        (402, "PAYMENT", "No credit", "needs_you", "billing", NO_CREDIT),
        (400, "INVALID_ARGUMENT", "The input token count exceeds the maximum", "idle", "turn_failed", "too long"),
    ]
    async with cli.started(PROMPT) as terminal:
        for number, (status, kind, message, activity, code, reason) in enumerate(refusals):
            cli.api.when(contains=f"case {number}", error=(status, kind, message), times=1)
            await cli.ask(terminal, f"case {number}")
            seen = await cli.wait_until_it_is(terminal, activity, code)
            assert reason in seen.reason, refusals[number]
        for status, message, reason in ((429, "Slow down", RATE), (529, "Overloaded", OVERLOADED)):
            cli.api.when(contains=f"retried {status}", error=(status, "", message), times=1)
            await cli.ask(terminal, f"retried {status}")
            seen = await cli.wait_until_it_is(terminal, "limited", "retry")
            assert reason in seen.reason
            assert seen.reason.endswith("it tries again")
            await cli.wait_until_it_is(terminal, "idle", "turn")
        await cli.api.close()
        await cli.ask(terminal, "is anybody there")
        seen = await cli.wait_until_it_is(terminal, "limited")

    assert UNREACHABLE in seen.reason
