"""Who has the keyboard of a terminal: one at a time, for two minutes after the last key, and everybody sees who."""

import asyncio
import time
from dataclasses import dataclass, field

from server.core.call import Caller
from server.core.errors import Conflict

LEASE_S = 120.0
"""Renewed by typing."""
CALL_LEASE_S = 15.0
"""Of one who types by single calls: there is no screen on which they could be asked for the keyboard."""
_TOLD_EVERY_S = 5.0
"""How exactly those who look are told of a lease that every key renews."""


class KeyboardTaken(Conflict):
    """Somebody else types into this terminal."""

    code = "keyboard_taken"


@dataclass(eq=False)
class Seat:
    """One who looks at a terminal, or types into it by calls. `changed` is set when the keyboard has changed hands."""

    caller: Caller
    changed: asyncio.Event = field(default_factory=asyncio.Event)


class Keyboard:
    """The keyboard of one agent's terminal."""

    def __init__(self, agent: str) -> None:
        self.agent = agent
        self.seats: set[Seat] = set()
        self.asking: list[Seat] = []
        self._holder: Seat | None = None
        self._until = 0.0
        self._lease_s = LEASE_S
        self._timer: asyncio.TimerHandle | None = None

    @property
    def holder(self) -> Seat | None:
        """Return who may type now, or None."""
        return self._holder if self._holder is not None and self._until > time.monotonic() else None

    @property
    def left_s(self) -> float:
        return max(0.0, self._until - time.monotonic())

    @property
    def is_forgotten(self) -> bool:
        """Nobody looks and nobody types."""
        return not self.seats and self.holder is None

    def is_held_by_another(self, seat: Seat) -> bool:
        holder = self.holder
        return holder is not None and holder is not seat

    def check_free(self, seat: Seat, *, by_call: bool = False) -> None:
        """Raise KeyboardTaken if another has it. Who types by calls shares it with oneself at a screen."""
        holder = self.holder
        if holder is None or holder is seat or (by_call and holder.caller.name == seat.caller.name):
            return
        name = holder.caller.name
        raise KeyboardTaken(
            f"{name} has the keyboard of {self.agent}.",
            hint="Ask for it and wait, or let the chairman take it.",
            facts={"holder": name, "free_in_s": round(self.left_s, 1)},
        )

    def give(self, seat: Seat, lease_s: float | None = None) -> None:
        """Let one type from now on: for two minutes after the last key, or as long as is said."""
        self._holder, self._lease_s = seat, LEASE_S if lease_s is None else lease_s
        self._until = time.monotonic() + self._lease_s
        self.asking = [other for other in self.asking if other is not seat]
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(self._lease_s, self._look)
        self.tell()

    def renew(self) -> None:
        """Count the lease from now."""
        is_nearly_new = self.left_s > self._lease_s - _TOLD_EVERY_S
        self._until = time.monotonic() + self._lease_s
        if not is_nearly_new:
            self.tell()

    def release(self, seat: Seat) -> None:
        """Take it from one who has it."""
        if self._holder is seat:
            self._holder, self._until = None, 0.0
            self.tell()

    def ask(self, seat: Seat) -> None:
        """Let the holder know that another would like to type."""
        if self.is_held_by_another(seat) and seat not in self.asking:
            self.asking.append(seat)
            self.tell()

    def leave(self, seat: Seat) -> None:
        """Forget one who no longer looks."""
        self.seats.discard(seat)
        if seat in self.asking:
            self.asking.remove(seat)
            self.tell()
        self.release(seat)

    def tell(self) -> None:
        for seat in self.seats:
            seat.changed.set()

    def _look(self) -> None:
        self._timer = None
        if self._holder is None:
            return
        if self.left_s > 0:
            self._timer = asyncio.get_running_loop().call_later(self.left_s, self._look)
        else:
            self._holder = None
            self.tell()


class Keyboards:
    """The keyboards of all terminals that somebody looks at or types into."""

    def __init__(self) -> None:
        self._keyboards: dict[str, Keyboard] = {}

    def of(self, agent: str) -> Keyboard:
        for name in [name for name, keyboard in self._keyboards.items() if keyboard.is_forgotten]:
            del self._keyboards[name]
        return self._keyboards.setdefault(agent, Keyboard(agent))

    def all(self) -> list[Keyboard]:
        return list(self._keyboards.values())
