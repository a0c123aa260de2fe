"""Browser sessions: a one-time link becomes an HttpOnly cookie; nothing secret ever stands in a page."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from server.core.call import Call, Caller, Transaction
from server.core.errors import NotSignedIn
from server.core.event import OPERATORS, Event, event
from server.core.moment import iso
from server.core.names import MemberName
from server.core.operation import command, query
from server.core.permission import ANYBODY, MANAGE_MEMBERS, READ
from server.core.secret import hashed, new_code
from server.features.members import Member, get_member

LINK_LIFETIME_MS = 15 * 60 * 1000
SESSION_LIFETIME_MS = 7 * 86400 * 1000


@dataclass(frozen=True, slots=True)
class SignInLink:
    code: str
    member: str
    expires_at: str


@dataclass(frozen=True, slots=True)
class Session:
    """A new session. `cookie` goes into the cookie and nowhere else."""

    member: Member
    csrf: str
    cookie: str


@dataclass(frozen=True, slots=True)
class SessionView:
    member: Member
    csrf: str


@dataclass(frozen=True, slots=True)
class SignedOut:
    signed_out: bool


@event("session.opened")
class SessionOpened(Event):
    member: str


@event("session.ended", changes_access=True)
class SessionEnded(Event):
    member: str


@event("sign_in_link.created")
class SignInLinkCreated(Event):
    member: str


@command("POST /api/sign-in-links", allow=MANAGE_MEMBERS, emits=[SignInLinkCreated], status=201, secret=True)
def create_sign_in_link(call: Call, *, name: MemberName) -> SignInLink:
    """Make a link that signs a human in once, within 15 minutes.

    Raises NotFound, NotAllowed.
    """
    member = get_member(call.transaction, name)
    call.require(member.kind == "human" and not member.retired, "Sign-in links are for humans who are on the team.")
    code = new_code(call.random)
    expires_at = call.now + LINK_LIFETIME_MS
    call.transaction.run(
        "INSERT INTO sign_in_link (hash, member, created_at, expires_at) VALUES (:hash, :member, :now, :expires_at)",
        {"hash": hashed(code), "member": name, "now": call.now, "expires_at": expires_at},
    )
    call.emit(SignInLinkCreated(name), subject=name, audience=OPERATORS)
    return SignInLink(code, name, iso(expires_at))


@command(allow=ANYBODY, emits=[SessionOpened], secret=True)
def open_session(call: Call, *, link: Annotated[str, Field(max_length=100)]) -> Session:
    """Exchange the code of a sign-in link for a session.

    Raises NotSignedIn.
    """
    used = call.transaction.one(
        "UPDATE sign_in_link SET used_at = :now WHERE hash = :hash AND used_at IS NULL AND expires_at > :now"
        " RETURNING member",
        {"hash": hashed(link), "now": call.now},
    )
    if used is None:
        raise NotSignedIn("This sign-in link was used or has expired.", hint="Get a new one: bullpen token link")
    member = get_member(call.transaction, used["member"])
    call.require(not member.retired, "This member was retired.")
    cookie, csrf = new_code(call.random), new_code(call.random)
    call.transaction.run(
        "INSERT INTO session (hash, member, csrf, created_at, expires_at)"
        " VALUES (:hash, :member, :csrf, :now, :expires_at)",
        {
            "hash": hashed(cookie),
            "member": member.name,
            "csrf": csrf,
            "now": call.now,
            "expires_at": call.now + SESSION_LIFETIME_MS,
        },
    )
    call.emit(SessionOpened(member.name), subject=member.name, audience=OPERATORS)
    return Session(member, csrf, cookie)


@query("GET /api/session", allow=READ)
def get_session(call: Call) -> SessionView:
    """Return who is signed in, and the value of the X-CSRF header that writes from a browser carry.

    Raises NotSignedIn when the caller came with a token.
    """
    row = call.transaction.one("SELECT csrf FROM session WHERE hash = :hash", {"hash": call.caller.session})
    if row is None:
        raise NotSignedIn("You came with a token, not with a session.")
    return SessionView(get_member(call.transaction, call.caller.name), row["csrf"])


@command("DELETE /api/session", allow=READ, emits=[SessionEnded], repeatable=True)
def end_session(call: Call) -> SignedOut:
    """Sign out: the session ends, and so do its streams."""
    ended = call.transaction.run(
        "UPDATE session SET ended_at = :now WHERE hash = :hash AND ended_at IS NULL",
        {"hash": call.caller.session, "now": call.now},
    )
    if ended:
        call.emit(SessionEnded(call.caller.name), subject=call.caller.name, audience=OPERATORS)
    return SignedOut(bool(ended))


def find_session(transaction: Transaction, session_hash: bytes, now: int) -> tuple[Caller, str] | None:
    """Return whom a session stands for and its CSRF value, or None if it is unknown, ended or expired."""
    row = transaction.one(
        "SELECT session.csrf, member.name, member.kind, member.role FROM session"
        " JOIN member ON member.name = session.member WHERE session.hash = :hash AND session.ended_at IS NULL"
        " AND session.expires_at > :now AND member.retired_at IS NULL",
        {"hash": session_hash, "now": now},
    )
    if row is None:
        return None
    return Caller(row["name"], row["kind"], row["role"], session=session_hash), row["csrf"]
