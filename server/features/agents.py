"""Agents: what is wanted of each, and what the supervisor observes of it."""

from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

import orjson
from pydantic import Field

from server.core.call import Call, Row, Transaction
from server.core.errors import Conflict, NotFound
from server.core.event import OPERATORS, Event, event
from server.core.moment import iso, iso_or_none
from server.core.names import Cursor, Limit, Line, MemberName, Note
from server.core.operation import command, query
from server.core.permission import OPERATE, READ, SYSTEM, WATCH_TERMINALS

State = Literal[
    "stopped", "starting", "ready", "degraded", "blocked", "backoff", "stopping", "exited", "fatal", "unknown"
]
Isolation = Literal["none", "bwrap"]
Activity = Literal["working", "idle", "needs_you", "limited", "stalled", "unknown"]
TROUBLED = frozenset({"needs_you", "limited", "stalled"})
"""Activities in which an agent does not get on by itself."""


@dataclass(frozen=True, slots=True)
class Exit:
    """How one run of an agent ended."""

    agent: str
    run_id: str
    generation: int
    code: int | None
    signal: int | None
    reason: str
    started_at: str
    ended_at: str
    tail: str
    """The last of its output, escapes removed, at most 4 KiB."""


@dataclass(frozen=True, slots=True)
class Bound:
    """One limit of an agent's process, as it is in force."""

    limit: float | None
    """Bytes, processors, processes or files; null: none was asked for."""
    by: str
    """cgroup (the whole tree), rlimit (each process, or all of the user's), none."""
    detail: str
    """What it does not bound, or why it is not in force."""


@dataclass(frozen=True, slots=True)
class Agent:
    """One agent: wanted, actual, and how that is known. `state` is of its process, `activity` of what it does."""

    name: str
    kind: str
    role: str
    job: str
    """Its role in agents.yaml, as developer: whom `@role:developer` names."""
    description: str
    command: str
    permission_mode: str
    """ask | plan | accept_edits | auto; `auto` asks nobody."""
    isolation: str
    """Of its present or last run. none: what its server's user may do, it may. bwrap: it sees its own folders alone."""
    wanted: str
    state: str
    reason: str
    reason_code: str
    """A word for the reason that programs can rely on: crash_loop, cannot_start, …"""
    since: str
    activity: str
    activity_reason: str
    activity_reason_code: str
    """A word for it: permission, question, login, rate_limit, tool, …"""
    activity_source: str
    activity_since: str
    resets_at: str | None
    """When a limit of its model service ends, if that was said."""
    connected: bool
    """Its bridge reads its event stream now."""
    run_id: str | None
    generation: int
    pid: int | None
    started_at: str | None
    restarts: int
    next_start_at: str | None
    paused_reason: str
    """Why nothing is delivered to it for now, and its turn was interrupted; empty: it is not paused."""
    paused_by: str
    paused_at: str | None
    limits: dict[str, Bound]
    """What bounds its process, by memory, cpu, pids and open_files; empty before its first start."""
    last_exit: Exit | None


@dataclass(frozen=True, slots=True)
class Agents:
    agents: list[Agent]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class Exits:
    exits: list[Exit]
    next_cursor: str | None


@event("agent.created", collection="agents")
class AgentCreated(Event):
    agent: Agent


@event("agent.status", collection="agents")
class AgentStatus(Event):
    agent: Agent


@event("agent.asked")
class AgentAsked(Event):
    """Somebody asked for a start, stop or restart."""

    agent: str
    action: str
    reason: str


@event("agent.exit")
class AgentExited(Event):
    exit: Exit


def _describe_agents(agents: Agents) -> str:
    lines = [f"{agent.name} ({agent.kind}, {agent.role}): {describe_state(agent)}" for agent in agents.agents]
    return "\n".join(lines) or "No agents yet."


def describe_state(agent: Agent) -> str:
    """Say in a few words how an agent is, for a model or a person."""
    if agent.paused_at is not None and agent.state in ("ready", "degraded"):
        return f"paused, {agent.paused_reason}"
    if agent.state == "ready" and agent.activity != "unknown":
        return f"{agent.activity}, {agent.activity_reason}" if agent.activity_reason else agent.activity
    return f"{agent.state}, {agent.reason}" if agent.reason else agent.state


def _describe_asked(agent: Agent) -> str:
    return f"asked: {agent.name} is wanted {agent.wanted}; now {describe_state(agent)}"


@query("GET /api/agents", tool="get_agents", toolset="people", allow=READ, describe=_describe_agents)
def list_agents(call: Call, *, limit: Limit = 200, cursor: Cursor | None = None) -> Agents:
    """Agents with role, state, what they are doing, and how that is known."""
    found = _select(call.transaction, "WHERE agent.name > :after ORDER BY agent.name LIMIT :limit",
                    after=cursor or "", limit=limit)  # fmt: skip
    return Agents(found, found[-1].name if len(found) == limit else None)


@query("GET /api/agents/{name}", allow=READ)
def get_agent(call: Call, *, name: MemberName) -> Agent:
    """One agent.

    Raises NotFound.
    """
    return find_agent(call.transaction, name)


@query("GET /api/agents/{name}/exits", allow=WATCH_TERMINALS)
def list_exits(call: Call, *, name: MemberName, limit: Limit = 20, cursor: Cursor | None = None) -> Exits:
    """How the runs of an agent ended, newest first.

    Raises NotFound.
    """
    find_agent(call.transaction, name)
    before = int(cursor) if cursor is not None and cursor.isdigit() else 2**62
    rows = call.transaction.all(
        "SELECT agent, run_id, generation, code, signal, reason, started_at, ended_at, tail FROM run"
        " WHERE agent = :name AND ended_at IS NOT NULL AND generation < :before ORDER BY generation DESC LIMIT :limit",
        {"name": name, "before": before, "limit": limit},
    )
    exits = [_exit(row) for row in rows]
    return Exits(exits, str(exits[-1].generation) if len(exits) == limit else None)


@command("POST /api/agents/{name}/start", tool="start_agent", toolset="process", allow=OPERATE,
         describe=_describe_asked, emits=[AgentAsked, AgentStatus], repeatable=True)  # fmt: skip
def start_agent(call: Call, *, name: MemberName, reason: Note = "") -> Agent:
    """Start a registered agent.

    Raises NotFound, Conflict.
    """
    return _ask(call, name, "start", "running", reason)


@command("POST /api/agents/{name}/stop", tool="stop_agent", toolset="process", allow=OPERATE,
         describe=_describe_asked, emits=[AgentAsked, AgentStatus], destructive=True, repeatable=True)  # fmt: skip
def stop_agent(call: Call, *, name: MemberName, reason: Note = "") -> Agent:
    """Stop an agent and its whole process tree.

    Raises NotFound, Conflict.
    """
    return _ask(call, name, "stop", "stopped", reason)


@command("POST /api/agents/{name}/restart", tool="restart_agent", toolset="process", allow=OPERATE,
         describe=_describe_asked, emits=[AgentAsked, AgentStatus], destructive=True)  # fmt: skip
def restart_agent(call: Call, *, name: MemberName, reason: Note = "") -> Agent:
    """Stop then start, keeping its session.

    Raises NotFound, Conflict.
    """
    return _ask(call, name, "restart", "running", reason)


@command(allow=SYSTEM, emits=[AgentStatus])
def report_limits(call: Call, *, name: MemberName, limits: dict[str, Bound]) -> Agent:
    """Record what bounds an agent's process now."""
    return change_agent(call, name, {"limits": orjson.dumps(limits).decode()})


@command(allow=SYSTEM, emits=[AgentCreated, AgentStatus])
def ensure_agent(
    call: Call,
    *,
    name: MemberName,
    kind: Line,
    description: Note,
    command_line: str,
    autostart: bool,
    session_id: str,
    job: Note = "",
    permission_mode: str = "",
    isolation: Isolation = "none",
) -> Agent:
    """Make an agent exist as agents.yaml describes it. Whether it should run is decided once, at its creation."""
    transaction = call.transaction
    described = {
        "kind": kind, "description": description, "command": command_line, "job": job,
        "permission_mode": permission_mode,
    }  # fmt: skip
    values = {"name": name, **described}
    if transaction.one("SELECT 1 FROM agent WHERE name = :name", values) is not None:
        before = find_agent(transaction, name)
        if all(getattr(before, field) == value for field, value in described.items()):
            return before
        transaction.run(
            "UPDATE agent SET kind = :kind, description = :description, command = :command,"
            " job = :job, permission_mode = :permission_mode WHERE name = :name",
            values,
        )
        return _changed(call, name)
    transaction.run(
        "INSERT INTO agent (name, kind, job, description, command, permission_mode, wanted, state, reason, since_at,"
        " activity, activity_reason, activity_source, activity_since_at, connected, session_id, generation, restarts,"
        " request, lifecycle, isolation)"
        " VALUES (:name, :kind, :job, :description, :command, :permission_mode, :wanted, 'stopped',"
        " 'not started yet', :now, 'unknown', '', '', :now, 0, :session_id, 0, 0, 0, '', :isolation)",
        {
            **values,
            "isolation": isolation,
            "wanted": "running" if autostart else "stopped",
            "now": call.now,
            "session_id": session_id,
        },
    )
    agent = find_agent(transaction, name)
    call.emit(AgentCreated(agent), subject=name)
    return agent


@dataclass(frozen=True, slots=True)
class Supervised:
    """What the supervisor keeps of one agent over its own restarts."""

    agent: Agent
    session_id: str
    request: int
    """Grows with each start, stop or restart that somebody asks for."""
    action: str
    """The last of these."""
    lifecycle: str
    """The supervisor's own state, as it stored it; empty at first."""
    output_offset: int
    """Terminal bytes of the present run that were taken in."""


@query(allow=SYSTEM)
def get_supervised(call: Call, *, name: MemberName) -> Supervised:
    """What the supervisor needs to take an agent over.

    Raises NotFound.
    """
    row = call.transaction.one(
        "SELECT session_id, request, lifecycle, (SELECT output_offset FROM run WHERE run_id = agent.run_id) AS offset,"
        " (SELECT json_extract(body, '$.action') FROM event WHERE kind = 'agent.asked' AND subject = :name"
        " ORDER BY seq DESC LIMIT 1) AS action FROM agent WHERE name = :name",
        {"name": name},
    )
    agent = find_agent(call.transaction, name)
    assert row is not None
    return Supervised(
        agent, row["session_id"], row["request"], row["action"] or "", row["lifecycle"], row["offset"] or 0
    )


@command(allow=SYSTEM, emits=[AgentStatus])
def report_state(
    call: Call,
    *,
    name: MemberName,
    state: State,
    reason: str,
    lifecycle: str,
    reason_code: str = "",
    wanted: Literal["running", "stopped"] | None = None,
    pid: int | None = None,
    restarts: int = 0,
    next_start_at: int | None = None,
) -> Agent:
    """Record what the supervisor observes of an agent's process."""
    before = find_agent(call.transaction, name)
    since = "since_at" if before.state == state else ":now"
    call.transaction.run(
        "UPDATE agent SET state = :state, reason = :reason, reason_code = :reason_code, lifecycle = :lifecycle,"  # noqa: S608
        " pid = :pid, restarts = :restarts,"
        f" next_start_at = :next_start_at, wanted = coalesce(:wanted, wanted), since_at = {since} WHERE name = :name",
        {
            "name": name,
            "state": state,
            "reason": reason,
            "reason_code": reason_code,
            "lifecycle": lifecycle,
            "pid": pid,
            "restarts": restarts,
            "next_start_at": next_start_at,
            "wanted": wanted,
            "now": call.now,
        },
    )
    if before.state != state:
        call.wake_at(call.now)  # trouble begins or ends
    return _changed(call, name, before)


@command(allow=SYSTEM, emits=[AgentStatus])
def report_activity(
    call: Call,
    *,
    name: MemberName,
    activity: Activity,
    reason: str,
    source: str,
    reason_code: str = "",
    resets_at: int | None = None,
    connected: bool | None = None,
) -> Agent:
    """Record what an agent is doing, and how that is known."""
    before = find_agent(call.transaction, name)
    since = "activity_since_at" if before.activity == activity else ":now"
    call.transaction.run(
        "UPDATE agent SET activity = :activity, activity_reason = :reason, activity_source = :source,"  # noqa: S608
        " activity_reason_code = :reason_code, resets_at = :resets_at,"
        f" connected = coalesce(:connected, connected), activity_since_at = {since} WHERE name = :name",
        {
            "name": name,
            "activity": activity,
            "reason": reason,
            "reason_code": reason_code,
            "resets_at": resets_at,
            "source": source,
            "connected": connected,
            "now": call.now,
        },
    )
    if before.activity != activity and {before.activity, activity} & TROUBLED:
        call.wake_at(call.now)  # trouble begins or ends
    return _changed(call, name, before)


def say_activity(call: Call, name: str, reason: str) -> None:
    """Record what an agent says that it does. What it is doing in fact, its process and its hooks tell."""
    before = find_agent(call.transaction, name)
    call.transaction.run(
        "UPDATE agent SET activity_reason = :reason, activity_source = 'check_in' WHERE name = :name",
        {"name": name, "reason": reason},
    )
    _changed(call, name, before)


@command(allow=SYSTEM, emits=[AgentStatus])
def begin_run(call: Call, *, name: MemberName, run_id: str, isolation: Isolation = "none") -> Agent:
    """Record that a new run of an agent begins; its generation grows by one."""
    row = call.transaction.one(
        "UPDATE agent SET run_id = :run_id, generation = generation + 1, started_at = :now, pid = NULL,"
        " isolation = :isolation WHERE name = :name RETURNING generation",
        {"name": name, "run_id": run_id, "isolation": isolation, "now": call.now},
    )
    if row is None:
        raise unknown_agent(call.transaction, name)
    call.transaction.run(
        "INSERT INTO run (run_id, agent, generation, started_at) VALUES (:run_id, :name, :generation, :now)",
        {"run_id": run_id, "name": name, "generation": row["generation"], "now": call.now},
    )
    return _changed(call, name)


@command(allow=SYSTEM, emits=[AgentExited, AgentStatus])
def end_run(
    call: Call,
    *,
    run_id: str,
    code: int | None,
    signal: int | None,
    reason: str,
    tail: Annotated[str, Field(max_length=8192)],
) -> Exit | None:
    """Record how a run ended. A second report of the same end changes nothing and answers None."""
    row = call.transaction.one(
        "UPDATE run SET ended_at = :now, code = :code, signal = :signal, reason = :reason, tail = :tail"
        " WHERE run_id = :run_id AND ended_at IS NULL"
        " RETURNING agent, run_id, generation, code, signal, reason, started_at, ended_at, tail",
        {"run_id": run_id, "code": code, "signal": signal, "reason": reason, "tail": tail, "now": call.now},
    )
    if row is None:
        return None
    ended = _exit(row)
    call.wake_at(call.now)  # what it held falls free
    call.emit(AgentExited(ended), subject=ended.agent, audience=OPERATORS)
    call.transaction.run("UPDATE agent SET pid = NULL, connected = 0 WHERE name = :name", {"name": ended.agent})
    _changed(call, ended.agent)
    return ended


def find_agent(transaction: Transaction, name: str) -> Agent:
    """Return an agent. Raises NotFound with the nearest names."""
    found = _select(transaction, "WHERE agent.name = :name", name=name)
    if not found:
        raise unknown_agent(transaction, name)
    return found[0]


def with_process(call: Call, name: str) -> Agent:
    """Return an agent that this office runs. Raises NotFound, Conflict."""
    agent = find_agent(call.transaction, name)
    if agent.kind == "external":
        raise Conflict(f"“{name}” has no process here: it connects by itself.", hint="Start or stop it where it runs.")
    return agent


def change_agent(call: Call, name: str, fields: dict[str, Any]) -> Agent:
    """Store new values of an agent, and tell if something is other than before."""
    before = find_agent(call.transaction, name)
    call.transaction.run(
        f"UPDATE agent SET {', '.join(f'{field} = :{field}' for field in fields)} WHERE name = :name",  # noqa: S608
        {**fields, "name": name},
    )
    return _changed(call, name, before)


def stop(call: Call, name: str, reason: str) -> Agent:
    """Ask the supervisor to stop an agent. Raises NotFound, Conflict."""
    return _ask(call, name, "stop", "stopped", reason)


def all_agents(transaction: Transaction) -> list[Agent]:
    return _select(transaction, "ORDER BY agent.name")


def unknown_agent(transaction: Transaction, name: str) -> NotFound:
    known = [row["name"] for row in transaction.all("SELECT name FROM agent")]
    return NotFound.among("agent", name, known, field="name")


def _ask(call: Call, name: str, action: str, wanted: str, reason: str) -> Agent:
    agent = with_process(call, name)
    call.transaction.run(
        "UPDATE agent SET wanted = :wanted, request = request + 1 WHERE name = :name", {"name": name, "wanted": wanted}
    )
    call.emit(AgentAsked(name, action, reason), subject=name)
    return _changed(call, name, replace(agent, wanted=""))


def _changed(call: Call, name: str, before: Agent | None = None) -> Agent:
    agent = find_agent(call.transaction, name)
    if agent != before:
        call.emit(AgentStatus(agent), subject=name)
    return agent


def _select(transaction: Transaction, where: str, **parameters: Any) -> list[Agent]:
    rows = transaction.all(
        "SELECT agent.*, member.role, (SELECT json_object('agent', agent, 'run_id', run_id, 'generation', generation,"  # noqa: S608
        " 'code', code, 'signal', signal, 'reason', reason, 'started_at', started_at, 'ended_at', ended_at,"
        " 'tail', tail) FROM run WHERE run.agent = agent.name AND ended_at IS NOT NULL"
        " ORDER BY generation DESC LIMIT 1) AS last_exit"
        f" FROM agent JOIN member ON member.name = agent.name {where}",
        parameters,
    )
    return [_agent(row) for row in rows]


def _agent(row: Row) -> Agent:
    return Agent(
        name=row["name"],
        kind=row["kind"],
        role=row["role"],
        job=row["job"],
        description=row["description"],
        command=row["command"],
        permission_mode=row["permission_mode"],
        isolation=row["isolation"],
        wanted=row["wanted"],
        state=row["state"],
        reason=row["reason"],
        reason_code=row["reason_code"],
        since=iso(row["since_at"]),
        activity=row["activity"],
        activity_reason=row["activity_reason"],
        activity_reason_code=row["activity_reason_code"],
        activity_source=row["activity_source"],
        activity_since=iso(row["activity_since_at"]),
        resets_at=iso_or_none(row["resets_at"]),
        connected=bool(row["connected"]),
        run_id=row["run_id"],
        generation=row["generation"],
        pid=row["pid"],
        started_at=iso_or_none(row["started_at"]),
        restarts=row["restarts"],
        next_start_at=iso_or_none(row["next_start_at"]),
        paused_reason=row["paused_reason"],
        paused_by=row["paused_by"],
        paused_at=iso_or_none(row["paused_at"]),
        limits={name: Bound(**bound) for name, bound in orjson.loads(row["limits"]).items()},
        last_exit=None if row["last_exit"] is None else _exit(orjson.loads(row["last_exit"])),
    )


def _exit(row: Row) -> Exit:
    return Exit(
        agent=row["agent"],
        run_id=row["run_id"],
        generation=row["generation"],
        code=row["code"],
        signal=row["signal"],
        reason=row["reason"] or "",
        started_at=iso(row["started_at"]),
        ended_at=iso(row["ended_at"]),
        tail=row["tail"] or "",
    )
