"""Runs every benchmark that is there and prints one table: python -m benchmarks [--quick] [--only store] [--json]."""

import argparse
import dataclasses
import importlib
import importlib.util
import json
import sys
import time
from collections.abc import Callable

from benchmarks.figure import Effort, Figure
from benchmarks.machine import described

BENCHMARKS = (
    *("store", "slow_disk", "send", "stream", "idle", "mcp_call", "bridge_start", "push", "work", "odd_input"),
    *("search_scale", "messages_scale", "reconnect", "terminals"),
)
Measure = Callable[[Effort], list[Figure]]


def main() -> int:
    options = _options()
    effort = Effort.short() if options.quick else Effort.full()
    if not options.json:
        print(f"Machine: {described()}")
        print(f"Each ratio is the median of {effort.rounds} interleaved rounds; absolute rates mean little.\n")
        print(_row("figure", "limit", "ours", "ratio", "goal", ""))
    figures = []
    for name in options.only or BENCHMARKS:
        if importlib.util.find_spec(f"benchmarks.{name}") is None:
            continue
        measure: Measure = importlib.import_module(f"benchmarks.{name}").measure
        started = time.monotonic()
        found = measure(effort)
        figures += found
        if not options.json:
            for figure in found:
                print(_line(figure), flush=True)
            print(f"  ({name}: {time.monotonic() - started:.0f} s)", file=sys.stderr)
    if options.json:
        print(json.dumps([dataclasses.asdict(figure) | {"reached": figure.reached} for figure in figures], indent=1))
    below = [figure.name for figure in figures if not figure.above_floor]
    if options.check and below:
        print(f"Below the floor: {'; '.join(below)}", file=sys.stderr)
        return 1
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measures ratios; reports, never fails.")
    parser.add_argument("--quick", "--short", action="store_true", help="few and short rounds, as in CI")
    parser.add_argument("--only", action="append", choices=BENCHMARKS, help="this benchmark alone (may be repeated)")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument("--check", action="store_true", help="fail if a ratio is below its floor, far from its goal")
    return parser.parse_args()


def _line(figure: Figure) -> str:
    verdict = {True: "reached", False: "MISSED", None: ""}[figure.reached]
    goal = "" if figure.goal is None else f"{'≤' if figure.at_most else '≥'} {figure.goal:.2f}"
    limit = "" if figure.limit is None else _number(figure.limit)
    ratio = "" if figure.ratio is None else f"{figure.ratio:.2f}"
    note = f"  {figure.note}" if figure.note else ""
    return _row(figure.name, limit, f"{_number(figure.ours)} {figure.unit}", ratio, goal, verdict) + note


def _row(name: str, limit: str, ours: str, ratio: str, goal: str, verdict: str) -> str:
    return f"{name:<62} {limit:>9} {ours:>26} {ratio:>6} {goal:>8}  {verdict}".rstrip()


def _number(value: float) -> str:
    return f"{value:,.0f}".replace(",", " ") if value >= 100 else f"{value:.1f}"


if __name__ == "__main__":
    sys.exit(main())
