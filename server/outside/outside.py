"""The floor as a whole: what is configured becomes a follower, a lane for each target, and a chat bridge's desk."""

import asyncio
from collections.abc import Callable
from typing import Any

from server.config import Config, Notifications
from server.dispatch import Dispatch
from server.events.feed import Feed
from server.outside.chat_desk import ChatDesk
from server.outside.envelope import Envelope
from server.outside.errors import NotDelivered
from server.outside.follower import Follower
from server.outside.sender import Sender
from server.outside.wechat import WeChat


class Outside:
    """Everything that tells the outside, and hears it. Without targets it does nothing."""

    def __init__(
        self, config: Config, dispatch: Dispatch, feed: Feed, random: Callable[[int], bytes], own_url: str
    ) -> None:
        self._targets = config.notifications.targets
        self.desk: ChatDesk | None = None
        for target in self._targets:
            if target.type == "wechat":
                bridge = WeChat(target.base_url, random, allow_private=target.allow_private)
                file = config.data / "bridges" / "wechat.json"
                self.desk = ChatDesk(target, bridge, dispatch, file, dispatch.now)
        self._follower = Follower(dispatch, feed)
        self._sender = Sender(
            self._targets,
            dispatch,
            feed,
            base_url=config.public_url or own_url,
            team=config.team,
            send_chat=self._send_chat,
        )

    def open(self, tasks: asyncio.TaskGroup) -> list[asyncio.Task[None]]:
        """Start what there is to do, and return it: to be cancelled at the end."""
        if not self._targets:
            return []
        opened = [
            tasks.create_task(self._follower.run(), name="follower"),
            tasks.create_task(self._sender.run(), name="sender"),
        ]
        if self.desk is not None:
            opened.append(tasks.create_task(self.desk.run(), name="chat bridge"))
        return opened

    async def _send_chat(self, envelope: Envelope) -> None:
        if self.desk is None:
            raise NotDelivered("there is no such bridge", final=True)
        await self.desk.send(envelope)


def targets_as_told(notifications: Notifications) -> dict[str, Any]:
    """Return what the team's own operations know of the configuration: no address, only where one is kept."""
    quiet, digest = notifications.quiet, notifications.digest
    return {
        "targets": [
            {
                "name": target.name,
                "type": "slack" if target.format == "slack" else target.type,
                "address": str(target.url or target.base_url or ""),
                "events": list(target.events),
                "member": target.member,
                "people": list(target.senders.values()),
            }
            for target in notifications.targets
        ],
        "quiet": None if quiet is None else {
            "start": quiet.start, "end": quiet.end, "tz": quiet.tz, "exceptions": list(quiet.exceptions)
        },
        "digest_cron": "" if digest is None else digest.cron,
        "digest_to": None if digest is None else digest.to,
        "digest_tz": "UTC" if digest is None else digest.tz,
    }  # fmt: skip
