"""The desk of one chat bridge: somebody signs it in, it polls for what people write, and sends what is for them.

Only senders on the list are heard, each as the human whom the list names. What others write is neither kept nor logged.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import segno

from server.config import NotificationTarget
from server.core.errors import Unavailable
from server.dispatch import Dispatch
from server.outside.chat_bridge import ChatBridge, Credentials, Incoming, SessionEnded, SignIn
from server.outside.credentials import Kept, load_kept, save_kept
from server.outside.envelope import Envelope
from server.outside.errors import NotDelivered

logger = logging.getLogger(__name__)

SIGN_IN_LASTS_S = 300.0
LOOK_EVERY_S = 2.0
PAUSES_S = (2.0, 5.0, 15.0, 60.0)
"""Before polling again, when the service was not reached."""
CONTEXT_LASTS_MS = 23 * 3_600_000
LONGEST_TEXT = 2000
_REFUSED_AT_MOST = 10


@dataclass
class BridgeStatus:
    """How it goes with a bridge."""

    state: str = "signed_out"
    """signed_out | waiting | scanned | connected | unreachable"""
    reason: str = ""
    refused: dict[str, int] = field(default_factory=dict)
    """Who else has written, and how often: to put them on the list, if they belong there."""


class ChatDesk:
    """One bridge, from sign-in to sign-out."""

    def __init__(
        self,
        target: NotificationTarget,
        bridge: ChatBridge,
        dispatch: Dispatch,
        file: Path,
        clock: Callable[[], int],
    ) -> None:
        self._target = target
        self._bridge = bridge
        self._dispatch = dispatch
        self._file = file
        self._clock = clock
        self._kept = load_kept(file)
        self._signing: SignIn | None = None
        self._changed = asyncio.Event()
        self._one_sign_in = asyncio.Lock()
        self.status = BridgeStatus("connected" if self._kept.credentials else "signed_out")

    @property
    def name(self) -> str:
        return self._target.name

    def shown(self) -> dict[str, Any]:
        """Return how it goes with the bridge, with the code to be scanned while a sign-in waits. No secret is in it."""
        credentials, signing = self._kept.credentials, self._signing
        return {
            "state": self.status.state,
            "reason": self.status.reason,
            "connected": credentials is not None,
            "polling": credentials is not None and self.status.state == "connected",
            "loginInProgress": signing is not None,
            "qrcode": None if signing is None else signing.content,
            "matrix": [] if signing is None else code_rows(signing.content),
            "accountId": None if credentials is None else credentials.account_id,
            "baseUrl": None if credentials is None else credentials.base_url,
            "user_id": None if credentials is None else credentials.user_id,
            "people": {
                member: self._reachable(member) is not None for member in sorted(set(self._target.senders.values()))
            },
            "refused": [{"sender": sender, "count": count} for sender, count in self.status.refused.items()],
        }

    async def sign_in(self) -> None:
        """Begin a sign-in, unless one waits or it is signed in. Raises Unavailable."""
        async with self._one_sign_in:
            if self._signing is not None or self._kept.credentials is not None:
                return
            try:
                self._signing = await self._bridge.begin_sign_in()
            except NotDelivered as failure:
                raise Unavailable(f"The service of {self.name} gave no code: {failure}.", hint="Try again.") from None
            self.status = BridgeStatus("waiting", refused=self.status.refused)
            self._changed.set()

    async def sign_out(self) -> None:
        """Forget the sign-in and everything that goes with it."""
        self._forget()
        await self._report("signed_out", "")

    async def run(self) -> None:
        """Do what there is to do, for ever."""
        while True:
            self._changed.clear()
            if self._signing is not None:
                await self._or_changed(self._finish_sign_in(self._signing))
            elif self._kept.credentials is not None:
                await self._or_changed(self._poll(self._kept.credentials))
            else:
                await self._changed.wait()

    async def send(self, envelope: Envelope) -> None:
        """Send a notification to the person it is for. Raises NotDelivered."""
        credentials, member = self._kept.credentials, envelope.outgoing.member
        if credentials is None:
            raise NotDelivered("the bridge is signed out: sign in, as by bullpen wechat login", waits=True)
        found = self._reachable(member)
        if found is None:
            raise NotDelivered(f"{member} has not written to it for 23 h, so it may not write to them", waits=True)
        sender, context = found
        try:
            await self._bridge.send(credentials, sender, chat_text(envelope), context, envelope.outgoing.delivery_id)
        except SessionEnded as ended:
            await self._lose(str(ended))
            raise NotDelivered(str(ended), waits=True) from None

    async def _or_changed(self, work: Coroutine[Any, Any, None]) -> None:
        """Do some work until somebody signs in or out."""
        task = asyncio.ensure_future(work)
        changed = asyncio.ensure_future(self._changed.wait())
        try:
            await asyncio.wait((task, changed), return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                task.result()
        finally:
            for waiting in (task, changed):
                waiting.cancel()
            await asyncio.gather(task, changed, return_exceptions=True)

    async def _finish_sign_in(self, signing: SignIn) -> None:
        try:
            async with asyncio.timeout(SIGN_IN_LASTS_S):
                while True:
                    try:
                        progress = await self._bridge.look_at_sign_in(signing.key)
                    except NotDelivered as failure:
                        self.status.reason = str(failure)
                    else:
                        self.status.state = progress.state if progress.state == "scanned" else self.status.state
                        if progress.state in ("confirmed", "expired"):
                            break
                    await asyncio.sleep(LOOK_EVERY_S)
        except TimeoutError:
            progress = None
        self._signing = None
        if progress is None or progress.credentials is None:
            self.status = BridgeStatus("signed_out", "the code was not scanned in time", self.status.refused)
            await self._report("signed_out", self.status.reason)
            return
        self._kept = Kept(progress.credentials)
        await asyncio.to_thread(save_kept, self._file, self._kept)
        await self._dispatch.as_system("set_chat_cursor", bridge=self.name, cursor="")
        self.status = BridgeStatus("connected", refused=self.status.refused)
        await self._report("connected", "")

    async def _poll(self, credentials: Credentials) -> None:
        failures = 0
        cursor = await self._dispatch.as_system("get_chat_cursor", bridge=self.name)
        while True:
            try:
                batch = await self._bridge.receive(credentials, cursor)
                failures = 0
                self.status.state, self.status.reason = "connected", ""
                for message in batch.messages:
                    await self._take(credentials, message)
            except SessionEnded as ended:
                await self._lose(str(ended))
                return
            except NotDelivered as failure:
                self.status.state, self.status.reason = "unreachable", str(failure)
                await asyncio.sleep(PAUSES_S[min(failures, len(PAUSES_S) - 1)])
                failures += 1
                continue
            except Exception:
                logger.exception("the chat bridge %s failed inside, and goes on", self.name)
                await asyncio.sleep(PAUSES_S[-1])
                continue
            if batch.cursor != cursor:
                cursor = batch.cursor
                await self._dispatch.as_system("set_chat_cursor", bridge=self.name, cursor=cursor)

    async def _take(self, credentials: Credentials, message: Incoming) -> None:
        member = self._target.senders.get(message.sender)
        if member is None:
            self._refuse(message.sender)
            return
        if message.context:
            self._kept.contexts[message.sender] = message.context, self._clock()
            await asyncio.to_thread(save_kept, self._file, self._kept)
        answer = "Only text can be read here."
        if message.text.strip():
            answer = await self._dispatch.as_system(
                "receive_chat", bridge=self.name, member=member, place=self._target.inbound, message_id=message.id,
                text=message.text,
            )  # fmt: skip
        if answer:
            try:
                await self._bridge.send(credentials, message.sender, answer, message.context, f"answer-{message.id}")
            except NotDelivered as failure:
                logger.info("%s could not be answered on %s: %s", member, self.name, failure)

    def _refuse(self, sender: str) -> None:
        count = self.status.refused.pop(sender, 0)
        self.status.refused[sender] = count + 1
        while len(self.status.refused) > _REFUSED_AT_MOST:
            del self.status.refused[next(iter(self.status.refused))]

    def _reachable(self, member: str) -> tuple[str, str] | None:
        """Return the freshest of a person's own ids that may still be written to, and its context."""
        fresh = [
            (at, sender, context)
            for sender, (context, at) in self._kept.contexts.items()
            if self._target.senders.get(sender) == member and self._clock() - at < CONTEXT_LASTS_MS
        ]
        return max(fresh)[1:] if fresh else None

    async def _lose(self, why: str) -> None:
        self._forget()
        self.status.reason = why
        await self._report("signed_out", why, is_lost=True)

    def _forget(self) -> None:
        self._signing = None
        self._kept = Kept()
        save_kept(self._file, self._kept)
        self.status = BridgeStatus("signed_out", refused=self.status.refused)
        self._changed.set()

    async def _report(self, state: str, reason: str, *, is_lost: bool = False) -> None:
        await self._dispatch.as_system(
            "report_chat_bridge", bridge=self.name, state=state, reason=reason, is_lost=is_lost
        )


def code_rows(content: str) -> list[str]:
    """Return a code to be scanned as rows of 0 and 1, without a border."""
    code = segno.make(content, error="m", micro=False)
    return ["".join("1" if cell else "0" for cell in row) for row in code.matrix]


def chat_text(envelope: Envelope) -> str:
    """Return what a person reads in their chat: plain words, what they can answer, no Markdown stars."""
    lines = []
    for said in envelope.outgoing.items:
        lines += [said.title, said.text] if said.text else [said.title]
        if said.code:
            is_question = said.facts.get("kind") == "question"
            lines.append(f"→ answer {said.code} …" if is_question else f"→ approve {said.code}  or  deny {said.code}")
    text = "\n".join(lines).replace("**", "")
    return text if len(text) <= LONGEST_TEXT else text[: LONGEST_TEXT - 1] + "…"
