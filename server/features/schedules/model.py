"""What a schedule is: its row, its shape outside, its words."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from server.core.call import Call, Row, Transaction
from server.core.errors import NotFound
from server.core.event import TEAM, Event, event
from server.core.moment import iso, iso_or_none
from server.core.names import numbered
from server.features.channels import audience_of, find_channel
from server.features.schedules.timing import Timing, read_timing

Action = Literal["message", "task", "start", "prompt"]
Overlap = Literal["skip", "queue", "allow"]
Missed = Literal["run_once", "skip"]
LEADING_ROLES = ("chairman", "operator", "lead", "system")

ScheduleId = Annotated[int, numbered("sch"), Field(description="Schedule, as `sch_7`.")]


@dataclass(frozen=True, slots=True)
class Schedule:
    """What happens, when, and what became of it."""

    id: str
    name: str
    creator: str
    """In whose name, and with whose rights, it happens."""
    action: Action
    channel: str | None
    content: str
    title: str
    agent: str | None
    cron_expr: str | None
    every: str | None
    at: str | None
    tz: str
    sentence: str
    overlap: Overlap
    """What happens if what it made last is still open."""
    missed: Missed
    """What happens to a run for which the server was late by more than a minute."""
    jitter_s: int
    ends_at: str | None
    max_runs: int | None
    status: str
    """active | paused | ended"""
    reason: str
    runs: int
    next_run_at: str | None
    created_at: str
    updated_at: str
    deleted: bool


@dataclass(frozen=True, slots=True)
class ScheduleRun:
    """One time that it was due."""

    id: int
    schedule_id: str
    planned_at: str
    ran_at: str
    outcome: str
    """done | skipped | queued | missed | failed"""
    reason: str
    by: str
    """`clock`, or who had it run now."""
    made: str | None
    """The message or task that it made."""


@event("schedule.created", collection="schedules", key="id")
class ScheduleCreated(Event):
    schedule: Schedule


@event("schedule.changed", collection="schedules", key="id")
class ScheduleChanged(Event):
    schedule: Schedule


@event("schedule.fired", collection="schedules", key="id")
class ScheduleFired(Event):
    schedule: Schedule
    run: ScheduleRun


def schedule_id(number: int) -> str:
    """Return the id as people and programs see it."""
    return f"sch_{number}"


def find_schedule(transaction: Transaction, number: int) -> Row:
    """Return the row of a schedule. Raises NotFound."""
    row = transaction.one("SELECT * FROM schedule WHERE id = :id AND deleted_at IS NULL", {"id": number})
    if row is None:
        raise no_schedule(number)
    return row


def no_schedule(number: int) -> NotFound:
    """Build the error for a schedule that is not there, or not to be known of."""
    return NotFound(f"No schedule sch_{number}.", hint="Look: list_schedules", field="schedule_id")


def timing_of(row: Row) -> Timing:
    """Return when a stored schedule runs; what was valid once stays readable when its time is over."""
    return read_timing(
        cron_expr=row["cron_expr"], every=row["every"], at=row["at"], zone=row["tz"],
        now=row["created_at"] - 1, anchor=row["created_at"],
    )  # fmt: skip


def change_schedule(call: Call, row: Row, fields: dict[str, object]) -> Row:
    """Store fields of a schedule and return its new row."""
    fields = {**fields, "updated_at": call.now}
    call.transaction.run(
        f"UPDATE schedule SET {', '.join(f'{name} = :{name}' for name in fields)} WHERE id = :id",  # noqa: S608
        {**fields, "id": row["id"]},
    )
    changed = call.transaction.one("SELECT * FROM schedule WHERE id = :id", {"id": row["id"]})
    assert changed is not None
    if changed["due_at"] is not None:
        call.wake_at(changed["due_at"])
    return changed


def audience(call: Call, row: Row) -> str:
    """Return who may know of a schedule: those who may read where it writes."""
    channel = None if row["channel"] is None else find_channel(call.transaction, row["channel"])
    return TEAM if channel is None else audience_of(channel)


def schedule_of(row: Row) -> Schedule:
    """Build a schedule from a row of the table."""
    return Schedule(
        id=schedule_id(row["id"]),
        name=row["name"],
        creator=row["creator"],
        action=row["action"],
        channel=row["channel"],
        content=row["content"],
        title=row["title"],
        agent=row["agent"],
        cron_expr=row["cron_expr"],
        every=row["every"],
        at=row["at"],
        tz=row["tz"],
        sentence=timing_of(row).sentence(),
        overlap=row["overlap"],
        missed=row["missed"],
        jitter_s=row["jitter_s"],
        ends_at=iso_or_none(row["ends_at"]),
        max_runs=row["max_runs"],
        status=row["status"],
        reason=row["reason"],
        runs=row["runs"],
        next_run_at=iso_or_none(row["due_at"]),
        created_at=iso(row["created_at"]),
        updated_at=iso(row["updated_at"]),
        deleted=row["deleted_at"] is not None,
    )


def run_of(row: Row) -> ScheduleRun:
    return ScheduleRun(
        id=row["id"],
        schedule_id=schedule_id(row["schedule"]),
        planned_at=iso(row["planned_at"]),
        ran_at=iso(row["ran_at"]),
        outcome=row["outcome"],
        reason=row["reason"],
        by=row["by"],
        made=row["made"],
    )


def describe_schedule(schedule: Schedule) -> str:
    """Return a schedule as one line for a model."""
    what = schedule.channel or schedule.agent or schedule.title
    when = f"next {schedule.next_run_at[:16]}Z" if schedule.next_run_at else schedule.reason or schedule.status
    return f"{schedule.id} {schedule.sentence}: {schedule.action} {what} | {when} | {schedule.name}".rstrip(" |")
