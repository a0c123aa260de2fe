"""Sends what is due: one lane a target, so that a slow or broken one holds up no other."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from server.config import NotificationTarget, SecretReference, SecretUnavailable, resolve_secret
from server.dispatch import Dispatch
from server.events.feed import Feed, Filter
from server.features.notifications.model import NotificationChanged
from server.features.notifications.sending import Outgoing, Taken
from server.outside.envelope import Envelope
from server.outside.errors import NotDelivered
from server.outside.ntfy import send_ntfy
from server.outside.smtp import send_email
from server.outside.webhook import send_webhook

logger = logging.getLogger(__name__)

LOOK_AGAIN_S = 30.0
AFTER_FAILURE_S = 5.0

SendChat = Callable[[Envelope], Awaitable[None]]
"""Sends by a chat bridge. Raises NotDelivered."""


class Sender:
    """The lanes of all targets."""

    def __init__(
        self,
        targets: Sequence[NotificationTarget],
        dispatch: Dispatch,
        feed: Feed,
        *,
        base_url: str,
        team: str,
        send_chat: SendChat,
    ) -> None:
        self._targets = targets
        self._dispatch = dispatch
        self._base_url = base_url
        self._team = team
        self._send_chat = send_chat
        self._woken = {target.name: asyncio.Event() for target in targets}
        feed.listen(Filter(kinds=frozenset({NotificationChanged.kind})), lambda event: self._wake())

    async def run(self) -> None:
        """Send for ever."""
        await self._dispatch.as_system("resume_notifications")
        async with asyncio.TaskGroup() as lanes:
            for target in self._targets:
                lanes.create_task(self._lane(target), name=f"notifications to {target.name}")

    def _wake(self) -> None:
        for woken in self._woken.values():
            woken.set()

    async def _lane(self, target: NotificationTarget) -> None:
        woken = self._woken[target.name]
        while True:
            woken.clear()
            try:
                taken: Taken = await self._dispatch.as_system("take_notification", target=target.name)
                if taken.outgoing is not None:
                    await self._send(target, taken.outgoing)
                    continue
            except Exception:
                logger.exception("sending to %s failed inside, and is tried again", target.name)
                await asyncio.sleep(AFTER_FAILURE_S)
                continue
            wait_s = LOOK_AGAIN_S
            if taken.next_due is not None:
                wait_s = min(wait_s, max(taken.next_due - self._dispatch.now(), 0) / 1000)
            try:
                async with asyncio.timeout(wait_s):
                    await woken.wait()
            except TimeoutError:
                pass

    async def _send(self, target: NotificationTarget, outgoing: Outgoing) -> None:
        envelope = Envelope(target, outgoing, self._base_url, self._team)
        try:
            await self._deliver(envelope)
        except NotDelivered as failure:
            logger.info("%s was not told of %s: %s", target.name, outgoing.delivery_id, failure)
            await self._dispatch.as_system(
                "note_not_sent", id=outgoing.id, error=str(failure), final=failure.final,
                retry_after_s=failure.retry_after_s, waits=failure.waits,
            )  # fmt: skip
        else:
            await self._dispatch.as_system("note_sent", id=outgoing.id)

    async def _deliver(self, envelope: Envelope) -> None:
        target, now = envelope.target, self._dispatch.now()
        if target.type == "wechat":
            await self._send_chat(envelope)
            return
        url = await _secret(target.url)
        if url is None:
            raise NotDelivered("it has no address", final=True)
        if target.type == "email":
            await send_email(envelope, url, now)
            return
        secret = await _secret(target.secret)
        if target.type == "ntfy":
            await send_ntfy(envelope, url, secret)
        else:
            await send_webhook(envelope, url, secret, now)


async def _secret(reference: SecretReference | None) -> str | None:
    """Read a secret now, off the loop, for it may be a command that takes its time."""
    if reference is None:
        return None
    try:
        return await asyncio.to_thread(resolve_secret, reference)
    except SecretUnavailable as error:
        raise NotDelivered(str(error)) from None
    except ValueError as error:
        raise NotDelivered(f"{reference.kind}: {error}") from None
