"""The calendar: schedules are tried out, made, changed, listed and cancelled here."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field

from server.core.call import SYSTEM_CALLER, Call, Row
from server.core.errors import BadArgument, Conflict
from server.core.moment import iso, milliseconds
from server.core.names import ChannelName, Cursor, Limit, MemberName, Note, offset_of
from server.core.operation import command, query
from server.core.permission import OPERATE, READ, SPEAK
from server.features.agents import find_agent
from server.features.channels import (
    ChannelCreated,
    direct_channel,
    find_channel,
    may_read,
    require_postable,
    resolve_channel,
)
from server.features.schedules.model import (
    LEADING_ROLES,
    Action,
    Missed,
    Overlap,
    Schedule,
    ScheduleChanged,
    ScheduleCreated,
    ScheduleId,
    ScheduleRun,
    audience,
    change_schedule,
    describe_schedule,
    find_schedule,
    no_schedule,
    run_of,
    schedule_of,
    timing_of,
)
from server.features.schedules.timing import Preview, Timing, preview, read_timing
from server.features.team import require_active

MOST_PER_MEMBER = 100
_WHAT = frozenset({"channel", "content", "title", "agent"})
_NEEDED = {"message": ("channel", "content"), "task": ("title",), "start": ("agent",), "prompt": ("agent", "content")}

CronText = Annotated[str, Field(max_length=200, description="Five fields, as `0 9 * * 1-5`, or `@daily`.")]
EveryText = Annotated[str, Field(max_length=20, description="As `15m`, `2h`, `1d`. A minute at least.")]
AtText = Annotated[str, Field(max_length=40, description="Once, as `2026-11-24T17:00`.")]
ZoneName = Annotated[str, Field(max_length=60, description="Time zone, as `Europe/Berlin`.")]
Content = Annotated[str, Field(max_length=20_000)]
Jitter = Annotated[int, Field(ge=0, le=3600, description="Late by up to so many seconds, by chance.")]
Runs = Annotated[int, Field(ge=1, le=1_000_000)]


@dataclass(frozen=True, slots=True)
class PlannedSchedule(Schedule):
    """A schedule and when it will run."""

    preview: Preview


@dataclass(frozen=True, slots=True)
class Schedules:
    schedules: list[Schedule]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class ScheduleRuns:
    runs: list[ScheduleRun]
    next_cursor: str | None


def _describe_preview(found: Preview) -> str:
    warnings = [f"Mind: {warning}" for warning in found.warnings]
    return "\n".join([f"{found.sentence}.", f"Next: {', '.join(found.local[:3])}", *warnings])


def _describe_planned(found: PlannedSchedule) -> str:
    return f"{found.id} {_describe_preview(found.preview)}"


def _describe_all(found: Schedules) -> str:
    return "\n".join(describe_schedule(schedule) for schedule in found.schedules) or "No schedules."


@query("GET /api/schedules/preview", allow=READ, describe=_describe_preview)
def preview_schedule(
    call: Call,
    *,
    cron_expr: CronText | None = None,
    every: EveryText | None = None,
    at: AtText | None = None,
    tz: ZoneName = "UTC",
) -> Preview:
    """Tell in a sentence when a schedule would run, its next five runs, and what may surprise. Nothing is saved.

    Raises BadArgument.
    """
    return preview(read_timing(cron_expr=cron_expr, every=every, at=at, zone=tz, now=call.now), call.now)


@command(
    "POST /api/schedules",
    tool="schedule_message",
    toolset="schedule",
    allow=SPEAK,
    status=201,
    emits=[ScheduleCreated, ChannelCreated],
    describe=_describe_planned,
    hidden=("action", "title", "agent", "every", "overlap", "missed", "jitter_s", "ends_at", "max_runs"),
    required_in_tool=("channel", "content"),
)
def create_schedule(
    call: Call,
    *,
    cron_expr: CronText | None = None,
    every: EveryText | None = None,
    at: AtText | None = None,
    tz: ZoneName = "UTC",
    name: Note = "",
    action: Action = "message",
    channel: ChannelName | None = None,
    content: Content = "",
    title: Annotated[str, Field(max_length=200)] = "",
    agent: MemberName | None = None,
    overlap: Overlap | None = None,
    missed: Missed = "run_once",
    jitter_s: Jitter = 0,
    ends_at: AtText | None = None,
    max_runs: Runs | None = None,
) -> PlannedSchedule:
    """Send a message later or on a cron. Returns the next runs: check them.

    Raises BadArgument, NotFound, NotAllowed, Conflict.
    """
    mine = call.transaction.one(
        "SELECT count(*) AS count FROM schedule WHERE creator = :me AND deleted_at IS NULL AND status <> 'ended'",
        {"me": call.caller.name},
    )
    if mine is not None and mine["count"] >= MOST_PER_MEMBER:
        raise Conflict(f"You have {MOST_PER_MEMBER} schedules.", hint="Cancel one: cancel_schedule", code="quota")
    timing = read_timing(cron_expr=cron_expr, every=every, at=at, zone=tz, now=call.now)
    fields: dict[str, Any] = {
        **_checked_action(
            call, {"action": action, "channel": channel, "content": content, "title": title, "agent": agent}
        ),
        "name": name,
        "creator": call.caller.name,
        "cron_expr": cron_expr,
        "every": every,
        "at": at,
        "tz": tz,
        "overlap": overlap or ("allow" if action == "message" else "skip"),
        "missed": missed,
        "jitter_s": jitter_s,
        "ends_at": None if ends_at is None else _moment(ends_at),
        "max_runs": max_runs,
        "now": call.now,
    }
    number = call.transaction.insert(
        "INSERT INTO schedule (name, creator, action, channel, content, title, agent, cron_expr, every, at, tz,"
        " overlap, missed, jitter_s, ends_at, max_runs, status, reason, created_at, updated_at) VALUES (:name,"
        " :creator, :action, :channel, :content, :title, :agent, :cron_expr, :every, :at, :tz, :overlap, :missed,"
        " :jitter_s, :ends_at, :max_runs, 'active', '', :now, :now)",
        fields,
    )
    row = change_schedule(call, {"id": number}, {})
    row = change_schedule(call, row, plan(row, timing, call.now))
    schedule = schedule_of(row)
    call.emit(ScheduleCreated(schedule), subject=schedule.id, audience=audience(call, row))
    return _planned(row, call.now)


@query("GET /api/schedules", tool="list_schedules", toolset="schedule", allow=READ, describe=_describe_all,
       hidden=("creator", "status"))  # fmt: skip
def list_schedules(
    call: Call,
    *,
    creator: MemberName | None = None,
    status: Annotated[str, Field(pattern="^(active|paused|ended|all)$")] = "all",
    limit: Limit = 100,
    cursor: Cursor | None = None,
) -> Schedules:
    """Schedules, the next to run first."""
    offset = offset_of(cursor)
    rows = call.transaction.all(
        "SELECT * FROM schedule WHERE deleted_at IS NULL AND (:creator IS NULL OR creator = :creator)"
        " AND (:status = 'all' OR status = :status) ORDER BY due_at IS NULL, due_at, id LIMIT :limit OFFSET :offset",
        {"creator": creator, "status": status, "limit": limit + 1, "offset": offset},
    )
    found = [schedule_of(row) for row in rows[:limit] if _may_see(call, row)]
    return Schedules(found, str(offset + limit) if len(rows) > limit else None)


@query("GET /api/schedules/{schedule_id}", allow=READ, describe=_describe_planned)
def get_schedule(call: Call, *, schedule_id: ScheduleId) -> PlannedSchedule:
    """One schedule and its next runs.

    Raises NotFound.
    """
    row = find_visible(call, schedule_id)
    return _planned(row, call.now)


@query("GET /api/schedules/{schedule_id}/runs", allow=READ)
def list_schedule_runs(
    call: Call, *, schedule_id: ScheduleId, limit: Limit = 50, cursor: Cursor | None = None
) -> ScheduleRuns:
    """What became of each run, newest first.

    Raises NotFound.
    """
    find_visible(call, schedule_id)
    offset = offset_of(cursor)
    rows = call.transaction.all(
        "SELECT * FROM schedule_run WHERE schedule = :id ORDER BY id DESC LIMIT :limit OFFSET :offset",
        {"id": schedule_id, "limit": limit + 1, "offset": offset},
    )
    return ScheduleRuns([run_of(row) for row in rows[:limit]], str(offset + limit) if len(rows) > limit else None)


@command("PATCH /api/schedules/{schedule_id}", allow=SPEAK, emits=[ScheduleChanged, ChannelCreated], repeatable=True,
         describe=_describe_planned)  # fmt: skip
def update_schedule(
    call: Call,
    *,
    schedule_id: ScheduleId,
    paused: bool | None = None,
    cron_expr: CronText | None = None,
    every: EveryText | None = None,
    at: AtText | None = None,
    tz: ZoneName | None = None,
    name: Note | None = None,
    channel: ChannelName | None = None,
    content: Content | None = None,
    title: Annotated[str, Field(max_length=200)] | None = None,
    agent: MemberName | None = None,
    overlap: Overlap | None = None,
    missed: Missed | None = None,
    jitter_s: Jitter | None = None,
    ends_at: AtText | None = None,
    max_runs: Runs | None = None,
) -> PlannedSchedule:
    """Pause a schedule, let it go on, or change it. What it runs stays its creator's: only they change what is done.

    Raises NotFound, NotAllowed, BadArgument.
    """
    row = find_visible(call, schedule_id)
    check_own(call, row)
    given = {
        "name": name, "channel": channel, "content": content, "title": title, "agent": agent, "tz": tz,
        "overlap": overlap, "missed": missed, "jitter_s": jitter_s, "max_runs": max_runs,
        "ends_at": None if ends_at is None else _moment(ends_at),
    }  # fmt: skip
    fields: dict[str, Any] = {field: value for field, value in given.items() if value is not None}
    changes_what = bool(_WHAT & fields.keys())
    call.require(
        not changes_what or call.caller.name == row["creator"],
        "It is done in its creator's name: only they change what is done.",
        hint="Cancel it, and make your own.",
    )
    if cron_expr or every or at:
        fields |= {"cron_expr": cron_expr, "every": every, "at": at}
    if paused is not None:
        fields |= {"status": "paused" if paused else "active", "reason": f"by {call.caller.name}" if paused else ""}
    after = {**row, **fields}
    timing = read_timing(
        cron_expr=after["cron_expr"], every=after["every"], at=after["at"], zone=after["tz"],
        now=call.now, anchor=row["created_at"],
    )  # fmt: skip
    if changes_what:
        checked = _checked_action(call, {field: after[field] for field in ("action", *_WHAT)})
        fields |= {field: checked[field] for field in _WHAT}
    changed = change_schedule(call, row, {**fields, **plan(after, timing, call.now)})
    schedule = schedule_of(changed)
    call.emit(ScheduleChanged(schedule), subject=schedule.id, audience=audience(call, changed))
    return _planned(changed, call.now)


@command("DELETE /api/schedules/{schedule_id}", tool="cancel_schedule", toolset="schedule", allow=SPEAK,
         emits=[ScheduleChanged], destructive=True, repeatable=True,
         describe=lambda schedule: f"cancelled {schedule.id}")  # fmt: skip
def cancel_schedule(call: Call, *, schedule_id: ScheduleId) -> Schedule:
    """Delete a schedule you own. Its history stays.

    Raises NotFound, NotAllowed.
    """
    row = find_visible(call, schedule_id)
    check_own(call, row)
    ended = {"status": "ended", "reason": f"cancelled by {call.caller.name}", "due_at": None, "planned_at": None}
    cancelled = schedule_of(change_schedule(call, row, {**ended, "deleted_at": call.now}))
    call.emit(ScheduleChanged(cancelled), subject=cancelled.id, audience=audience(call, row))
    return cancelled


def plan(row: Row, timing: Timing, after: int) -> dict[str, Any]:
    """Return the fields that say when a schedule runs next, after a moment; or that it has ended, and why."""
    if row["status"] != "active":
        return {"planned_at": None, "due_at": None, "is_queued": 0}
    planned = timing.next_after(after, anchor=row["created_at"])
    if row["max_runs"] is not None and row["runs"] >= row["max_runs"]:
        reason = f"ran {row['runs']} times"
    elif planned is None:
        reason = "no more runs"
    elif row["ends_at"] is not None and planned > row["ends_at"]:
        reason = f"ended {iso(row['ends_at'])[:16]}Z"
    else:
        return {"planned_at": planned, "due_at": planned + _jitter(row, planned), "is_queued": 0}
    return {"planned_at": None, "due_at": None, "is_queued": 0, "status": "ended", "reason": reason}


def _jitter(row: Row, planned: int) -> int:
    """Return by how many ms a run is late: by chance, but the same whenever it is asked."""
    if not row["jitter_s"]:
        return 0
    digest = hashlib.blake2s(f"{row['id']} {planned}".encode(), digest_size=4).digest()
    return int.from_bytes(digest, "big") % (int(row["jitter_s"]) * 1000)


def _checked_action(call: Call, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is to be done, with the channel by its own name. Raises if the caller could not do it now."""
    action = wanted["action"]
    for field in _NEEDED[action]:
        if not wanted[field]:
            raise BadArgument(f"A {action} needs {field}.", hint=f"Give {field}.", field=field)
    if action in ("start", "prompt"):
        find_agent(call.transaction, wanted["agent"])
    if action == "start":
        call.require(OPERATE.admits(call.caller.role), "You may not start agents.", hint="Ask an operator.")
    if action == "task" and wanted["agent"]:
        require_active(call.transaction, wanted["agent"], field="agent")
    place = None
    if action == "prompt":
        own = wanted["agent"] == call.caller.name
        place = direct_channel(call.acting_as(SYSTEM_CALLER) if own else call, wanted["agent"]).id
    elif action == "message":
        channel = resolve_channel(call, wanted["channel"])
        require_postable(call, channel)
        place = channel.id
    return {**wanted, "channel": place}


def check_own(call: Call, row: Row) -> None:
    """Raise NotAllowed unless the schedule is the caller's, or they lead."""
    call.require(
        row["creator"] == call.caller.name or call.caller.role in LEADING_ROLES,
        f"sch_{row['id']} is {row['creator']}'s.",
        hint="Ask them, or an operator.",
    )


def _may_see(call: Call, row: Row) -> bool:
    """Tell whether the caller may know of a schedule: not if it writes where they cannot read."""
    channel = None if row["channel"] is None else find_channel(call.transaction, row["channel"])
    return row["creator"] == call.caller.name or channel is None or may_read(call.caller, channel)


def find_visible(call: Call, number: int) -> Row:
    """Return the row of a schedule that the caller may know of. Raises NotFound."""
    row = find_schedule(call.transaction, number)
    if not _may_see(call, row):
        raise no_schedule(number)
    return row


def _planned(row: Row, now: int) -> PlannedSchedule:
    schedule = schedule_of(row)
    timing = timing_of(row)
    shown = preview(timing, now, anchor=row["created_at"]) if row["status"] == "active" else _nothing(timing)
    fields = {name: getattr(schedule, name) for name in Schedule.__slots__}
    return PlannedSchedule(**fields, preview=shown)


def _nothing(timing: Timing) -> Preview:
    return Preview(timing.sentence(), [], [], [])


def _moment(text: str) -> int:
    try:
        return milliseconds(text)
    except ValueError:
        raise BadArgument(f"“{text}” is no time.", hint="As 2026-11-24T17:00:00Z.", field="ends_at") from None
