"""The store: units of work through real SQLite files."""
