"""What is shown of an agent: true to the best source, without flicker, and stalled only when it is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.config import StallPolicy
from server.supervision.activity import ATTENTION, LIMIT_UNKNOWN_MS, TRUST, Judgement, judge, pass_time
from server.supervision.kinds.kind import Activity
from server.supervision.limit_reset import limit_reset_at

MINUTE = 60_000
POLICY = StallPolicy()


def _hook(activity: str, code: str = "", reason: str = "said so") -> Activity:
    return Activity(activity, reason, "hook", code)


def _record(activity: str, progressed_at: int | None = None) -> Activity:
    return Activity(activity, "looked so", "session file", progressed_at=progressed_at)


def _shown(*seen: Activity) -> Activity:
    judgement = Judgement()
    for at, reading in enumerate(seen):
        judgement = judge(judgement, reading, at * 1000)
    assert judgement.shown is not None
    return judgement.shown


@pytest.mark.parametrize(
    ("seen", "activity", "source"),
    [
        ([_record("idle"), _hook("working")], "working", "hook"),
        ([_hook("working"), _record("working")], "working", "hook"),
        ([_record("working"), _hook("working")], "working", "hook"),
        ([_hook("working"), _record("idle")], "working", "hook"),
        ([_hook("working"), _record("idle"), _record("idle")], "idle", "session file"),
        ([_hook("working"), _record("idle"), _record("working"), _record("idle")], "working", "hook"),
        ([_record("working"), _record("needs_you")], "needs_you", "session file"),
        ([_hook("needs_you", "permission"), _record("working"), _record("working")], "working", "session file"),
        ([_hook("needs_you", "permission"), _hook("working")], "working", "hook"),
        ([_hook("needs_you", "login"), *[_record("idle")] * 5], "needs_you", "hook"),
        ([_hook("limited", "rate_limit"), *[_record("idle")] * 5], "limited", "hook"),
        ([_hook("limited", "rate_limit"), _record("working")], "limited", "hook"),
        ([_hook("limited", "rate_limit"), _hook("working", "prompt")], "working", "hook"),
        ([_record("idle"), Activity("working", "send_message", "mcp", "call")], "working", "mcp"),
    ],
)  # fmt: skip
def test_the_better_source_is_believed_and_a_look_lowers_only_with_another_that_agrees(
    seen: list[Activity], activity: str, source: str
) -> None:
    shown = _shown(*seen)
    assert (shown.activity, shown.source) == (activity, source)


def test_a_record_tells_that_a_turn_failed_of_which_a_hook_only_told_its_end() -> None:
    failed = Activity("idle", "its turn failed: too long", "session file", "turn_failed")
    assert _shown(_hook("working", "prompt"), _hook("idle", "turn"), failed).code == "turn_failed"


def test_a_limit_that_is_over_is_not_told_anew_by_the_record_that_still_ends_with_it() -> None:
    refused = Activity("limited", "rate", "session file", "rate_limit", resets_at=MINUTE)
    over = pass_time(judge(Judgement(), refused, 0), MINUTE, POLICY)
    assert over.shown is not None
    assert over.shown.code == "limit_over"
    again = judge(over, refused, MINUTE + 1000)
    assert again.shown == over.shown
    working = judge(again, _hook("working", "prompt"), 2 * MINUTE)
    assert judge(working, refused, 3 * MINUTE).shown == refused


def test_without_a_sign_it_has_stalled_and_a_line_in_its_transcript_is_a_sign() -> None:
    working = judge(Judgement(), _hook("working", "turn", "after Bash: ls"), 0)
    assert pass_time(working, 10 * MINUTE - 1, POLICY) == working

    stalled = pass_time(working, 10 * MINUTE, POLICY)

    assert stalled.shown is not None
    assert (stalled.shown.activity, stalled.shown.code) == ("stalled", "silent")
    assert "last seen: after Bash: ls" in stalled.shown.reason
    assert judge(stalled, _record("working", progressed_at=0), 11 * MINUTE).shown == stalled.shown
    again = judge(stalled, _record("working", progressed_at=11 * MINUTE), 11 * MINUTE)
    assert again.shown is not None
    assert again.shown.activity == "working"


def test_inside_a_tool_it_takes_longer_and_so_it_does_while_a_sub_agent_works() -> None:
    in_tool = judge(Judgement(), _hook("working", "tool"), 0)
    parent = judge(Judgement(), _hook("working", "turn"), 0, children=1)
    for judgement in (in_tool, parent):
        assert pass_time(judgement, 29 * MINUTE, POLICY) == judgement
        assert pass_time(judgement, 30 * MINUTE, POLICY) != judgement
    alone = judge(parent, _hook("working", "turn"), MINUTE, children=-1)
    assert pass_time(alone, 11 * MINUTE, POLICY) != alone


def test_who_waits_for_a_person_never_stalls() -> None:
    working = judge(Judgement(), _hook("working"), 0)
    assert pass_time(working, 999 * MINUTE, POLICY, is_asking=True) == working


def test_a_limit_ends_when_it_was_said_to_or_after_a_while() -> None:
    limited = judge(Judgement(), _hook("limited", "rate_limit"), 0)
    assert pass_time(limited, LIMIT_UNKNOWN_MS - 1, POLICY) == limited
    over = pass_time(limited, LIMIT_UNKNOWN_MS, POLICY).shown
    assert over is not None
    assert (over.activity, over.code) == ("idle", "limit_over")
    said = judge(Judgement(), Activity("limited", "x", "hook", "rate_limit", resets_at=5), 0)
    assert pass_time(said, 5, POLICY) != said


READINGS = st.builds(
    Activity,
    st.sampled_from(ATTENTION), st.just("x"), st.sampled_from(TRUST), st.sampled_from(("", "login", "tool", "turn")),
)  # fmt: skip


@given(st.lists(READINGS, max_size=30), READINGS)
def test_whatever_came_before_a_call_for_help_is_shown_at_once_and_one_look_lowers_nothing(
    before: list[Activity], last: Activity
) -> None:
    judgement = Judgement()
    for at, reading in enumerate(before):
        judgement = judge(judgement, reading, at)
    after = judge(judgement, last, 99)

    assert after.shown is not None
    if last.activity == "needs_you" or last.source in ("hook", "mcp"):
        assert after.shown.activity == last.activity
    elif judgement.shown is not None and judgement.doubt != last.activity:
        assert ATTENTION.index(after.shown.activity) >= ATTENTION.index(judgement.shown.activity)


NOON = 1_800_014_400_000  # 2027-01-15T12:00:00Z


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Claude AI usage limit reached|1800020000", 1_800_020_000_000),
        ("You've hit your limit · resets 4pm (UTC)", NOON + 4 * 60 * MINUTE),
        ("limit reached, resets at 3:30 PM (Europe/Berlin)", NOON + 150 * MINUTE),
        ("your limit resets 9am", NOON + 21 * 60 * MINUTE),
        ("weekly limit · resets Jan 18, 9am (UTC)", NOON + (3 * 24 - 3) * 60 * MINUTE),
        ("429: retry after 30 seconds", NOON + 30_000),
        ("try again in 5 minutes", NOON + 5 * MINUTE),
        ("slow down", None),
        ("resets 99pm", None),
        ("limit|1999999999", None),
    ],
)
def test_the_end_of_a_limit_is_read_from_its_words(text: str, expected: int | None) -> None:
    assert limit_reset_at(text, NOON) == expected


@given(st.text(max_size=200))
def test_no_text_makes_reading_the_end_of_a_limit_fail(text: str) -> None:
    found = limit_reset_at(f"resets {text}", NOON)
    assert found is None or found > NOON
