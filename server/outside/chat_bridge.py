"""What a chat service is to us: signing in by a code that a phone scans, receiving, sending."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol


@dataclass(frozen=True)
class Credentials:
    """What a signed-in bridge keeps. The token is a secret."""

    token: str
    base_url: str
    account_id: str
    user_id: str
    """Who scanned the code, by the service's own id."""


@dataclass(frozen=True)
class SignIn:
    """A sign-in that waits for a phone."""

    key: str
    content: str
    """What the code that is scanned says."""


@dataclass(frozen=True)
class Progress:
    """How far a sign-in has come."""

    state: Literal["waiting", "scanned", "expired", "confirmed"]
    credentials: Credentials | None = None


@dataclass(frozen=True)
class Incoming:
    """One message that somebody wrote to the bridge."""

    id: str
    sender: str
    text: str
    """Empty if it is no text."""
    context: str
    """Must be given with an answer."""


@dataclass(frozen=True)
class Batch:
    """What came, and from where to go on."""

    cursor: str
    messages: Sequence[Incoming]


class SessionEnded(Exception):
    """The service does not know our token any more: somebody must sign in again."""


class ChatBridge(Protocol):
    """One chat service. All raise NotDelivered when it is not reached; with credentials also SessionEnded."""

    async def begin_sign_in(self) -> SignIn:
        """Ask for a code to be scanned."""

    async def look_at_sign_in(self, key: str) -> Progress:
        """Return how far a sign-in has come; the service may take its time to answer."""

    async def receive(self, credentials: Credentials, cursor: str) -> Batch:
        """Return what came after a cursor; the service holds the request until something does."""

    async def send(self, credentials: Credentials, to: str, text: str, context: str, delivery_id: str) -> None:
        """Send a text to one person."""
