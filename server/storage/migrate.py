"""Brings a database to the schema this program knows; refuses one that is newer or not ours."""

import re
import sqlite3
from pathlib import Path

_FOLDER = Path(__file__).parent / "migrations"
APPLICATION_ID = 0x42504E31
"""“BPN1” in the file's header: tells our databases from other SQLite files."""


class NewerDatabase(Exception):
    """The database was written by a newer program."""


class NotOurs(Exception):
    """The file is no database of ours."""


def migrations() -> list[tuple[int, Path]]:
    """Return the numbered files in order."""
    found = [
        (int(match[1]), file) for file in sorted(_FOLDER.glob("*.sql")) if (match := re.match(r"(\d{4})_", file.name))
    ]
    if [number for number, _ in found] != list(range(1, len(found) + 1)):
        raise RuntimeError("migrations must be numbered 0001, 0002, … without a gap")
    return found


def version_of(connection: sqlite3.Connection) -> int:
    """Return the schema version of an open database. Raises NotOurs."""
    try:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    except sqlite3.DatabaseError as failure:
        if failure.sqlite_errorcode != sqlite3.SQLITE_NOTADB:
            raise
        raise NotOurs("The file is not a SQLite database.") from failure
    if application != APPLICATION_ID and (tables or version):
        raise NotOurs("The file is a database of another program.")
    return int(version)


def check(connection: sqlite3.Connection) -> int:
    """Return the schema version of a database that this program can serve. Raises NewerDatabase, NotOurs."""
    version, known = version_of(connection), len(migrations())
    if version > known:
        raise NewerDatabase(
            f"The database has schema {version}, this program knows up to {known}. "
            "Install the newer Bullpen again, or restore a backup made with this one."
        )
    return version


def apply(connection: sqlite3.Connection) -> None:
    """Apply what is missing, each file in one transaction. Raises NewerDatabase, NotOurs."""
    version = check(connection)
    for number, file in migrations()[version:]:
        connection.executescript(
            f"BEGIN IMMEDIATE;\n{file.read_text(encoding='utf-8')}\n"
            f"PRAGMA user_version = {number};\nPRAGMA application_id = {APPLICATION_ID};\nCOMMIT;"
        )
