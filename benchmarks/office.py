"""A real server in a process of its own, as `bullpen up --only-server` starts it."""

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.machine import free_port

_STARTS_WITHIN_S = 30.0
_AGENTS_END_WITHIN_S = 90.0
_ENDS_WITHIN_S = 20.0


class Office:
    """A running server, seen from outside."""

    def __init__(self, port: int, pid: int, token: str) -> None:
        self.port = port
        self.pid = pid
        self.token = token
        """The chairman's."""
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)

    def get(self, path: str) -> Any:
        return self._ask("GET", path, None, self.token)

    def post(self, path: str, body: object, token: str | None = None) -> Any:
        return self._ask("POST", path, json.dumps(body), token or self.token)

    def _ask(self, method: str, path: str, body: str | None, token: str) -> Any:
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        self._connection.request(method, path, body, headers)
        answer = self._connection.getresponse()
        found = json.loads(answer.read())
        if answer.status >= 300:
            raise RuntimeError(f"{path}: {answer.status} {found}")
        return found

    def member(self, name: str) -> str:
        """Create an agent that no process stands behind, and return its token."""
        return str(self.post("/api/tokens", {"name": name, "kind": "agent"})["token"])

    def request(self, method: str, path: str, token: str, body: object = None) -> str:
        """Return a request as it goes over the wire."""
        content = "" if body is None else json.dumps(body)
        about = f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n" if content else ""
        return (
            f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\nAuthorization: Bearer {token}\r\n"
            f"{about}\r\n{content}"
        )


@contextlib.contextmanager
def open_office(folder: Path, team_file: Path | None = None, *, stops_agents: bool = True) -> Iterator[Office]:
    """Start a server on a data folder, with the agents of a team file if there is one; it ends at the end."""
    port, data = free_port(), folder / "data"
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("BULLPEN_", "DEMO"))}
    office_alone = [] if team_file is not None else ["--only-server", "--team", "bench"]
    if team_file is None:
        # The guards look at each message, and refuse none: a benchmark sends faster than an agent may.
        guards = "defaults: { guards: { self_per_min: 1000000, human_per_min: 1000000 } }\n"
        (folder / "agents.yaml").write_text(guards, encoding="utf-8")
    command = [
        *(sys.executable, "-m", "server.cli", "up", "--no-open", *office_alone),
        *("--config", str(team_file or folder / "agents.yaml"), "--data", str(data), "--port", str(port)),
    ]  # fmt: skip
    with (folder / "server.out").open("wb") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=folder, env=environment
        )
    try:
        _wait_until_ready(process, data / "run" / "server.json", folder / "server.out")
        token = (data / "run" / "operator.token").read_text(encoding="utf-8").strip()
        yield Office(port, process.pid, token)
    finally:
        process.send_signal(signal.SIGINT if team_file is not None and stops_agents else signal.SIGTERM)
        try:
            process.wait(_ENDS_WITHIN_S if team_file is None else _AGENTS_END_WITHIN_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_ready(process: "subprocess.Popen[bytes]", record: Path, output: Path) -> None:
    until = time.monotonic() + _STARTS_WITHIN_S
    while not record.exists():
        if process.poll() is not None or time.monotonic() > until:
            raise RuntimeError(f"the server did not start: {output.read_text(encoding='utf-8')}")
        time.sleep(0.02)
