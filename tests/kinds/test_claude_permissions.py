"""What Claude Code asks: whole, nothing hidden in it, and what more would be allowed said in words."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.features.approvals.model import ToolRequest
from server.features.approvals.risk import risk_of
from server.supervision.kinds.claude.permissions import answer_of, asked_by, pattern_of
from server.supervision.kinds.kind import Decided


def _payload(tool: str, **arguments: Any) -> dict[str, Any]:
    return {"hook_event_name": "PermissionRequest", "tool_name": tool, "tool_input": arguments, "cwd": "/src/shop"}


@pytest.mark.parametrize(
    ("command", "words", "rules"),
    [
        ("pytest -q tests", "any `pytest …`", ["pytest:*"]),
        ("git status --short && ls", "any `git status …`, any `ls …`", ["git status:*", "ls:*"]),
        ("rm -rf build", "exactly `rm -rf build`", ["rm -rf build"]),
        ("A=1 pytest", "exactly `A=1 pytest`", ["A=1 pytest"]),
        ("./run.sh", "exactly `./run.sh`", ["./run.sh"]),
        ("pytest > out", None, []),
        ("echo $(rm x)", None, []),
        ("echo `rm x`", None, []),
        ("(ls)", None, []),
        ("ls\nrm x", None, []),
        ("rm *", None, []),
        ("echo 'a", None, []),
        ("", None, []),
    ],
)
def test_a_pattern_is_no_wider_than_its_words(command: str, words: str | None, rules: list[str]) -> None:
    found, given_rules = pattern_of("Bash", {"command": command}, "/src/shop")
    assert (found, [rule["ruleContent"] for rule in given_rules]) == (words, rules)


@pytest.mark.parametrize(
    ("tool", "arguments", "words"),
    [
        ("Edit", {"file_path": "/src/shop/a.py"}, "any edit of a file in /src/shop"),
        ("Edit", {"file_path": "/etc/passwd"}, None),
        ("Write", {"file_path": "/src/shop/../../etc/passwd"}, None),
        ("Read", {"file_path": "/src/other/a.py"}, "reading any file in /src/other"),
        ("WebFetch", {"url": "https://example.org/x"}, "fetching anything from example.org"),
        ("mcp__db__query", {}, "any call of mcp__db__query"),
        ("ExitPlanMode", {}, None),
    ],
)
def test_other_tools_have_patterns_of_their_own(tool: str, arguments: dict[str, str], words: str | None) -> None:
    assert pattern_of(tool, arguments, "/src/shop")[0] == words


def test_what_cannot_be_seen_is_named_and_what_is_too_large_says_so() -> None:
    hidden = asked_by(_payload("Bash", command="ls \u202e\u200b\x1b[31m && rm x"))
    assert hidden.details == "ls ⟨U+202E⟩⟨U+200B⟩⟨U+001B⟩[31m && rm x"
    assert hidden.input == {"command": "ls \u202e\u200b\x1b[31m && rm x"}

    large = asked_by(_payload("Write", file_path="/src/shop/a", content="x" * 200_000))
    assert not large.is_whole
    assert "198000 more characters" in large.details


def test_an_edit_is_shown_as_a_difference() -> None:
    asked = asked_by(_payload("Edit", file_path="/src/shop/a.py", old_string="one\ntwo", new_string="one\nthree"))
    assert asked.details.splitlines() == ["/src/shop/a.py", "@@ -1,2 +1,2 @@", " one", "-two", "+three"]


def test_several_questions_are_answered_each_by_its_words() -> None:
    payload = _payload(
        "AskUserQuestion", questions=[{"question": "A?", "options": [{"label": "x"}]}, {"question": "B?"}]
    )
    asked = asked_by(payload)
    answer: Any = answer_of(asked, payload, Decided("answered", "ada", answer="A? x\nB? y, z"))
    assert answer["hookSpecificOutput"]["decision"]["updatedInput"]["answers"] == {"A?": "x", "B?": "y, z"}


def test_a_denial_by_time_says_that_it_was_no_person() -> None:
    payload = _payload("Bash", command="ls")
    answer: Any = answer_of(asked_by(payload), payload, Decided("expired"))
    assert answer["hookSpecificOutput"]["decision"]["message"].startswith("Denied by time: nobody decided")
    assert answer_of(asked_by(payload), payload, Decided("closed")) == {}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)
TOOLS = ("Bash", "Edit", "Write", "Read", "AskUserQuestion", "ExitPlanMode", "x")
KEYS = st.sampled_from(("command", "file_path", "questions", "old_string", "new_string", "content", "plan", "url"))


@given(st.sampled_from(TOOLS), st.dictionaries(KEYS, JSON, max_size=6), JSON)
def test_nothing_that_an_agent_sends_makes_reading_it_fail(tool: str, arguments: dict[str, Any], odd: Any) -> None:
    for given_input in (arguments, odd):
        asked = asked_by({"tool_name": tool, "tool_input": given_input, "cwd": odd})
        assert asked.kind in ("permission", "question")
        assert len(asked.summary) <= 300


@pytest.mark.parametrize(
    ("tool", "arguments", "risk"),
    [
        ("Read", {"file_path": "/x"}, "low"),
        ("Bash", {"command": "git status"}, "low"),
        ("Bash", {"command": "ls && ls"}, "normal"),
        ("Bash", {"command": "pytest"}, "normal"),
        ("Bash", {"command": "git push origin"}, "high"),
        ("Bash", {"command": "cat x | sh"}, "high"),
        ("Edit", {"file_path": "/src/shop/a"}, "normal"),
        ("Edit", {"file_path": "/etc/passwd"}, "high"),
        ("WebFetch", {"url": "https://x"}, "high"),
    ],
)
def test_only_what_is_known_to_be_harmless_is_of_low_risk(tool: str, arguments: dict[str, Any], risk: str) -> None:
    assert risk_of("permission", ToolRequest(tool, arguments, "/src/shop")) == risk
