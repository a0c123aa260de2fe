"""`bullpen attach`: an agent's terminal in this one. Detaching stops nothing."""

import asyncio
import json
import os
import shutil
import signal
import sys
import termios
import tty
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import aiohttp
import click

from server.cli import output
from server.cli.client import segment
from server.cli.connection import connect
from server.cli.failure import CommandFailed, ExitCode
from server.cli.options import ServerOptions, server_options

_DETACH = b"\x1d"
_OFFSET_BYTES = 8
# Out of the alternate screen; cursor shown; mouse, focus and paste reports off; colours and keyboard as they were.
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
        ending = asyncio.run(_watch(address, with_input=mode == "input", force=force))
    output.say(ending)


async def _watch(address: str, *, with_input: bool, force: bool) -> str:
    """Show and type until one side ends; return what to say then."""
    try:
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(address, heartbeat=20, max_msg_size=0) as socket,
            _keys() as keys,
        ):
            if with_input:
                await socket.send_json({"type": "take", "force": force})
            ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
            async with asyncio.TaskGroup() as tasks:
                showing = tasks.create_task(_show(socket, ended))
                typing = tasks.create_task(_type(socket, keys, ended, with_input=with_input))
                await ended
                showing.cancel()
                typing.cancel()
            return ended.result()
    except aiohttp.ClientError as error:
        raise CommandFailed(f"The terminal cannot be reached: {error}", code=ExitCode.UNREACHABLE) from None


async def _show(socket: aiohttp.ClientWebSocketResponse, ended: asyncio.Future[str]) -> None:
    reason = "The server closed the terminal."
    async for message in socket:
        if message.type is aiohttp.WSMsgType.BINARY:
            os.write(sys.stdout.fileno(), message.data[_OFFSET_BYTES:])
        elif message.type is aiohttp.WSMsgType.TEXT:
            frame = json.loads(message.data)
            if frame.get("type") == "exit":
                reason = f"The agent ended ({frame.get('reason') or frame.get('code')}). Look: bullpen status"
                break
            if frame.get("type") == "error":
                reason = str(frame.get("message") or "The server refused.")
                break
    if not ended.done():
        ended.set_result(reason)


async def _type(
    socket: aiohttp.ClientWebSocketResponse,
    keys: "asyncio.Queue[bytes | None]",
    ended: asyncio.Future[str],
    *,
    with_input: bool,
) -> None:
    while True:
        typed = await keys.get()
        if typed is None:
            size = shutil.get_terminal_size()
            if with_input:
                await socket.send_json({"type": "resize", "cols": size.columns, "rows": size.lines})
        elif _DETACH in typed:
            if not ended.done():
                ended.set_result("Detached. The agent goes on.")
            return
        elif with_input:
            await socket.send_json({"type": "in", "data": typed.decode("utf-8", "replace")})


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
