"""What is on record of backups: that one was made, failed, or was restored. Making them is not a matter of rows."""

from server.backup.archive import BackupFile
from server.core.call import Call
from server.core.event import OPERATORS, Event, event
from server.core.names import Line, Note
from server.core.operation import command
from server.core.permission import MANAGE_DATA, SYSTEM
from server.features.team import put_meta


@event("backup.created", collection="backups", key="name")
class BackupCreated(Event):
    backup: BackupFile


@event("backup.failed")
class BackupFailed(Event):
    reason: str


@event("team.restored", changes_access=True)
class TeamRestored(Event):
    """The team is again as it was then. Every cursor of before gets a reset."""

    backup: str
    made_at: str
    safety_copy: str | None


@command(allow=MANAGE_DATA, emits=[BackupCreated])
def record_backup(call: Call, *, backup: BackupFile) -> BackupFile:
    """Put into the trail that a backup was made."""
    call.emit(BackupCreated(backup), subject=backup.name, audience=OPERATORS)
    return backup


@command(allow=SYSTEM, emits=[BackupFailed])
def record_backup_failure(call: Call, *, reason: Note) -> None:
    """Tell those who run the team that a backup failed."""
    call.emit(BackupFailed(reason), subject="backup", audience=OPERATORS)


@command(allow=SYSTEM, emits=[TeamRestored])
def record_restore(call: Call, *, backup: Line, made_at: Line, safety_copy: Line | None = None) -> str:
    """Give a restored team a new epoch, end what was open then, and tell of it. Returns the epoch."""
    epoch = call.random(4).hex()
    put_meta(call.transaction, "epoch", epoch)
    call.transaction.run("UPDATE session SET ended_at = :now WHERE ended_at IS NULL", {"now": call.now})
    call.transaction.run("UPDATE sign_in_link SET used_at = :now WHERE used_at IS NULL", {"now": call.now})
    call.transaction.run(
        "UPDATE token SET revoked_at = :now WHERE run_id IS NOT NULL AND revoked_at IS NULL", {"now": call.now}
    )
    call.emit(TeamRestored(backup, made_at, safety_copy), subject=backup)
    return epoch
