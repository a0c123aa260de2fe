"""What a terminal costs: a holder's memory, an echo, output that nobody reads, a screenshot, agents to be adopted."""

import asyncio
import json
import statistics
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from benchmarks.bare_terminal import stream
from benchmarks.child import Child, child
from benchmarks.figure import Effort, Figure, compared
from benchmarks.machine import cpu_s, scratch_folder
from benchmarks.office import Office, open_office
from server.terminals.screen import MAX_BYTES, ScreenRenderer

_CAT = ["sh", "-c", "stty raw -echo; printf up; exec cat"]
_PRINTED_MIB = 32
_PRINT = f"head -c {_PRINTED_MIB << 20} /dev/zero | tr '\\\\0' x"


def measure(effort: Effort) -> list[Figure]:
    """Compare a terminal of the office with a bare one, and a start with agents alive with one without."""
    with scratch_folder() as folder, child("bare_terminal") as bare:
        agents = {"echo": _CAT, "print": ["sh", "-c", f"stty raw; read go; {_PRINT}; exec cat"]}
        with open_office(_made(folder / "few"), _team_file(folder / "few", agents)) as office:
            _wait_until_up(office, 2)
            holder = _holder(folder / "few", "echo")
            memory = _private_mib(holder)
            echo = asyncio.run(_echo(office, bare, effort))
            output = _output(office, folder / "few", bare, effort)
        pictures = asyncio.run(_screenshots(bare, effort))
        start = _start(folder, 10 if effort.quick else 50, effort)
    found = Figure("private memory of a holder", "MiB", memory, goal=9.0, floor=14.0, at_most=True)
    return [found, echo, output, *pictures, start]


async def _echo(office: Office, bare: Child, effort: Effort) -> Figure:
    count = 100 if effort.quick else 300
    ours, limits = [], []
    async with _terminal(office, "echo") as socket:
        await socket.send_json({"type": "take"})
        for _ in range(effort.rounds):
            limits.append(statistics.median(bare.ask(do="echo", command=_CAT, count=count)))
            took = []
            for _ in range(count):
                started = time.perf_counter()
                await socket.send_json({"type": "in", "data": "x"})
                while (await socket.receive()).type is not aiohttp.WSMsgType.BINARY:
                    pass
                took.append((time.perf_counter() - started) * 1000)
            ours.append(statistics.median(took))
    title = "echo through server and holder / bare PTY"
    return compared(title, "ms", ours, limits, goal=None, at_most=True, note="goal: below 5 ms")


def _output(office: Office, folder: Path, bare: Child, effort: Effort) -> Figure:
    """Weigh the CPU time of a holder that keeps what is printed, though nobody reads it."""
    ours, limits = [], []
    for number in range(2 if effort.quick else 3):
        limits.append(bare.ask(do="drain", command=["sh", "-c", f"stty raw; {_PRINT}"]) * 1000 / _PRINTED_MIB)
        if number:
            office.post("/api/agents/print/restart", {})
            _wait_until_up(office, 2, number + 1)
        holder, spool = _holder(folder, "print"), folder / "data" / "agents" / "print" / "spool"
        before, size = cpu_s(holder), _end(spool)
        office.post("/api/agents/print/sendkeys", {"keys": "C-j"})
        until = time.monotonic() + 120
        while _end(spool) - size < _PRINTED_MIB << 20 and time.monotonic() < until:
            time.sleep(0.02)
        ours.append((cpu_s(holder) - before) * 1000 / _PRINTED_MIB)
    return compared("CPU of a holder / of a bare reader", "ms/MiB", ours, limits, goal=1.3, floor=6.0, at_most=True)


async def _screenshots(bare: Child, effort: Effort) -> list[Figure]:
    renderer, tail = ScreenRenderer(), stream(MAX_BYTES)
    count = 3 if effort.quick else 8
    ours, limits, late = [], [], []
    try:
        await renderer.render(tail, 120, 40)
        worker = _newest_child()
        for _ in range(effort.rounds):
            limits.append(bare.ask(do="feed", size=MAX_BYTES, count=count) * 1000)
            before = cpu_s(worker)
            for _ in range(count):
                drawing = asyncio.ensure_future(renderer.render(tail, 120, 40))
                while not drawing.done():
                    started = time.perf_counter()
                    await asyncio.sleep(0.001)
                    late.append((time.perf_counter() - started - 0.001) * 1000)
            ours.append((cpu_s(worker) - before) * 1000 / count)
    finally:
        await asyncio.to_thread(renderer.close)
    stall = sorted(late)[int(len(late) * 0.99)]
    return [
        compared("screenshot of 64 KiB / pyte.Screen.feed, CPU", "ms", ours, limits, goal=1.2, floor=2.0, at_most=True),
        Figure("stall of the loop meanwhile, p99", "ms", stall, goal=10.0, floor=60.0, at_most=True),
    ]


def _start(folder: Path, count: int, effort: Effort) -> Figure:
    """Compare starts that find agents alive with starts that find none, and tell what each agent adds."""
    alone, many = _made(folder / "alone"), _made(folder / "many")
    none, all_of_them = _team_file(alone, {}), _team_file(many, {f"a-{at}": ["cat"] for at in range(count)})
    with open_office(many, all_of_them, stops_agents=False) as office:
        _wait_until_up(office, count)
    bare, ours = [], []
    rounds = 2 if effort.quick else 5
    for number in range(rounds):
        bare.append(_timed_start(alone, none, stops_agents=True))
        ours.append(_timed_start(many, all_of_them, stops_agents=number == rounds - 1))
    each = (statistics.median(ours) - statistics.median(bare)) / count
    note = f"{statistics.median(ours):.0f} ms with {count}"
    title = f"start of a server with {count} agents to adopt / bare start"
    return compared(title, "ms", ours, bare, goal=None, at_most=True, note=f"{note}: {each:.1f} ms an agent")


def _timed_start(folder: Path, team_file: Path, *, stops_agents: bool) -> float:
    (folder / "data" / "run" / "server.json").unlink(missing_ok=True)
    started = time.perf_counter()
    with open_office(folder, team_file, stops_agents=stops_agents):
        return (time.perf_counter() - started) * 1000


@asynccontextmanager
async def _terminal(office: Office, agent: str) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    ticket = office.post(f"/api/agents/{agent}/terminal/ticket", {"mode": "input"})["ticket"]
    address = f"http://127.0.0.1:{office.port}/ws/terminal?ticket={ticket}"
    headers = {"Authorization": f"Bearer {office.token}"}
    async with aiohttp.ClientSession(headers=headers) as session, session.ws_connect(address) as socket:
        while True:
            message = await socket.receive()
            if message.type is aiohttp.WSMsgType.BINARY and message.data[8:].endswith(b"up"):
                break
        yield socket


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder


def _team_file(folder: Path, agents: dict[str, list[str]]) -> Path:
    file = folder / "agents.yaml"
    described = {name: {"kind": "custom", "command": command} for name, command in agents.items()}
    file.write_text(json.dumps({"team": "bench", "agents": described}), encoding="utf-8")
    return file


def _wait_until_up(office: Office, count: int, generation: int = 0) -> None:
    until = time.monotonic() + 120
    while time.monotonic() < until:
        agents: list[dict[str, Any]] = office.get("/api/agents")["agents"]
        ready = [agent for agent in agents if agent["state"] == "ready"]
        if len(ready) == count and max(agent["generation"] for agent in ready) >= generation:
            return
        time.sleep(0.05)
    raise RuntimeError(f"not all of {count} agents are up")


def _holder(folder: Path, agent: str) -> int:
    record = folder / "data" / "agents" / agent / "run" / "holder.json"
    return int(json.loads(record.read_text(encoding="utf-8"))["pid"])


def _end(spool: Path) -> int:
    last = max(spool.glob("*.raw"), default=None)
    return 0 if last is None else int(last.stem) + last.stat().st_size


def _private_mib(pid: int) -> float:
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="utf-8")
    return sum(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Private_")) / 1024


def _newest_child() -> int:
    children = Path("/proc/self/task").glob("*/children")
    pids = [int(pid) for file in children for pid in file.read_text(encoding="utf-8").split()]
    return max(pid for pid in pids if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes())
