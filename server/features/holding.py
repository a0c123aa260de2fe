"""Holding: an agent that is paused keeps its process and its conversation, and is delivered nothing."""

from server.core.call import Call
from server.core.event import Event, event
from server.core.names import MemberName, Note
from server.core.operation import command
from server.core.permission import OPERATE
from server.features.agents import Agent, AgentStatus, change_agent, describe_state, with_process


@event("agent.held")
class AgentHeld(Event):
    """Somebody, or its budget, paused an agent or let it go on."""

    agent: str
    action: str
    """pause | resume"""
    reason: str


def _describe(agent: Agent) -> str:
    return f"{agent.name}: {describe_state(agent)}"


@command("POST /api/agents/{name}/pause", allow=OPERATE, describe=_describe,
         emits=[AgentHeld, AgentStatus], repeatable=True)  # fmt: skip
def pause_agent(call: Call, *, name: MemberName, reason: Note = "") -> Agent:
    """Interrupt what an agent does and deliver nothing to it until it is resumed. Its process and conversation stay.

    Raises NotFound, Conflict.
    """
    return pause(call, name, reason or f"paused by {call.caller.name}")


@command("POST /api/agents/{name}/resume", allow=OPERATE, describe=_describe,
         emits=[AgentHeld, AgentStatus], repeatable=True)  # fmt: skip
def resume_agent(call: Call, *, name: MemberName, reason: Note = "") -> Agent:
    """Let a paused agent go on: what it is owed meanwhile is delivered.

    Raises NotFound, Conflict.
    """
    return resume(call, name, reason)


def pause(call: Call, name: str, reason: str, by: str | None = None) -> Agent:
    """Hold an agent, unless it is held already: the first reason stays. Raises NotFound, Conflict."""
    agent = with_process(call, name)
    if agent.paused_at is not None:
        return agent
    call.emit(AgentHeld(name, "pause", reason[:500]), subject=name)
    fields = {"paused_reason": reason[:500], "paused_by": by or call.caller.name, "paused_at": call.now}
    return change_agent(call, name, fields)


def resume(call: Call, name: str, reason: str) -> Agent:
    """Let a held agent go on. Raises NotFound, Conflict."""
    agent = with_process(call, name)
    if agent.paused_at is None:
        return agent
    call.emit(AgentHeld(name, "resume", reason[:500]), subject=name)
    return change_agent(call, name, {"paused_reason": "", "paused_by": "", "paused_at": None})
