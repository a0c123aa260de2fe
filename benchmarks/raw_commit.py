"""The limit of a store: the same rows by the least program: `executemany` in batches, text last, synchronous=FULL."""

import sqlite3
import time
from itertools import cycle, islice
from pathlib import Path

import orjson

from benchmarks.texts import TEXTS
from server.storage import migrate

_MESSAGE = (
    "INSERT INTO message (id, seq, channel, sender, sender_kind, content, mentions, priority, metadata, created_at)"
    " VALUES (?, ?, 'general', 'ada', 'agent', ?, '[]', 'next', '{}', ?)"
)
_EVENT = (
    "INSERT INTO event (seq, at, kind, actor, operation, door, call_id, audience, subject, body, hash)"
    " VALUES (?, ?, 'message.created', 'ada', 'send_message', 'rest', 'c0ffee00c0ffee001234', 'team', 'general', ?, ?)"
)
_BODY = {
    "id": "", "seq": 1, "channel": "general", "from": "ada", "from_kind": "agent", "content": "", "mentions": [],
    "reply_to": None, "thread": None, "created_at": "2026-11-20T22:30:00.123Z", "edited_at": None, "deleted": False,
    "reactions": [], "pinned": False, "files": [], "priority": "next", "metadata": {}, "client_id": None,
}  # fmt: skip


class RawCommit:
    """One connection on our own schema, and nothing else of ours."""

    def __init__(self, file: Path) -> None:
        self._connection = sqlite3.connect(file, isolation_level=None)
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "wal_autocheckpoint=2000", "temp_store=MEMORY"):
            self._connection.execute(f"PRAGMA {pragma}")
        migrate.apply(self._connection)
        self._connection.execute("INSERT INTO channel VALUES ('general', 'group', 'general', '', 'system', 0, NULL)")
        self._texts = cycle(TEXTS)
        self._next = 1

    def rate(self, batch: int, seconds: float) -> float:
        """Return messages a second, committed in batches of this size."""
        started, stored = time.perf_counter(), 0
        while (elapsed := time.perf_counter() - started) < seconds:
            self.commit(batch)
            stored += batch
        return stored / elapsed

    def commit(self, batch: int) -> None:
        first, now = self._next, time.time_ns() // 1_000_000
        self._next += batch
        messages, events = [], []
        for number, text in enumerate(islice(self._texts, batch), first):
            messages.append((number, number, text, now))
            body = orjson.dumps({"message": {**_BODY, "id": f"msg_{number}", "content": text}})
            events.append((number, now, body, bytes(32)))
        execute = self._connection.execute
        execute("BEGIN IMMEDIATE")
        self._connection.executemany(_MESSAGE, messages)
        self._connection.executemany(_EVENT, events)
        execute("INSERT INTO message_text (rowid, content) SELECT id, content FROM message WHERE id >= ?", (first,))
        execute("COMMIT")

    def close(self) -> None:
        self._connection.close()
