"""An office that tells the outside: a target is a listener on this machine."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from server.config import HumanConfig, NotificationTarget, SecretReference
from server.features.notifications import model, sending
from server.outside import chat_desk
from tests.peers.receiver import Receiver, open_receiver

HUMANS = (HumanConfig("chairman", "chairman"), HumanConfig("ada", "operator"), HumanConfig("vera", "viewer"))


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settle, try again and look at a sign-in in no time; that it takes its time is tested by the clock."""
    monkeypatch.setattr(model, "SETTLE_MS", 20)
    monkeypatch.setattr(sending, "DELAYS_S", (0.02, 0.04, 0.06))
    monkeypatch.setattr(chat_desk, "LOOK_EVERY_S", 0.02)
    monkeypatch.setattr(chat_desk, "PAUSES_S", (0.05,))


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with open_receiver() as opened:
        yield opened


def webhook(name: str = "hook", **settings: Any) -> NotificationTarget:
    """A webhook whose address is in HOOK_URL and whose secret, if it has one, in HOOK_SECRET."""
    fields: dict[str, Any] = {"url": SecretReference("env", "HOOK_URL"), "allow_private": True} | settings
    return NotificationTarget(name, "webhook", **fields)
