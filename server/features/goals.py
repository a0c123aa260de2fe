"""Goals: what tasks are for, with weighted progress; and the whole team on one page."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from server.core.call import Call, Row
from server.core.errors import NotFound
from server.core.event import Event, event
from server.core.moment import iso, iso_or_none
from server.core.names import numbered
from server.core.operation import command, query
from server.core.permission import READ, SPEAK
from server.features.agents import all_agents, describe_state
from server.features.approvals.queue import pending_approvals
from server.features.tasks.model import Body, TaskId, Title, find_task, may_lead, task_id
from server.features.team import team_name

_SHOWN = 20

GoalId = Annotated[int, numbered("goal"), Field(description="Goal, as `goal_3`.")]
Weight = Annotated[int, Field(ge=1, le=1000)]
TaskIds = Annotated[list[TaskId], Field(max_length=200)]


@dataclass(frozen=True, slots=True)
class Goal:
    """One goal. Its progress is that of its tasks, by their weight; cancelled ones do not count."""

    id: str
    title: str
    body: str
    weight: int
    status: Literal["open", "done", "dropped"]
    creator: str
    progress: int
    tasks: list[str]
    tasks_done: int
    created_at: str
    updated_at: str


@dataclass(frozen=True, slots=True)
class Goals:
    goals: list[Goal]
    progress: int
    """Of all that are not dropped, by weight."""


@dataclass(frozen=True, slots=True)
class Blocked:
    id: str
    title: str
    assignee: str | None
    why: str


@dataclass(frozen=True, slots=True)
class Attention:
    """Somebody or something that needs a person."""

    what: str
    why: str


@dataclass(frozen=True, slots=True)
class TeamStatus:
    team: str
    goals: list[Goal]
    progress: int
    tasks: dict[str, int]
    """Status → how many."""
    overdue: int
    blocked: list[Blocked]
    agents: dict[str, int]
    """State → how many."""
    attention: list[Attention]
    next_schedule_at: str | None


@event("goal.created")
class GoalCreated(Event):
    goal: Goal


@event("goal.changed")
class GoalChanged(Event):
    goal: Goal


def _describe(goal: Goal) -> str:
    return (
        f"{goal.id} {goal.title}: {goal.progress}% ({goal.tasks_done} of {len(goal.tasks)} tasks, weight {goal.weight})"
    )


def _describe_status(status: TeamStatus) -> str:
    counts = ", ".join(f"{count} {name}" for name, count in status.tasks.items()) or "none"
    agents = ", ".join(f"{count} {name}" for name, count in status.agents.items()) or "none"
    lines = [f"{status.team}: {status.progress}% of its goals", *map(_describe, status.goals)]
    lines += [f"Tasks: {counts}" + (f"; {status.overdue} overdue" if status.overdue else ""), f"Agents: {agents}"]
    lines += [f"Blocked: {task.id} {task.title} @{task.assignee or '-'}: {task.why}" for task in status.blocked]
    lines += [f"Needs somebody: {each.what}: {each.why}" for each in status.attention]
    return "\n".join(lines)


@command("POST /api/goals", tool="create_goal", toolset="lead", allow=SPEAK, status=201, emits=[GoalCreated],
         describe=_describe, hidden=("body",))  # fmt: skip
def create_goal(
    call: Call,
    *,
    title: Title,
    weight: Weight = 1,
    task_ids: TaskIds = [],  # noqa: B006 (pydantic copies it)
    body: Body = "",
) -> Goal:
    """Create a weighted goal that groups tasks.

    Raises NotFound.
    """
    number = call.transaction.insert(
        "INSERT INTO goal (title, body, weight, status, creator, created_at, updated_at)"
        " VALUES (:title, :body, :weight, 'open', :me, :now, :now)",
        {"title": title, "body": body, "weight": weight, "me": call.caller.name, "now": call.now},
    )
    _group(call, number, task_ids)
    goal = _goal(call, _find(call, number))
    call.emit(GoalCreated(goal), subject=goal.id)
    return goal


@command("PATCH /api/goals/{goal_id}", allow=SPEAK, emits=[GoalChanged], repeatable=True, describe=_describe)
def update_goal(
    call: Call,
    *,
    goal_id: GoalId,
    title: Title | None = None,
    body: Body | None = None,
    weight: Weight | None = None,
    status: Literal["open", "done", "dropped"] | None = None,
    task_ids: TaskIds | None = None,
) -> Goal:
    """Change a goal, or which tasks belong to it. Its creator, leads and people may.

    Raises NotFound, NotAllowed.
    """
    row = _find(call, goal_id)
    call.require(row["creator"] == call.caller.name or may_lead(call), f"goal_{goal_id} is {row['creator']}'s.")
    before = _goal(call, row)
    given = {"title": title, "body": body, "weight": weight, "status": status}
    call.transaction.run(
        "UPDATE goal SET title = coalesce(:title, title), body = coalesce(:body, body),"
        " weight = coalesce(:weight, weight), status = coalesce(:status, status) WHERE id = :id",
        {**given, "id": goal_id},
    )
    if task_ids is not None:
        call.transaction.run("DELETE FROM goal_task WHERE goal = :id", {"id": goal_id})
        _group(call, goal_id, task_ids)
    if _goal(call, _find(call, goal_id)) == before:
        return before
    call.transaction.run("UPDATE goal SET updated_at = :now WHERE id = :id", {"now": call.now, "id": goal_id})
    goal = _goal(call, _find(call, goal_id))
    call.emit(GoalChanged(goal), subject=goal.id)
    return goal


@query("GET /api/goals", allow=READ)
def list_goals(call: Call) -> Goals:
    """Every goal that is not dropped, with its progress, the weightiest first."""
    rows = call.transaction.all("SELECT * FROM goal WHERE status <> 'dropped' ORDER BY weight DESC, id LIMIT 200")
    goals = [_goal(call, row) for row in rows]
    return Goals(goals, _weighted([(goal.weight, goal.progress) for goal in goals]))


@query("GET /api/team/status", tool="get_team_status", toolset="lead", allow=READ, describe=_describe_status)
def get_team_status(call: Call) -> TeamStatus:
    """Goals, progress, blocked work and who needs attention, in one page."""
    goals = list_goals(call)
    counts = call.transaction.all(
        "SELECT status, count(*) AS count FROM task WHERE deleted_at IS NULL GROUP BY status ORDER BY status"
    )
    overdue = call.transaction.one(
        "SELECT count(*) AS count FROM task WHERE due_at < :now AND closed_at IS NULL AND deleted_at IS NULL",
        {"now": call.now},
    )
    blocked = call.transaction.all(
        "SELECT * FROM task WHERE deleted_at IS NULL AND (status = 'blocked' OR (status IN ('todo', 'doing')"
        " AND unmet > 0)) ORDER BY priority DESC, id LIMIT :limit",
        {"limit": _SHOWN},
    )
    agents = all_agents(call.transaction)
    states: dict[str, int] = {}
    for agent in agents:
        states[agent.state] = states.get(agent.state, 0) + 1
    attention = [
        Attention(f"agent {agent.name}", describe_state(agent)) for agent in agents if _is_in_need(agent.state)
    ]
    attention += [
        Attention(f"{asked.id} of {asked.asker}", asked.summary) for asked in pending_approvals(call)[:_SHOWN]
    ]
    due = call.transaction.one("SELECT min(due_at) AS due FROM schedule WHERE due_at IS NOT NULL")
    return TeamStatus(
        team=team_name(call.transaction),
        goals=goals.goals[:_SHOWN],
        progress=goals.progress,
        tasks={row["status"]: row["count"] for row in counts},
        overdue=0 if overdue is None else overdue["count"],
        blocked=[
            Blocked(
                task_id(row["id"]),
                row["title"],
                row["assignee"],
                row["blocked_reason"] if row["status"] == "blocked" else f"waits for {row['unmet']} tasks",
            )
            for row in blocked
        ],
        agents=states,
        attention=attention,
        next_schedule_at=iso_or_none(None if due is None else due["due"]),
    )


def _is_in_need(state: str) -> bool:
    return state in ("fatal", "backoff", "degraded", "unknown")


def _group(call: Call, number: int, task_ids: list[int]) -> None:
    for task in dict.fromkeys(task_ids):
        find_task(call.transaction, task)
        call.transaction.run("INSERT INTO goal_task (goal, task) VALUES (:goal, :task)", {"goal": number, "task": task})


def _find(call: Call, number: int) -> Row:
    row = call.transaction.one("SELECT * FROM goal WHERE id = :id", {"id": number})
    if row is None:
        raise NotFound(f"No goal goal_{number}.", hint="Look: GET /api/goals", field="goal_id")
    return row


def _goal(call: Call, row: Row) -> Goal:
    tasks = call.transaction.all(
        "SELECT task.id, task.weight, task.status, CASE task.status WHEN 'done' THEN 100 ELSE coalesce(progress, 0) END"
        " AS progress FROM goal_task JOIN task ON task.id = goal_task.task WHERE goal = :goal"
        " AND task.deleted_at IS NULL ORDER BY task.id",
        {"goal": row["id"]},
    )
    counting = [task for task in tasks if task["status"] != "cancelled"]
    progress = _weighted([(task["weight"], task["progress"]) for task in counting])
    return Goal(
        id=f"goal_{row['id']}",
        title=row["title"],
        body=row["body"],
        weight=row["weight"],
        status=row["status"],
        creator=row["creator"],
        progress=100 if row["status"] == "done" else progress,
        tasks=[task_id(task["id"]) for task in tasks],
        tasks_done=sum(task["status"] == "done" for task in tasks),
        created_at=iso(row["created_at"]),
        updated_at=iso(row["updated_at"]),
    )


def _weighted(parts: list[tuple[int, int]]) -> int:
    total = sum(weight for weight, _ in parts)
    return sum(weight * progress for weight, progress in parts) // total if total else 0
