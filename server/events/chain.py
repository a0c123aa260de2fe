"""Checks the log's chain of hashes from its anchor to its end: a row changed, taken out or moved is found and named."""

from dataclasses import dataclass

import orjson

from server.core.call import Transaction
from server.events import log

_AT_ONCE = 2000
_NAMED_AT_MOST = 100


@dataclass(frozen=True, slots=True)
class Broken:
    """One place where the chain does not hold."""

    seq: int
    what: str


@dataclass(frozen=True, slots=True)
class Verified:
    """What a check of the whole trail found."""

    ok: bool
    rows: int
    head: str
    """The last seq and its hash. Written down elsewhere, it also proves that nobody rewrote the whole trail."""
    broken: list[Broken]
    anchor: str
    """The last seq that retention took away and its hash, or `0`: the chain is whole from there on."""


def verify(transaction: Transaction) -> Verified:
    """Check every row against the one before it, and the end against what was sealed."""
    anchor = log.anchor(transaction)
    expected, before, count = anchor.seq + 1, anchor.hash, 0
    broken: list[Broken] = []
    while len(broken) < _NAMED_AT_MOST:
        rows = transaction.all(
            "SELECT * FROM event WHERE seq >= :seq ORDER BY seq LIMIT :limit", {"seq": expected, "limit": _AT_ONCE}
        )
        for row in rows:
            if row["seq"] != expected:
                missing = f"{expected}" if row["seq"] == expected + 1 else f"{expected} to {row['seq'] - 1}"
                broken.append(Broken(expected, f"missing: {missing}"))
            elif log.chained(before, row) != row["hash"]:
                broken.append(Broken(row["seq"], "changed, or what stands before it was"))
            expected, before, count = row["seq"] + 1, row["hash"], count + 1
        if len(rows) < _AT_ONCE:
            break
    head = f"{expected - 1} {before.hex().upper()}"
    sealed = transaction.one("SELECT value FROM meta WHERE key = 'audit_head'")
    if not broken and sealed is not None and sealed["value"] != head:
        broken.append(Broken(expected, f"missing at the end: it was sealed at {sealed['value'].split()[0]}"))
    if not _is_told(transaction, anchor):
        broken.append(Broken(anchor.seq, "the log does not tell that what stands before was taken away"))
    return Verified(not broken, count, head, broken, str(anchor))


def _is_told(transaction: Transaction, anchor: log.Anchor) -> bool:
    """Tell whether the last `audit.trimmed` in the chain itself names the anchor: else rows were cut off by hand."""
    told = transaction.one("SELECT body FROM event WHERE kind = 'audit.trimmed' ORDER BY seq DESC LIMIT 1")
    if told is None:
        return anchor.seq == 0
    return bool(orjson.loads(told["body"])["anchor"] == str(anchor))
