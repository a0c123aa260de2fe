"""What a kind is that keeps no record, has no hooks and is pushed nothing: its agent fetches by itself."""

from collections.abc import Iterable, Mapping, Sequence

from server.config import AgentConfig
from server.supervision.kinds.kind import Activity, Asked, Decided, HookMeaning, Run, UsageReading


class Silent:
    """The parts of a kind about which there is nothing to say."""

    has_process = True
    has_bridge = False
    interrupt: Sequence[bytes] = ()
    ways: Sequence[str] = ()
    polite_exit: Sequence[bytes] = ()

    def problem(self, agent: AgentConfig) -> str | None:
        return None

    def has_session(self, run: Run) -> bool:
        return False

    def observe(self, run: Run, pid: int) -> Activity | None:
        return None

    def billing(self, agent: AgentConfig) -> str:
        return "unknown"

    def share_sign_in(self, run: Run) -> None:
        return None

    def read_usage(self, run: Run, marks: Mapping[str, int]) -> UsageReading:
        return UsageReading()

    def read_screen(self, text: str) -> Activity | None:
        return None

    def read_hook(self, payload: Mapping[str, object]) -> HookMeaning:
        return HookMeaning()

    def answer(self, asked: Asked, payload: Mapping[str, object], decided: Decided) -> Mapping[str, object]:
        return {}

    def remembered(self, run: Run, push_ids: Iterable[str]) -> frozenset[str]:
        return frozenset()

    def paste(self, text: str) -> Sequence[bytes]:
        return ()

    def queue(self, run: Run, text: str) -> bool:
        return False
