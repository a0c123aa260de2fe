"""The snapshot: the state a client starts from, with the seq it was read at. Snapshot + events = new snapshot."""

from dataclasses import dataclass

from server import __version__
from server.core.call import Call
from server.core.moment import iso
from server.core.operation import query
from server.core.permission import READ
from server.events import log
from server.features.agents import Agent, all_agents
from server.features.approvals.model import Approval
from server.features.approvals.queue import pending_approvals
from server.features.channels import Channel, readable_channels
from server.features.guards.model import Guard, open_guards
from server.features.members import Member, all_members, get_member
from server.features.reads import Read, all_reads
from server.features.team import team_name


@dataclass(frozen=True, slots=True)
class Snapshot:
    seq: int
    epoch: str
    server_version: str
    server_time: str
    team: str
    me: Member
    members: list[Member]
    channels: list[Channel]
    reads: list[Read]
    agents: list[Agent]
    approvals: list[Approval]
    """What waits for a decision."""
    guards: list[Guard]
    """What pauses agents that only talk to each other."""


@query("GET /api/snapshot", allow=READ)
def get_snapshot(call: Call) -> Snapshot:
    """The team as the caller may see it, and the seq from which the stream goes on without a gap."""
    position = log.position(call.transaction)
    return Snapshot(
        seq=position.seq,
        epoch=position.epoch,
        server_version=__version__,
        server_time=iso(call.now),
        team=team_name(call.transaction),
        me=get_member(call.transaction, call.caller.name),
        members=all_members(call.transaction),
        channels=readable_channels(call.transaction, call.caller),
        reads=all_reads(call.transaction, call.caller.name),
        agents=all_agents(call.transaction),
        approvals=pending_approvals(call),
        guards=open_guards(call),
    )
