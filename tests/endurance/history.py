"""What senders were told and what readers saw, and whether the one fits the other.

Each attempt is invoked and then ok, failed, or unknown: nobody can tell whether an answer that did not come was a yes.
What is ok must be seen once by every reader, what failed by none, what is unknown once or not at all; all readers see
the same order, and what one sender had answered before it sent the next stays before it.
"""

from collections import Counter
from dataclasses import dataclass, field


@dataclass
class History:
    """By sender, in the order of sending: what was tried, and how it ended."""

    outcome: dict[str, str] = field(default_factory=dict)
    """Content → ok | failed | unknown"""

    def invoke(self, content: str) -> None:
        assert content not in self.outcome, content
        self.outcome[content] = "unknown"

    def ok(self, content: str) -> None:
        self.outcome[content] = "ok"

    def count(self, outcome: str) -> int:
        return list(self.outcome.values()).count(outcome)

    def check(self, readings: dict[str, list[str]]) -> dict[str, int]:
        """Compare with what each reader saw, in the order it saw it; return how many promises were broken, by kind."""
        broken: Counter[str] = Counter(lost=0, doubled=0, invented=0, disordered=0)
        promised = {content for content, outcome in self.outcome.items() if outcome == "ok"}
        refused = {content for content, outcome in self.outcome.items() if outcome == "failed"}
        orders = list(readings.values())
        for seen in orders:
            counted = Counter(seen)
            broken["lost"] += len(promised - counted.keys())
            broken["doubled"] += sum(count - 1 for count in counted.values())
            broken["invented"] += len(counted.keys() - self.outcome.keys()) + len(counted.keys() & refused)
            broken["disordered"] += self._disordered(seen)
        for other in orders[1:]:
            both = set(orders[0]) & set(other)
            broken["disordered"] += [text for text in orders[0] if text in both] != [
                text for text in other if text in both
            ]
        return dict(broken)

    def _disordered(self, seen: list[str]) -> int:
        """Count senders whose messages came in another order than they were sent."""
        place = {content: number for number, content in enumerate(self.outcome)}
        by_sender: dict[str, list[int]] = {}
        for content in dict.fromkeys(seen):
            by_sender.setdefault(content.partition("-")[0], []).append(place.get(content, -1))
        return sum(places != sorted(places) for places in by_sender.values())
