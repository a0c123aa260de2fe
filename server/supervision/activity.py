"""What an agent is doing, judged from what several sources say. Pure: nothing here waits, reads a clock or acts.

Hooks and calls of tools tell of a change at the moment it happens, and are believed at once. Records and screens are
looked at now and then: what they raise is shown at once, what they lower only when two looks agree, so that nothing
flickers. What a source less trusted says of the same activity changes nothing.
"""

from dataclasses import dataclass, replace

from server.config import StallPolicy
from server.supervision.kinds.kind import Activity

TRUST = ("hook", "mcp", "session file", "transcript", "screen", "process")
"""Sources, the most trusted first."""
TELLING = frozenset({"hook", "mcp"})
"""Sources that tell of a change when it happens; the others are looked at."""
ATTENTION = ("unknown", "idle", "working", "stalled", "limited", "needs_you")
"""Activities by how much they ask for; a look raises at once and lowers after two."""
LIMITS = frozenset({"rate_limit", "overloaded", "server_error"})
LASTING = LIMITS | {"login", "account", "billing", "model", "held"}
"""Reasons that last although the CLI sits idle at its prompt: only work ends them."""
LIMIT_UNKNOWN_MS = 900_000
"""How long a limit lasts whose end was not told."""
CALL_FADES_MS = 120_000
"""After so long a call of a team tool, where nothing else tells of an agent, says no more what it is doing."""


@dataclass(frozen=True)
class Judgement:
    """What is shown of one agent, and what it takes to change it."""

    shown: Activity | None = None
    since: int = 0
    """When what is shown began (UTC ms)."""
    sign_at: int = 0
    """The last sign of progress."""
    tool_since: int | None = None
    """Inside a call of a tool since then."""
    children: int = 0
    """Sub-agents that work for it."""
    doubt: str | None = None
    """A lower activity that one look has seen; the next that agrees makes it so."""


def judge(before: Judgement, seen: Activity, now: int, children: int = 0) -> Judgement:
    """Return what is to be shown once a source has said something."""
    told = seen.source in TELLING
    after = _with_signs(before, seen, now, children) if told else _with_progress(before, seen)
    shown = before.shown
    if shown is None:
        return _show(after, seen, now)
    if seen.activity == shown.activity:
        settled = replace(after, doubt=None)
        is_less = _trust(seen) > _trust(shown) and not _tells_of_failure(shown, seen)
        return settled if is_less else replace(settled, shown=_keeping_reset(shown, seen))
    if not told and shown.code == "limit_over" and seen.activity == "limited":  # its record still ends with it
        return replace(after, doubt=None)
    if told or (_attention(seen) > _attention(shown) and not _explains_itself(shown, seen)):
        return _show(after, seen, now)
    if shown.activity == "stalled" and seen.activity == "working":
        return _show(after, seen, now) if after.sign_at > before.sign_at else replace(after, doubt=None)
    if shown.code in LASTING and seen.activity == "idle":
        return replace(after, doubt=None)
    if before.doubt == seen.activity:
        return _show(after, seen, now)
    return replace(after, doubt=seen.activity)


def pass_time(before: Judgement, now: int, policy: StallPolicy, *, is_asking: bool = False) -> Judgement:
    """Return what is to be shown when nothing was said until now. `is_asking`: a person has yet to answer it."""
    shown = before.shown
    if shown is None or is_asking:
        return before
    if shown.activity == "working" and _is_only_heard_of_by_calls(shown) and now - before.sign_at >= CALL_FADES_MS:
        return _show(before, Activity("unknown", "nothing tells what it is doing", "process", "silent"), now)
    if shown.activity == "working":
        return _stalled_if_silent(before, now, policy)
    if shown.activity == "limited" and shown.code in LIMITS and now >= limit_ends_at(before):
        return _show(before, Activity("idle", "its limit should be over", shown.source, "limit_over"), now)
    return before


def limit_ends_at(judgement: Judgement) -> int:
    """Return when a limit that is shown ends: when it was said, or a while after it began."""
    shown = judgement.shown
    if shown is not None and shown.resets_at is not None:
        return shown.resets_at
    return judgement.since + LIMIT_UNKNOWN_MS


def _stalled_if_silent(before: Judgement, now: int, policy: StallPolicy) -> Judgement:
    in_tool = before.tool_since is not None or before.children > 0
    silent_ms = now - max(before.sign_at, before.since)
    if silent_ms < (policy.in_tool_s if in_tool else policy.after_s) * 1000:
        return before
    last = before.shown.reason if before.shown is not None else ""
    reason = f"no sign of progress for {silent_ms // 60_000} min; last seen: {last or 'working'}"
    return _show(before, Activity("stalled", reason, "process", "tool" if in_tool else "silent"), now)


def _with_signs(before: Judgement, seen: Activity, now: int, children: int) -> Judgement:
    tool_since = (before.tool_since or now) if seen.code == "tool" else None
    is_over = seen.activity == "idle"
    return replace(
        before,
        sign_at=now,
        tool_since=None if is_over else tool_since,
        children=0 if is_over else max(0, before.children + children),
    )


def _with_progress(before: Judgement, seen: Activity) -> Judgement:
    at = seen.progressed_at
    return before if at is None or at <= before.sign_at else replace(before, sign_at=at)


def _show(before: Judgement, seen: Activity, now: int) -> Judgement:
    return replace(before, shown=replace(seen, progressed_at=None), since=now, doubt=None)


def _keeping_reset(shown: Activity, seen: Activity) -> Activity:
    return replace(seen, progressed_at=None, resets_at=seen.resets_at or shown.resets_at)


def _explains_itself(shown: Activity, seen: Activity) -> bool:
    """Tell whether a look only sees that a turn goes on, of which a limit or a stall is the better word."""
    return seen.activity == "working" and shown.activity in ("stalled", "limited")


def _tells_of_failure(shown: Activity, seen: Activity) -> bool:
    """Tell whether a record says that the turn failed of which a hook only told that it is over."""
    return seen.code == "turn_failed" and shown.code != seen.code


def _is_only_heard_of_by_calls(shown: Activity) -> bool:
    return shown.source == "mcp"


def _attention(activity: Activity) -> int:
    return ATTENTION.index(activity.activity)


def _trust(activity: Activity) -> int:
    """Return the place of a source among all: 0 is trusted most."""
    return TRUST.index(activity.source) if activity.source in TRUST else len(TRUST)
