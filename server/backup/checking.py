"""Proves that a backup can be relied on: its hashes, its database, its log, and that this program can read it."""

import shutil
import sqlite3
import tempfile
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from server.backup import archive
from server.backup.archive import DATABASE, DamagedBackup, Manifest
from server.backup.making import Facts, facts_of
from server.events import chain, log
from server.storage import migrate
from server.storage.sqlite import SqliteTransaction


@dataclass(frozen=True, slots=True)
class Checked:
    """What a check found. No problems: it can be restored."""

    problems: list[str]
    manifest: Manifest | None


def check(file: Path) -> Checked:
    """Unpack a backup beside itself and check all of it; nothing of it stays. Raises OSError."""
    folder = Path(tempfile.mkdtemp(prefix=".checking-", dir=file.parent))
    try:
        return check_into(file, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def check_into(file: Path, folder: Path) -> Checked:
    """Unpack a backup into an empty folder and check all of it. Raises OSError."""
    try:
        manifest = archive.unpack(file, folder)
    except DamagedBackup as damage:
        return Checked([str(damage)], None)
    if not (folder / DATABASE).exists():
        return Checked(["there is no database in it"], manifest)
    try:
        with closing(sqlite3.connect(folder / DATABASE, isolation_level=None)) as connection:
            return Checked(_problems(connection, manifest), manifest)
    except (sqlite3.Error, migrate.NotOurs) as failure:
        return Checked([f"its database cannot be read: {failure}"], manifest)


def _problems(connection: sqlite3.Connection, manifest: Manifest) -> list[str]:
    try:
        migrate.check(connection)
    except migrate.NewerDatabase:
        known = len(migrate.migrations())
        return [
            f"it was made by Bullpen {manifest.version} with schema {manifest.schema}; this program knows up to"
            f" {known}: install the newer Bullpen to restore it"
        ]
    problems = [f"integrity: {row[0]}" for row in connection.execute("PRAGMA integrity_check(10)") if row[0] != "ok"]
    problems += [
        f"a row of {row[0]} refers to a missing one of {row[2]}"
        for row in connection.execute("PRAGMA foreign_key_check")
    ][:10]
    if facts_of(connection) != _told(manifest):
        problems.append("its database is not the one that its manifest tells of")
    connection.row_factory = sqlite3.Row
    transaction = SqliteTransaction(connection)
    verified, anchor = chain.verify(transaction), log.anchor(transaction)
    problems += [f"audit trail, row {broken.seq}: {broken.what}" for broken in verified.broken[:10]]
    if verified.rows != manifest.seq - anchor.seq:
        problems.append(f"its log has {verified.rows} rows where {manifest.seq - anchor.seq} were written")
    return problems


def _told(manifest: Manifest) -> Facts:
    return Facts(
        team=manifest.team,
        epoch=manifest.epoch,
        schema=manifest.schema,
        seq=manifest.seq,
        head=manifest.head,
        rows=manifest.rows,
    )
