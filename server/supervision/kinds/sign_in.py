"""One sign-in for a person's own CLI and the agents that share it: each has a copy, and who renews it does so for all.

Renewing makes the former one worthless, so what was renewed last goes to the others. Copies are never links: an agent
that writes its own file changes nobody else's before we have looked at it.
"""

import contextlib
import datetime
import fcntl
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from server.supervision.kinds.files import read_json, write_private_json

_LONGEST_AHEAD_MS = 31 * 24 * 3600 * 1000
"""An agent's copy that claims to be good for longer is not believed: it would win for ever."""


@dataclass(frozen=True)
class SignIn:
    """A person's own sign-in and the copy that an agent has of it."""

    source: Path
    copy: Path
    renewed: str
    """Name of the time that grows whenever it is renewed: UTC milliseconds, or words."""
    part: str = ""
    """The one entry of the file that is the sign-in; empty: all of it is."""


def share_sign_in(sign_in: SignIn | None) -> bool:
    """Give the agent the person's sign-in, or the person the agent's; tell whether the agent has one now."""
    if sign_in is None:
        return False
    source = sign_in.source.resolve()
    if source.is_file():
        with _locked(source.parent):
            _share(sign_in, source)
    return sign_in.copy.is_file()


def _share(sign_in: SignIn, source: Path) -> None:
    whole_theirs, whole_own = read_json(source), read_json(sign_in.copy)
    theirs, own = _part(whole_theirs, sign_in), _part(whole_own, sign_in)
    theirs_at, own_at = _renewed_at(theirs, sign_in), _renewed_at(own, sign_in)
    if theirs_at is not None and own_at is not None:
        latest = time.time() * 1000 + _LONGEST_AHEAD_MS
        if theirs_at < own_at <= latest and _are_of_one_account(theirs, own):
            write_private_json(source, _with(whole_theirs, own, sign_in))
        elif own_at != theirs_at:
            write_private_json(sign_in.copy, _with(whole_own, theirs, sign_in))
    elif theirs is not None and (not own or _is_younger(source, sign_in.copy)):
        write_private_json(sign_in.copy, _with(whole_own, theirs, sign_in))


def _is_younger(source: Path, copy: Path) -> bool:
    return not copy.is_file() or source.stat().st_mtime > copy.stat().st_mtime


def _part(content: dict[str, Any], sign_in: SignIn) -> dict[str, Any] | None:
    found = content.get(sign_in.part) if sign_in.part else content
    return found if isinstance(found, dict) and (found or not sign_in.part) else None


def _with(content: dict[str, Any], part: dict[str, Any] | None, sign_in: SignIn) -> dict[str, Any]:
    """Return a file's content with another sign-in; what else is in it, as that of other services, stays its own."""
    return {**content, sign_in.part: part} if sign_in.part else dict(part or {})


def _renewed_at(part: dict[str, Any] | None, sign_in: SignIn) -> float | None:
    value = (part or {}).get(sign_in.renewed)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    try:
        return datetime.datetime.fromisoformat(value).timestamp() * 1000 if isinstance(value, str) else None
    except ValueError:
        return None


def _are_of_one_account(theirs: dict[str, Any] | None, own: dict[str, Any] | None) -> bool:
    """Tell whether an agent's sign-in can be the person's, renewed: the same entries, and the same account if named."""
    if theirs is None or own is None or _form(theirs) != _form(own):
        return False
    accounts = [tokens.get("account_id") for part in (theirs, own) if isinstance(tokens := part.get("tokens"), dict)]
    return len({*map(str, accounts)}) <= 1


def _form(part: dict[str, Any]) -> dict[str, str]:
    return {name: type(value).__name__ for name, value in part.items() if value is not None}


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Keep other agents, and other teams of this user, from sharing the sign-in of a folder meanwhile."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
