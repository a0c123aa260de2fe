"""Profiles: what a member is for and can do, and which shared state concerns them."""

from dataclasses import dataclass, replace
from typing import Annotated

import orjson
from pydantic import AfterValidator, Field, StringConstraints

from server.core.call import Call, Transaction
from server.core.event import Event, event
from server.core.moment import iso_or_none
from server.core.names import MemberName, Note
from server.core.operation import command, query
from server.core.permission import READ, SPEAK
from server.features.state.model import checked_pattern, checked_project
from server.features.team import require_active

_RELEVANT, _CRITICAL = 0, 1


def _checked_place(value: str) -> str:
    project, _, field = value.partition("/")
    return f"{checked_project(project)}/{checked_pattern(field)}"


Skill = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=40)]
Skills = Annotated[list[Skill], Field(max_length=50)]
Places = Annotated[
    list[Annotated[str, Field(max_length=330), AfterValidator(_checked_place)]],
    Field(max_length=200, description="As `shop/api/port`, or `shop/*`: replaces what was there."),
]


@dataclass(frozen=True, slots=True)
class Profile:
    name: str
    kind: str
    role: str
    description: str
    skills: list[str]
    """What claim_task takes its tasks by, unless it is told otherwise."""
    relevant_fields: list[str]
    critical_fields: list[str]
    """What they must have seen before they write, where a project asks for that."""
    projects: list[str]
    updated_at: str | None


@event("profile.changed", collection="profiles", key="name")
class ProfileChanged(Event):
    profile: Profile


def _describe(profile: Profile) -> str:
    parts = [f"{profile.name} ({profile.kind}, {profile.role}) {profile.description}".rstrip()]
    for name, values in (
        ("skills", profile.skills), ("relevant", profile.relevant_fields), ("critical", profile.critical_fields)
    ):  # fmt: skip
        parts += [f"{name}: {', '.join(values)}"] if values else []
    return "\n".join(parts)


@query("GET /api/state/agent-profile", tool="get_agent_profile", toolset="people", allow=READ, describe=_describe)
def get_agent_profile(call: Call, *, agent_id: MemberName | None = None) -> Profile:
    """One profile, yours without a name: what they are for, their skills, projects and subscriptions.

    Raises NotFound.
    """
    return _profile(call.transaction, agent_id or call.caller.name)


@command("POST /api/state/agent-profile", tool="update_agent_profile", toolset="people", allow=SPEAK,
         emits=[ProfileChanged], repeatable=True, describe=_describe)  # fmt: skip
def update_agent_profile(
    call: Call,
    *,
    description: Note | None = None,
    skills: Skills | None = None,
    relevant_fields: Places | None = None,
    critical_fields: Places | None = None,
) -> Profile:
    """Change your profile, skills or subscriptions. What you leave out stays as it is.

    Raises BadArgument.
    """
    me, transaction = call.caller.name, call.transaction
    before = _profile(transaction, me)
    for places, weight in ((relevant_fields, _RELEVANT), (critical_fields, _CRITICAL)):
        if places is not None:
            _subscribe(transaction, me, places, weight)
    transaction.run(
        "INSERT INTO profile (member, description, skills, updated_at) VALUES (:me, :description, :skills, :now)"
        " ON CONFLICT (member) DO UPDATE SET description = excluded.description, skills = excluded.skills",
        {
            "me": me,
            "description": before.description if description is None else description,
            "skills": orjson.dumps(before.skills if skills is None else list(dict.fromkeys(skills))).decode(),
            "now": call.now,
        },
    )
    after = _profile(transaction, me)
    if replace(after, updated_at=before.updated_at) == before:
        return before
    transaction.run("UPDATE profile SET updated_at = :now WHERE member = :me", {"now": call.now, "me": me})
    changed = _profile(transaction, me)
    call.emit(ProfileChanged(changed), subject=me)
    return changed


def skills_of(transaction: Transaction, member: str) -> list[str]:
    """Return what a member says they can do."""
    row = transaction.one("SELECT skills FROM profile WHERE member = :member", {"member": member})
    return [] if row is None else list(orjson.loads(row["skills"]))


def _subscribe(transaction: Transaction, member: str, places: list[str], weight: int) -> None:
    transaction.run(
        "DELETE FROM state_subscription WHERE member = :member AND is_critical = :weight",
        {"member": member, "weight": weight},
    )
    for place in dict.fromkeys(places):
        project, _, field = place.partition("/")
        transaction.run(
            "INSERT INTO state_subscription (member, project, field, is_critical) VALUES (:member, :project, :field,"
            " :weight) ON CONFLICT (project, member, field) DO UPDATE SET is_critical = excluded.is_critical",
            {"member": member, "project": project, "field": field, "weight": weight},
        )


def _profile(transaction: Transaction, name: str) -> Profile:
    require_active(transaction, name, field="agent_id")
    member = transaction.one(
        "SELECT member.name, kind, role, profile.description, skills, updated_at FROM member"
        " LEFT JOIN profile ON profile.member = member.name WHERE member.name = :name",
        {"name": name},
    )
    assert member is not None
    wanted = transaction.all(
        "SELECT project, field, is_critical FROM state_subscription WHERE member = :name ORDER BY project, field",
        {"name": name},
    )
    places = [(f"{row['project']}/{row['field']}", row["is_critical"]) for row in wanted]
    return Profile(
        name=name,
        kind=member["kind"],
        role=member["role"],
        description=member["description"] or "",
        skills=orjson.loads(member["skills"] or "[]"),
        relevant_fields=[place for place, weight in places if weight == _RELEVANT],
        critical_fields=[place for place, weight in places if weight == _CRITICAL],
        projects=sorted({row["project"] for row in wanted}),
        updated_at=iso_or_none(member["updated_at"]),
    )
