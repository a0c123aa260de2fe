"""`bullpen usage` and `bullpen budget` as a person gives them."""

import json

from tests.command.conftest import Desk


def test_a_budget_is_set_and_shown_and_use_is_none_yet(served: Desk) -> None:
    done = served.bullpen("budget", "set", "ada-demo", "10usd/day", "2h/task", "--warn-at", "70")
    assert (done.returncode, done.stderr) == (
        0,
        "ada-demo: 10usd a day, 2h a task; warned at 70 %, then pause and ask.\n",
    )
    done = served.bullpen("budget", "set", "ada-demo", "none/task", "--on-exceed", "notify")
    assert done.stderr == "ada-demo: 10usd a day; warned at 70 %, then notify.\n"

    shown = served.bullpen("budget", "list").stdout.splitlines()
    assert shown[0].split() == ["AGENT", "PERIOD", "USED", "OF", "PERCENT"]
    assert shown[1].split()[2:] == ["$0.00", "$10.00", "0", "%"]
    wrong = served.bullpen("budget", "set", "ada-demo", "10usd")
    assert (wrong.returncode, "write it as 10usd/day" in wrong.stderr) == (2, True)
    used = served.bullpen("usage", "--by", "agent,model", "--since", "24h", "--json")
    assert (used.returncode, json.loads(used.stdout)) == (0, [])
    assert "Nothing was used." in served.bullpen("usage").stderr
