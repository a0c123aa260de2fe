"""What becomes of an agent, told example by example. The machine that tries everything: test_lifecycle_machine.py."""

from dataclasses import dataclass, field, replace

import pytest

from server.config import RestartPolicy
from server.supervision import backoff
from server.supervision.lifecycle import (
    START_TIMEOUT_MS,
    Action,
    Asked,
    BecameReady,
    CouldNotStart,
    Ended,
    Event,
    Found,
    FoundNothing,
    Hold,
    Launch,
    Left,
    Lifecycle,
    Step,
    TakeStep,
    Tick,
    Weakened,
    advance,
)

CRASH = Ended(1, None)


@dataclass
class Told:
    """A story: what happens when, and what follows."""

    life: Lifecycle = field(default_factory=Lifecycle)
    policy: RestartPolicy = field(default_factory=RestartPolicy)
    now: int = 1_000_000_000
    chance: float = 0.5
    actions: tuple[Action, ...] = ()

    def then(self, event: Event, after_s: float = 0.0) -> "Told":
        self.now += round(after_s * 1000)
        self.life, self.actions = advance(
            self.life, event, now=self.now, chance=self.chance, policy=self.policy, grace_s=15.0
        )
        return self

    @property
    def launched(self) -> bool:
        return Launch() in self.actions

    @property
    def steps(self) -> list[Step]:
        return [action.step for action in self.actions if isinstance(action, TakeStep)]

    def wait_out_backoff(self) -> float:
        """Tick at the moment the next start is due, and return the seconds waited."""
        assert self.life.next_start_at is not None
        waited = (self.life.next_start_at - self.now) / 1000
        self.then(Tick(), waited)
        return waited


def ready(policy: RestartPolicy | None = None) -> Told:
    return Told(policy=policy or RestartPolicy()).then(Asked("start")).then(BecameReady(), 3)


def test_a_start_launches_once_and_becomes_ready() -> None:
    told = Told().then(Asked("start", "ada asked"))
    assert (told.life.state, told.life.wanted, told.launched) == ("starting", True, True)
    assert told.life.reason == "ada asked"
    assert not told.then(Asked("start")).launched
    assert told.then(BecameReady(), 2).life.state == "ready"


def test_a_repeated_command_changes_nothing() -> None:
    told = ready()
    before = told.life
    assert told.then(Asked("start")).life == before
    stopping = told.then(Asked("stop")).life
    assert (told.then(Asked("stop"), 1).life, told.actions) == (stopping, ())
    stopped = told.then(Ended(0, None)).life
    assert (told.then(Asked("stop"), 1).life, told.actions) == (stopped, ())


def test_the_stop_sequence_grows_harder_at_0_5_8_15_and_20_seconds() -> None:
    told = ready().then(Asked("stop"))
    taken = [(0.0, told.steps)]
    for tick in range(1, 101):
        told.then(Tick(), 0.25)
        if told.steps:
            taken.append((tick / 4, told.steps))
    assert taken == [
        (0.0, [Step.POLITE]),
        (5.0, [Step.INTERRUPT]),
        (8.0, [Step.TERMINATE]),
        (15.0, [Step.KILL]),
        (20.0, [Step.VERIFY]),
    ]


def test_steps_that_are_left_when_the_process_has_ended_are_not_taken() -> None:
    told = ready().then(Asked("stop")).then(Ended(0, None), 1)
    assert told.life.state == "stopped"
    assert told.then(Tick(), 60).actions == ()


def test_a_stop_that_lost_time_goes_on_with_the_hardest_step_that_is_due() -> None:
    told = ready().then(Asked("stop")).then(Tick(), 16)
    assert told.steps == [Step.KILL]
    late = ready().then(Asked("stop")).then(Tick(), 3600)
    assert late.steps[-1] == Step.VERIFY


def test_processes_that_would_not_end_are_named_and_the_state_stays() -> None:
    told = ready().then(Asked("stop")).then(Tick(), 21).then(Left((41, 42)))
    assert told.life.state == "stopping"
    assert "41, 42" in told.life.reason


def test_asking_again_when_all_steps_have_failed_tries_the_kill_again() -> None:
    told = ready().then(Asked("stop")).then(Tick(), 21).then(Left((41,)))
    assert told.then(Tick(), 60).steps == []
    assert told.then(Asked("stop"), 60).then(Tick(), 1).steps[-1] in (Step.KILL, Step.VERIFY)


def test_a_start_during_a_stop_is_queued_as_a_restart() -> None:
    told = ready().then(Asked("stop")).then(Asked("start"), 1)
    assert (told.life.state, told.launched) == ("stopping", False)
    told.then(Ended(0, None), 1)
    assert (told.life.state, told.launched) == ("starting", True)


def test_a_stop_takes_a_queued_start_back() -> None:
    told = ready().then(Asked("stop")).then(Asked("start")).then(Asked("stop")).then(Ended(0, None))
    assert (told.life.state, told.launched) == ("stopped", False)


def test_a_restart_stops_then_starts_and_counts_as_no_failure() -> None:
    told = ready().then(Asked("restart"))
    assert (told.life.state, told.steps) == ("stopping", [Step.POLITE])
    told.then(Ended(None, 9), 15)
    assert (told.life.state, told.launched, told.life.failures, told.life.restarts) == ("starting", True, 0, 0)


def test_a_crash_is_followed_by_delays_that_double_up_to_the_cap() -> None:
    told = ready(RestartPolicy(max=100))
    waits = []
    for _ in range(9):
        told.then(CRASH)
        assert told.life.state == "backoff"
        waits.append(told.wait_out_backoff())
        assert told.launched
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]


@pytest.mark.parametrize(("chance", "waited"), [(0.0, 0.8), (0.5, 1.0), (1.0, 1.2)])
def test_a_delay_is_up_to_a_fifth_shorter_or_longer(chance: float, waited: float) -> None:
    told = ready()
    told.chance = chance
    assert told.then(CRASH).wait_out_backoff() == pytest.approx(waited)


def test_nothing_starts_before_its_time() -> None:
    told = ready().then(CRASH)
    assert not told.then(Tick(), 0.9).launched
    assert told.then(Tick(), 0.2).launched


def test_a_hard_failure_is_fatal_at_the_sixth_end_after_half_a_minute() -> None:
    told = Told().then(Asked("start"))
    begun = told.now
    ends = 0
    while told.life.state != "fatal":
        told.then(CRASH, 0.5)
        ends += 1
        if told.life.state == "backoff":
            told.wait_out_backoff()
    assert ends == 6
    assert told.life.restarts == 5
    assert (told.now - begun) / 1000 == pytest.approx(31 + 6 * 0.5)


def test_a_crash_every_three_minutes_is_never_fatal() -> None:
    told = ready()
    for _ in range(200):
        told.then(BecameReady(), 1).then(CRASH, 179)
        assert told.life.state == "backoff"
        told.wait_out_backoff()


def test_failures_are_forgotten_after_two_minutes_of_being_ready_not_merely_alive() -> None:
    told = ready()
    told.then(CRASH).wait_out_backoff()
    told.then(BecameReady()).then(CRASH, 119)
    assert told.life.failures == 2
    told.wait_out_backoff()
    told.then(BecameReady(), 80).then(CRASH, 119)
    assert told.life.failures == 3
    told.wait_out_backoff()
    told.then(BecameReady()).then(CRASH, 120)
    assert told.life.failures == 1


def test_a_longer_cap_takes_longer_to_forget() -> None:
    assert backoff.settled_after_ms(RestartPolicy(max_delay_s=100)) == 200_000


@pytest.mark.parametrize("code", [126, 127])
def test_a_command_that_cannot_be_run_is_fatal_at_once(code: int) -> None:
    assert Told().then(Asked("start")).then(Ended(code, None)).life.state == "fatal"


def test_what_can_never_start_is_fatal_at_once_and_what_might_is_tried_again() -> None:
    told = Told().then(Asked("start")).then(CouldNotStart("no such folder", permanent=True))
    assert (told.life.state, told.life.reason) == ("fatal", "no such folder")
    told = Told().then(Asked("start")).then(CouldNotStart("held still", permanent=False))
    assert told.life.state == "backoff"


def test_nothing_but_a_person_leads_out_of_fatal_and_that_clears_the_count() -> None:
    told = Told().then(Asked("start")).then(Ended(127, None))
    for event in (Tick(), BecameReady(), CRASH, FoundNothing()):
        assert not told.then(event, 3600).launched
        assert told.life.state == "fatal"
    told.then(Asked("start"))
    assert (told.life.state, told.launched, told.life.failures, told.life.starts) == ("starting", True, 0, ())


def test_a_person_who_starts_a_given_up_agent_gives_it_all_its_tries_again() -> None:
    told = Told().then(Asked("start"))
    for _ in range(2):
        for _ in range(6):
            assert told.life.state == "starting"
            told.then(CRASH, 0.5)
            if told.life.state == "backoff":
                told.wait_out_backoff()
        assert told.life.state == "fatal"
        told.then(Asked("start"), 1)


def test_an_automatic_start_does_not_clear_the_count() -> None:
    told = ready().then(CRASH)
    told.wait_out_backoff()
    assert (told.life.failures, len(told.life.starts)) == (1, 1)


@pytest.mark.parametrize(
    ("policy", "end", "state"),
    [
        ("on-failure", Ended(0, None), "exited"),
        ("on-failure", Ended(1, None), "backoff"),
        ("on-failure", Ended(None, 9), "backoff"),
        ("always", Ended(0, None), "backoff"),
        ("never", Ended(0, None), "exited"),
        ("never", Ended(None, 11), "exited"),
    ],
)
def test_the_policy_decides_after_an_end_that_nobody_asked_for(policy: str, end: Ended, state: str) -> None:
    assert ready(RestartPolicy(policy=policy)).then(end).life.state == state


def test_an_exited_agent_starts_when_a_person_asks() -> None:
    told = ready().then(Ended(0, None))
    assert not told.then(Tick(), 1000).launched
    assert told.then(Asked("start")).launched


def test_a_stop_during_backoff_is_immediate() -> None:
    told = ready().then(CRASH).then(Asked("stop"))
    assert (told.life.state, told.life.next_start_at, told.actions) == ("stopped", None, ())
    assert not told.then(Tick(), 3600).launched


def test_a_start_that_takes_too_long_is_stopped_and_counted_as_a_failure() -> None:
    told = Told().then(Asked("start")).then(Tick(), START_TIMEOUT_MS / 1000)
    assert told.life.state == "starting"
    told.then(Tick(), 1)
    assert (told.life.state, told.steps) == ("stopping", [Step.POLITE])
    told.then(Ended(None, 15), 8)
    assert (told.life.state, told.life.failures) == ("backoff", 1)


def test_a_start_that_always_takes_too_long_ends_in_fatal() -> None:
    told = Told(policy=RestartPolicy(within_s=3600)).then(Asked("start"))
    for _ in range(6):
        told.then(Tick(), 91).then(Ended(None, 15), 1)
        if told.life.state == "backoff":
            told.wait_out_backoff()
    assert told.life.state == "fatal"


def test_a_start_that_takes_too_long_is_not_repeated_if_no_restart_is_wanted() -> None:
    told = Told(policy=RestartPolicy(policy="never")).then(Asked("start")).then(Tick(), 91).then(Ended(None, 15), 1)
    assert told.life.state == "exited"


def test_an_agent_that_lost_its_bridge_is_degraded_and_recovers_without_a_restart() -> None:
    told = ready().then(Weakened("no bridge"), 60)
    assert (told.life.state, told.life.reason) == ("degraded", "no bridge")
    assert told.then(Tick(), 3600).actions == ()
    assert told.then(BecameReady()).life.state == "ready"


def test_an_adopted_agent_is_never_restarted_and_keeps_its_count() -> None:
    told = ready().then(CRASH)
    told.wait_out_backoff()
    told.then(BecameReady(), 1)
    before = told.life
    told.then(Found(), 30)
    assert told.actions == ()
    assert (told.life.failures, told.life.starts, told.life.restarts) == (1, before.starts, 1)
    assert told.then(Tick(), 3600).actions == (), "an adopted agent was stopped because its bridge was late"
    assert told.then(BecameReady()).life.state == "ready"


def test_an_adopted_agent_that_nobody_wants_is_stopped() -> None:
    told = ready()
    told.life = replace(told.life, wanted=False)
    assert told.then(Found()).steps == [Step.POLITE]


def test_a_stop_goes_on_after_a_restart_of_the_server() -> None:
    told = ready().then(Asked("stop")).then(Found(), 2)
    assert told.life.state == "stopping"
    assert Step.KILL in [step for _ in range(80) for step in told.then(Tick(), 0.25).steps]


def test_a_stop_for_the_servers_sake_that_the_server_did_not_live_to_see_ends_in_a_start() -> None:
    told = ready().then(Hold())
    told.life = replace(told.life, held=False)  # as a server does that opens again
    told.then(Found(), 2).then(Ended(0, None), 1)
    assert (told.life.state, told.launched) == ("starting", True)


def test_agents_that_end_with_the_server_are_back_with_it() -> None:
    told = ready().then(Hold()).then(Ended(0, None), 1)
    assert (told.life.state, told.life.wanted) == ("stopped", True)
    told.life = replace(told.life, held=False)
    assert told.then(FoundNothing(), 60).launched


@pytest.mark.parametrize("action", ["start", "restart"])
def test_what_is_asked_while_the_server_closes_waits_until_it_is_back(action: str) -> None:
    told = Told().then(Hold()).then(Asked(action))
    assert (told.life.state, told.life.wanted, told.launched) == ("stopped", True, False)
    told.life = replace(told.life, held=False)
    assert told.then(FoundNothing(), 60).launched


def test_a_start_asked_while_the_server_closes_brings_back_what_had_been_given_up() -> None:
    told = Told().then(Asked("start")).then(CouldNotStart("no such file", permanent=True)).then(Hold())
    assert told.life.state == "fatal"
    assert told.then(Asked("start")).launched is False
    told.life = replace(told.life, held=False)
    assert told.then(FoundNothing(), 60).launched


def test_a_stored_limit_outlives_the_server() -> None:
    told = ready()
    for _ in range(5):
        told.then(CRASH)
        told.then(FoundNothing())  # the server has been killed and is back
        assert told.life.state == "backoff"
        told.wait_out_backoff()
    assert told.then(CRASH).life.state == "fatal"


def test_a_clock_that_went_back_does_not_make_the_wait_endless() -> None:
    told = ready().then(CRASH)
    told.now -= 86_400_000
    assert told.then(Tick()).launched


def test_a_clock_that_went_forward_starts_once() -> None:
    told = ready().then(CRASH).then(Tick(), 86_400)
    assert told.launched
    assert not told.then(Tick()).launched
