"""Who is calling: a bearer token or the session cookie → a Caller, remembered for a short while."""

import hmac
import time
from collections.abc import Callable

from aiohttp import web

from server.core.call import ANONYMOUS, Caller, Transaction
from server.core.errors import NotAllowed, NotSignedIn
from server.core.secret import hashed, is_token
from server.storage.database import Database

COOKIE = "bullpen_session"
_REMEMBERED_S = 20.0
_REMEMBERED_AT_MOST = 10_000

FindCaller = Callable[[Transaction, bytes, int], Caller | None]
FindSession = Callable[[Transaction, bytes, int], tuple[Caller, str] | None]


class Identity:
    """Resolves credentials. `forget` is called whenever rights may have changed, before that change is answered."""

    def __init__(
        self, database: Database, find_caller: FindCaller, find_session: FindSession, clock: Callable[[], int]
    ) -> None:
        self._database = database
        self._find_caller = find_caller
        self._find_session = find_session
        self._clock = clock
        self._tokens: dict[bytes, tuple[float, Caller]] = {}
        self._sessions: dict[bytes, tuple[float, Caller, str]] = {}

    def forget(self) -> None:
        """Look every credential up anew from here on."""
        self._tokens.clear()
        self._sessions.clear()

    async def caller_of(self, request: web.Request) -> Caller:
        """Return the caller of a request; ANONYMOUS if it carries no credentials.

        Raises NotSignedIn for credentials that are not accepted, NotAllowed for a write by cookie without X-CSRF.
        """
        authorization = request.headers.get("Authorization")
        if authorization is not None:
            return await self._by_token(authorization)
        cookie = request.cookies.get(COOKIE)
        if cookie is None:
            return ANONYMOUS
        return await self._by_session(cookie, request)

    async def _by_token(self, authorization: str) -> Caller:
        scheme, _, token = authorization.partition(" ")
        token = token.strip()
        digest = hashed(token) if token.isascii() else b""
        known = self._tokens.get(digest)
        if scheme.lower() != "bearer" or (known is None and not is_token(token)):
            raise NotSignedIn(
                "This is no token of Bullpen's.", hint="A token looks like bp_TEAM_… and is sent as Bearer."
            )
        if known is not None and known[0] > time.monotonic():
            return known[1]
        now = self._clock()
        caller = await self._database.read(lambda transaction: self._find_caller(transaction, digest, now))
        if caller is None:
            raise NotSignedIn("This token is unknown, revoked or expired.", hint="Ask the chairman for a new one.")
        if len(self._tokens) >= _REMEMBERED_AT_MOST:
            self._tokens.clear()
        self._tokens[digest] = (time.monotonic() + _REMEMBERED_S, caller)
        return caller

    async def _by_session(self, cookie: str, request: web.Request) -> Caller:
        digest = hashed(cookie)
        known = self._sessions.get(digest)
        if known is None or known[0] <= time.monotonic():
            now = self._clock()
            found = await self._database.read(lambda transaction: self._find_session(transaction, digest, now))
            if found is None:
                return ANONYMOUS
            if len(self._sessions) >= _REMEMBERED_AT_MOST:
                self._sessions.clear()
            known = (time.monotonic() + _REMEMBERED_S, *found)
            self._sessions[digest] = known
        if request.method not in ("GET", "HEAD") and not hmac.compare_digest(
            request.headers.get("X-CSRF", "").encode(), known[2].encode()
        ):
            raise NotAllowed("The X-CSRF header is missing or wrong.", hint="GET /api/session tells its value.")
        return known[1]
