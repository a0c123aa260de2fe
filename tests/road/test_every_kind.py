"""The same scenario through every kind: start, hear, answer, be killed and go on as before, stop and leave nothing."""

import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from server.config import AgentConfig, Isolation, Provider, SecretReference
from server.supervision.kinds.catalogue import KINDS
from tests.conftest import open_office, until
from tests.peers.agent_clis import require_cli
from tests.peers.model_api import API_KEY, ModelApi
from tests.peers.sandbox import require_sandbox
from tests.peers.team_script import APIS, MODELS, answers, base_url, fetches
from tests.road.conftest import CLI_PATIENCE_S, Office

ROOT = Path(__file__).parents[2]
NAME = "ada"
FIRST, SECOND = "the word is heron", "which word was it?"
WITH_PROCESS = sorted(name for name, kind in KINDS.items() if kind.has_process)
THINKING = sorted(APIS)
_AT_ONCE = {"claude": {"CLAUDE_CODE_MAX_RETRIES": "0"}}
"""What makes a CLI say at once that it was refused."""


@dataclass
class Played:
    """An office with one agent of a kind in it, and the model of that agent if it has one."""

    kind: str
    office: Office
    api: ModelApi | None
    folder: Path

    def processes(self) -> dict[int, str]:
        """Return what runs with this agent's folder in its environment or on its command line."""
        found = {}
        for process in Path("/proc").glob("[0-9]*"):
            try:
                words, variables = (process / "cmdline").read_bytes(), (process / "environ").read_bytes()
            except OSError:
                continue
            if str(self.folder).encode() in words + variables and int(process.name) != os.getpid():
                found[int(process.name)] = words.replace(b"\0", b" ").decode(errors="replace")
        return found


@pytest.fixture
def play(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    monkeypatch.setenv("SCRIPTED_KEY", API_KEY)

    @asynccontextmanager
    async def playing(kind: str, isolation: str = "none") -> AsyncIterator[Played]:
        if kind not in APIS:
            async with _opened(_plain_agent(kind, tmp_path), None) as played:
                yield played
            return
        async with APIS[kind]() as api:
            provider = Provider("scripted", "api_key", base_url(kind, api), SecretReference("env", "SCRIPTED_KEY"))
            agent = AgentConfig(
                NAME, kind, "member", "developer", tmp_path / "work",
                command=(require_cli(kind),), provider=provider, model=MODELS[kind], environment=_AT_ONCE.get(kind, {}),
                isolation=Isolation(isolation),
            )  # fmt: skip
            async with _opened(agent, api) as played:
                yield played

    @asynccontextmanager
    async def _opened(agent: AgentConfig, api: ModelApi | None) -> AsyncIterator[Played]:
        agent.workdir.mkdir(parents=True)
        async with open_office(tmp_path / "data", agents=[agent]) as office:
            road = Office(office, api or ModelApi())
            yield Played(agent.kind, road, api, tmp_path / "data" / "agents" / NAME)

    return playing


def _plain_agent(kind: str, folder: Path) -> AgentConfig:
    if kind == "demo":
        return AgentConfig(NAME, kind, "member", "demo", folder / "work", options={"partner": ""})
    program = (sys.executable, str(ROOT / "tests" / "road" / "answerer.py"))
    variables = {"PYTHONPATH": str(ROOT)}
    return AgentConfig(NAME, kind, "member", "", folder / "work", command=program, environment=variables)


@pytest.mark.parametrize("kind", WITH_PROCESS)
async def test_an_agent_of_every_kind_hears_answers_survives_a_kill_and_leaves_nothing(
    play: Callable[[str], Any], kind: str
) -> None:
    async with play(kind) as played:
        road, api = played.office, played.api
        if api is not None:
            answers(api, kind, SECOND, "It was heron.")
            answers(api, kind, FIRST, "Noted.")
            fetches(api, kind)
        before = await road.wait_until_agent(NAME, state="ready", **({} if kind == "custom" else {"connected": True}))

        first = await road.say("general", f"@{NAME} {FIRST}")
        await road.wait_until_said("general", NAME, 1)
        heard = await road.wait_until_receipt(first, "handled")
        assert heard["seen_at"] is not None
        if kind != "custom":  # of which nothing is known but its calls
            await road.wait_until_agent(NAME, activity="idle")

        if api is not None:
            await road.wait_until_kept(NAME, FIRST, "Noted.")
        os.kill(before["pid"], signal.SIGKILL)
        await until(partial(_ended, road, before), CLI_PATIENCE_S)
        second = await road.say("general", f"@{NAME} {SECOND}")
        after = await until(partial(_next_run, road, before), CLI_PATIENCE_S)
        await road.wait_until_said("general", NAME, 2)
        await road.wait_until_receipt(second, "handled")
        assert (after["restarts"], after["last_exit"]["signal"]) == (1, signal.SIGKILL)
        if api is not None:
            asked = [turn for turn in api.turns() if SECOND in turn.new_text + turn.new_results]
            assert FIRST in asked[-1].raw, "it goes on with the conversation from before"

        await road.office.chairman.post(f"/api/agents/{NAME}/stop")
        stopped = await road.wait_until_agent(NAME, state="stopped")
        assert stopped["last_exit"]["reason"] == "asked"
        await until(lambda: not played.processes(), CLI_PATIENCE_S)  # its holder ends a moment after it said so


@pytest.mark.parametrize("kind", ["codex", "gemini"])
async def test_one_in_a_sandbox_hears_answers_and_leaves_nothing(play: Callable[..., Any], kind: str) -> None:
    """Claude Code: test_claude_sandboxed.py."""
    require_sandbox()
    async with play(kind, "bwrap") as played:
        road, api = played.office, played.api
        answers(api, kind, FIRST, "Noted.")
        fetches(api, kind)
        found = await road.wait_until_agent(NAME, state="ready", connected=True)
        assert found["isolation"] == "bwrap"

        heard = await road.say("general", f"@{NAME} {FIRST}")
        await road.wait_until_said("general", NAME, 1)
        await road.wait_until_receipt(heard, "handled")
        await road.wait_until_agent(NAME, activity="idle")

        await road.office.chairman.post(f"/api/agents/{NAME}/stop")
        await road.wait_until_agent(NAME, state="stopped")
        await until(lambda: not played.processes(), CLI_PATIENCE_S)


async def _ended(road: Office, before: dict[str, Any]) -> bool:
    agent = await road.agent(NAME)
    return agent["last_exit"] is not None and agent["last_exit"]["generation"] == before["generation"]


async def _next_run(road: Office, before: dict[str, Any]) -> dict[str, Any] | None:
    agent = await road.agent(NAME)
    return agent if agent["state"] == "ready" and agent["generation"] > before["generation"] else None


@pytest.mark.parametrize("kind", THINKING)
async def test_a_busy_one_gets_it_when_it_can_and_a_refusal_stays_on_its_card_until_it_works_again(
    play: Callable[[str], Any], kind: str
) -> None:
    async with play(kind) as played:
        road, api = played.office, played.api
        assert api is not None
        answers(api, kind, "use the other port", "Changed over.")
        answers(api, kind, "start working", "Started.")
        api.rules[-1].gate = api.rules[-2].gate = "working"
        fetches(api, kind)
        await road.wait_until_agent(NAME, state="ready", connected=True)

        await road.say("general", f"@{NAME} start working")
        await api.wait_until(lambda turn: "start working" in turn.new_text + turn.new_results)
        later = await road.say("general", f"@{NAME} use the other port")
        api.release("working")
        assert await road.wait_until_said("general", NAME, 2) == ["Started.", "Changed over."]
        await road.wait_until_receipt(later, "handled")
        await road.wait_until_agent(NAME, activity="idle")

        rules, api.rules[:] = [*api.rules], []
        api.when(error=(401, "invalid_api_key", "invalid credentials"))
        refused = await road.say("general", f"@{NAME} use the other port again")
        shown = await road.wait_until_agent(NAME, activity="needs_you")
        assert "not signed in" in shown["activity_reason"]
        api.rules[:] = rules
        await road.say("general", f"@{NAME} and use the other port")
        await road.wait_until_receipt(refused, "handled")
        await road.wait_until_agent(NAME, activity="idle")
        assert await _after(road, "needs_you") in ("working", "needs_you")


async def _after(road: Office, activity: str) -> str:
    """Return what an agent was shown to do after it was shown to do something."""
    events = (await road.office.chairman.get("/api/events/poll?since=0&types=agent.status&limit=500"))["events"]
    shown = [event["agent"]["activity"] for event in events]
    return str(shown[shown.index(activity) + 1])
