"""Runs one operation for one caller: validate, permit, execute, append its events. Knows the registry, no feature."""

import hashlib
import itertools
import os
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from pydantic import BaseModel, ValidationError

from server.core.call import SYSTEM_CALLER, Aftermath, Call, Caller, NotYet, Transaction
from server.core.errors import BadArgument, Conflict, KeyReused, NotAllowed, NotSignedIn
from server.core.event import Event
from server.core.operation import Operation, Registry
from server.core.permission import Permission
from server.events import log
from server.events.ephemera import Ephemera
from server.events.feed import Feed
from server.storage.database import Database

LONGEST_WAIT_S = 300.0


def wall_clock() -> int:
    """Return now as UTC milliseconds."""
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True)
class Answer:
    """What an operation returned."""

    value: Any
    replayed: bool = False
    """The effect was had before, under the same idempotency key; this is that answer again."""


@dataclass(frozen=True, slots=True)
class Work:
    """One call of an operation that has something to do beside its transaction, and how to run the operation itself."""

    operation: Operation
    caller: Caller
    arguments: BaseModel
    door: str
    idempotency_key: str | None
    run: Callable[[BaseModel], Awaitable[Answer]]
    earlier: Callable[[], Awaitable[Answer | None]]
    """Finds what was answered before under the same idempotency key, for what could not be checked a second time."""


Around = Callable[[Work], Awaitable[Answer]]
"""Goes around an operation: what it does to files, before or after, no transaction could undo."""


DENIALS_A_MINUTE = 10


class Dispatch:
    """The one way in: REST, MCP, CLI, dashboard and the server's own parts all call operations here."""

    def __init__(
        self,
        registry: Registry,
        database: Database,
        feed: Feed,
        *,
        clock: Callable[[], int] = wall_clock,
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self.registry = registry
        self._database = database
        self._feed = feed
        self._ephemera = Ephemera(feed)
        self._clock = clock
        self._random = random
        # Unique, and yet no system call for each: it would hand the interpreter lock to the writer's thread.
        self._calls_of = random(8).hex()
        self._call_numbers = itertools.count(1)
        self.access_changed: Callable[[], None] = lambda: None
        """Called when rights may have changed, before that change is answered."""
        self._access_touched = False
        self.due_changed: Callable[[int], None] = lambda moment: None
        """Called with the moment (UTC ms) at which something that was just committed falls due."""
        self._soonest_due: int | None = None
        self.around: dict[str, Around] = {}
        """Operation → what goes around it. Whatever the door, it is there."""
        self._denials: dict[str, tuple[int, int]] = {}
        """Member → the minute, and how often they were refused something in it."""

    async def run(
        self,
        operation: Operation,
        caller: Caller,
        arguments: Mapping[str, object] | BaseModel,
        *,
        door: str,
        idempotency_key: str | None = None,
    ) -> Answer:
        """Run one operation.

        Raises BadArgument, NotSignedIn, NotAllowed, KeyReused, and what the operation raises.
        """
        try:
            return await self._permitted(operation, caller, arguments, door, idempotency_key)
        except NotAllowed as refused:
            await self.record_denial(operation.name, caller, door, refused)
            raise

    async def _permitted(
        self,
        operation: Operation,
        caller: Caller,
        arguments: Mapping[str, object] | BaseModel,
        door: str,
        idempotency_key: str | None,
    ) -> Answer:
        permit(operation.allow, caller)
        checked = arguments if isinstance(arguments, BaseModel) else validate(operation, arguments)
        around = self.around.get(operation.name)
        if around is not None:

            async def run(arguments: BaseModel) -> Answer:
                return await self._once(operation, caller, arguments, door, idempotency_key, may_wait=False)

            async def earlier() -> Answer | None:
                return await self._earlier(operation, caller, checked, idempotency_key)

            return await around(Work(operation, caller, checked, door, idempotency_key, run, earlier))
        if not operation.waits:
            return await self._once(operation, caller, checked, door, idempotency_key, may_wait=False)
        opened = None
        if operation.opening is not None:
            opened = await self._open(self.registry[operation.opening], caller, checked, door, idempotency_key)
        deadline = time.monotonic() + min(float(getattr(checked, "wait_s", 0) or 0), LONGEST_WAIT_S)
        while True:
            head = self._feed.head
            left = deadline - time.monotonic()
            try:
                return await self._once(
                    operation, caller, checked, door, idempotency_key, may_wait=left > 0, opened=opened
                )
            except NotYet as not_yet:
                await self._feed.wait_for_audience(head, not_yet.audiences, left)

    async def _open(
        self, opening: Operation, caller: Caller, given: BaseModel, door: str, idempotency_key: str | None
    ) -> Any:
        """Run what goes before an operation that waits, if there is anything for it to do, and return its value."""
        arguments = {name: getattr(given, name) for name in opening.arguments.model_fields}
        if all(value is None for value in arguments.values()):
            return None
        permit(opening.allow, caller)
        key = None if idempotency_key is None else f"{idempotency_key} {opening.name}"
        return (await self._once(opening, caller, validate(opening, arguments), door, key, may_wait=False)).value

    async def record_denial(self, operation: str, caller: Caller, door: str, refused: NotAllowed) -> None:
        """Put a refused attempt in the trail: of each member as many a minute as tell that they try."""
        if caller.kind in ("system", "anonymous"):
            return
        minute = self._clock() // 60_000
        counted, count = self._denials.get(caller.name, (minute, 0))
        count = count + 1 if counted == minute else 1
        self._denials[caller.name] = minute, count
        if count <= DENIALS_A_MINUTE:
            await self.as_system(
                "record_denial", member=caller.name, operation=operation, door=door, message=refused.message
            )

    def committed(self) -> None:
        """Follow each commit, before its callers are answered (the writer's `after_commit`)."""
        if self._access_touched:
            self._access_touched = False
            self.access_changed()
        if self._soonest_due is not None:
            soonest, self._soonest_due = self._soonest_due, None
            self.due_changed(soonest)
        self._feed.hint()

    def now(self) -> int:
        """Return the time that operations go by (UTC ms)."""
        return self._clock()

    async def as_system(self, operation: str, /, **arguments: object) -> Any:
        """Run an operation in the server's own name and return its value."""
        return (await self.run(self.registry[operation], SYSTEM_CALLER, arguments, door="server")).value

    async def _once(
        self,
        operation: Operation,
        caller: Caller,
        arguments: BaseModel,
        door: str,
        key: str | None,
        *,
        may_wait: bool,
        opened: Any = None,
    ) -> Answer:
        call_id, now = f"{self._calls_of}{next(self._call_numbers):x}", self._clock()
        aftermath = None if operation.changes else Aftermath()

        def execute(transaction: Transaction) -> Any:
            append = self._append if operation.changes else None
            call = Call(
                caller, transaction, now, call_id, operation.name, door, self._random, append, may_wait, self._fall_due,
                aftermath=aftermath, opened=opened,
            )  # fmt: skip
            return operation.function(call, **vars(arguments))

        if aftermath is not None:
            answer = Answer(await self._database.read(execute))
            for ephemeral in aftermath.told:
                self._ephemera.tell(caller.name, ephemeral, now)
            for name, following in aftermath.then:
                await self.as_system(name, **following)
            return answer
        return await self._write(operation, caller, arguments, execute, key, now)

    async def _earlier(
        self, operation: Operation, caller: Caller, arguments: BaseModel, key: str | None
    ) -> Answer | None:
        if key is None:
            return None
        fingerprint = _fingerprint(operation, arguments)
        return await self._database.read(lambda rows: _earlier_answer(rows, operation, caller, key, fingerprint))

    def _append(self, call: Call, event: Event, subject: str, audience: str) -> int:
        if event.changes_access:
            self._access_touched = True
        return log.append(call, event, subject, audience)

    def _fall_due(self, moment: int) -> None:
        self._soonest_due = moment if self._soonest_due is None else min(moment, self._soonest_due)

    async def _write(
        self,
        operation: Operation,
        caller: Caller,
        arguments: BaseModel,
        execute: Callable[[Transaction], Any],
        key: str | None,
        now: int,
    ) -> Answer:
        if key is None:
            return Answer(await self._database.write(execute))
        fingerprint = _fingerprint(operation, arguments)

        def execute_once(transaction: Transaction) -> Answer:
            earlier = _earlier_answer(transaction, operation, caller, key, fingerprint)
            if earlier is not None:
                return earlier
            value = execute(transaction)
            transaction.run(
                "INSERT INTO idempotency (caller, key, operation, arguments_hash, response, at)"
                " VALUES (:caller, :key, :operation, :hash, :response, :at)",
                {
                    "caller": caller.name,
                    "key": key,
                    "operation": operation.name,
                    "hash": fingerprint,
                    "response": None if operation.secret else orjson.dumps(value),
                    "at": now,
                },
            )
            return Answer(value)

        return await self._database.write(execute_once)


def permit(permission: Permission, caller: Caller) -> None:
    """Raise unless the caller's role holds the permission."""
    if permission.admits(caller.role):
        return
    if caller.kind == "anonymous":
        raise NotSignedIn(
            "This needs a token or a session.",
            hint="Send `Authorization: Bearer bp_…`, or open the link `bullpen up` prints.",
        )
    raise NotAllowed(
        f"{caller.name} ({caller.role}) may not do this: {permission.name}.",
        hint=f"It takes one of: {', '.join(sorted(permission.roles - {'system', 'anonymous'}))}.",
    )


def validate(operation: Operation, arguments: Mapping[str, object]) -> BaseModel:
    """Build the operation's argument model. Raises BadArgument that names the first wrong field and what is allowed."""
    if operation.aliases:
        arguments = {operation.aliases.get(name, name): value for name, value in arguments.items()}
    try:
        return operation.arguments.model_validate(arguments)
    except ValidationError as failure:
        raise _bad_argument(operation, failure) from None


def _bad_argument(operation: Operation, failure: ValidationError) -> BadArgument:
    first = failure.errors(include_url=False, include_context=False)[0]
    field = ".".join(str(part) for part in first["loc"]) or None
    known = ", ".join(operation.arguments.model_fields) or "nothing"
    if first["type"] == "extra_forbidden":
        return BadArgument(f"Unknown field “{field}”.", hint=f"{operation.name} takes: {known}.", field=field)
    if first["type"] == "missing":
        return BadArgument(f"“{field}” is missing.", hint=f"{operation.name} takes: {known}.", field=field)
    return BadArgument(f"“{field}”: {first['msg'].removeprefix('Value error, ')}.", field=field)


def _fingerprint(operation: Operation, arguments: BaseModel) -> bytes:
    canonical = orjson.dumps(arguments.model_dump(mode="json"), option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(operation.name.encode() + b"\0" + canonical).digest()


def _earlier_answer(
    transaction: Transaction, operation: Operation, caller: Caller, key: str, fingerprint: bytes
) -> Answer | None:
    row = transaction.one(
        "SELECT arguments_hash, response FROM idempotency WHERE caller = :caller AND key = :key",
        {"caller": caller.name, "key": key},
    )
    if row is None:
        return None
    if row["arguments_hash"] != fingerprint:
        raise KeyReused(
            "This idempotency key was used with other arguments.",
            hint="Use a new key for a new request; repeat the same body.",
        )
    if row["response"] is None:
        raise Conflict(
            "This was done before, and its answer held a secret that is shown once.", hint="Rotate the token instead."
        )
    return Answer(operation.result_adapter.validate_json(row["response"]), replayed=True)
