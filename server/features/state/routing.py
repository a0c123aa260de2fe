"""Which way a change of shared state would go, said beforehand."""

from dataclasses import dataclass
from typing import Annotated, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field

from server.core.call import Call, Row
from server.core.operation import query
from server.core.permission import READ
from server.features.state.model import FieldName, ProjectId, find_field
from server.features.state.store import writes_at_once

_OWNERS_THAT_AGREE, _CHANGES_A_DAY = 2, 3
_DAY_MS = 86_400_000


class PlannedChange(BaseModel):
    """What somebody means to change."""

    model_config = ConfigDict(extra="forbid")

    affected_fields: Annotated[list[FieldName], Field(min_length=1, max_length=100)]
    uncertainty: Literal["low", "medium", "high"] = "low"
    atomic: bool = False
    """All together or not at all: then they go one way."""


@dataclass(frozen=True, slots=True)
class Route:
    field: str
    route: str
    """write_state | submit_approval | start_discussion"""
    owner: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class Routes:
    project_id: str
    agent_id: str
    uncertainty: str
    """As given, or higher: many owners, many recent changes, or a marked field."""
    routes: list[Route]


@query("POST /api/state/route", allow=READ)
def route_state(call: Call, *, project_id: ProjectId, task: PlannedChange) -> Routes:
    """Say for each field whether the caller would write it, need an approval, or had better discuss it first."""
    rows = {field: find_field(call.transaction, project_id, field) for field in dict.fromkeys(task.affected_fields)}
    owners = {row["owner"] for row in rows.values() if row is not None}
    uncertainty = _uncertainty(call, project_id, task.uncertainty, rows, owners)
    routes = [_route(call, field, row, uncertainty) for field, row in rows.items()]
    if task.atomic and len(owners) > 1 and len({route.route for route in routes}) > 1:
        why = "it is to be done together, and several owners would be asked"
        routes = [Route(route.field, "start_discussion", route.owner, why) for route in routes]
    return Routes(project_id, call.caller.name, uncertainty, routes)


def _uncertainty(call: Call, project: str, given: str, rows: dict[str, Row | None], owners: set[str]) -> str:
    if given == "high" or any(row is not None and row["approval_required"] for row in rows.values()):
        return "high"
    recent = call.transaction.one(
        "SELECT count(*) AS changes FROM state_version WHERE project = :project AND at > :since"
        " AND field IN (SELECT value FROM json_each(:fields))",
        {"project": project, "since": call.now - _DAY_MS, "fields": orjson.dumps(list(rows)).decode()},
    )
    assert recent is not None
    often = recent["changes"] > _CHANGES_A_DAY
    return "medium" if given == "medium" or len(owners) > _OWNERS_THAT_AGREE or often else "low"


def _route(call: Call, field: str, row: Row | None, uncertainty: str) -> Route:
    if row is None:
        if uncertainty == "low":
            return Route(field, "write_state", None, "it is new, and will be yours")
        return Route(field, "start_discussion", None, f"it is new, and the uncertainty is {uncertainty}")
    owner = row["owner"]
    if row["approval_required"]:
        return Route(field, "submit_approval", owner, "it takes an approval from everybody")
    if writes_at_once(call, row):
        return Route(field, "write_state", owner, "you may write it")
    return Route(field, "submit_approval", owner, f"it is {owner}'s")
