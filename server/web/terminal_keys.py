"""Keys sent by single calls, from REST, a tool or the command line: under the same lease as a browser's."""

import asyncio
from collections.abc import Callable
from typing import Any

from server.core.call import Caller
from server.core.errors import BadArgument, Conflict, NotAllowed
from server.dispatch import Answer, Dispatch, Work
from server.terminals.attachment import Attachment
from server.terminals.errors import HolderFailed, HolderLost, InputFull
from server.terminals.keys import PAUSE_S, TypedLine, UnknownKey, parse_keys
from server.web.terminal_keyboard import CALL_LEASE_S, Keyboard, Keyboards, Seat

GRANT = "terminal_input"


class TerminalKeys:
    """Goes around `send_keys_to_agent`."""

    def __init__(
        self,
        dispatch: Dispatch,
        find: Callable[[str], Attachment | None],
        keyboards: Keyboards,
        grants: Callable[[str], frozenset[str]],
    ) -> None:
        """Take `grants` for what the team file grants an agent."""
        self._dispatch = dispatch
        self._find = find
        self._keyboards = keyboards
        self._grants = grants
        dispatch.around["send_keys_to_agent"] = self._send

    async def _send(self, work: Work) -> Answer:
        asked: Any = work.arguments
        self._check_granted(work.caller)
        earlier = await work.earlier()
        if earlier is not None:
            return earlier
        try:
            pieces = parse_keys(asked.keys)
        except UnknownKey as unknown:
            raise BadArgument(str(unknown), hint="Keys: Enter Esc Tab Up Down C-c …", field="keys") from None
        find_agent = self._dispatch.registry["get_agent"]
        await self._dispatch.run(find_agent, work.caller, {"name": asked.name}, door=work.door)
        attachment = self._find(asked.name)
        if attachment is None or attachment.welcome.has_exited:
            raise Conflict(f"{asked.name} is not running.", hint="Start it first.", code="not_running")
        keyboard, seat = self._keyboards.of(asked.name), Seat(work.caller)
        keyboard.check_free(seat, by_call=True)
        keyboard.seats.add(seat)
        try:
            answer = await work.run(asked)
            if not answer.replayed:
                await self._type(work, keyboard, seat, attachment, pieces)
            return answer
        finally:
            keyboard.seats.discard(seat)

    async def _type(
        self, work: Work, keyboard: Keyboard, seat: Seat, attachment: Attachment, pieces: list[str]
    ) -> None:
        keyboard.check_free(seat, by_call=True)  # somebody may have been quicker while this was put on record
        holder = keyboard.holder
        seat = holder if holder is not None else seat
        if holder is None:
            keyboard.give(seat, CALL_LEASE_S)
        line, lines = TypedLine(), list[str]()
        try:
            for number, piece in enumerate(pieces):
                if number:
                    await asyncio.sleep(PAUSE_S)
                if keyboard.holder is not seat:
                    raise Conflict(f"{number} of {len(pieces)} keys were typed; then the keyboard was taken.")
                keyboard.renew()
                lines += line.feed(piece, shown=await attachment.write(piece.encode()))
        except (HolderLost, HolderFailed, InputFull) as failure:
            raise Conflict(f"Not everything was typed: {failure}", hint="Look at the screen first.") from None
        finally:
            if lines := [*lines, *line.rest()]:
                record = self._dispatch.registry["record_typed"]
                arguments = {"name": keyboard.agent, "lines": lines}
                await self._dispatch.run(record, work.caller, arguments, door=work.door)

    def _check_granted(self, caller: Caller) -> None:
        if caller.role == "lead" and GRANT not in self._grants(caller.name):
            raise NotAllowed(
                f"{caller.name} has not the grant {GRANT}.",
                hint=f"Ask a human to type, or to add `grants: [{GRANT}]` to you in agents.yaml.",
            )
