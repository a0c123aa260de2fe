"""`POST /api/send` beside what HTTP and a commit cost at least.

With many connections the limit is H = 1 / (1 / echo + 1 / L32): a request must go through HTTP and through a commit,
and both want the same interpreter lock. With one connection it is a raw commit alone.
"""

from benchmarks.child import Child, child
from benchmarks.figure import Effort, Figure, compared
from benchmarks.machine import scratch_folder
from benchmarks.office import Office, open_office
from benchmarks.raw_commit import RawCommit
from benchmarks.texts import TEXTS

CONNECTIONS = 32


def measure(effort: Effort) -> list[Figure]:
    """Compare sending over HTTP with its limits."""
    found: dict[str, list[float]] = {name: [] for name in ("H", "send 32", "L1", "send 1")}
    busiest = 0.0
    with scratch_folder() as folder, open_office(folder) as office, child("echo") as echo, child("load") as load:
        raw = RawCommit(folder / "raw.sqlite3")
        requests = _requests(office)
        ports = {"echo": int(echo.answer()["port"]), "send": office.port}

        def rate(where: str, connections: int, seconds: float) -> dict[str, float]:
            return _rate(load, ports[where], requests, connections, seconds)

        for where in ports:
            rate(where, CONNECTIONS, effort.seconds / 3)
        for _ in range(effort.rounds):
            bare = rate("echo", CONNECTIONS, effort.seconds)
            committed = raw.rate(CONNECTIONS, effort.seconds)
            ours = rate("send", CONNECTIONS, effort.seconds)
            found["H"].append(1 / (1 / bare["rate"] + 1 / committed))
            found["send 32"].append(ours["rate"])
            found["L1"].append(raw.rate(1, effort.seconds))
            found["send 1"].append(rate("send", 1, effort.seconds)["rate"])
            busiest = max(busiest, bare["busy"])
        raw.close()
    note = f"the clients took {busiest:.0%} of a core" if busiest > 0.9 else ""
    unit = "requests/s"
    return [
        compared(
            "POST /api/send, 32 connections / H", unit, found["send 32"], found["H"], goal=0.80, floor=0.25, note=note
        ),
        compared(
            "POST /api/send, 1 connection / raw commit", unit, found["send 1"], found["L1"], goal=0.50, floor=0.12
        ),
    ]


def _requests(office: Office) -> list[str]:
    token = office.member("ada")
    return [office.request("POST", "/api/send", token, {"channel": "general", "content": text}) for text in TEXTS]


def _rate(load: Child, port: int, requests: list[str], connections: int, seconds: float) -> dict[str, float]:
    found: dict[str, float] = load.ask(port=port, requests=requests, connections=connections, seconds=seconds)
    return found
