"""Takes a consistent copy of a team's data, while it is in use, and packs it."""

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from server import __version__
from server.backup import archive
from server.backup.archive import DATABASE, ENDING, BackupFile, Manifest, Part, Purpose
from server.core.moment import iso
from server.storage import migrate

_MAKING = ".making-"
_LEAVE_OUT = ("run", "spool", "tmp", "bridge")
"""Folders of an agent's that mean nothing without its process."""
_SECRET = ("token", ".credentials.json")


@dataclass(frozen=True, slots=True)
class Facts:
    """What a database says of itself; a copy must say the same."""

    team: str
    epoch: str
    schema: int
    seq: int
    head: str
    rows: dict[str, int]


def make(data: Path, *, purpose: Purpose, now: int, with_agents: bool = False) -> BackupFile:
    """Make a backup of a data folder into its `backups`. Blocks; nobody who writes waits for it.

    Raises OSError, sqlite3.Error.
    """
    folder = data / "backups"
    folder.mkdir(mode=0o700, exist_ok=True)
    for left in folder.glob(f"{_MAKING}*"):  # of one that was killed: only one is made at a time
        shutil.rmtree(left)
    staged = Path(tempfile.mkdtemp(prefix=_MAKING, dir=folder))
    try:
        copy_database(data / DATABASE, staged / DATABASE)
        with closing(sqlite3.connect(staged / DATABASE)) as copy:
            facts = facts_of(copy)
        # Files after rows: what a row of the copy names was there before the row was.
        names = [
            DATABASE,
            *_linked(data, staged, "files", ()),
            *(_linked(data, staged, "agents", _SECRET) if with_agents else ()),
        ]
        parts = [Part(name, (staged / name).stat().st_size, archive.sha256_of(staged / name)) for name in names]
        manifest = Manifest(
            format=archive.FORMAT,
            team=facts.team,
            epoch=facts.epoch,
            schema=facts.schema,
            version=__version__,
            made_at=iso(now),
            purpose=purpose,
            seq=facts.seq,
            head=facts.head,
            rows=facts.rows,
            parts=parts,
        )
        archive.write(staged / "archive", staged, manifest)
        target = _target(folder, facts.team, now, purpose)
        (staged / "archive").rename(target)
        _sync(folder)
    finally:
        shutil.rmtree(staged, ignore_errors=True)
    return archive.described(target)


def copy_database(source: Path, target: Path) -> None:
    """Copy a database at one moment, by a connection of its own. Writers go on; the write-ahead log grows meanwhile."""
    os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    # Read-only: only the server's writing connection may checkpoint.
    with closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)) as reading:
        reading.execute("PRAGMA busy_timeout=10000")
        with closing(sqlite3.connect(target, isolation_level=None)) as copy:
            copy.execute("PRAGMA synchronous=OFF")  # a copy that is not finished is thrown away
            reading.backup(copy)
            copy.execute("PRAGMA journal_mode=DELETE")  # one file, without a log beside it


def facts_of(connection: sqlite3.Connection) -> Facts:
    """Read what a database says of itself. Raises sqlite3.Error, migrate.NotOurs."""
    meta = dict(connection.execute("SELECT key, value FROM meta WHERE key IN ('team', 'epoch')").fetchall())
    last = connection.execute("SELECT seq, hash FROM event ORDER BY seq DESC LIMIT 1").fetchone() or (0, b"")
    tables = connection.execute(
        "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND name NOT LIKE 'sqlite_%'"
    ).fetchall()
    rows = {
        name: int(connection.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0])  # noqa: S608 (from the schema)
        for (name,) in sorted(tables)
    }
    return Facts(
        team=meta.get("team", ""),
        epoch=meta.get("epoch", ""),
        schema=migrate.version_of(connection),
        seq=last[0],
        head=f"{last[0]} {last[1].hex().upper()}".rstrip(),
        rows=rows,
    )


def _linked(data: Path, staged: Path, top: str, secret: tuple[str, ...]) -> Iterator[str]:
    """Hold the regular files below a folder as they are now, and yield their names. Nothing is followed."""
    root = data / top
    for place, folders, files in os.walk(root):
        here = Path(place)
        if top == "agents" and here.parent == root:
            folders[:] = [name for name in folders if name not in _LEAVE_OUT]
        for name in sorted(files):
            file = here / name
            if name in secret or file.is_symlink() or not file.is_file():
                continue
            relative = file.relative_to(data)
            target = staged / relative
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            try:
                if top == "files":  # written once and never changed, so the same file under another name will do
                    os.link(file, target, follow_symlinks=False)
                else:
                    shutil.copyfile(file, target, follow_symlinks=False)
            except FileNotFoundError:
                continue  # deleted meanwhile
            yield relative.as_posix()


def _target(folder: Path, team: str, now: int, purpose: Purpose) -> Path:
    moment = iso(now)[:19].replace(":", "").replace("-", "") + "Z"
    suffix = "" if purpose == "manual" else f"-{purpose}"
    target = folder / f"{team}-{moment}{suffix}{ENDING}"
    number = 1
    while target.exists():
        number += 1
        target = folder / f"{team}-{moment}{suffix}-{number}{ENDING}"
    return target


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
