"""The relay of one agent: holds what its CLI asks a person until somebody decides, and hears when it goes on without.

An answer in the terminal is not told to us: the CLI leaves our call open and uses its answer no more. So what follows
in its hooks and its own record closes the request. Only if the turn is broken off does it hang up.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from server.config import PermissionPolicy
from server.dispatch import Dispatch
from server.supervision.kinds.kind import Activity, Asked, Decided, ToolEnd

logger = logging.getLogger(__name__)

IN_TERMINAL = "answered in the terminal"
GIVEN_UP = "broken off in the terminal"
RESTARTED = "the server was restarted while it was asked; it asks in its terminal"
AGREEING_LOOKS = 2
"""A record is written a moment after the hook that tells the same."""
HANGS_UP_S = 1.0
"""A CLI that hangs up has mostly been stopped; its end is put on record first, and says more."""


@dataclass
class _Held:
    asked: Asked
    decision: asyncio.Future[Decided]
    doubts: int = 0
    """Looks in a row at which its CLI did not say that it waits."""


class Relay:
    """What one agent's CLI waits for."""

    def __init__(
        self,
        agent: str,
        policy: PermissionPolicy,
        dispatch: Dispatch,
        report: Callable[[Activity], Awaitable[None]],
        spawn: Callable[[Any], None],
    ) -> None:
        self._agent = agent
        self._policy = policy
        self._dispatch = dispatch
        self._report = report
        self._spawn = spawn
        self._held: dict[int, _Held] = {}

    @property
    def is_holding(self) -> bool:
        return bool(self._held)

    async def ask(self, asked: Asked, run_id: str, activity: Activity | None) -> Decided:
        """Put a request before a person and wait for what becomes of it."""
        keeps_waiting = asked.kind == "question" or self._policy.on_timeout == "keep_waiting"
        approval = await self._dispatch.as_system(
            "relay_request",
            agent=self._agent,
            run_id=run_id,
            kind=asked.kind,
            summary=asked.summary,
            details=asked.details,
            options=list(asked.options),
            request={
                "tool": asked.tool, "input": asked.input, "folder": asked.folder, "pattern": asked.pattern,
                "rules": asked.rules, "remember": self._policy.remember, "questions": asked.questions,
                "is_whole": asked.is_whole,
            },
            expires_s=None if keeps_waiting else self._policy.timeout_s,
        )  # fmt: skip
        number = _number(approval.id)
        held = self._held[number] = _Held(asked, asyncio.get_running_loop().create_future())
        try:
            if activity is not None:
                await self._report(activity)
            now = await self._dispatch.as_system("get_approval", approval_id=number)
            if now.status != "pending":  # somebody was faster than this line
                return Decided(now.status, now.decided_by, now.comment, now.answer, now.scope, now.changed_input)
            decided = await held.decision
        except asyncio.CancelledError:
            self._spawn(self._hung_up(number))
            raise
        finally:
            self._held.pop(number, None)
        if decided.status != "closed":
            by = f" by {decided.by}" if decided.by else ""
            await self._report(Activity("working", f"goes on: {decided.status}{by}", "hook", "turn"))
        return decided

    def decided(self, approval: Mapping[str, Any]) -> None:
        """Take what became of a request."""
        held = self._held.get(_number(approval["id"]))
        if held is not None and approval["status"] != "pending" and not held.decision.done():
            fields = ("status", "decided_by", "comment", "answer", "scope", "changed_input")
            held.decision.set_result(Decided(*(approval[field] for field in fields)))

    async def tool_ended(self, end: ToolEnd) -> None:
        """Close what a tool's end, or the turn's, proves to be answered."""
        for number, held in list(self._held.items()):
            is_it = end.tool is None or (end.tool == held.asked.tool and _same(held.asked, end.input))
            if is_it and not held.decision.done():
                await self._close(number, IN_TERMINAL)

    async def seen(self, activity: Activity | None) -> None:
        """Take what the CLI's own record says: that it waits, or that it has ceased to."""
        for number, held in list(self._held.items()):
            if activity is None or held.decision.done():
                continue
            held.doubts = 0 if activity.activity == "needs_you" else held.doubts + 1
            if held.doubts >= AGREEING_LOOKS:
                await self._close(number, IN_TERMINAL)

    async def _hung_up(self, number: int) -> None:
        await asyncio.sleep(HANGS_UP_S)
        await self._close(number, GIVEN_UP)

    async def _close(self, number: int, comment: str) -> None:
        await self._dispatch.as_system("close_request", approval_id=number, comment=comment)


def _number(approval_id: str) -> int:
    return int(approval_id.removeprefix("ap_"))


def _same(asked: Asked, given: Mapping[str, Any]) -> bool:
    """Tell whether a tool ran with what was asked for; a question comes back with its answers."""
    return all(given.get(name) == value for name, value in asked.input.items())
