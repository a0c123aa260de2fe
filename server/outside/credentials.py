"""What a chat bridge keeps between starts, in a file that only we may read: its token, and how to answer whom."""

import contextlib
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path

import orjson

from server.outside.chat_bridge import Credentials


@dataclass
class Kept:
    """Credentials, and for each sender the context of their last message with the time it came (UTC ms)."""

    credentials: Credentials | None = None
    contexts: dict[str, tuple[str, int]] = field(default_factory=dict)


def load_kept(file: Path) -> Kept:
    """Read what was kept; nothing if there is nothing, or nothing that can be read."""
    try:
        found = orjson.loads(file.read_bytes())
        contexts = {str(sender): (str(token), int(at)) for sender, (token, at) in found["contexts"].items()}
        return Kept(Credentials(**found["credentials"]), contexts)
    except (OSError, ValueError, TypeError, KeyError):
        return Kept()


def save_kept(file: Path, kept: Kept) -> None:
    """Write it, whole or not at all; without credentials there is no file."""
    if kept.credentials is None:
        file.unlink(missing_ok=True)
        return
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = file.with_suffix(".new")
    with contextlib.suppress(FileNotFoundError):
        temporary.unlink()
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as opened:
        opened.write(orjson.dumps(asdict(kept)))
        opened.flush()
        os.fsync(descriptor)
    temporary.rename(file)
