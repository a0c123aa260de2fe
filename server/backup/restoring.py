"""Puts a checked backup in the place of a team's data: whole, or not at all, whenever the power goes.

What is to come lies ready in a folder of its own. A marker, once on the disk, decides: before it all is as it was, and
after it `complete`, which whoever opens the data calls first, goes on to the end.
"""

import json
import os
import shutil
import tempfile
from pathlib import Path

from server.backup.archive import DATABASE

_PARTS = (f"{DATABASE}-wal", f"{DATABASE}-shm", DATABASE, "files", "agents")
"""In this order: an old write-ahead log beside a new database would be played into it."""


def new_folder(data: Path) -> Path:
    """Make the folder in which what is to come is prepared; what an earlier attempt left is removed."""
    backups = data / "backups"
    backups.mkdir(mode=0o700, exist_ok=True)
    for left in backups.glob(".restoring-*"):
        shutil.rmtree(left)
    return Path(tempfile.mkdtemp(prefix=".restoring-", dir=backups))


def commit(data: Path, staged: Path, *, keep_replaced: bool) -> None:
    """Replace the data by what was prepared. With `keep_replaced` what was there stays in `backups/replaced-…`."""
    run = data / "run"
    run.mkdir(mode=0o700, exist_ok=True)
    content = json.dumps({"staged": staged.name, "keep_replaced": keep_replaced}).encode()
    temporary = run / "restore.new"
    with temporary.open("wb") as opened:
        opened.write(content)
        opened.flush()
        os.fsync(opened.fileno())
    temporary.rename(_marker(data))
    _sync(run)
    complete(data)


def complete(data: Path) -> None:
    """Finish a restore that was decided and not finished. Does nothing if there is none."""
    try:
        decided = json.loads(_marker(data).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return
    staged = data / "backups" / Path(decided["staged"]).name
    replaced = staged.with_name(staged.name.replace(".restoring-", "replaced-"))
    replaced.mkdir(mode=0o700, exist_ok=True)
    for name in _PARTS:
        coming = name.removesuffix("-wal").removesuffix("-shm")
        if not (staged / coming).exists():
            continue  # not in this backup, or moved before
        if (data / name).exists():
            (data / name).rename(replaced / name)
        if coming == name:
            (staged / name).rename(data / name)
            _sync(data)
    if not decided["keep_replaced"]:
        shutil.rmtree(replaced)
    shutil.rmtree(staged, ignore_errors=True)
    _marker(data).unlink()
    _sync(data / "run")


def _marker(data: Path) -> Path:
    return data / "run" / "restore.json"


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
