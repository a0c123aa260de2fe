"""What a bridge costs an agent: its start beside that of a bare interpreter, its own memory, what a call takes longer.

The start is the time from the spawn of the shell loop to the answer to `server/discover`, which the bridge fetches from
a running server; the limit is `python -c pass` with the same interpreter, spawned in turn with it.
"""

import http.client
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.figure import Effort, Figure, compared
from benchmarks.machine import scratch_folder
from benchmarks.office import Office, open_office
from bridge.command import bridge_command, compile_bridge

_ENVELOPE = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": {"name": "bench", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}
_CALL = {"name": "get_history", "arguments": {"channel": "general", "limit": 1}}


def measure(effort: Effort) -> list[Figure]:
    """Start bridges and bare interpreters in turn, then weigh one that has been used."""
    each = 5 if effort.quick else 12
    with scratch_folder() as folder, open_office(folder) as office:
        command = _command(office, folder)
        bare, started, direct, relayed = [], [], [], []
        for _ in range(effort.rounds):
            bare.append(statistics.median(_bare_ms() for _ in range(each)))
            started.append(statistics.median(_start_ms(command) for _ in range(each)))
        with _bridge(command) as process:
            _ask(process, "server/discover", {})
            _ask(process, "tools/list", {})
            for _ in range(effort.rounds):
                direct.append(_median_ms(lambda: _direct_call(office), 30))
                relayed.append(_median_ms(lambda: _ask(process, "tools/call", _CALL), 30))
            private = _private_kib(_child_of(process.pid)) / 1024
    added = statistics.median(ours - limit for ours, limit in zip(relayed, direct, strict=True))
    return [
        compared("bridge start / python -c pass", "ms", started, bare, goal=2.5, floor=5.0, at_most=True),
        Figure("private memory of a bridge", "MiB", private, goal=6.0, floor=9.0, at_most=True),
        Figure("what a call takes longer by the bridge", "ms", added, goal=0.3, floor=3.0, at_most=True),
    ]


def _command(office: Office, folder: Path) -> Sequence[str]:
    state = folder / "bridge"
    state.mkdir()
    token_file = folder / "token"
    token_file.write_text(office.member("dev"), encoding="utf-8")
    token_file.chmod(0o600)
    entry = bridge_command(
        sys.executable, compile_bridge(state), f"http://127.0.0.1:{office.port}", token_file, "dev", "run-1", state
    )
    return [str(entry["command"]), *entry["args"]]


@contextmanager
def _bridge(command: Sequence[str]) -> Iterator["subprocess.Popen[bytes]"]:
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as process:
        try:
            yield process
        finally:
            assert process.stdin is not None
            process.stdin.close()  # with its input it ends


def _start_ms(command: Sequence[str]) -> float:
    begun = time.perf_counter()
    with _bridge(command) as process:
        _ask(process, "server/discover", {})
        return (time.perf_counter() - begun) * 1000


def _bare_ms() -> float:
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-c", "pass"], check=True)
    return (time.perf_counter() - begun) * 1000


def _ask(process: "subprocess.Popen[bytes]", method: str, params: dict[str, Any]) -> Any:
    assert process.stdin is not None
    assert process.stdout is not None
    request = {"jsonrpc": "2.0", "id": time.monotonic_ns(), "method": method, "params": {**params, "_meta": _ENVELOPE}}
    process.stdin.write(json.dumps(request).encode() + b"\n")
    while True:
        answer = json.loads(_line(process))
        if answer.get("id") == request["id"]:
            return answer["result"]


def _line(process: "subprocess.Popen[bytes]") -> bytes:
    assert process.stdout is not None
    line = b""
    while not line.endswith(b"\n"):
        piece = process.stdout.read(1 << 20)
        if not piece:
            raise RuntimeError("the bridge has ended")
        line += piece
    return line.splitlines()[-1]


def _direct_call(office: Office) -> None:
    """Make the same call by MCP over HTTP, on a connection that is kept."""
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {**_CALL, "_meta": _ENVELOPE}})
    headers = {
        "Authorization": f"Bearer {office.token}", "Content-Type": "application/json",
        "Accept": "application/json, text/event-stream", "MCP-Protocol-Version": "2026-07-28",
        "Mcp-Method": "tools/call", "Mcp-Name": "get_history",
    }  # fmt: skip
    connection = _connection(office)
    connection.request("POST", "/mcp", body, headers)
    answer = connection.getresponse()
    content = answer.read()
    if answer.status != 200:
        raise RuntimeError(f"{answer.status} {content!r}")


_connections: dict[int, http.client.HTTPConnection] = {}


def _connection(office: Office) -> http.client.HTTPConnection:
    if office.port not in _connections:
        _connections[office.port] = http.client.HTTPConnection("127.0.0.1", office.port, timeout=20)
    return _connections[office.port]


def _median_ms(call: Any, count: int) -> float:
    took = []
    for _ in range(count):
        begun = time.perf_counter()
        call()
        took.append((time.perf_counter() - begun) * 1000)
    return statistics.median(took)


def _child_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8").split()[0])


def _private_kib(pid: int) -> int:
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="utf-8")
    return sum(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Private_"))
