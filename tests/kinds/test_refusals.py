"""What a refusal of a model service means for the agent that was refused."""

import pytest

from server.supervision.kinds.refusals import refused


@pytest.mark.parametrize(
    ("status", "detail", "activity", "code"),
    [
        (401, "Incorrect API key", "needs_you", "login"),
        (400, "API key not valid. Please pass a valid API key.", "needs_you", "login"),
        (402, "Payment Required", "needs_you", "billing"),
        (403, "no", "needs_you", "account"),
        (404, "models/x is not found", "needs_you", "model"),
        (429, "Resource exhausted, slow down", "limited", "rate_limit"),
        (429, "You exceeded your current quota, check your plan and billing", "needs_you", "billing"),
        (500, "Internal error", "limited", "server_error"),
        (503, "The model is overloaded", "limited", "overloaded"),
        (529, "Overloaded", "limited", "overloaded"),
        (None, "fetch failed", "limited", "server_error"),
        (400, "The input token count exceeds the maximum number of tokens allowed", "idle", "turn_failed"),
        (400, "unknown field", "idle", "turn_failed"),
    ],
)
def test_a_refusal_asks_for_a_person_or_for_time_or_is_the_turns_own(
    status: int | None, detail: str, activity: str, code: str
) -> None:
    told = refused(status, detail, "session file")

    assert (told.activity, told.code, told.source) == (activity, code, "session file")


def test_what_a_service_says_is_cleaned_before_it_is_shown() -> None:
    told = refused(429, "slow\x1b[31m\n" + "down " * 100, "session file")

    assert "\x1b" not in told.reason
    assert "\n" not in told.reason
    assert len(told.reason) < 200
