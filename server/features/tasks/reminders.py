"""Reminders: what is due, late, silent or to be reported on is said to whom it concerns, once per step.

A step counts from the due date, or from the last change of a task that somebody is doing. Evidence of life is a change
too (`claims`), so an agent that works is not called stuck. Of several steps that have passed only the last is said.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

import orjson
from pydantic import ConfigDict, Field, TypeAdapter

from server.core.call import Call, Row
from server.core.event import Event, event
from server.core.names import is_member_name
from server.core.operation import command, query
from server.core.permission import OPERATE, READ, SYSTEM
from server.features.messages.sending import NOTICE_EVENTS, send_notice
from server.features.schedules.timing import zone_of
from server.features.tasks.checkins import next_checkin
from server.features.tasks.model import task_id
from server.features.team import get_meta, put_meta

_LOOK_EVERY_MS = 60_000
_AT_ONCE = 100
_META = "reminders"
_MINUTE, _HOUR, _DAY = 60, 3600, 86_400


@dataclass(frozen=True)
class Step:
    """One thing that is said: how long after (or before) what, and to whom."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    on: Literal["due", "stuck"]
    after_s: Annotated[int, Field(ge=-30 * _DAY, le=365 * _DAY)]
    """Seconds after the due date (negative: before it), or since the task last changed."""
    to: Annotated[list[Annotated[str, Field(pattern="^(assignee|creator|leads|chairman|@[a-z][a-z0-9_-]{0,31})$")]],
                  Field(min_length=1, max_length=10)]  # fmt: skip

    @property
    def key(self) -> str:
        return f"{self.on} {self.after_s}"


@dataclass(frozen=True)
class QuietHours:
    """When nothing is said: it is said when they are over."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    start: Annotated[str, Field(pattern="^([01][0-9]|2[0-3]):[0-5][0-9]$")]
    end: Annotated[str, Field(pattern="^([01][0-9]|2[0-3]):[0-5][0-9]$")]
    tz: Annotated[str, Field(max_length=60)] = "UTC"


@dataclass(frozen=True)
class Reminders:
    """What is said of tasks, and when not."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    steps: Annotated[list[Step], Field(max_length=20)]
    quiet: QuietHours | None


USUAL = Reminders(
    steps=[
        Step(on="due", after_s=-_DAY, to=["assignee"]),
        Step(on="due", after_s=0, to=["assignee", "creator"]),
        Step(on="due", after_s=_DAY, to=["assignee", "creator", "leads"]),
        Step(on="due", after_s=3 * _DAY, to=["leads", "chairman"]),
        Step(on="stuck", after_s=30 * _MINUTE, to=["assignee"]),
        Step(on="stuck", after_s=_HOUR, to=["assignee", "creator", "leads"]),
        Step(on="stuck", after_s=2 * _HOUR, to=["leads", "chairman"]),
    ],
    quiet=None,
)
_STORED = TypeAdapter(Reminders)


@event("reminders.changed")
class RemindersChanged(Event):
    reminders: Reminders


@event("task.reminded")
class TaskReminded(Event):
    task_id: str
    step: str
    told: list[str]


@query("GET /api/reminders", allow=READ)
def get_reminders(call: Call) -> Reminders:
    """By which steps the team is reminded of its tasks, and when nothing is said."""
    return _settings(call)


@command("PUT /api/reminders", allow=OPERATE, emits=[RemindersChanged], repeatable=True)
def set_reminders(
    call: Call, *, steps: Annotated[list[Step], Field(max_length=20)], quiet: QuietHours | None = None
) -> Reminders:
    """Say by which steps the team is reminded, and when nothing is said. No steps: no reminders.

    Raises BadArgument.
    """
    if quiet is not None:
        zone_of(quiet.tz)
    wanted = Reminders(steps=steps, quiet=quiet)
    if wanted != _settings(call):
        put_meta(call.transaction, _META, orjson.dumps(wanted).decode())
        call.emit(RemindersChanged(wanted), subject="reminders")
    return wanted


@command(allow=SYSTEM, emits=[TaskReminded, *NOTICE_EVENTS], timed=True)
def remind(call: Call) -> int | None:
    """Say what has come due. Each step of each task once."""
    settings = _settings(call)
    if settings.quiet is None or not _is_quiet(settings.quiet, call.now):
        for on in ("due", "stuck"):
            steps = sorted((step for step in settings.steps if step.on == on), key=lambda step: -step.after_s)
            for number, step in enumerate(steps):
                for row in _passed(call, step):
                    _remind(call, row, step, earlier=steps[number + 1 :])
        _ask_for_reports(call)
    return call.now + _LOOK_EVERY_MS


def _passed(call: Call, step: Step) -> list[Row]:
    anchor, condition = (
        ("due_at", "due_at IS NOT NULL AND closed_at IS NULL")
        if step.on == "due"
        else ("updated_at", "status = 'doing'")
    )
    return list(
        call.transaction.all(
            f"SELECT *, {anchor} AS anchor FROM task WHERE {condition} AND deleted_at IS NULL"  # noqa: S608 (constants)
            f" AND {anchor} <= :until AND NOT EXISTS (SELECT 1 FROM reminder WHERE reminder.task = task.id"
            f" AND step = :step AND anchor = task.{anchor}) ORDER BY {anchor} LIMIT :most",
            {"until": call.now - step.after_s * 1000, "step": step.key, "most": _AT_ONCE},
        )
    )


def _remind(call: Call, row: Row, step: Step, *, earlier: Iterable[Step]) -> None:
    for passed in (step, *earlier):  # what an earlier step would say is said by this one
        call.transaction.run(
            "INSERT INTO reminder (task, step, anchor, at) VALUES (:task, :step, :anchor, :now) ON CONFLICT DO NOTHING",
            {"task": row["id"], "step": passed.key, "anchor": row["anchor"], "now": call.now},
        )
    names = list(dict.fromkeys(name for word in step.to for name in _whom(call, row, word)))
    told = [name for name in names if send_notice(call, name, _words(row, step, call.now)) is not None]
    call.emit(TaskReminded(task_id(row["id"]), step.key, told), subject=task_id(row["id"]))


def _whom(call: Call, row: Row, word: str) -> list[str]:
    if word in ("assignee", "creator"):
        return [row[word]] if row[word] is not None and is_member_name(row[word]) else []
    if word.startswith("@"):
        return [word[1:]]
    role = {"leads": "lead", "chairman": "chairman"}[word]
    rows = call.transaction.all(
        "SELECT name FROM member WHERE role = :role AND retired_at IS NULL ORDER BY name", {"role": role}
    )
    return [found["name"] for found in rows]


def _words(row: Row, step: Step, now: int) -> str:
    task, who = f"#{row['id']} “{row['title']}”", row["assignee"] or "nobody"
    if step.on == "stuck":
        return (
            f"{task} of {who} has not moved for {_span(now - row['anchor'])}. "
            f'Say how far it is: update_task(task_id="#{row["id"]}", note="…"), or status="blocked" and a reason.'
        )
    left = row["due_at"] - now
    when = f"is due in {_span(left)}" if left > 0 else f"is overdue since {_span(-left)}"
    return f"{task} of {who} {when}; it is {row['status']}."


def _ask_for_reports(call: Call) -> None:
    for row in call.transaction.all(
        "SELECT * FROM task WHERE next_checkin_at <= :now AND closed_at IS NULL AND deleted_at IS NULL"
        " ORDER BY next_checkin_at LIMIT :most",
        {"now": call.now, "most": _AT_ONCE},
    ):
        call.transaction.run(
            "UPDATE task SET next_checkin_at = :next WHERE id = :id",
            {"next": next_checkin(row["checkin_interval"], call.now), "id": row["id"]},
        )
        whom = row["assignee"] or row["creator"]
        text = f'How far is #{row["id"]} “{row["title"]}”? update_task(task_id="#{row["id"]}", progress=…, note="…")'
        told = send_notice(call, whom, text)
        call.emit(TaskReminded(task_id(row["id"]), "check-in", [whom] if told else []), subject=task_id(row["id"]))


def _settings(call: Call) -> Reminders:
    stored = get_meta(call.transaction, _META)
    return USUAL if stored is None else _STORED.validate_python(orjson.loads(stored))


def _is_quiet(quiet: QuietHours, now: int) -> bool:
    local = (datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=now)).astimezone(ZoneInfo(quiet.tz))
    time = f"{local:%H:%M}"
    if quiet.start <= quiet.end:
        return quiet.start <= time < quiet.end
    return time >= quiet.start or time < quiet.end


def _span(ms: int) -> str:
    minutes = max(ms, 0) // 60_000
    if minutes < 120:
        return f"{minutes} minutes"
    return f"{minutes // 60} hours" if minutes < 48 * 60 else f"{minutes // 1440} days"
