"""The program of a demo agent: no model, no account, one fixed script; its tools it has through the real bridge.

A script of its own, started as `python -I demo_agent.py --mcp-config F --name N --record F [--partner P]`; it imports
nothing of ours. It answers people, and its partner only within the script, so no conversation goes on for ever.
"""

import argparse
import contextlib
import itertools
import json
import os
import queue
import re
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROTOCOL = "2026-07-28"
CHANNEL = "general"
NEEDED_TOOLS = {"whoami", "check_in", "send_message", "get_history"}
WAIT_S = 25
"""How long one `check_in` waits; the program does nothing meanwhile."""
THINKING_S = 0.6
"""So that a person can follow."""
RETRY_S = 1.0
OLDER = "… "
"""How a list begins or ends that does not show everything."""
SCRIPT = (
    "Good morning! I am here, and I can see #general. Are you there?",
    "Good morning! I am. My terminal runs in a real pseudo-terminal, and I talk to the team through the same bridge "
    "that Claude Code would use.",
    "So do I. I wait with `check_in`, and your message woke me. What shall we show the people?",
    "That whoever is mentioned is woken, and that every message has a receipt: stored, pushed, seen, handled.",
    "And that they can write to us: mention one of us here, or send a direct message.",
    "Each of us has a card with its state and a live terminal. Start, stop or restart us: the conversation stays.",
    "Then we are done. We are programs with a script and cost nothing; real agents come with `agents.yaml`.",
    "Good. I wait here. Write to me any time!",
)
"""Said in turns, each line once; the partner whose name sorts first begins."""

_SAID = r"(?P<id>msg_\d+) (?P<sender>\S+) \((?P<kind>\w+)\)(?: ↳(?P<thread>msg_\d+))? \d\d:\d\d: (?P<content>.*)$"
_MESSAGE = re.compile(r"^(?P<channel>\S+) " + _SAID)
_HISTORY = re.compile("^" + _SAID)


@dataclass(frozen=True)
class Message:
    """A message as the tools' text tells it."""

    id: str
    channel: str
    sender: str
    kind: str
    content: str
    thread: str | None = None
    """What it replies to: an answer goes where the question was, into the channel or into its thread."""


class Refused(Exception):
    """A tool answered with an error; its text says why."""


class Team:
    """The team's tools, over JSON-RPC lines to the bridge, which is a child of this program."""

    def __init__(self, mcp_config: Path) -> None:
        server = next(iter(json.loads(mcp_config.read_text(encoding="utf-8"))["mcpServers"].values()))
        self._bridge = subprocess.Popen(
            [server["command"], *server["args"]],
            env={**os.environ, **server.get("env", {})},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            bufsize=1,
        )
        self._numbers = itertools.count(1)
        self._answers: dict[int, queue.SimpleQueue[dict[str, Any]]] = {}
        self._writing = threading.Lock()
        threading.Thread(target=self._read, daemon=True).start()

    def connect(self) -> None:
        """Return when the server can be reached and offers what this program needs."""
        self._ask("server/discover", {})
        while NEEDED_TOOLS - {tool["name"] for tool in self._ask("tools/list", {})["tools"]}:
            time.sleep(RETRY_S)

    def call(self, tool: str, **arguments: object) -> str:
        """Return a tool's text. Raises Refused. Safe in several threads."""
        meta = {"claudecode/toolUseId": f"demo_{uuid.uuid4().hex}"}  # the key under which the bridge may repeat it
        result = self._ask("tools/call", {"name": tool, "arguments": arguments}, meta)
        text = "".join(part.get("text", "") for part in result.get("content", [])[:1])  # behind it may be a badge
        if result.get("isError"):
            raise Refused(text)
        return text

    def _ask(self, method: str, params: dict[str, Any], meta: dict[str, Any] | None = None) -> dict[str, Any]:
        number = next(self._numbers)
        answer = self._answers[number] = queue.SimpleQueue()
        stamp = {
            "io.modelcontextprotocol/protocolVersion": PROTOCOL,
            "io.modelcontextprotocol/clientInfo": {"name": "bullpen-demo", "version": "1"},
            "io.modelcontextprotocol/clientCapabilities": {},
            **(meta or {}),
        }
        line = json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": {**params, "_meta": stamp}})
        assert self._bridge.stdin is not None
        with self._writing:
            self._bridge.stdin.write(line + "\n")
        got = answer.get()
        del self._answers[number]
        if "error" in got:
            raise Refused(str(got["error"].get("message", got["error"])))
        result: dict[str, Any] = got["result"]
        return result

    def _read(self) -> None:
        assert self._bridge.stdout is not None
        for line in self._bridge.stdout:
            message = json.loads(line)
            waiting = self._answers.get(message["id"]) if isinstance(message.get("id"), int) else None
            if waiting is not None and "method" not in message:
                waiting.put(message)
        _say("The bridge has ended.")
        os._exit(1)  # the main thread waits for an answer that cannot come


class DemoAgent:
    """One demo agent: greets its partner by the script, answers people."""

    def __init__(self, name: str, partner: str, team: Team, record: Path) -> None:
        self._name = name
        self._partner = partner
        self._team = team
        self._record = record
        self._said: set[int] = set()
        """Lines of the script that are in the channel, whoever said them."""

    def run(self) -> None:
        """Talk until the program is ended."""
        self._note("busy", "connecting")
        self._team.connect()
        _say(self._team.call("whoami"))
        self._take_up_script()
        while True:
            self._note("idle", "waits for a message")
            try:
                for message in read_messages(self._team.call("check_in", wait_s=WAIT_S)):
                    self._answer(message)
            except Refused as error:
                _say(str(error))
                time.sleep(RETRY_S)

    def post(self, text: str) -> None:
        """Post what was typed into the terminal."""
        try:
            self._send(CHANNEL, text, None)
        except Refused as error:
            _say(str(error))

    def _take_up_script(self) -> None:
        """Say the line that is due: the first, or the one after the last that was said before a restart."""
        if not self._partner:
            return
        history = self._team.call("get_history", channel=CHANNEL, limit=200)
        lines = (_line_of(message) for message in read_history(history, CHANNEL))
        self._said = {line for line in lines if line is not None}
        if self._said or not history.startswith(OLDER):  # in a long history it was said long ago
            self._say_line(max(self._said, default=-1) + 1)

    def _answer(self, message: Message) -> None:
        _say(f"{message.sender} in {_shown(message.channel)}: {message.content}")
        if message.kind == "human":
            self._note("busy", f"answers {message.sender}")
            time.sleep(THINKING_S)
            self._send(message.channel, reply_to_person(self._name, message), message.id if message.thread else None)
        elif message.sender == self._partner and (line := _line_of(message)) is not None:
            self._said.add(line)
            self._say_line(line + 1)

    def _say_line(self, line: int) -> None:
        begins = self._name < self._partner
        if line >= len(SCRIPT) or line in self._said or (line % 2 == 0) != begins:
            return
        self._note("busy", f"talks with {self._partner}")
        time.sleep(THINKING_S)
        self._said.add(line)
        self._send(CHANNEL, f"@{self._partner} {SCRIPT[line]}", None)

    def _send(self, channel: str, content: str, reply_to: str | None) -> None:
        answering = {} if reply_to is None else {"reply_to": reply_to}
        _say(f"me in {_shown(channel)}: {content}")
        _say(self._team.call("send_message", channel=channel, content=content, **answering))

    def _note(self, status: str, reason: str) -> None:
        """Write down what it does, as real CLIs do, for its card."""
        new = self._record.with_suffix(".new")
        new.write_text(json.dumps({"pid": os.getpid(), "status": status, "reason": reason}), encoding="utf-8")
        new.replace(self._record)


def read_messages(text: str) -> list[Message]:
    """Return the messages in a text of `check_in`; a line that begins none belongs to the one before."""
    return _messages(text.split("\n")[1:], _MESSAGE, "")


def read_history(text: str, channel: str) -> list[Message]:
    """Return the messages in a text of `get_history`."""
    return _messages(text.split("\n"), _HISTORY, channel)


def reply_to_person(name: str, message: Message) -> str:
    """Return what a demo agent answers to a person; always the same to the same words."""
    words = " ".join(re.sub(r"@\S+", "", message.content).split())
    lower = words.lower()
    if not words or re.search(r"\b(hi|hello|hey|good (morning|day|evening))\b", lower):
        return f"Hello {message.sender}! I am {name}, a demo agent: a small program with a script. Ask me for `help`."
    if re.search(r"\b(help|what can you do)\b", lower):
        return (
            "I answer whoever writes to me, where they wrote it. Open my card to see my terminal, stop me and "
            "start me again, or write me a direct message. For an agent that thinks, add one to `agents.yaml`: "
            "`bullpen init --template pair` writes an example."
        )
    shown = words.replace("@", "").replace("`", "'")
    return f"I read: “{shown[:200]}”. I am a program with a script, so that is all I have to say about it. Try `help`."


def _messages(lines: Sequence[str], pattern: re.Pattern[str], channel: str) -> list[Message]:
    found: list[Message] = []
    for line in lines:
        match = pattern.match(line)
        if match:
            parts = {"channel": channel, **match.groupdict()}
            found.append(Message(**{**parts, "channel": parts["channel"].removeprefix("#")}))
        elif found and not line.startswith(OLDER):
            last = found.pop()
            found.append(Message(last.id, last.channel, last.sender, last.kind, f"{last.content}\n{line}", last.thread))
    return found


def _line_of(message: Message) -> int | None:
    """Return which line of the script a message is, or None."""
    if message.kind != "agent":
        return None
    said = message.content.partition(" ")[2] if message.content.startswith("@") else message.content
    return SCRIPT.index(said) if said in SCRIPT else None


def _shown(channel: str) -> str:
    return channel if channel.startswith("dm:") else f"#{channel}"


def _say(text: str) -> None:
    """Write to the terminal; what others wrote cannot steer it."""
    plain = "".join(character if character.isprintable() or character == "\n" else " " for character in text)
    print(f"\x1b[2m{time.strftime('%H:%M:%S')}\x1b[0m {plain}", flush=True)  # noqa: T201 (its terminal is its face)


def _read_terminal(agent: DemoAgent) -> None:
    for line in sys.stdin:
        if line.strip() == "/exit":
            break
        if line.strip():
            agent.post(line.strip())
    os._exit(0)  # the main thread waits for a message that may not come; the bridge ends with its input


def main() -> None:
    """Run one demo agent until its terminal closes or `/exit` is typed."""
    options = argparse.ArgumentParser()
    options.add_argument("--mcp-config", type=Path, required=True)
    options.add_argument("--name", required=True)
    options.add_argument("--record", type=Path, required=True)
    options.add_argument("--partner", default="")
    chosen = options.parse_args()
    _say(f"{chosen.name}, a demo agent. What you type here I post in #{CHANNEL}; /exit ends me.")
    agent = DemoAgent(chosen.name, chosen.partner, Team(chosen.mcp_config), chosen.record)
    threading.Thread(target=_read_terminal, args=(agent,), daemon=True).start()
    with contextlib.suppress(KeyboardInterrupt):
        agent.run()


if __name__ == "__main__":
    main()
