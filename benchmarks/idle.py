"""What a subscriber that waits costs in memory: the server's resident memory before and after many of them."""

import time

from benchmarks.child import child
from benchmarks.figure import Effort, Figure
from benchmarks.machine import allow_many_files, resident_kib, scratch_folder
from benchmarks.office import open_office

_FIRST = 100
"""What the server loads for the first of them is not counted."""


def measure(effort: Effort) -> list[Figure]:
    """Weigh subscribers that only wait."""
    allow_many_files()
    count = 400 if effort.quick else 1500
    with scratch_folder() as folder, open_office(folder) as office, child("subscribers") as subscribers:
        requests = [office.request("GET", "/api/events", office.member("ada"))]
        subscribers.ask(do="connect", port=office.port, requests=requests, count=_FIRST)
        before = _settled_kib(office.pid)
        subscribers.ask(do="connect", port=office.port, requests=requests, count=count)
        each = (_settled_kib(office.pid) - before) / count
    return [Figure("memory of an idle subscriber", "KiB", each, goal=12.0, floor=24.0, at_most=True)]


def _settled_kib(pid: int) -> int:
    time.sleep(0.5)
    return resident_kib(pid)
