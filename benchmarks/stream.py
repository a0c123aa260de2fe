"""Fan-out of events over Server-Sent Events beside a bare loop of `os.write`, from the sender's request to the reader.

Two ways to measure. *One at a time*: events come at an even pace, each is written by itself: the server's CPU time per
delivery beyond what sending costs without subscribers, and how late the slowest are. *Burst*: eight senders send as
fast as they are answered; here the server may write what was committed together at once, which the loop never does.

Filtered: forty members with different rights; each message is for half of them. Members: each reader is another one,
all in one channel.
"""

import contextlib
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import cycle

from benchmarks.child import Child, child
from benchmarks.figure import Effort, Figure, compared
from benchmarks.machine import allow_many_files, cpu_s, scratch_folder
from benchmarks.office import Office, open_office
from benchmarks.texts import MARK, TEXTS

MEMBERS = 40
SENDERS = 8
_PACES = {200: 50.0, 1000: 20.0}
"""Events a second while they come one at a time."""


@dataclass
class _Found:
    """What the rounds of one arrangement found, ours beside the limit."""

    rate: list[float] = field(default_factory=list)
    cpu_us: list[float] = field(default_factory=list)
    p99_ms: list[float] = field(default_factory=list)
    busiest: float = 0.0


@dataclass
class _Office:
    """The server with its subscribers."""

    office: Office
    subscribers: Child
    load: Child
    share: float
    """Of the subscribers that get a message."""
    count: int
    sender: str
    channels: list[str]
    send_cpu_s: float = 0.0
    """CPU time of one message while nobody is subscribed."""

    def one_at_a_time(self, events: int, pace: float, found: _Found) -> float:
        """Send events at a pace, and return the bytes of one."""
        deliveries = int(events * self.count * self.share)
        _begin(self.subscribers, deliveries, timed=True)
        before = cpu_s(self.office.pid)
        self.send(events, pace)
        read = _complete(self.subscribers.answer(), deliveries)
        found.cpu_us.append((cpu_s(self.office.pid) - before - events * self.send_cpu_s) / deliveries * 1e6)
        found.p99_ms.append(read["p99_ms"])
        return read["bytes"]

    def send(self, events: int, pace: float) -> None:
        due = time.monotonic()
        for channel, text, _ in zip(cycle(self.channels), cycle(TEXTS), range(events), strict=False):
            time.sleep(max(0.0, due - time.monotonic()))
            due += 1 / pace
            content = f"{MARK}{time.monotonic_ns():020d} {text.removeprefix(MARK)}"
            self.office.post("/api/send", {"channel": channel, "content": content}, self.sender)

    def weigh_sending(self, pace: float) -> None:
        """Measure what a message costs before anybody subscribes."""
        weights = []
        for _ in range(3):
            before = cpu_s(self.office.pid)
            self.send(15, pace)
            weights.append((cpu_s(self.office.pid) - before) / 15)
        self.send_cpu_s = statistics.median(weights)

    def subscribe(self, tokens: list[str]) -> None:
        requests = [self.office.request("GET", "/api/events", token) for token in tokens]
        self.subscribers.ask(do="connect", port=self.office.port, requests=requests, count=self.count)

    def burst(self, events: int, found: _Found) -> None:
        deliveries = int(events * self.count * self.share)
        requests = [
            self.office.request("POST", "/api/send", self.sender, {"channel": channel, "content": text})
            for channel, text in zip(cycle(self.channels), TEXTS, strict=False)
        ]
        _begin(self.subscribers, deliveries, timed=False)
        started = time.monotonic()
        self.load.ask(port=self.office.port, requests=requests, connections=SENDERS, count=events)
        read = _complete(self.subscribers.answer(), deliveries)
        found.rate.append(deliveries / (read["ended"] - started))
        found.busiest = max(found.busiest, read["busy"])


@dataclass
class _Loop:
    """The bare loop of writes with its subscribers."""

    loop: Child
    subscribers: Child
    count: int

    def write(self, events: int, size: float, pace: float, found: _Found) -> None:
        deliveries = events * self.count
        _begin(self.subscribers, deliveries, timed=bool(pace))
        started = time.monotonic()
        written = self.loop.ask(do="write", events=events, bytes=int(size), pause_s=1 / pace if pace else 0)
        read = _complete(self.subscribers.answer(), deliveries)
        if pace:
            found.cpu_us.append(written["cpu_s"] / deliveries * 1e6)
            found.p99_ms.append(read["p99_ms"])
        else:
            found.rate.append(deliveries / (read["ended"] - started))
            found.busiest = max(found.busiest, read["busy"])


def measure(effort: Effort) -> list[Figure]:
    """Compare fan-out to few and many, to equals and to members with different rights, with the bare loop."""
    allow_many_files()
    figures = []
    for count in (200, 1000):
        for filtered in (False, True):
            figures += _compare(count, MEMBERS if filtered else 1, effort, filtered=filtered)
    return figures + _compare(200, 200, effort, filtered=False)


def _compare(count: int, members: int, effort: Effort, *, filtered: bool) -> list[Figure]:
    ours, limit = _Found(), _Found()
    pace = _PACES[count]
    events, burst = max(6, int(effort.seconds * pace)), max(20, int(effort.seconds * 60_000 / count))
    with _office_of(count, members, filtered) as office, _loop_of(count) as loop:
        size = office.one_at_a_time(6, pace, _Found())
        loop.write(6, size, pace, _Found())
        for _ in range(effort.rounds):
            loop.write(events, size, pace, limit)
            office.one_at_a_time(events, pace, ours)
            loop.write(burst, size, 0, limit)
            office.burst(burst, ours)
    goal, floor = (0.60, 0.2) if filtered else (0.80, 0.3)
    name = f"SSE to {count}{', filtered' if filtered else ' members' if members > 1 else ''}"
    busiest = max(ours.busiest, limit.busiest)
    note = f"the readers took {busiest:.0%} of a core" if busiest > 0.9 else ""
    return [
        compared(f"{name}, burst / os.write", "deliveries/s", ours.rate, limit.rate, goal=goal, floor=floor, note=note),
        compared(
            f"{name}, one at a time / os.write", "deliveries/CPU s", _inverse(ours.cpu_us), _inverse(limit.cpu_us),
            goal=goal, floor=floor / 2,
        ),
        compared(
            f"{name}, p99 from POST / from os.write", "ms", ours.p99_ms, limit.p99_ms,
            goal=1.5, floor=10.0, at_most=True,
        ),
    ]  # fmt: skip


@contextlib.contextmanager
def _office_of(count: int, members: int, filtered: bool) -> Iterator[_Office]:
    with (
        scratch_folder() as folder,
        open_office(folder) as office,
        child("subscribers") as readers,
        child("load") as load,
    ):
        tokens = [office.member(f"m{number}") for number in range(members)]
        channels = ["general"]
        if filtered:
            channels = ["topic:even", "topic:odd"]
            for parity, channel in enumerate(channels):
                names = [f"m{number}" for number in range(MEMBERS) if number % 2 == parity]
                office.post("/api/channels", {"id": channel, "type": "topic", "members": names})
            for number in range(MEMBERS):
                own = {"id": f"topic:own-{number}", "type": "topic", "members": [f"m{number}"]}
                office.post("/api/channels", own)
        opened = _Office(office, readers, load, 0.5 if filtered else 1.0, count, office.token, channels)
        opened.weigh_sending(_PACES[count])
        opened.subscribe(tokens)
        yield opened


@contextlib.contextmanager
def _loop_of(count: int) -> Iterator[_Loop]:
    with child("write_loop") as loop, child("subscribers") as readers:
        port = loop.ask(do="listen")["port"]
        loop.tell(do="accept", count=count)
        readers.ask(do="connect", port=port, requests=["GET / HTTP/1.1\r\n\r\n"], count=count)
        loop.answer()
        yield _Loop(loop, readers, count)


def _begin(subscribers: Child, deliveries: int, *, timed: bool) -> None:
    subscribers.tell(do="read", deliveries=deliveries, timed=timed)
    time.sleep(0.05)  # it reads by then: else the first event would be late for no fault of its sender


def _complete(read: dict[str, float], deliveries: int) -> dict[str, float]:
    if read["came"] != deliveries:
        raise RuntimeError(f"{read['came']} of {deliveries} events came")
    return read


def _inverse(cpu_us: list[float]) -> list[float]:
    return [1e6 / each for each in cpu_us]
