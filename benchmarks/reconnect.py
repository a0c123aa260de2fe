"""A whole team that comes back at once, as after a restart: what a request of somebody else's waits meanwhile."""

import time

from benchmarks.child import child
from benchmarks.figure import Effort, Figure, compared
from benchmarks.machine import allow_many_files, scratch_folder
from benchmarks.office import Office, open_office

MEMBERS = 200
MISSED = 100
"""Messages that each of them has missed and is sent first."""
_AT_LEAST_S = 0.2


def measure(effort: Effort) -> list[Figure]:
    """Compare the 99th percentile of an unrelated request while a team reconnects with that of a quiet office."""
    allow_many_files()
    quiet, busy = [], []
    with scratch_folder() as folder, open_office(folder) as office, child("load") as load:
        tokens = [office.member(f"m{number}") for number in range(MEMBERS)]
        own = [office.request("GET", "/api/me", office.token)]
        seq = office.get("/api/snapshot")["seq"]
        for number in range(MISSED):
            office.post("/api/send", {"channel": "general", "content": f"while you were away {number}"})
        streams = [office.request("GET", f"/api/events?since={seq}", token) for token in tokens]
        took_s = max(_AT_LEAST_S, _reconnect(office, streams))
        for _ in range(effort.rounds):
            quiet.append(load.ask(port=office.port, requests=own, connections=1, seconds=took_s)["p99_ms"])
            load.tell(port=office.port, requests=own, connections=1, seconds=took_s)
            _reconnect(office, streams)
            busy.append(load.answer()["p99_ms"])
    return [
        compared(
            f"a request while {MEMBERS} reconnect / in a quiet office, p99", "ms", busy, quiet,
            goal=10.0, floor=60.0, at_most=True,
        )
    ]  # fmt: skip


def _reconnect(office: Office, streams: list[str]) -> float:
    """Open every stream at once, and return how long that took."""
    with child("subscribers") as readers:
        started = time.monotonic()
        readers.ask(do="connect", port=office.port, requests=streams, count=len(streams), at_once=True)
        return time.monotonic() - started
