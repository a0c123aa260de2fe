"""The checker of histories finds what it is there to find."""

import pytest

from tests.endurance.history import History


def _history() -> History:
    history = History({f"ada-{number}": "ok" for number in range(3)})
    history.outcome |= {"bo-0": "unknown", "bo-1": "failed"}
    return history


GOOD = ["ada-0", "ada-1", "bo-0", "ada-2"]


@pytest.mark.parametrize("seen", [GOOD, ["ada-0", "ada-1", "ada-2"]])
def test_what_is_unknown_may_be_there_or_not(seen: list[str]) -> None:
    assert set(_history().check({"one": seen, "other": seen}).values()) == {0}


@pytest.mark.parametrize(
    ("kind", "seen"),
    [
        ("lost", ["ada-0", "ada-2", "bo-0"]),
        ("doubled", [*GOOD, "ada-0"]),
        ("doubled", [*GOOD, "bo-0"]),
        ("invented", [*GOOD, "cy-0"]),
        ("invented", [*GOOD, "bo-1"]),
        ("disordered", ["ada-1", "ada-0", "bo-0", "ada-2"]),
        ("disordered", ["ada-0", "bo-0", "ada-1", "ada-2"]),
    ],
)
def test_every_broken_promise_is_counted(kind: str, seen: list[str]) -> None:
    assert _history().check({"one": GOOD, "other": seen})[kind] > 0
