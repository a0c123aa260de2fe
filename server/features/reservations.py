"""File reservations: who works on which paths, for how long. They warn; they do not lock."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from server.core.call import Call, Row
from server.core.event import Event, event
from server.core.glob import can_meet
from server.core.moment import iso
from server.core.names import FilePath, MemberName, Note
from server.core.operation import command, query
from server.core.permission import READ, SPEAK, SYSTEM
from server.features.messages.sending import NOTICE_EVENTS, send_notice
from server.features.tasks.model import TaskId, task_id

_MOST_PATHS = 100
_AT_ONCE = 200
EDITED_LATELY_MS = 30 * 60_000
"""Two who edit the same file within that time are told of each other."""

Paths = Annotated[list[FilePath], Field(min_length=1, max_length=_MOST_PATHS)]


@dataclass(frozen=True, slots=True)
class Reservation:
    id: str
    member: str
    path: str
    mode: Literal["exclusive", "shared"]
    reason: str
    task_id: str | None
    created_at: str
    expires_at: str
    released: bool


@dataclass(frozen=True, slots=True)
class FileConflict:
    """A path that somebody else has reserved, or has edited lately."""

    path: str
    held: Reservation


@dataclass(frozen=True, slots=True)
class Reserved:
    granted: list[Reservation]
    conflicts: list[FileConflict]
    """What was asked for and is not granted."""


@dataclass(frozen=True, slots=True)
class Reservations:
    reservations: list[Reservation]


@dataclass(frozen=True, slots=True)
class FileConflicts:
    conflicts: list[FileConflict]


@event("reservation.changed", collection="reservations", key="id")
class ReservationChanged(Event):
    reservation: Reservation


@event("file.collision")
class FileCollision(Event):
    path: str
    members: list[str]


def _describe(reservation: Reservation) -> str:
    reason = f": {reservation.reason}" if reservation.reason else ""
    until = reservation.expires_at[11:16]
    return f"{reservation.path} {reservation.member} ({reservation.mode}) until {until} UTC{reason}"


def _describe_reserved(found: Reserved) -> str:
    lines = [f"yours: {_describe(granted)}" for granted in found.granted]
    lines += [f"not yours: {conflict.path}, held as {_describe(conflict.held)}" for conflict in found.conflicts]
    return "\n".join(lines)


@command("POST /api/reservations", tool="reserve_files", toolset="locks", allow=SPEAK, emits=[ReservationChanged],
         repeatable=True, describe=_describe_reserved)  # fmt: skip
def reserve_files(
    call: Call,
    *,
    paths: Paths,
    mode: Literal["exclusive", "shared"] = "exclusive",
    task_id: TaskId | None = None,
    reason: Note = "",
    ttl_s: Annotated[int, Field(ge=30, le=86_400)] = 1800,
) -> Reserved:
    """Tell others you are editing these paths. What somebody holds is returned with its holder, and not granted."""
    granted, conflicts = [], []
    expires_at = call.now + ttl_s * 1000
    for path in dict.fromkeys(paths):
        others = [row for row in _meeting(call, path) if mode == "exclusive" or row["is_exclusive"]]
        if others:
            conflicts.append(FileConflict(path, _reservation(others[0])))
            continue
        values = {
            "me": call.caller.name, "path": path, "exclusive": int(mode == "exclusive"), "reason": reason,
            "task": task_id, "run": call.caller.run_id, "now": call.now, "expires": expires_at,
        }  # fmt: skip
        call.transaction.run(
            "INSERT INTO reservation (member, path, is_exclusive, reason, task, run_id, created_at, expires_at)"
            " VALUES (:me, :path, :exclusive, :reason, :task, :run, :now, :expires)"
            " ON CONFLICT (member, path) WHERE released_at IS NULL DO UPDATE SET is_exclusive = excluded.is_exclusive,"
            " reason = excluded.reason, task = excluded.task, run_id = excluded.run_id,"
            " expires_at = excluded.expires_at",
            values,
        )
        row = call.transaction.one(
            "SELECT * FROM reservation WHERE member = :me AND path = :path AND released_at IS NULL", values
        )
        assert row is not None
        granted.append(_told(call, row))
    call.wake_at(expires_at)
    return Reserved(granted, conflicts)


@command("POST /api/reservations/release", tool="release_files", toolset="locks", allow=SPEAK,
         emits=[ReservationChanged], repeatable=True, describe=lambda found: f"{len(found.reservations)} released",
         hidden=("member",))  # fmt: skip
def release_files(call: Call, *, paths: Paths | None = None, member: MemberName | None = None) -> Reservations:
    """Release your reservations, all of them unless you name paths. People may release those of others.

    Raises NotAllowed.
    """
    owner = member or call.caller.name
    call.require(
        owner == call.caller.name or call.caller.role in ("chairman", "operator", "lead"),
        f"Those are {owner}'s.",
        hint=f"Ask {owner}, or an operator.",
    )
    rows = call.transaction.all(
        "SELECT * FROM reservation WHERE member = :member AND released_at IS NULL ORDER BY id", {"member": owner}
    )
    return Reservations([_released(call, row) for row in rows if paths is None or row["path"] in paths])


@query("GET /api/reservations", tool="list_reservations", toolset="locks", allow=READ,
       describe=lambda found: "\n".join(map(_describe, found.reservations)) or "Nothing is reserved.")  # fmt: skip
def list_reservations(call: Call, *, path: FilePath | None = None) -> Reservations:
    """Who is editing what: all, or what can mean the same files as a path."""
    rows = _held(call)
    return Reservations([_reservation(row) for row in rows if path is None or can_meet(path, row["path"])])


@query("POST /api/reservations/check", allow=READ)
def check_files(call: Call, *, paths: Annotated[list[FilePath], Field(max_length=5000)]) -> FileConflicts:
    """Which of these paths somebody else holds for themselves. Changes nothing."""
    held = [row for row in _held(call) if row["member"] != call.caller.name and row["is_exclusive"]]
    return FileConflicts(
        [FileConflict(path, _reservation(row)) for path in paths for row in held if can_meet(path, row["path"])]
    )


@command(allow=SYSTEM, emits=[ReservationChanged], timed=True)
def expire_reservations(call: Call) -> int | None:
    """Free what has expired, and what belonged to runs that have ended and members that have left."""
    for row in call.transaction.all(
        "SELECT reservation.* FROM reservation JOIN member ON member.name = reservation.member"
        " LEFT JOIN run ON run.run_id = reservation.run_id WHERE reservation.released_at IS NULL"
        " AND (reservation.expires_at <= :now OR member.retired_at IS NOT NULL OR run.ended_at IS NOT NULL)"
        " ORDER BY reservation.id LIMIT :most",
        {"now": call.now, "most": _AT_ONCE},
    ):
        _released(call, row)
    due = call.transaction.one("SELECT min(expires_at) AS due FROM reservation WHERE released_at IS NULL")
    return None if due is None else due["due"]


@command(allow=SYSTEM, emits=[FileCollision, *NOTICE_EVENTS])
def report_edit(call: Call, *, member: MemberName, path: str, project_path: str) -> list[str]:
    """Note that a member edits a file. Whoever edited it lately, or holds it, is told, and the member too: once.

    `path` is absolute; `project_path` is relative to the member's folder, or empty if it lies elsewhere.
    """
    since = call.now - EDITED_LATELY_MS
    values = {"path": path, "me": member, "now": call.now, "since": since}
    lately = call.transaction.all(
        "SELECT member FROM file_edit WHERE path = :path AND member <> :me AND at > :since", values
    )
    held = [
        row["member"]
        for row in _held(call)
        if project_path and row["member"] != member and row["is_exclusive"] and can_meet(project_path, row["path"])
    ]
    others = sorted({*(row["member"] for row in lately), *held})
    before = call.transaction.one("SELECT told_at FROM file_edit WHERE path = :path AND member = :me", values)
    told_lately = before is not None and (before["told_at"] or 0) > since
    tells = bool(others) and not told_lately
    call.transaction.run(
        "INSERT INTO file_edit (path, member, at, told_at) VALUES (:path, :me, :now, :told) ON CONFLICT (path, member)"
        " DO UPDATE SET at = excluded.at, told_at = coalesce(excluded.told_at, told_at)",
        {**values, "told": call.now if tells else None},
    )
    if not tells:
        return []
    call.emit(FileCollision(path, [member, *others]), subject=member)
    send_notice(call, member, f"{path} is edited by {', '.join(others)} too. Agree on who goes on.")
    for other in others:
        send_notice(call, other, f"{member} has just edited {path}, which you work on. Agree on who goes on.")
        call.transaction.run(
            "INSERT INTO file_edit (path, member, at, told_at) VALUES (:path, :other, 0, :now)"
            " ON CONFLICT (path, member) DO UPDATE SET told_at = excluded.told_at",
            {**values, "other": other},
        )
    return others


def _held(call: Call) -> list[Row]:
    return list(
        call.transaction.all(
            "SELECT * FROM reservation WHERE released_at IS NULL AND expires_at > :now ORDER BY id", {"now": call.now}
        )
    )


def _meeting(call: Call, path: str) -> list[Row]:
    return [row for row in _held(call) if row["member"] != call.caller.name and can_meet(path, row["path"])]


def _released(call: Call, row: Row) -> Reservation:
    call.transaction.run("UPDATE reservation SET released_at = :now WHERE id = :id", {"now": call.now, "id": row["id"]})
    return _told(call, {**row, "released_at": call.now})


def _told(call: Call, row: Row) -> Reservation:
    reservation = _reservation(row)
    call.emit(ReservationChanged(reservation), subject=reservation.id)
    return reservation


def _reservation(row: Row) -> Reservation:
    return Reservation(
        id=f"res_{row['id']}",
        member=row["member"],
        path=row["path"],
        mode="exclusive" if row["is_exclusive"] else "shared",
        reason=row["reason"],
        task_id=None if row["task"] is None else task_id(row["task"]),
        created_at=iso(row["created_at"]),
        expires_at=iso(row["expires_at"]),
        released=row["released_at"] is not None,
    )
