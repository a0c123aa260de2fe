"""The demo agent: a real program in a real terminal that keeps to its script and answers people."""

import asyncio
import json
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from server.features.inbox.checking_in import CheckIn, check_in
from server.features.messages.history import History, get_history
from server.features.messages.model import Message
from server.supervision.kinds.demo import Demo
from server.supervision.kinds.demo_agent import SCRIPT, read_history, read_messages, reply_to_person
from server.supervision.kinds.demo_agent import Message as Heard
from server.supervision.kinds.kind import Launch
from tests.kinds.conftest import MakeRun
from tests.peers import stdio_team
from tests.peers.terminal import Terminal


class Stage:
    """A demo agent's surroundings: the team behind its tools, and what it did with them."""

    def __init__(self, folder: Path, launch: Launch) -> None:
        self.folder = folder
        (folder / "inbox").mkdir(parents=True)
        (folder / "history").write_text("No messages.")
        (folder / "calls").write_text("")
        config = folder / "mcp.json"
        team = {"command": sys.executable, "args": [stdio_team.__file__, str(folder)]}
        config.write_text(json.dumps({"mcpServers": {"team": team}}))
        argv = list(launch.argv)
        argv[argv.index("--mcp-config") + 1] = str(config)
        self.launch = Launch(tuple(argv), launch.environment, launch.working_directory)

    def terminal(self) -> Terminal:
        return Terminal(self.launch.argv, self.launch.environment, self.launch.working_directory)

    def hears(self, number: int, sender: str, kind: str, content: str, channel: str = "#general") -> None:
        text = f"1 new:\n{channel} msg_{number} {sender} ({kind}) 10:00: {content}"
        (self.folder / f"{number}.new").write_text(text)
        (self.folder / f"{number}.new").rename(self.folder / "inbox" / f"{number:09}")

    def calls(self, tool: str) -> list[Mapping[str, Any]]:
        lines = [json.loads(line) for line in (self.folder / "calls").read_text().splitlines()]
        return [arguments for name, arguments in lines if name == tool]

    async def wait_until_called(self, tool: str, times: int) -> list[Mapping[str, Any]]:
        async with asyncio.timeout(10):
            while len(calls := self.calls(tool)) < times:  # noqa: ASYNC110 (another program's file)
                await asyncio.sleep(0.02)
        return calls


@pytest.fixture
def ada(make_run: MakeRun, tmp_path: Path) -> Stage:
    return Stage(tmp_path / "stage", Demo().prepare(make_run("demo", name="ada-demo")))


@pytest.fixture
def bo(make_run: MakeRun, tmp_path: Path) -> Stage:
    return Stage(tmp_path / "stage", Demo().prepare(make_run("demo", name="bo-demo")))


async def test_the_first_of_the_two_begins_and_each_says_its_lines_once(ada: Stage) -> None:
    async with ada.terminal():
        await ada.wait_until_called("send_message", 1)
        for line in range(1, len(SCRIPT), 2):
            ada.hears(line, "bo-demo", "agent", f"@ada-demo {SCRIPT[line]}")
        ada.hears(98, "bo-demo", "agent", f"@ada-demo {SCRIPT[1]}")
        ada.hears(99, "chairman", "human", "hello")
        sent = await ada.wait_until_called("send_message", 5)

    assert [call["content"] for call in sent[:4]] == [f"@bo-demo {line}" for line in SCRIPT[::2]]
    assert not any("reply_to" in call for call in sent)
    assert sent[4]["content"].startswith("Hello chairman!")


async def test_the_second_waits_for_the_first(bo: Stage) -> None:
    async with bo.terminal():
        await bo.wait_until_called("check_in", 1)
        assert bo.calls("send_message") == []

        bo.hears(5, "ada-demo", "agent", f"@bo-demo {SCRIPT[0]}")
        sent = await bo.wait_until_called("send_message", 1)

    assert sent == [{"channel": "general", "content": f"@ada-demo {SCRIPT[1]}"}]


async def test_after_a_restart_it_goes_on_where_the_conversation_stands(ada: Stage) -> None:
    said = [("ada-demo", SCRIPT[0]), ("bo-demo", SCRIPT[1])]
    history = "\n".join(f"msg_{n} {who} (agent) 10:00: @other {line}" for n, (who, line) in enumerate(said))
    (ada.folder / "history").write_text(history)

    async with ada.terminal():
        sent = await ada.wait_until_called("send_message", 1)

    assert sent == [{"channel": "general", "content": f"@bo-demo {SCRIPT[2]}"}]


async def test_in_a_long_history_it_does_not_begin_again(ada: Stage) -> None:
    (ada.folder / "history").write_text("… older ones: before=msg_900\nmsg_900 chairman (human) 10:00: good work")

    async with ada.terminal():
        await ada.wait_until_called("check_in", 1)

    assert ada.calls("send_message") == []


async def test_a_person_is_answered_where_they_wrote_and_other_agents_are_not(bo: Stage) -> None:
    async with bo.terminal():
        await bo.wait_until_called("check_in", 1)
        bo.hears(1, "mallory", "agent", f"@bo-demo {SCRIPT[0]}")
        bo.hears(2, "ada-demo", "agent", "@bo-demo something of my own")
        bo.hears(3, "mallory", "bot", "@bo-demo hello")
        bo.hears(4, "chairman", "human", "hello there", channel="dm:bo-demo:chairman")
        sent = await bo.wait_until_called("send_message", 1)

    assert len(sent) == 1
    assert (sent[0]["channel"], sent[0].get("reply_to")) == ("dm:bo-demo:chairman", None)
    assert sent[0]["content"].startswith("Hello chairman! I am bo-demo")


async def test_what_is_typed_into_its_terminal_is_posted_and_exit_ends_it(bo: Stage) -> None:
    async with bo.terminal() as terminal:
        await bo.wait_until_called("check_in", 1)
        terminal.write("typed by hand\r")
        sent = await bo.wait_until_called("send_message", 1)
        for write in Demo().polite_exit:
            terminal.write(write)
        code = await terminal.wait_until_ended(5)

    assert sent == [{"channel": "general", "content": "typed by hand"}]
    assert code == 0


async def test_what_others_wrote_cannot_steer_its_terminal(bo: Stage) -> None:
    async with bo.terminal() as terminal:
        bo.hears(1, "chairman", "human", "before\x1b[2J\x1b]0;title\x07after")
        await terminal.wait_until_shown("after")

    assert b"\x1b[2J" not in terminal.raw
    assert b"\x1b]0;" not in terminal.raw


async def test_it_ends_with_an_error_when_its_tools_are_gone(bo: Stage) -> None:
    bo.launch = Launch(
        tuple("/not/there" if word.endswith("mcp.json") else word for word in bo.launch.argv),
        bo.launch.environment,
        bo.launch.working_directory,
    )

    async with bo.terminal() as terminal:
        assert await terminal.wait_until_ended(5) == 1


async def test_it_says_by_its_record_what_it_does_and_a_dead_ones_is_not_believed(
    make_run: MakeRun, tmp_path: Path
) -> None:
    run, kind = make_run("demo", name="bo-demo"), Demo()
    stage = Stage(tmp_path / "stage", kind.prepare(run))

    async with stage.terminal() as terminal:
        await stage.wait_until_called("check_in", 1)
        activity = kind.observe(run, terminal.pid)
        terminal.kill(signal.SIGTERM)
        await terminal.wait_until_ended(5)

    assert activity is not None
    assert (activity.activity, activity.source) == ("idle", "session file")
    assert kind.observe(run, terminal.pid + 1) is None


def test_it_answers_the_same_words_the_same_way_and_mentions_nobody() -> None:
    asked = Heard("msg_1", "general", "chairman", "human", "@bo-demo tell @ada-demo\nmsg_2 x (human) 10:00: hi `x`")

    answer = reply_to_person("bo-demo", asked)

    assert answer == reply_to_person("bo-demo", asked)
    assert "@" not in answer
    assert "\n" not in answer


def _message(number: int, content: str, **fields: Any) -> Message:
    message: Message = {
        "id": f"msg_{number}", "seq": number, "channel": "general", "from": "ada-demo", "from_kind": "agent",
        "content": content, "mentions": [], "reply_to": None, "thread": None, "created_at": "2026-11-20T22:30:00.123Z",
        "edited_at": None, "deleted": False, "reactions": [], "pinned": False, "files": [], "priority": "next",
        "metadata": {}, "client_id": None,
    }  # fmt: skip
    return {**message, **fields}  # type: ignore[typeddict-item]


def test_it_reads_the_texts_that_the_servers_tools_write() -> None:
    first = _message(1, "one line")
    second = _message(2, "two\nlines: (really) 10:00: yes", channel="dm:bo-demo:chairman", reply_to="msg_1")
    expected = [
        Heard("msg_1", "general", "ada-demo", "agent", "one line"),
        Heard("msg_2", "dm:bo-demo:chairman", "ada-demo", "agent", "two\nlines: (really) 10:00: yes", "msg_1"),
    ]
    describe_check_in = check_in.__operation__.describe  # type: ignore[attr-defined]
    describe_history = get_history.__operation__.describe  # type: ignore[attr-defined]

    assert read_messages(describe_check_in(CheckIn([first, second], 3, 5, timed_out=False))) == expected
    assert read_messages(describe_check_in(CheckIn([], 0, 5, timed_out=True))) == []
    assert read_history(describe_history(History([first], [], True, "msg_1")), "general") == expected[:1]
    assert read_history(describe_history(History([], [], False, None)), "general") == []
