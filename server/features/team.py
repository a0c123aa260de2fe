"""The team itself: its name, the epoch of its log, its register secret."""

from server.core.call import Call, Transaction
from server.core.errors import NotFound
from server.core.event import Event, event
from server.core.operation import command
from server.core.permission import SYSTEM
from server.core.secret import hashed


@event("team.founded")
class TeamFounded(Event):
    team: str


@command(allow=SYSTEM, emits=[TeamFounded])
def found_team(call: Call, *, team: str, register_secret: str | None = None) -> str:
    """Give a new database its team and epoch, and take over the configured register secret. Returns the epoch."""
    put_meta(call.transaction, "register_secret", hashed(register_secret).hex() if register_secret else "")
    epoch = get_meta(call.transaction, "epoch")
    if epoch is None:
        epoch = call.random(4).hex()
        put_meta(call.transaction, "epoch", epoch)
        put_meta(call.transaction, "team", team)
        call.emit(TeamFounded(team), subject=team)
    return epoch


@command(allow=SYSTEM, emits=[])
def probe_storage(call: Call) -> None:
    """Write a row whose loss would matter to nobody, to see that the disk takes what is written.

    Raises StorageFull, Unavailable.
    """
    put_meta(call.transaction, "probed_at", str(call.now))


def get_meta(transaction: Transaction, key: str) -> str | None:
    row = transaction.one("SELECT value FROM meta WHERE key = :key", {"key": key})
    return None if row is None else str(row["value"])


def put_meta(transaction: Transaction, key: str, value: str) -> None:
    transaction.run(
        "INSERT INTO meta (key, value) VALUES (:key, :value) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        {"key": key, "value": value},
    )


def team_name(transaction: Transaction) -> str:
    return get_meta(transaction, "team") or "team"


def is_active(transaction: Transaction, name: str) -> bool:
    """Tell whether somebody of that name is on the team."""
    return transaction.one("SELECT 1 FROM member WHERE name = :name AND retired_at IS NULL", {"name": name}) is not None


def require_active(transaction: Transaction, name: str, *, field: str = "name") -> None:
    """Raise NotFound, with the nearest names, unless somebody of that name is on the team."""
    if not is_active(transaction, name):
        raise unknown_member(transaction, name, field=field)


def unknown_member(transaction: Transaction, name: str, *, field: str = "name") -> NotFound:
    """Build the error for a name that no active member has."""
    known = [row["name"] for row in transaction.all("SELECT name FROM member WHERE retired_at IS NULL")]
    return NotFound.among("member", name, known, field=field)
