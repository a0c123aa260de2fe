"""The courier before an agent that is scripted: what it is handed, when, and that nothing is handed over too late."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import orjson

from server.events.feed import Feed
from server.supervision.courier import Courier
from tests.features.timed import Timed, open_timed


@dataclass
class ScriptedAgent:
    """An agent as its courier sees it: idle or not, and what was done to it."""

    name: str = "ada"
    ways: Sequence[str] = ("socket", "hook_context", "paste")
    is_ready: bool = True
    has_bridge: bool = True
    is_paused: bool = False
    idle: bool = True
    typed: list[str] = field(default_factory=list)
    broken_off: int = 0
    transcript: set[str] = field(default_factory=set)
    when_asked: Callable[[], object] = lambda: None
    """Called whenever somebody looks whether it is idle."""

    async def is_idle(self) -> bool:
        found = self.when_asked()
        if asyncio.iscoroutine(found):
            await found
        return self.idle

    async def takes_notice(self) -> bool:
        return await self.is_idle()

    async def give_notice(self, text: str) -> bool:
        if await self.is_idle():
            self.typed.append(text)
            return True
        return False

    async def break_off(self) -> bool:
        self.broken_off += 1
        self.idle = True
        return True

    async def remembered(self, push_ids: Sequence[str]) -> frozenset[str]:
        return frozenset(push_ids) & self.transcript


class Bridge(Feed):
    """What the agent's bridge was told to hand over."""

    def __init__(self) -> None:
        self.pushed: list[str] = []

    def tell(self, audience: str, kind: str, body: bytes, *, subject: str = "") -> int:
        self.pushed.append(orjson.loads(body)["text"])
        return 1


@dataclass
class Round:
    """A team in which somebody writes to the agent."""

    team: Timed
    agent: ScriptedAgent = field(default_factory=ScriptedAgent)
    bridge: Bridge = field(default_factory=Bridge)
    now_s: float = 0.0

    def __post_init__(self) -> None:
        ids = (f"push{number}" for number in itertools.count(1))
        self.courier = Courier(self.agent, self.team.dispatch, self.bridge, lambda: next(ids), lambda: self.now_s)

    async def send(self, content: str, **more: object) -> None:
        await self.team.call("chairman", "send_message", to="ada", content=content, **more)

    async def look(self, later_s: float = 0.0) -> None:
        """Let time pass and have the courier look once."""
        self.now_s += later_s
        await self.courier.deliver()

    async def states(self) -> list[str]:
        history = await self.team.call("chairman", "get_history", channel="dm:ada")
        return [receipt.state for receipt in history.receipts]


@asynccontextmanager
async def a_round(folder: Path) -> AsyncIterator[Round]:
    async with open_timed(folder) as team:
        await team.member("ada")
        yield Round(team)


async def test_what_waits_until_it_is_free_comes_in_one_push_when_it_is(tmp_path: Path) -> None:
    async with a_round(tmp_path) as found:
        found.agent.idle = False
        for text in ("one", "two", "three"):
            await found.send(text)
            await found.look(1)
        assert (found.bridge.pushed, await found.states()) == ([], ["stored"] * 3)

        found.agent.idle = True
        await found.look(1)

        (push,) = found.bridge.pushed
        assert all(f"\n| {text}\n" in push for text in ("one", "two", "three"))


async def test_nothing_is_pushed_to_a_paused_agent_and_all_of_it_when_it_goes_on(tmp_path: Path) -> None:
    async with a_round(tmp_path) as found:
        found.agent.is_paused = True
        for text in ("one", "two"):
            await found.send(text)
            await found.look(1)
        assert (found.bridge.pushed, await found.states()) == ([], ["stored"] * 2)

        found.agent.is_paused = False
        await found.look(1)

        (push,) = found.bridge.pushed
        assert all(f"\n| {text}\n" in push for text in ("one", "two"))


async def test_several_within_two_seconds_become_one_and_none_goes_faster(tmp_path: Path) -> None:
    async with a_round(tmp_path) as found:
        await found.send("first")
        await found.look()
        for text in ("second", "third"):
            await found.send(text)
            await found.look(0.9)
        assert len(found.bridge.pushed) == 1

        await found.look(0.3)

        assert len(found.bridge.pushed) == 2
        assert "2 new messages" in found.bridge.pushed[1]


async def test_a_message_for_the_next_step_goes_to_a_busy_agent_alone_and_breaks_nothing_off(tmp_path: Path) -> None:
    async with a_round(tmp_path) as found:
        found.agent.idle = False
        await found.send("later")
        await found.send("use the other port", delivery="next_step")

        await found.look()

        (push,) = found.bridge.pushed
        assert "| use the other port" in push
        assert "later" not in push
        assert found.agent.broken_off == 0


async def test_only_what_interrupts_breaks_a_turn_off_once_and_only_while_there_is_one(tmp_path: Path) -> None:
    async with a_round(tmp_path) as found:
        await found.send("idle already", delivery="interrupt")
        await found.look()
        assert found.agent.broken_off == 0
        found.agent.idle = False
        await found.send("stop", delivery="interrupt")
        await found.look(3)
        assert (found.agent.broken_off, len(found.bridge.pushed)) == (1, 2)

        found.agent.idle = False
        for _ in range(5):
            await found.look(30)

        assert found.agent.broken_off == 1, "offering it again is no reason to break off what it does now"


async def test_what_was_read_between_composing_and_handing_over_is_not_handed_over(tmp_path: Path) -> None:
    async with a_round(tmp_path) as found:
        await found.send("read by itself")
        await found.send("left")

        async def read_one() -> None:
            found.agent.when_asked = lambda: None
            await found.team.dispatch.as_system("mark_pushed", recipient="ada", messages=[1], way="x", push_id="aaaa")
            await found.team.dispatch.as_system("mark_push_seen", recipient="ada", push_id="aaaa", way="pull")

        found.agent.when_asked = read_one  # between reading what is owed and handing it over
        await found.look()

        (push,) = found.bridge.pushed
        assert "left" in push
        assert "read by itself" not in push


async def test_nothing_is_handed_over_when_all_was_read_meanwhile(tmp_path: Path) -> None:
    async with a_round(tmp_path) as found:
        await found.send("read by itself")

        async def read_it() -> None:
            await found.team.call("ada", "check_in")

        found.agent.when_asked = read_it
        await found.look()

        assert found.bridge.pushed == []
        assert await found.states() == ["seen"]


async def test_a_notice_is_not_typed_at_a_prompt_that_is_idle_no_more(tmp_path: Path) -> None:
    async with a_round(tmp_path) as found:
        found.agent.ways = ("paste",)
        await found.send("hello")
        looks = itertools.count()

        def starts_to_work() -> None:
            found.agent.idle = next(looks) < 2  # idle when it was decided, at work when it is to be typed

        found.agent.when_asked = starts_to_work
        await found.look()
        assert found.agent.typed == []

        found.agent.when_asked = lambda: None
        found.agent.idle = True
        await found.look(3)
        assert len(found.agent.typed) == 1


async def test_without_a_bridge_a_hook_carries_it_and_the_transcript_alone_proves_it(tmp_path: Path) -> None:
    async with a_round(tmp_path) as found:
        found.agent.idle = found.agent.has_bridge = False
        await found.send("when you are free")
        await found.send("at the next step", delivery="next_step")

        text = await found.courier.context_for_hook(begins_turn=False)

        assert text is not None
        assert "at the next step" in text
        assert "when you are free" not in text
        assert await found.courier.context_for_hook(begins_turn=False) is None, "once"
        await found.look(1)
        assert await found.states() == ["stored", "pushed"]
        found.agent.transcript.add("push1")
        await found.look(1)
        assert await found.states() == ["stored", "seen"]
        begun = await found.courier.context_for_hook(begins_turn=True)
        assert begun is not None
        assert "when you are free" in begun
        found.agent.has_bridge = True
        await found.send("again", delivery="next_step")
        assert await found.courier.context_for_hook(begins_turn=True) is None, "the socket is there"


async def test_what_a_guard_holds_is_not_handed_over_until_it_is_let_go(tmp_path: Path) -> None:
    async with a_round(tmp_path) as found:
        await found.team.member("bo")
        for _ in range(3):
            await found.team.call("bo", "send_message", to="ada", content="are you there?")
        await found.look()
        (push,) = found.bridge.pushed
        assert push.count("| are you there?") == 2

        await found.team.call("chairman", "resolve_guard", guard_id="guard_1", decision="continue")
        await found.look(3)

        assert found.bridge.pushed[1].count("| are you there?") == 1
