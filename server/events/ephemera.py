"""What is told to who is there and stored nowhere, as that somebody types. Bounded: a repeat too soon is not told."""

from collections import OrderedDict

import orjson

from server.core.call import Ephemeral
from server.events.feed import Feed

AGAIN_AFTER_MS = 2000
"""The same of one member about the same thing is told no sooner."""
REMEMBERED = 10_000


class Ephemera:
    """Tells the readers of one feed."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._told_at: OrderedDict[tuple[str, str, str], int] = OrderedDict()

    def tell(self, actor: str, ephemeral: Ephemeral, now: int) -> None:
        """Tell it to the live readers of its audience, unless that was done a moment ago."""
        about = (actor, ephemeral.kind, ephemeral.subject)
        if now - self._told_at.get(about, -AGAIN_AFTER_MS) < AGAIN_AFTER_MS:
            return
        self._told_at[about] = now
        self._told_at.move_to_end(about)
        if len(self._told_at) > REMEMBERED:
            self._told_at.popitem(last=False)
        body = {"kind": ephemeral.kind, **ephemeral.body}
        self._feed.tell(ephemeral.audience, ephemeral.kind, orjson.dumps(body), subject=ephemeral.subject)
