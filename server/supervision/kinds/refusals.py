"""What a model service's refusal means for the agent that was refused, by its HTTP status and words.

For CLIs that write down the answer of the service, and not a word for it of their own.
"""

import re

from server.supervision.kinds.kind import Activity
from server.supervision.kinds.telling import short

_NO_CREDIT = re.compile(r"credit|billing|quota|insufficient_|payment", re.IGNORECASE)
_TOO_LONG = re.compile(r"context.{0,20}(?:window|length)|token count|too long|maximum number of tokens", re.IGNORECASE)
_BAD_KEY = re.compile(r"api[ _]key|unauthenticated|credentials", re.IGNORECASE)
_OVERLOADED = frozenset({503, 529})

SIGN_IN = "it is not signed in: sign in in its terminal, or give it a key that is valid"
NO_CREDIT = "its account has no credit left"
NO_ACCESS = "its account may not use this"
NO_MODEL = "its model does not exist: correct model in agents.yaml"
RATE = "the model service limits its rate"
OVERLOADED = "the model service is overloaded"
BROKEN = "the model service does not answer as it should"
UNREACHABLE = "the model service cannot be reached"


def refused(status: int | None, detail: str, source: str) -> Activity:
    """Return how an agent stands whose turn was refused. No status: there was no answer at all."""
    words = short(detail)
    match status:
        case 401:
            return Activity("needs_you", SIGN_IN, source, "login")
        case 400 if _BAD_KEY.search(detail):
            return Activity("needs_you", SIGN_IN, source, "login")
        case 402:
            return Activity("needs_you", NO_CREDIT, source, "billing")
        case 403:
            return Activity("needs_you", f"{NO_ACCESS}: {words}", source, "account")
        case 404:
            return Activity("needs_you", NO_MODEL, source, "model")
        case 429 if _NO_CREDIT.search(detail):
            return Activity("needs_you", NO_CREDIT, source, "billing")
        case 429:
            return Activity("limited", f"{RATE}: {words}", source, "rate_limit")
        case None:
            return Activity("limited", f"{UNREACHABLE}: {words}", source, "server_error")
    if status in _OVERLOADED:
        return Activity("limited", f"{OVERLOADED}: {words}", source, "overloaded")
    if status >= 500:
        return Activity("limited", f"{BROKEN}: {words}", source, "server_error")
    return failed(detail, source)


def failed(detail: str, source: str) -> Activity:
    """Return how an agent stands whose turn ended with an error of its own."""
    if _TOO_LONG.search(detail):
        reason = f"its turn failed, its conversation is too long: {short(detail)}"
    else:
        reason = f"its turn failed: {short(detail) or 'no reason given'}"
    return Activity("idle", reason, source, "turn_failed")
