"""How long to wait after the n-th failure, and when to give up. Pure: time and chance come from the caller."""

from collections.abc import Sequence

from server.config import RestartPolicy

JITTER = 0.2
"""A delay is up to a fifth shorter or longer, so that agents that failed together do not start together."""


def delay_ms(failures: int, policy: RestartPolicy, chance: float) -> int:
    """Return the wait before the start after so many failures in a row (from 1). `chance` is from 0 to 1."""
    doubled = policy.first_delay_s * 2.0 ** min(failures - 1, 30)
    return round(min(policy.max_delay_s, doubled) * (1 - JITTER + 2 * JITTER * chance) * 1000)


def settled_after_ms(policy: RestartPolicy) -> int:
    """Return how long an agent must have been ready for its failures to be forgotten."""
    return round(max(policy.min_uptime_s, 2 * policy.max_delay_s) * 1000)


def recent(starts: Sequence[int], now: int, policy: RestartPolicy) -> tuple[int, ...]:
    """Return the unplanned starts that still count. One from the future (the clock went back) counts too."""
    return tuple(at for at in starts if at > now - policy.within_s * 1000)[-policy.max - 1 :]


def is_given_up(starts: Sequence[int], policy: RestartPolicy) -> bool:
    """Tell whether one more unplanned start would be more than the policy allows."""
    return len(starts) >= policy.max
