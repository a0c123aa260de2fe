"""Rows on disk: the database contract, one writer with group commit, the SQLite engine, migrations."""
