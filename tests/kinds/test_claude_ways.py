"""The real Claude Code: context that a hook gives reaches a busy turn and its transcript; Esc ends a running tool."""

import asyncio
from dataclasses import replace

import pytest

from server.supervision.kinds.claude.hooks import context_of
from server.supervision.kinds.kind import Run
from server.supervision.prompt_text import compose_push
from tests.kinds.test_claude_live import MESSAGES, Office, office  # noqa: F401 (the fixture)
from tests.peers.model_api import say, use_tool


@pytest.mark.parametrize("event", ["PostToolUse", "UserPromptSubmit"])
async def test_context_given_in_a_hooks_answer_is_in_the_same_turn_and_in_the_transcript(
    office: Office,  # noqa: F811
    event: str,
) -> None:
    office.run = _in_auto(office)
    push = compose_push("k3x9", MESSAGES)
    office.hooks.answer = lambda payload: context_of(event, push) if payload["hook_event_name"] == event else {}
    office.api.when(use_tool("Bash", {"command": "true"}), contains="go on", times=1)
    office.api.when(say("Read."), contains="Look at the log")
    async with office.started() as (terminal, launch):
        office.push(launch, "go on")

        turn = await office.api.wait_until(lambda request: request.has_results)

        assert "| Look at the log, please." in turn.raw
        await office.wait_until_remembered("k3x9")
        await office.wait_until_it_is(terminal, "idle")


async def test_esc_ends_a_running_tool_and_it_is_idle(office: Office) -> None:  # noqa: F811
    office.run = _in_auto(office)
    office.api.when(
        use_tool("Bash", {"command": "python3 -c 'import time; time.sleep(60)'"}), contains="go on", times=1
    )
    async with office.started() as (terminal, launch):
        office.push(launch, "go on")
        await office.hooks.wait_until("PreToolUse")
        await office.wait_until_it_is(terminal, "working")
        began = asyncio.get_running_loop().time()

        await office.type(terminal, list(office.kind.interrupt))

        await office.wait_until_it_is(terminal, "idle")
        assert asyncio.get_running_loop().time() - began < 5


def _in_auto(office: Office) -> Run:  # noqa: F811
    return replace(office.run, agent=replace(office.run.agent, permission_mode="auto"))
