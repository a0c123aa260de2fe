"""`bullpen attach`: an agent's terminal in this one. Detaching stops nothing."""

import asyncio
import codecs
import json
import os
import shutil
import signal
import sys
import termios
import time
import tty
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

import aiohttp
import click

from server.cli import output
from server.cli.client import segment
from server.cli.connection import connect
from server.cli.failure import CommandFailed, ExitCode
from server.cli.options import ServerOptions, server_options

_DETACH = b"\x1d"
_DETACHED = "Detached. The agent goes on."
_OFFSET_BYTES = 8
_ASK_AGAIN_S = 60.0
# Out of the alternate screen; cursor shown; mouse, focus and paste reports off; colours and keyboard as they were.
_CLEAR = b"\x1b[!p\x1b[2J\x1b[H"
_RESTORE = b"\x1b[?1049l\x1b[?25h\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?1004l\x1b[?2004l\x1b[<u\x1b[0m\r\n"


@click.command()
@click.argument("agent")
@click.option("--input", "with_input", is_flag=True, help="Type into it. Without, it is only looked at.")
@click.option("--force", is_flag=True, help="Take the keyboard from whoever has it.")
@server_options
def attach(server: ServerOptions, agent: str, with_input: bool, force: bool) -> None:
    """See AGENT's terminal live. Detach with Ctrl-]; the agent goes on."""
    if with_input and not sys.stdin.isatty():
        raise click.UsageError("--input needs a terminal to type in.")
    client = connect(server)
    mode = "input" if with_input or force else "view"
    ticket = client.post(f"/api/agents/{segment(agent.removeprefix('@'))}/terminal/ticket", {"mode": mode})["ticket"]
    address = f"ws{client.url.removeprefix('http')}/ws/terminal?ticket={segment(ticket)}"
    with _raw_terminal():
        ending = asyncio.run(_watch(address, client.token, with_input=mode == "input", force=force))
    output.say(ending)


async def _watch(address: str, token: str | None, *, with_input: bool, force: bool) -> str:
    """Show and type until one side ends; return what to say then."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.ws_connect(address, heartbeat=20, max_msg_size=0) as socket,
            _keys() as keys,
        ):
            typing = _Typing(socket, keys, force=force) if with_input else None
            showing = asyncio.ensure_future(_show(socket, typing))
            detaching = asyncio.ensure_future(typing.type() if typing else _until_detached(keys))
            done, waiting = await asyncio.wait((showing, detaching), return_when=asyncio.FIRST_COMPLETED)
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)
            return done.pop().result()
    except aiohttp.ClientError as error:
        raise CommandFailed(f"The terminal cannot be reached: {error}", code=ExitCode.UNREACHABLE) from None


async def _show(socket: aiohttp.ClientWebSocketResponse, typing: "_Typing | None") -> str:
    async for message in socket:
        if message.type is aiohttp.WSMsgType.BINARY:
            shown = message.data[_OFFSET_BYTES:]
            os.write(sys.stdout.fileno(), shown)
            # Said only after it was drawn, so that a slow terminal is not sent more than it can draw.
            drawn = int.from_bytes(message.data[:_OFFSET_BYTES]) + len(shown)
            with suppress(aiohttp.ClientConnectionResetError):  # what came last is still to be read
                await socket.send_json({"type": "ack", "offset": drawn})
            continue
        frame = json.loads(message.data)
        match frame.get("type"):
            case "lock":
                if typing is not None and frame.get("mine"):
                    typing.has_keyboard = True
            case "hello":
                os.write(sys.stdout.fileno(), frame.get("preamble", "").encode())
            case "gap":
                os.write(sys.stdout.fileno(), _CLEAR + frame.get("preamble", "").encode())
            case "exit":
                code = "" if frame.get("code") is None else f", code {frame['code']}"
                return f"The agent's terminal has ended ({frame.get('reason')}{code}). Look: bullpen status"
            case "error" if typing is not None and typing.has_keyboard:
                os.write(sys.stdout.fileno(), b"\a")
            case "error":
                return f"{frame.get('message')} {frame.get('hint') or ''}".strip()
    return "The server ended the connection. Look: bullpen status"


async def _until_detached(keys: "asyncio.Queue[bytes | None]") -> str:
    while True:
        typed = await keys.get()
        if typed is not None and _DETACH in typed:
            return _DETACHED


class _Typing:
    """Sends what is typed. The keyboard is lent for two minutes after each key, so it is asked for again before."""

    def __init__(
        self, socket: aiohttp.ClientWebSocketResponse, keys: "asyncio.Queue[bytes | None]", *, force: bool
    ) -> None:
        self.has_keyboard = False
        self._socket = socket
        self._keys = keys
        self._force = force
        self._asked = float("-inf")
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode

    async def type(self) -> str:
        while True:
            typed = await self._keys.get()
            if typed is not None and _DETACH in typed:
                return _DETACHED
            await self._ask_for_keyboard()
            if typed is None:
                size = shutil.get_terminal_size()
                await self._socket.send_json({"type": "resize", "cols": size.columns, "rows": size.lines})
            elif text := self._decode(typed):
                await self._socket.send_json({"type": "in", "data": text})

    async def _ask_for_keyboard(self) -> None:
        if time.monotonic() - self._asked > _ASK_AGAIN_S:
            await self._socket.send_json({"type": "take", "force": self._force})
        self._asked = time.monotonic()


@asynccontextmanager
async def _keys() -> AsyncIterator["asyncio.Queue[bytes | None]"]:
    """Give what is typed; None stands for a new size, once at the beginning."""
    queue: asyncio.Queue[bytes | None] = asyncio.Queue()
    queue.put_nowait(None)
    loop = asyncio.get_running_loop()
    descriptor = sys.stdin.fileno()

    def take() -> None:
        typed = os.read(descriptor, 4096)
        if typed:
            queue.put_nowait(typed)
        else:
            loop.remove_reader(descriptor)

    readable = sys.stdin.isatty()
    if readable:
        loop.add_reader(descriptor, take)
    loop.add_signal_handler(signal.SIGWINCH, queue.put_nowait, None)
    try:
        yield queue
    finally:
        loop.remove_signal_handler(signal.SIGWINCH)
        if readable:
            loop.remove_reader(descriptor)


@contextmanager
def _raw_terminal() -> Iterator[None]:
    """Pass every key to the agent while this lasts, and leave the terminal as it was."""
    if not sys.stdin.isatty():
        yield
        return
    before = termios.tcgetattr(sys.stdin)
    tty.setraw(sys.stdin)
    try:
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)
        os.write(sys.stdout.fileno(), _RESTORE)
