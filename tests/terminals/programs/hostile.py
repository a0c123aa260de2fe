# ruff: noqa: PTH123, S606
"""A tree that does not want to end: ignores signals, leaves its group and session, double-forks, wipes its environment.

Each process writes its pid and start time to a file. Arguments: the file, a marker, and `wiped` in the one that is run
again without an environment.
"""

import os
import signal
import sys
import time

path, marker = sys.argv[1:3]


def note(name: str) -> None:
    with open(f"/proc/{os.getpid()}/stat", "rb") as file:
        ticks = int(file.read().rpartition(b") ")[2].split()[19])
    with open(path, "a", encoding="utf-8") as file:
        file.write(f"{name} {os.getpid()} {ticks}\n")


def live(name: str) -> None:
    note(name)
    while True:
        time.sleep(60)


def chain() -> None:
    """Fork and exit for ever: whoever looks at one of these pids looks at the past."""
    while True:
        note("chain")
        time.sleep(0.001)
        if os.fork():
            os._exit(0)


for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
    signal.signal(number, signal.SIG_IGN)
if len(sys.argv) > 3:
    live("wiped")

if not os.fork():
    live("same-group")
if not os.fork():
    os.setpgid(0, 0)
    live("own-group")
if not os.fork():
    os.setsid()
    live("own-session")
middle = os.fork()
if not middle:
    if not os.fork():
        live("double-fork")
    if not os.fork():
        os.setsid()
        os.execve(sys.executable, [sys.executable, "-S", __file__, path, marker, "wiped"], {})
    if not os.fork():
        os.setsid()
        chain()
    os._exit(0)
os.waitpid(middle, 0)
live("main")
