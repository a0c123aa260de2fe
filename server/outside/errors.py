"""What can go wrong outside, as the queue needs it."""


class NotDelivered(Exception):
    """It did not arrive. The text says why, and never holds an address that may be a secret."""

    def __init__(
        self, why: str, *, final: bool = False, retry_after_s: float | None = None, waits: bool = False
    ) -> None:
        super().__init__(why)
        self.final = final
        """Trying again is of no use."""
        self.retry_after_s = retry_after_s
        self.waits = waits
        """It is for the other side to act first."""


class NoAnswer(NotDelivered):
    """It was reached, and did not answer in time."""


class AddressRefused(NotDelivered):
    """The address is none that we connect to."""

    def __init__(self, why: str) -> None:
        super().__init__(why, final=True)
