"""An agent CLI as the bridge sees it: lines in, lines out, in one of both eras."""

import asyncio
import json
import os
import signal
import socket
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.conftest import until

MODERN_ENVELOPE = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": {"name": "scripted-cli", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}
GREETING = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "scripted-cli", "version": "1"}}
LONGEST_LINE = 64 * 1024 * 1024


class Cli:
    """One CLI and the bridge it started."""

    def __init__(self, process: asyncio.subprocess.Process, stdin: asyncio.WriteTransport, era: str) -> None:
        self.process = process
        self._stdin = stdin
        self.era = era
        self.told: list[dict[str, Any]] = []
        """Notifications and requests of the server."""
        self.answers: Counter[str] = Counter()
        """How often each id was answered."""
        self.junk: list[bytes] = []
        self.on_request: Callable[[dict[str, Any]], None] = lambda message: None
        self._waiting: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self._number = 0
        self._reading = asyncio.create_task(self._read())

    @classmethod
    async def launch(
        cls,
        command: str,
        arguments: Sequence[str],
        era: str,
        *,
        cwd: Path,
        environment: Mapping[str, str],
        stdin: str = "socket",
        stdout: int = asyncio.subprocess.PIPE,
    ) -> "Cli":
        """Start a bridge whose stdin is a socket, as Node's children have it, or a pipe.

        A `stdout` of the caller's is closed here, and not read.
        """
        if stdin == "pipe":
            theirs, ours = os.pipe()
        else:
            theirs, ours = (end.detach() for end in socket.socketpair())
        loop = asyncio.get_running_loop()
        writing, _ = await loop.connect_write_pipe(asyncio.BaseProtocol, os.fdopen(ours, "wb", 0))
        process = await asyncio.create_subprocess_exec(
            command, *arguments, stdin=theirs, stdout=stdout,
            stderr=asyncio.subprocess.DEVNULL, cwd=cwd, env=environment, limit=LONGEST_LINE,
        )  # fmt: skip
        os.close(theirs)
        if stdout >= 0:
            os.close(stdout)
        return cls(process, writing, era)

    async def connect(self) -> list[str]:
        """Do what Claude Code does at its start; return the names of the tools."""
        if self.era == "modern":
            await self.ask("server/discover")
            self.send({"id": "listen:0", **self._message("subscriptions/listen", _LISTEN)})
            await self.until_told("notifications/subscriptions/acknowledged")
        else:
            await self.ask("initialize", GREETING)
            self.notify("notifications/initialized")
        return await self.tools()

    async def tools(self) -> list[str]:
        return [tool["name"] for tool in (await self.ask("tools/list"))["result"]["tools"]]

    async def call(self, tool: str, /, **arguments: Any) -> str:
        """Return the text of a tool's answer, with a mark before it if it is an error."""
        return text_of(await self.start_call(tool, **arguments))

    def start_call(self, tool: str, /, *, key: str = "", **arguments: Any) -> "asyncio.Future[dict[str, Any]]":
        self._number += 1
        meta = {"progressToken": self._number}
        if key != "none":
            meta |= {"claudecode/toolUseId": key or f"toolu_{self._number}"}  # type: ignore[dict-item]
        params = {"name": tool, "arguments": arguments, "_meta": meta}
        return self.start(self._number, self._message("tools/call", params))

    async def ask(self, method: str, params: dict[str, Any] | None = None, within_s: float = 5.0) -> dict[str, Any]:
        self._number += 1
        return await asyncio.wait_for(self.start(self._number, self._message(method, params or {})), within_s)

    def start(self, number: object, message: dict[str, Any]) -> "asyncio.Future[dict[str, Any]]":
        """Send a request; its answer comes as a future."""
        waiting = self.expect(number)
        self.write(json.dumps({"jsonrpc": "2.0", "id": number, **message}).encode() + b"\n")
        return waiting

    def expect(self, number: object) -> "asyncio.Future[dict[str, Any]]":
        """Return the answer to a request that is written elsewhere."""
        waiting = self._waiting[json.dumps(number)] = asyncio.get_running_loop().create_future()
        return waiting

    def cancel(self, number: object) -> None:
        self.notify("notifications/cancelled", {"requestId": number, "reason": "AbortError: user-cancel"})

    def notify(self, method: str, params: dict[str, Any] | None = None) -> None:
        self.send(self._message(method, params or {}))

    def send(self, message: dict[str, Any]) -> None:
        self.write(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")

    def write(self, data: bytes) -> None:
        self._stdin.write(data)

    @property
    def last_number(self) -> int:
        return self._number

    async def until_told(self, method: str, times: int = 1) -> dict[str, Any]:
        """Wait for the n-th notification of a kind."""
        found = await until(lambda: [each for each in self.told if each.get("method") == method][times - 1 :])
        message: dict[str, Any] = found[0]
        return message

    def bridge_pid(self) -> int | None:
        """Return the pid of the bridge that the shell loop runs now."""
        children = [pid for pid in _pids() if _parent_of(pid) == self.process.pid and b"--launch" in _command_of(pid)]
        return children[0] if children else None

    async def kill_bridge(self) -> None:
        """Kill the bridge as kill -9 does, and return when the next one runs."""
        killed = await until(self.bridge_pid)
        os.kill(killed, signal.SIGKILL)
        await until(lambda: self.bridge_pid() not in (None, killed))

    async def end(self) -> int:
        """Close stdin; return the exit code of what was launched."""
        self._stdin.close()
        code = await asyncio.wait_for(self.process.wait(), 5.0)
        await asyncio.wait_for(self._reading, 5.0)
        return code

    async def clear_away(self) -> None:
        if self.process.returncode is None:
            try:
                await self.end()
            except (TimeoutError, ConnectionError):
                self.process.kill()
                await self.process.wait()
        self._stdin.close()
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)

    def _message(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        if self.era == "modern":
            params = {**params, "_meta": {**MODERN_ENVELOPE, **params.get("_meta", {})}}
        return {"method": method, "params": params} if params else {"method": method}

    async def _read(self) -> None:
        if self.process.stdout is None:
            return
        while line := await self.process.stdout.readline():
            try:
                message = json.loads(line)
            except ValueError:
                self.junk.append(line)
                continue
            if "method" in message:
                self.told.append(message)
                if "id" in message:
                    self.on_request(message)
                continue
            name = json.dumps(message.get("id"))
            self.answers[name] += 1
            waiting = self._waiting.get(name)
            if waiting is not None and not waiting.done():
                waiting.set_result(message)


def text_of(message: dict[str, Any]) -> str:
    """Return what the model reads."""
    if "error" in message:
        return f"JSON-RPC ERROR {message['error']['message']}"
    (content,) = message["result"]["content"]
    return ("ERROR " if message["result"].get("isError") else "") + str(content["text"])


_LISTEN = {"notifications": {"toolsListChanged": True}}


def _pids() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def _parent_of(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except (OSError, IndexError):
        return 0


def _command_of(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""
