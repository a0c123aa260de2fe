"""How much one member may send: a bucket that fills by the minute, kept as the moment at which it is full again."""

from server.config import Guards
from server.core.call import Call
from server.core.errors import TooMany

MINUTE_MS = 60_000
_AT_ONCE = 3
"""An agent may send this part of a minute's messages at once; a person all of them."""


def take_allowance(call: Call, limits: Guards) -> None:
    """Count one message of the caller's. Raises TooMany, which tells when the next is allowed.

    What the server sends, also on a member's schedule, is not counted.
    """
    kind = call.caller.kind
    per_min = {"human": limits.human_per_min, "agent": limits.self_per_min, "bot": limits.bot_per_min}.get(kind, 0)
    if call.door == "server" or not per_min:
        return
    each = MINUTE_MS // per_min
    burst = max(per_min // _AT_ONCE, 1) if kind == "agent" else per_min
    latest = call.now + each * burst
    values = {"member": call.caller.name, "now": call.now, "each": each, "latest": latest}
    taken = call.transaction.one(
        "INSERT INTO send_allowance (member, next_at) VALUES (:member, :now + :each)"
        " ON CONFLICT (member) DO UPDATE SET next_at = max(next_at, :now) + :each"
        " WHERE max(next_at, :now) + :each <= :latest RETURNING next_at",
        values,
    )
    if taken is not None:
        return
    row = call.transaction.one("SELECT next_at FROM send_allowance WHERE member = :member", values)
    assert row is not None
    wait_s = max(1, -(-(row["next_at"] + each - latest) // 1000))
    raise TooMany(
        f"{per_min} messages a minute are reached.",
        retry_after_s=wait_s,
        hint=f"Next allowed in {wait_s} s. Put several points in one message.",
    )
