"""The data folder of a team before the server opens it: made, ours, and closed to others."""

import os
from pathlib import Path

from server.cli.failure import CommandFailed

_OURS = frozenset({"agents", "backups", "files", "log", "run", "team.sqlite3", "team.sqlite3-wal", "team.sqlite3-shm"})


def prepare(data: Path) -> None:
    """Make the folder with mode 0700 if it is missing. Raises CommandFailed if it cannot be ours."""
    wrong = problem(data)
    if wrong is not None:
        raise wrong
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        data.chmod(0o700)
    except OSError as error:
        raise CommandFailed(
            f"The data folder {data} cannot be made: {error.strerror}.", hint="Choose another: --data DIR"
        ) from None


def problem(data: Path) -> CommandFailed | None:
    """Say why a folder cannot be a team's data folder, or None."""
    if not data.exists():
        return None
    if not data.is_dir():
        return CommandFailed(f"The data folder {data} is a file.", hint="Choose another: --data DIR")
    status = data.stat()
    if status.st_uid != os.geteuid():
        return CommandFailed(f"The data folder {data} belongs to another user.", hint="Choose another: --data DIR")
    strange = sorted({entry.name for entry in data.iterdir()} - _OURS)
    if strange and not (data / "team.sqlite3").exists():
        return CommandFailed(
            f"{data} is no data folder of Bullpen: it holds {strange[0]}.",
            hint="Choose an empty folder or one that does not exist yet: --data DIR",
        )
    if status.st_mode & 0o077 and (data / "team.sqlite3").exists():
        return CommandFailed(
            f"Other users can open the data folder {data}, which holds messages and tokens.",
            hint=f"Close it: chmod 700 {data}",
        )
    return None
