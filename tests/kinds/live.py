"""A real CLI as prepared by its kind, alone in a terminal, with a scripted model: what a test does with it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from server.supervision.kinds.kind import PAUSE_S, Activity, Kind, Run
from tests.peers.hook_server import HookServer
from tests.peers.model_api import ModelApi
from tests.peers.terminal import Terminal

T = TypeVar("T")
PATIENCE_S = 20.0
SUBMITTED_S = 5.0


class LiveCli:
    """One agent's run. Its hooks are heard; a server for its tools is not there."""

    def __init__(self, kind: Kind, run: Run, hooks: HookServer, api: ModelApi) -> None:
        self.kind, self.run, self.hooks, self.api = kind, run, hooks, api
        hooks.answer = lambda payload: self.kind.read_hook(payload).answer

    def in_mode(self, mode: str) -> None:
        self.run = replace(self.run, agent=replace(self.run.agent, permission_mode=mode))

    @asynccontextmanager
    async def started(self, prompt: str) -> AsyncIterator[Terminal]:
        """Start the CLI and wait until its prompt is shown and its record says that it is idle."""
        launch = self.kind.prepare(self.run)
        async with Terminal(launch.argv, launch.environment, launch.working_directory) as terminal:
            await terminal.wait_until_shown(prompt, PATIENCE_S)
            await self.wait_until_it_is(terminal, "idle")
            yield terminal

    async def ask(self, terminal: Terminal, text: str) -> None:
        """Type a prompt as a person would, and return when it has entered a turn."""
        await self.type(terminal, (text.encode(), b"\r"))
        try:
            await self.hooks.wait_until(self.prompt_event, text, SUBMITTED_S)
        except AssertionError:  # on a busy machine it may read the Enter together with the text, and take it for a line
            terminal.write(b"\r")
            await self.hooks.wait_until(self.prompt_event, text, PATIENCE_S)

    @property
    def prompt_event(self) -> str:
        return "BeforeAgent" if self.kind.name == "gemini" else "UserPromptSubmit"

    async def type(self, terminal: Terminal, writes: Sequence[bytes]) -> None:
        for write in writes:
            terminal.write(write)
            await asyncio.sleep(PAUSE_S)

    async def wait_until_it_is(self, terminal: Terminal, activity: str, code: str = "") -> Activity:
        def as_wanted() -> Activity | None:
            seen = self.kind.observe(self.run, terminal.pid)
            return seen if seen is not None and seen.activity == activity and code in ("", seen.code) else None

        return await until_there(as_wanted)

    def processes(self) -> dict[int, str]:
        """Return what runs with this agent's folder in its environment, however it was detached."""
        found = {}
        for process in Path("/proc").glob("[0-9]*"):
            try:
                variables, words = (process / "environ").read_bytes(), (process / "cmdline").read_bytes()
            except OSError:
                continue
            if str(self.run.folder).encode() in variables:
                found[int(process.name)] = words.replace(b"\0", b" ").decode(errors="replace")
        return found


async def until_there(look: Callable[[], T | None]) -> T:
    """Look until there is something. What is looked at are files of another program: there is no event to wait for."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            found = look()
            if found is not None:
                return found
            await asyncio.sleep(0.02)
