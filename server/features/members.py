"""Members: humans, agents and bots, and the tokens that prove who is calling."""

import hmac
from dataclasses import dataclass, replace
from typing import Annotated, Literal

from pydantic import Field

from server.core.call import Call, Caller, Row, Transaction
from server.core.errors import BadArgument, Conflict, NotAllowed, NotFound
from server.core.event import OPERATORS, Event, event
from server.core.moment import iso, iso_or_none
from server.core.names import Line, MemberName, TokenId
from server.core.operation import command, query
from server.core.permission import (
    ANYBODY,
    HUMAN_ROLES,
    MANAGE_MEMBERS,
    READ,
    SYSTEM,
    WORKER_ROLES,
)
from server.core.secret import hashed, new_token
from server.features.channels import ChannelChanged, join_general
from server.features.reads import ReadUpdated
from server.features.team import get_meta, team_name, unknown_member

MemberKind = Literal["human", "agent", "bot"]
MemberRole = Literal["chairman", "operator", "viewer", "lead", "member"]


@dataclass(frozen=True, slots=True)
class Member:
    """One member as everybody sees it."""

    name: str
    kind: str
    role: str
    created_at: str
    retired: bool


@dataclass(frozen=True, slots=True)
class Token:
    """One token, without its secret."""

    id: str
    member: str
    label: str
    created_by: str
    created_at: str
    expires_at: str | None
    revoked_at: str | None


@dataclass(frozen=True, slots=True)
class MintedToken:
    """A new token: the only time its secret is shown."""

    id: str
    member: str
    token: str


@dataclass(frozen=True, slots=True)
class RegisteredAgent:
    name: str
    role: str


@dataclass(frozen=True, slots=True)
class Registered:
    apiKey: str  # noqa: N815 (a documented name that programs rely on)
    agent: RegisteredAgent


@dataclass(frozen=True, slots=True)
class Members:
    members: list[Member]


@dataclass(frozen=True, slots=True)
class Tokens:
    tokens: list[Token]


@event("member.created", collection="members")
class MemberCreated(Event):
    member: Member


@event("member.changed", collection="members", changes_access=True)
class MemberChanged(Event):
    member: Member


@event("token.created")
class TokenCreated(Event):
    token: Token


@event("token.revoked", changes_access=True)
class TokenRevoked(Event):
    token: Token


@query("GET /api/me", allow=READ)
def get_me(call: Call) -> Member:
    """Return the member that the token or session belongs to."""
    return get_member(call.transaction, call.caller.name)


@query("GET /api/members", allow=READ)
def list_members(call: Call) -> Members:
    """List all members, retired ones too: their names stay taken."""
    return Members(all_members(call.transaction))


@command(
    "POST /api/register", allow=ANYBODY, emits=[MemberCreated, ChannelChanged, ReadUpdated, TokenCreated], secret=True
)
def register(
    call: Call,
    *,
    name: MemberName,
    role: MemberRole | None = None,
    kind: MemberKind = "bot",
    secret: Annotated[str | None, Field(max_length=200)] = None,
) -> Registered:
    """Create a member and its first token, shown this once.

    Needs a member who may create members, or the register secret where one is configured; the secret creates bots and
    agents of role member only. A name that is or was taken stays taken.

    Raises Conflict, NotAllowed, BadArgument.
    """
    if not MANAGE_MEMBERS.admits(call.caller.role):
        expected = get_meta(call.transaction, "register_secret")
        if not expected or secret is None or not hmac.compare_digest(hashed(secret).hex(), expected):
            raise NotAllowed(
                "Registering needs a chairman's token or the register secret.",
                hint="Ask the chairman for a token: bullpen token create NAME --kind bot",
            )
        if kind == "human" or role not in (None, "member"):
            raise NotAllowed("The register secret creates agents and bots of role member only.")
    member = create_member(call, name=name, kind=kind, role=role)
    minted = _mint(call, member.name, label="registered", run_id=None)
    return Registered(apiKey=minted.token, agent=RegisteredAgent(member.name, member.role))


@command(allow=SYSTEM, emits=[MemberCreated, MemberChanged, ChannelChanged, ReadUpdated])
def ensure_member(call: Call, *, name: MemberName, kind: MemberKind, role: MemberRole) -> Member:
    """Make a member exist as agents.yaml says: created, or given this role.

    Raises Conflict if the name belongs to a member of another kind, or to one who was retired.
    """
    row = _find(call.transaction, name)
    if row is None:
        return create_member(call, name=name, kind=kind, role=role)
    member = _member(row)
    if member.kind != kind or member.retired:
        state = "retired" if member.retired else f"a {member.kind}"
        raise Conflict(f"The name “{name}” is taken: it is {state}.", hint="Choose another name.", field="name")
    if member.role == role:
        return member
    _check_role(kind, role)
    call.transaction.run("UPDATE member SET role = :role WHERE name = :name", {"role": role, "name": name})
    changed = replace(member, role=role)
    call.emit(MemberChanged(changed), subject=name)
    return changed


@command("DELETE /api/members/{name}", allow=MANAGE_MEMBERS, emits=[MemberChanged, TokenRevoked], destructive=True)
def retire_member(call: Call, *, name: MemberName) -> Member:
    """Retire a member: its tokens and sessions end, its name stays taken, what it wrote stays.

    Raises NotFound, Conflict.
    """
    member = get_member(call.transaction, name)
    if member.name == call.caller.name:
        raise Conflict("You cannot retire yourself.", hint="Let another chairman do it.")
    if member.retired:
        return member
    values = {"name": name, "now": call.now}
    call.transaction.run("UPDATE member SET retired_at = :now WHERE name = :name", values)
    call.transaction.run("UPDATE session SET ended_at = :now WHERE member = :name AND ended_at IS NULL", values)
    for row in call.transaction.all("SELECT id FROM token WHERE member = :name AND revoked_at IS NULL", values):
        _revoke(call, row["id"])
    call.wake_at(call.now)  # what they held falls free
    retired = replace(member, retired=True)
    call.emit(MemberChanged(retired), subject=name)
    return retired


@command(
    "POST /api/tokens",
    allow=MANAGE_MEMBERS,
    emits=[TokenCreated, MemberCreated, ChannelChanged, ReadUpdated],
    status=201,
    secret=True,
)
def create_token(
    call: Call,
    *,
    name: MemberName,
    kind: MemberKind | None = None,
    role: MemberRole | None = None,
    label: Line = "token",
    expires_in_s: Annotated[int | None, Field(ge=60, le=10 * 366 * 86400)] = None,
) -> MintedToken:
    """Mint a token for a member, creating the member if there is none and `kind` says what it is.

    Raises NotFound, Conflict, BadArgument.
    """
    row = _find(call.transaction, name)
    if row is None:
        if kind is None:
            raise NotFound(f"No member “{name}”.", hint="Say what it is: kind human, agent or bot.", field="kind")
        create_member(call, name=name, kind=kind, role=role)
    elif row["retired_at"] is not None:
        raise Conflict(f"“{name}” was retired; its name stays taken.", hint="Choose another name.", field="name")
    elif kind not in (None, row["kind"]) or role not in (None, row["role"]):
        raise Conflict(
            f"“{name}” is {row['kind']}, {row['role']}.",
            hint="Leave kind and role out, or choose another name.",
            field="name",
        )
    expires_at = None if expires_in_s is None else call.now + expires_in_s * 1000
    return _mint(call, name, label=label, run_id=None, expires_at=expires_at)


@command(allow=SYSTEM, emits=[TokenCreated, TokenRevoked], secret=True)
def mint_run_token(call: Call, *, name: MemberName, run_id: str) -> MintedToken:
    """Mint the token of one run of an agent; those of its earlier runs are revoked."""
    for row in call.transaction.all(
        "SELECT id FROM token WHERE member = :name AND run_id IS NOT NULL AND revoked_at IS NULL", {"name": name}
    ):
        _revoke(call, row["id"])
    return _mint(call, name, label=f"run {run_id}", run_id=run_id)


@query("GET /api/tokens", allow=MANAGE_MEMBERS)
def list_tokens(call: Call) -> Tokens:
    """List tokens, newest first, without their secrets."""
    rows = call.transaction.all(
        "SELECT id, member, label, created_by, created_at, expires_at, revoked_at FROM token ORDER BY id DESC LIMIT 500"
    )
    return Tokens([_token(row) for row in rows])


@command("DELETE /api/tokens/{id}", allow=MANAGE_MEMBERS, emits=[TokenRevoked], destructive=True, repeatable=True)
def revoke_token(call: Call, *, id: TokenId) -> Token:  # noqa: A002 (the name in the route)
    """Revoke a token: it is refused from now on, and streams opened with it end.

    Raises NotFound.
    """
    return _revoke(call, id)


@command("POST /api/tokens/{id}/rotate", allow=MANAGE_MEMBERS, emits=[TokenRevoked, TokenCreated], secret=True)
def rotate_token(call: Call, *, id: TokenId) -> MintedToken:  # noqa: A002 (the name in the route)
    """Revoke a token and mint another for the same member.

    Raises NotFound.
    """
    old = _revoke(call, id)
    return _mint(call, old.member, label=old.label, run_id=None)


def create_member(call: Call, *, name: str, kind: str, role: str | None) -> Member:
    """Store a new member. Raises Conflict, BadArgument."""
    if name in ("system", "all", "here", "working", "role", "anonymous"):
        raise Conflict(f"The name “{name}” is reserved.", hint="Choose another name.", field="name")
    taken = _find(call.transaction, name)
    if taken is not None:
        raise Conflict(
            f"The name “{name}” is taken.",
            hint="Choose another name; a name is never given to a stranger, not even after its owner left.",
            field="name",
            facts={"taken_by": {"name": name, "kind": taken["kind"]}},
        )
    chosen = role or ("viewer" if kind == "human" else "member")
    _check_role(kind, chosen)
    call.transaction.run(
        "INSERT INTO member (name, kind, role, created_by, created_at) VALUES (:name, :kind, :role, :by, :now)",
        {"name": name, "kind": kind, "role": chosen, "by": call.caller.name, "now": call.now},
    )
    member = Member(name, kind, chosen, iso(call.now), retired=False)
    call.emit(MemberCreated(member), subject=name)
    join_general(call, name)
    return member


def all_members(transaction: Transaction) -> list[Member]:
    rows = transaction.all("SELECT name, kind, role, created_at, retired_at FROM member ORDER BY name")
    return [_member(row) for row in rows]


def get_member(transaction: Transaction, name: str) -> Member:
    """Return a member. Raises NotFound with the nearest names."""
    row = _find(transaction, name)
    if row is None:
        raise unknown_member(transaction, name)
    return _member(row)


def find_caller(transaction: Transaction, token_hash: bytes, now: int) -> Caller | None:
    """Return whom a token stands for, or None if it is unknown, revoked or expired.

    Raises Conflict for the token of an agent's earlier run: it must not be mistaken for a stranger's.
    """
    row = transaction.one(
        "SELECT token.id, token.run_id, member.name, member.kind, member.role FROM token"
        " JOIN member ON member.name = token.member WHERE token.hash = :hash AND token.revoked_at IS NULL"
        " AND coalesce(token.expires_at > :now, 1) AND member.retired_at IS NULL",
        {"hash": token_hash, "now": now},
    )
    if row is None:
        _refuse_earlier_run(transaction, token_hash)
        return None
    return Caller(row["name"], row["kind"], row["role"], token_id=row["id"], run_id=row["run_id"])


def _refuse_earlier_run(transaction: Transaction, token_hash: bytes) -> None:
    row = transaction.one(
        "SELECT run.agent, run.generation, agent.generation AS present FROM token"
        " JOIN run ON run.run_id = token.run_id JOIN agent ON agent.name = run.agent"
        " WHERE token.hash = :hash AND run.generation < agent.generation",
        {"hash": token_hash},
    )
    if row is not None:
        raise Conflict(
            f"This is the token of run {row['generation']} of {row['agent']}, which has ended.",
            hint=f"Run {row['present']} has its own. End this process: nothing that it sends counts.",
            facts={"generation": row["generation"], "present_generation": row["present"]},
            code="stale_run",
        )


def _mint(call: Call, member: str, *, label: str, run_id: str | None, expires_at: int | None = None) -> MintedToken:
    secret = new_token(team_name(call.transaction), call.random)
    row = call.transaction.one(
        "INSERT INTO token (member, hash, label, run_id, created_by, created_at, expires_at)"
        " VALUES (:member, :hash, :label, :run_id, :by, :now, :expires_at)"
        " RETURNING id, member, label, created_by, created_at, expires_at, revoked_at",
        {
            "member": member,
            "hash": hashed(secret),
            "label": label,
            "run_id": run_id,
            "by": call.caller.name,
            "now": call.now,
            "expires_at": expires_at,
        },
    )
    assert row is not None
    token = _token(row)
    call.emit(TokenCreated(token), subject=member, audience=OPERATORS)
    return MintedToken(token.id, member, secret)


def _revoke(call: Call, number: int) -> Token:
    row = call.transaction.one(
        "UPDATE token SET revoked_at = coalesce(revoked_at, :now) WHERE id = :id"
        " RETURNING id, member, label, created_by, created_at, expires_at, revoked_at",
        {"id": number, "now": call.now},
    )
    if row is None:
        raise NotFound(f"No token tok_{number}.", hint="List them: bullpen token list", field="id")
    token = _token(row)
    call.emit(TokenRevoked(token), subject=token.member, audience=OPERATORS)
    return token


def _check_role(kind: str, role: str) -> None:
    roles = HUMAN_ROLES if kind == "human" else WORKER_ROLES
    if role not in roles:
        raise BadArgument(f"{kind.capitalize()} members have one of the roles {', '.join(roles)}.", field="role")


def _find(transaction: Transaction, name: str) -> Row | None:
    return transaction.one(
        "SELECT name, kind, role, created_at, retired_at FROM member WHERE name = :name", {"name": name}
    )


def _member(row: Row) -> Member:
    return Member(row["name"], row["kind"], row["role"], iso(row["created_at"]), row["retired_at"] is not None)


def _token(row: Row) -> Token:
    return Token(
        id=f"tok_{row['id']}",
        member=row["member"],
        label=row["label"],
        created_by=row["created_by"],
        created_at=iso(row["created_at"]),
        expires_at=iso_or_none(row["expires_at"]),
        revoked_at=iso_or_none(row["revoked_at"]),
    )
