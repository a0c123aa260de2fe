"""The error tree: each has a stable code, a status, a sentence and a hint that says what to do next.

BullpenError
├── BadArgument 400     ├── NotSignedIn 401   ├── NotAllowed 403   ├── NotFound 404
├── Conflict 409        ├── TooLarge 413      ├── KeyReused 422    ├── TooMany 429
└── Unavailable 503     └── StorageFull 507
    └── TookTooLong 503
"""

import difflib
from collections.abc import Iterable, Mapping


class BullpenError(Exception):
    """Something is wrong that the caller can act on."""

    code = "failed"
    status = 500

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        field: str | None = None,
        facts: Mapping[str, object] | None = None,
        code: str | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code or self.code
        self.message = message
        self.hint = hint
        self.field = field
        self.facts = dict(facts or {})
        """Shown beside the error: who, which version, what to do next."""
        self.headers: dict[str, str] = {}

    def as_json(self) -> dict[str, object]:
        """Return the canonical error body."""
        error = {"code": self.code, "message": self.message, "hint": self.hint, "field": self.field}
        return {**self.facts, "error": error}


class BadArgument(BullpenError):
    """A value is not what the operation takes."""

    code = "bad_argument"
    status = 400


class NotSignedIn(BullpenError):
    """No credentials, or none that are accepted."""

    code = "not_signed_in"
    status = 401


class NotAllowed(BullpenError):
    """Known caller, missing right."""

    code = "not_allowed"
    status = 403


class NotFound(BullpenError):
    """No such thing, or none that this caller may know of."""

    code = "not_found"
    status = 404

    @classmethod
    def among(cls, what: str, name: str, known: Iterable[str], *, field: str | None = None) -> "NotFound":
        """Build the error with the nearest known names as the hint."""
        names = sorted(known)
        near = difflib.get_close_matches(name, names, n=3, cutoff=0.5) or names[:5]
        hint = f"Did you mean {' or '.join(near)}?" if near else f"There is no {what} yet."
        error = cls(f"No {what} “{name}”.", hint=hint, field=field)
        error.code = f"no_such_{what}"
        return error


class Conflict(BullpenError):
    """Taken, changed meanwhile, or already so: an expected condition, with the facts beside it."""

    code = "conflict"
    status = 409


class TooLarge(BullpenError):
    """More than is taken at once."""

    code = "too_large"
    status = 413


class KeyReused(BullpenError):
    """The same idempotency key came with other arguments."""

    code = "idempotency_key_reused"
    status = 422


class TooMany(BullpenError):
    """A limit was reached; the answer says when it opens again."""

    code = "rate_limited"
    status = 429

    def __init__(self, message: str, *, retry_after_s: int, hint: str = "") -> None:
        super().__init__(message, hint=hint or f"Next allowed in {retry_after_s} s.")
        self.headers["Retry-After"] = str(retry_after_s)


class Unavailable(BullpenError):
    """Not now: stopping, busy, or locked by another program."""

    code = "unavailable"
    status = 503


class TookTooLong(Unavailable):
    """It was ended, for it took longer than it may."""

    code = "took_too_long"


class StorageFull(BullpenError):
    """The disk is full: nothing was written."""

    code = "storage_full"
    status = 507
