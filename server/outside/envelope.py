"""What every target is told, whatever its form: the words, the link, and how several things are one."""

from dataclasses import dataclass

from server.config import NotificationTarget
from server.features.notifications.sending import Outgoing, Said


@dataclass(frozen=True)
class Envelope:
    """One notification on its way to one target."""

    target: NotificationTarget
    outgoing: Outgoing
    base_url: str
    """Where the dashboard is, for those outside."""
    team: str

    @property
    def first(self) -> Said:
        return self.outgoing.items[0]

    @property
    def rest(self) -> list[Said]:
        return self.outgoing.items[1:]

    @property
    def title(self) -> str:
        is_gathered = self.outgoing.reason == "quiet_hours"
        more = f" (and {self.outgoing.count - 1} more)" if self.rest and not is_gathered else ""
        return self.first.title + more

    @property
    def link(self) -> str:
        return self.base_url + self.first.path

    def text(self) -> str:
        """Return the words below the title."""
        lines = [self.first.text] if self.first.text else []
        lines += [f"• {said.title}" + (f"\n  {said.text}" if said.text else "") for said in self.rest]
        left = self.outgoing.count - len(self.outgoing.items)
        return "\n".join([*lines, f"… and {left} more"] if left else lines)
