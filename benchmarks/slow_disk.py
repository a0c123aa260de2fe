"""The store on a disk that syncs 4 ms slower: many callers should feel the one wait of their batch and no more.

Needs a C compiler, and is left out without one.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.child import ROOT
from benchmarks.figure import Effort, Figure, compared
from benchmarks.machine import scratch_folder
from benchmarks.store import CALLERS

_DELAY_MS = 4
_SLOW_SYNC = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <time.h>

static int slowly(const char *name, int descriptor) {
    const struct timespec delay = {0, %d * 1000000L};
    nanosleep(&delay, 0);
    return ((int (*)(int))dlsym(RTLD_NEXT, name))(descriptor);
}
int fsync(int descriptor) { return slowly("fsync", descriptor); }
int fdatasync(int descriptor) { return slowly("fdatasync", descriptor); }
"""


def measure(effort: Effort) -> list[Figure]:
    """Compare the store's rate at many callers with and without the delay."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        return []
    with scratch_folder() as folder:
        library = _compile(compiler, folder)
        slow, limits = [], []
        for _ in range(effort.rounds):
            usual = _rate(effort.seconds, None)
            limits.append(1 / (1 / usual + _DELAY_MS / 1000 / CALLERS))
            slow.append(_rate(effort.seconds, library))
    name = f"store, 64 callers, syncs {_DELAY_MS} ms slower / what that wait leaves"
    return [compared(name, "messages/s", slow, limits, goal=0.90, floor=0.20)]


def _compile(compiler: str, folder: Path) -> Path:
    source, library = folder / "slow_sync.c", folder / "slow_sync.so"
    source.write_text(_SLOW_SYNC % _DELAY_MS)
    subprocess.run([compiler, "-shared", "-fPIC", "-O2", "-o", library, source, "-ldl"], check=True)
    return library


def _rate(seconds: float, preloaded: Path | None) -> float:
    environment = dict(os.environ) if preloaded is None else {**os.environ, "LD_PRELOAD": str(preloaded)}
    command = [sys.executable, "-m", "benchmarks.store", str(seconds)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True, timeout=60)
    return float(done.stdout)
