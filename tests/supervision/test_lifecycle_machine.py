"""Every order of events that hypothesis can think of, against a small world with at most one process in it."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from pydantic import TypeAdapter

from server.config import RestartPolicy
from server.supervision.lifecycle import (
    LIVE,
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

GRACE_S = 15.0
STORED = TypeAdapter(Lifecycle)
RESTING = ("stopped", "exited", "fatal", "backoff")


class OneAgent(RuleBasedStateMachine):
    """The world carries out what the reducer asks for, and says what happened, as the supervisor does."""

    def __init__(self) -> None:
        super().__init__()
        self.life = Lifecycle()
        self.policy = RestartPolicy()
        self.now = 1_800_000_000_000
        self.is_alive = False
        self.is_stubborn = False
        self.has_refused_to_die = False
        self.next_start_fails: bool | None = None
        self.automatic_starts: list[int] = []
        self.wish = False

    @initialize(
        policy=st.sampled_from(["never", "on-failure", "always"]), most=st.integers(1, 6), cap=st.sampled_from([1, 60])
    )
    def configure(self, policy: str, most: int, cap: int) -> None:
        self.policy = RestartPolicy(policy=policy, max=most, max_delay_s=cap)

    # What the supervisor does

    def happen(self, event: Event, chance: float = 0.5) -> None:
        before = self.life
        self.life, actions = advance(before, event, now=self.now, chance=chance, policy=self.policy, grace_s=GRACE_S)
        assert STORED.validate_json(STORED.dump_json(self.life)) == self.life
        for action in actions:
            if isinstance(action, Launch):
                self.launch(before, event)
            else:
                self.take(action)

    def launch(self, before: Lifecycle, event: Event) -> None:
        assert not self.is_alive, "a second live run"
        assert self.life.state == "starting"
        assert self.life.wanted, "started though nobody wants it"
        if before.state == "fatal":
            assert isinstance(event, Asked), "an automatic start out of fatal"
        if isinstance(event, Tick):
            self.automatic_starts.append(self.now)
        if self.next_start_fails is None:
            self.is_alive = True
        else:
            self.happen(CouldNotStart("it could not", permanent=self.next_start_fails))

    def take(self, action: TakeStep) -> None:
        assert self.life.state == "stopping"
        if not self.is_alive:
            return
        if action.step in (Step.KILL, Step.VERIFY):
            self.has_refused_to_die = self.is_stubborn
            if self.is_stubborn:
                self.happen(Left((1,)))
            else:
                self.is_alive = False
                self.happen(Ended(None, 9))

    # What may happen

    @rule(action=st.sampled_from(["start", "stop", "restart"]))
    def somebody_asks(self, action: str) -> None:
        self.wish = action != "stop"
        if action != "stop" and self.life.state not in LIVE:
            self.automatic_starts.clear()
        self.happen(Asked(action, "because"))

    @rule(seconds=st.sampled_from([0.0, 0.3, 1.0, 4.0, 9.0, 61.0, 95.0, 200.0, 700.0]), chance=st.floats(0, 1))
    def time_passes(self, seconds: float, chance: float) -> None:
        self.now += round(seconds * 1000)
        self.happen(Tick(), chance)
        is_done = self.life.state != "stopping" or self.has_refused_to_die
        assert is_done or self.now - self.life.since < GRACE_S * 1000, "alive after its grace"

    @rule(hours=st.sampled_from([-24, -1, 1]))
    def the_clock_jumps(self, hours: int) -> None:
        self.now += hours * 3_600_000
        self.automatic_starts.clear()
        self.happen(Tick())

    @precondition(lambda self: self.is_alive)
    @rule(
        end=st.sampled_from([Ended(0, None), Ended(1, None), Ended(7, None), Ended(127, None), Ended(None, 11)]),
        chance=st.floats(0, 1),
    )
    def the_process_ends(self, end: Ended, chance: float) -> None:
        self.is_alive = False
        self.happen(end, chance)

    @precondition(lambda self: self.is_alive)
    @rule(event=st.sampled_from([BecameReady(), Weakened("no bridge")]))
    def the_process_shows_how_it_is(self, event: Event) -> None:
        self.happen(event)

    @rule(fails=st.sampled_from([None, None, False, True]))
    def starting_turns_out_like_this_from_now_on(self, fails: bool | None) -> None:
        self.next_start_fails = fails

    @rule(is_stubborn=st.booleans())
    def killing_turns_out_like_this_from_now_on(self, is_stubborn: bool) -> None:
        self.is_stubborn = is_stubborn

    @rule(is_gentle=st.booleans(), dies=st.booleans(), away_s=st.sampled_from([0, 3, 100]))
    def the_server_is_restarted(self, is_gentle: bool, dies: bool, away_s: int) -> None:
        if is_gentle:
            self.happen(Hold())
        self.now += away_s * 1000
        was_alive = self.is_alive
        self.is_alive = was_alive and not dies
        self.life = STORED.validate_json(STORED.dump_json(self.life).replace(b'"held":true', b'"held":false'))
        self.life = STORED.validate_python({**vars(self.life), "wanted": self.wish})
        if self.is_alive:
            self.happen(Found())
        elif self.life.state in LIVE:
            self.happen(Ended(None, None, "lost while the server was away"))
        else:
            self.happen(FoundNothing())

    @rule()
    def left_alone_in_a_kind_world_the_wish_comes_true(self) -> None:
        """Liveness: with everything working, wanted is reached, or given up by policy where a person can see it."""
        self.is_stubborn, self.next_start_fails = False, None
        if self.life.state == "stopping" and self.life.stop_step == 5:
            self.happen(Asked("stop" if not self.wish else "restart"))
        for _ in range(12):
            self.now += 21_000
            self.happen(Tick())
            if self.life.state in ("starting", "degraded"):
                self.happen(BecameReady())
        if self.wish:
            assert self.life.state in ("ready", "fatal", "exited"), self.life
            assert self.is_alive == (self.life.state == "ready")
        else:
            assert self.life.state in ("stopped", "fatal", "exited"), self.life
            assert not self.is_alive

    # What always holds

    @invariant()
    def a_state_is_live_if_and_only_if_there_is_a_process(self) -> None:
        assert (self.life.state in LIVE) == self.is_alive
        assert self.life.state in LIVE or self.life.state in RESTING

    @invariant()
    def what_is_wanted_is_what_was_last_asked_for(self) -> None:
        assert self.life.wanted == self.wish

    @invariant()
    def automatic_starts_stay_within_the_intensity(self) -> None:
        window = [at for at in self.automatic_starts if at > self.now - self.policy.within_s * 1000]
        assert len(window) <= self.policy.max

    @invariant()
    def a_next_start_is_set_in_backoff_and_only_there(self) -> None:
        assert (self.life.next_start_at is not None) == (self.life.state == "backoff")

    @invariant()
    def what_is_kept_stays_small(self) -> None:
        assert len(self.life.starts) <= self.policy.max + 1


TestOneAgent = OneAgent.TestCase
TestOneAgent.settings = settings(max_examples=600, stateful_step_count=50, deadline=None, database=None)
