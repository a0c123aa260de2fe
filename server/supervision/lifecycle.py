"""The states of one agent's process, and what follows from what. Pure: nothing here waits, reads a clock or acts.

stopped → starting → ready ⇄ degraded → stopping → stopped          (asked)
             └────────┴─────────┴──→ backoff → starting             (an end that was not asked for)
                                        └────→ fatal                (too many of them, or no chance to start)
exited: ended by itself, and the policy wants no restart.   unknown: what is there has not been looked at yet.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum

from server.config import RestartPolicy
from server.supervision import backoff

START_TIMEOUT_MS = 90_000
LIVE = frozenset({"starting", "ready", "degraded", "stopping"})
"""States in which there is a process, or there is about to be."""


@dataclass(frozen=True)
class Lifecycle:
    """Where one agent stands. It is stored, so that a restart of the server resets no limit."""

    state: str = "stopped"
    reason: str = ""
    reason_code: str = ""
    """A word for the reason where somebody must act on it: crash_loop, cannot_start."""
    wanted: bool = False
    failures: int = 0
    """Unplanned ends in a row."""
    starts: tuple[int, ...] = ()
    """UTC milliseconds of unplanned starts that still count."""
    next_start_at: int | None = None
    since: int = 0
    """When the present state began; a start and a stop are measured from it."""
    restarts: int = 0
    """Unplanned starts, ever."""
    starts_again: bool = False
    """Stopping for a restart, or asked to start meanwhile."""
    has_failed: bool = False
    """Stopping because it did not become ready: its end counts as a failure."""
    stop_step: int = 0
    """How many steps of the stop sequence have been taken."""
    held: bool = False
    """Stopped with the server, not by anybody's wish: `wanted` stays as it was."""


class Step(Enum):
    """The stop sequence, each harder than the one before, and all skipped once the process has ended."""

    POLITE = "polite"
    """Ask the CLI to end by itself."""
    INTERRUPT = "interrupt"
    """SIGINT to the terminal's foreground group."""
    TERMINATE = "terminate"
    """SIGTERM, SIGHUP and SIGCONT to the agent's group."""
    KILL = "kill"
    """Kill the whole tree."""
    VERIFY = "verify"
    """Look whether anything of it is left."""


_STOP_PLAN: Sequence[tuple[Step, float]] = (
    (Step.POLITE, 0.0),
    (Step.INTERRUPT, 1 / 3),
    (Step.TERMINATE, 8 / 15),
    (Step.KILL, 1.0),
    (Step.VERIFY, 4 / 3),
)
"""When each step is due, in parts of the grace: with 15 s at 0, 5, 8, 15 and 20 s."""
_KILL_AT = [step for step, _ in _STOP_PLAN].index(Step.KILL)


# What happens ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Asked:
    """Somebody asked for start, stop or restart; `by` and why stand in the reason."""

    action: str
    reason: str = ""


@dataclass(frozen=True)
class Hold:
    """The server closes and takes its agents with it."""


@dataclass(frozen=True)
class Found:
    """An earlier run was found alive."""


@dataclass(frozen=True)
class FoundNothing:
    """No process of an earlier run is there."""


@dataclass(frozen=True)
class BecameReady:
    """Past its start screens, tools connected."""


@dataclass(frozen=True)
class Weakened:
    """Alive, but something it needs is missing."""

    reason: str


@dataclass(frozen=True)
class Ended:
    """The process is gone."""

    code: int | None
    signal: int | None
    why: str = ""


@dataclass(frozen=True)
class CouldNotStart:
    """Nothing was started. Trying again changes nothing if it is permanent."""

    reason: str
    permanent: bool


@dataclass(frozen=True)
class Left:
    """After the last step something of the tree is still there."""

    pids: tuple[int, ...]


@dataclass(frozen=True)
class Tick:
    """Time has passed."""


Event = Asked | Hold | Found | FoundNothing | BecameReady | Weakened | Ended | CouldNotStart | Left | Tick


# What to do --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Launch:
    """Begin a new run."""


@dataclass(frozen=True)
class TakeStep:
    """Take one step of the stop sequence."""

    step: Step


Action = Launch | TakeStep
Outcome = tuple[Lifecycle, tuple[Action, ...]]


def advance(
    life: Lifecycle, event: Event, *, now: int, chance: float, policy: RestartPolicy, grace_s: float = 15.0
) -> Outcome:
    """Return what becomes of an agent by an event at a time, and what is to be done. `chance` is from 0 to 1."""
    match event:
        case Asked(action="start"):
            return _asked_to_start(replace(life, wanted=True), now, event.reason)
        case Asked(action="stop"):
            return _stop(replace(life, wanted=False), now, event.reason or "asked to stop")
        case Asked(action="restart"):
            return _asked_to_restart(replace(life, wanted=True), now, event.reason)
        case Hold():
            return _stop(replace(life, held=True), now, "the server is closing")
        case Found():
            return _found(life, now)
        case FoundNothing():
            return _found_nothing(life, now)
        case BecameReady() if life.state in ("starting", "degraded"):
            return _enter(life, "ready", "", now), ()
        case Weakened() if life.state == "ready":
            return _enter(life, "degraded", event.reason, now), ()
        case Ended() if life.state in LIVE or life.state == "unknown":
            return _ended(life, event, now, chance, policy)
        case CouldNotStart() if life.state == "starting":
            return _could_not_start(life, event, now, chance, policy)
        case Left() if life.state == "stopping":
            alive = ", ".join(map(str, event.pids))
            return replace(life, reason=f"processes that would not end: {alive}"), ()
        case Tick():
            return _tick(life, now, policy, grace_s)
    return life, ()


def _asked_to_start(life: Lifecycle, now: int, reason: str) -> Outcome:
    if life.state == "stopping":
        return replace(life, starts_again=True, stop_step=_step_when_asked_again(life)), ()
    if life.state in LIVE or life.state == "unknown":
        return life, ()
    if life.held:  # the server is closing and waits for no more agents: the next one starts what is wanted
        return replace(_enter(life, "stopped", "starts when the server is back", now), failures=0, starts=()), ()
    # A human's start clears the count, also out of fatal; an automatic one never does.
    return _start(replace(life, failures=0, starts=()), now, reason or "asked to start")


def _asked_to_restart(life: Lifecycle, now: int, reason: str) -> Outcome:
    if life.state in ("starting", "ready", "degraded"):
        stopping, actions = _stop(life, now, reason or "restarting")
        return replace(stopping, starts_again=True), actions
    return _asked_to_start(life, now, reason or "asked to restart")


def _start(life: Lifecycle, now: int, reason: str) -> Outcome:
    begun = _enter(life, "starting", reason, now)
    return replace(begun, next_start_at=None, starts_again=False, has_failed=False), (Launch(),)


def _stop(life: Lifecycle, now: int, reason: str) -> Outcome:
    if life.state == "stopping":
        return replace(life, starts_again=False, stop_step=_step_when_asked_again(life)), ()
    if life.state in LIVE:
        begun = replace(_enter(life, "stopping", reason, now), starts_again=False, stop_step=1)
        return begun, (TakeStep(Step.POLITE),)
    if life.state == "unknown":
        return life, ()
    if life.held and life.state in ("fatal", "exited"):
        return life, ()
    return replace(_enter(life, "stopped", reason, now), next_start_at=None), ()


def _found(life: Lifecycle, now: int) -> Outcome:
    if not life.wanted:
        begun = replace(_enter(life, "stopping", "nobody wants it to run", now), stop_step=1)
        return begun, (TakeStep(Step.POLITE),)
    if life.state == "stopping":  # the server went in the middle of it: the sequence goes on where it was
        return life, ()
    # What was ready once is not stopped for being late to be heard of again, as a start would be.
    state = "degraded" if life.state in ("ready", "degraded") else "starting"
    return replace(_enter(life, state, "found running, not heard of yet", now), next_start_at=None), ()


def _found_nothing(life: Lifecycle, now: int) -> Outcome:
    if not life.wanted:
        kept = life if life.state in ("fatal", "exited", "stopped") else _enter(life, "stopped", "", now)
        return kept, ()
    if life.state in ("fatal", "exited", "backoff"):
        return life, ()
    return _start(life, now, "started with the server")


def _ended(life: Lifecycle, event: Ended, now: int, chance: float, policy: RestartPolicy) -> Outcome:
    if life.state == "stopping":
        rested = replace(life, starts_again=False, has_failed=False)
        if not life.wanted or life.held:
            return _enter(rested, "stopped", life.reason, now), ()
        if life.starts_again or not life.has_failed:  # also a stop for the server's sake that outlasted the server
            return _start(life, now, "restarting")
        if policy.policy == "never":
            return _enter(rested, "exited", life.reason, now), ()
        return _back_off(rested, life.reason, now, chance, policy)
    how = _how(event)
    if not life.wanted:
        return _enter(life, "stopped", how, now), ()
    if event.code in (126, 127):
        return _enter(life, "fatal", f"{how}: its command could not be run", now, "cannot_start"), ()
    clean = event.code == 0
    if policy.policy == "never" or (clean and policy.policy == "on-failure"):
        return _enter(life, "exited", how, now), ()
    return _back_off(life, how, now, chance, policy)


def _could_not_start(life: Lifecycle, event: CouldNotStart, now: int, chance: float, policy: RestartPolicy) -> Outcome:
    if event.permanent or policy.policy == "never":
        return _enter(life, "fatal", event.reason, now, "cannot_start"), ()
    return _back_off(life, event.reason, now, chance, policy)


def _back_off(life: Lifecycle, reason: str, now: int, chance: float, policy: RestartPolicy) -> Outcome:
    settled = life.state == "ready" and now - life.since >= backoff.settled_after_ms(policy)
    failures = 1 if settled else life.failures + 1
    starts = backoff.recent(life.starts, now, policy)
    if backoff.is_given_up(starts, policy):
        given_up = f"{reason}; {len(starts)} restarts in {policy.within_s:g} s, given up"
        return replace(_enter(life, "fatal", given_up, now, "crash_loop"), failures=failures, starts=starts), ()
    wait = backoff.delay_ms(failures, policy, chance)
    waiting = _enter(life, "backoff", reason, now)
    return replace(waiting, failures=failures, starts=starts, next_start_at=now + wait), ()


def _tick(life: Lifecycle, now: int, policy: RestartPolicy, grace_s: float) -> Outcome:
    if life.since > now:  # the clock went back: what is measured from it begins again, and does not stand still
        life = replace(life, since=now)
    if life.state == "backoff" and life.next_start_at is not None:
        # A clock that went back must not make the wait longer than the longest.
        if life.next_start_at <= now or life.next_start_at - now > policy.max_delay_s * 2000:
            counted = replace(life, starts=(*life.starts, now), restarts=life.restarts + 1)
            return _start(counted, now, f"again after: {life.reason}")
    elif life.state == "starting" and now - life.since > START_TIMEOUT_MS:
        begun = replace(_enter(life, "stopping", "not ready within 90 s", now), has_failed=True, stop_step=1)
        return begun, (TakeStep(Step.POLITE),)
    elif life.state == "stopping":
        return _next_steps(life, now, grace_s)
    return life, ()


def _next_steps(life: Lifecycle, now: int, grace_s: float) -> Outcome:
    steps: list[Action] = []
    taken = life.stop_step
    while taken < len(_STOP_PLAN) and now - life.since >= _STOP_PLAN[taken][1] * grace_s * 1000:
        steps.append(TakeStep(_STOP_PLAN[taken][0]))
        taken += 1
    # One is enough: with time lost meanwhile, the last that is due is the hardest.
    return replace(life, stop_step=taken), tuple(steps[-1:])


def _step_when_asked_again(life: Lifecycle) -> int:
    """Go back to the kill if all steps have been taken and it is alive still; else go on."""
    return _KILL_AT if life.stop_step == len(_STOP_PLAN) else life.stop_step


def _enter(life: Lifecycle, state: str, reason: str, now: int, code: str = "") -> Lifecycle:
    since = life.since if state == life.state else now
    return replace(life, state=state, reason=reason, reason_code=code, since=since)


def _how(event: Ended) -> str:
    if event.why:
        return event.why
    if event.signal is not None:
        return f"ended by signal {event.signal}"
    return "ended by itself" if event.code == 0 else f"exit {event.code}"
