"""Builds every part in order and stops them in reverse. The only file that imports every floor."""

import asyncio
import contextlib
import errno
import fcntl
import logging
import os
import signal
import socket
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson
from aiohttp import web

import dashboard
from server import __version__
from server.backup import restoring
from server.backup.archive import BackupFile
from server.backup.keeper import Backups
from server.config import AgentConfig, Config, resolve_secret
from server.config.keys import KINDS_THAT_THINK
from server.core.errors import BullpenError, Unavailable
from server.core.operation import Registry
from server.dispatch import Dispatch, wall_clock
from server.events import log
from server.events.feed import Feed
from server.features import channels, members, sessions
from server.features.catalogue import FEATURES
from server.features.guards import limits
from server.features.messages import text_index
from server.outside.outside import Outside, targets_as_told
from server.pulse import Pulse, service_manager
from server.storage.blobs import Blobs
from server.storage.sqlite import SqliteDatabase
from server.supervision.clockwork import Clockwork
from server.supervision.launch import Premises
from server.supervision.prompt_text import clean_text
from server.supervision.supervisor import Supervisor
from server.terminals.cgroup import find_delegated
from server.web.agent_reports import Receivers, add_reports
from server.web.backups import BackupRoutes
from server.web.channel_export import ChannelExports
from server.web.chat_bridge import BridgeDoor, ChatBridges
from server.web.errors import answer_errors
from server.web.files import FileLimits, FileRoutes
from server.web.health import Health
from server.web.identity import Identity
from server.web.mcp import Mcp
from server.web.metrics import Metrics
from server.web.openapi import add_openapi
from server.web.pages import Pages
from server.web.presence import Attendance
from server.web.routes import add_operations
from server.web.security import Gate, add_headers
from server.web.session import Sessions
from server.web.stream import Reader, SseFraming, Stream
from server.web.terminal_keyboard import Keyboards
from server.web.terminal_keys import TerminalKeys
from server.web.terminal_socket import TerminalSockets
from server.web.terminal_text import TerminalTexts
from server.web.tools import Tools
from server.web.work_folder import WorkFolders

logger = logging.getLogger(__name__)

LONGEST_BODY_BYTES = 1024 * 1024
AGENTS_STOP_WITHIN_S = 60.0
FILES_SWEPT_EVERY_S = 600.0
ACCEPTED_AT_ONCE = 2
"""Connections taken in one turn of the event loop: when a whole team comes back, others wait no longer for it."""
WAITING_AT_MOST = 512
"""Connections that the system holds until they are taken."""
PEER_SILENCE_S = 25.0
"""How long a peer may leave unacknowledged what was sent to it."""


@dataclass(frozen=True)
class ServerReady:
    """Where the office can be entered."""

    url: str
    sign_in_url: str
    """Signs the chairman in, once, within 15 minutes."""
    agents: tuple[str, ...]


@dataclass(frozen=True)
class Store:
    """The part that needs no network: the database and the one way into it."""

    database: SqliteDatabase
    feed: Feed
    dispatch: Dispatch

    async def run(self, operation: str, /, **arguments: object) -> Any:
        """Run an operation in the server's own name and return its value."""
        return await self.dispatch.as_system(operation, **arguments)

    async def record_backup(self, made: BackupFile) -> None:
        await self.run("record_backup", backup=made)

    async def record_backup_failure(self, reason: str) -> None:
        await self.run("record_backup_failure", reason=reason[:1000])


@contextlib.asynccontextmanager
async def offline(config: Config) -> AsyncIterator[Store]:
    """Open a team's data without serving it. Raises Unavailable if a server has it open."""
    with only_one(config.data):
        async with _store(config) as store:
            yield store


async def serve(
    config: Config,
    *,
    announce: Callable[[ServerReady], None],
    only_server: bool = False,
    stop: asyncio.Event | None = None,
    stop_takes_agents: bool = False,
) -> int:
    """Serve a team until a signal (or `stop`) ends it, and return the exit code.

    SIGINT stops the agents, then the server; a second one stops at once. SIGTERM, and `stop` unless it takes the
    agents along, stop the server alone: agents go on and are found again at the next start. Raises OSError (address in
    use), Unavailable (served already), NewerDatabase, NotOurs.
    """
    ending = _Ending(stop or asyncio.Event(), stop_takes_agents)
    with only_one(config.data), _listen(config) as listening:
        async with _store(config) as store, asyncio.TaskGroup() as tasks:
            office = Office(config, store, listening, only_server=only_server)
            await office.open(tasks)
            try:
                with ending.signals():
                    announce(await office.ready())
                    await ending.wait()
                    if ending.stops_agents:
                        await ending.unless_hurried(office.stop_agents())
            finally:
                await office.close()
    return 0


class Office:
    """A running server: web, supervision, and what they share."""

    def __init__(self, config: Config, store: Store, listening: socket.socket, *, only_server: bool = False) -> None:
        self.config = config
        self.store = store
        self._listening = listening
        self._only_server = only_server
        host, port = listening.getsockname()[:2]
        self.url = f"http://{_in_url(host)}:{port}"
        self._port = port
        dispatch, feed = store.dispatch, store.feed
        agents_folder = config.data / "agents"
        tools = Tools(dispatch.registry, dispatch, clean=clean_text)
        hosts = _hosts(config.host, port)
        public = [] if config.public_url is None else [urlsplit(config.public_url).netloc]
        self._mcp = Mcp(tools, [*hosts, *public])
        self.stream = Stream(feed, wall_clock, tools.menu_version)
        self.stream.presence_changed = self._presence_changed
        self._attendance = Attendance(dispatch, feed, wall_clock)
        premises = Premises(agents_folder, self.url, find_delegated())
        self.supervisor = Supervisor(config.agents, premises, dispatch, feed, os.urandom)
        tools.called = lambda caller, tool: self.supervisor.receive_call(caller.name, caller.run_id, tool)
        self._clockwork = Clockwork(dispatch)
        self._tell_service_manager = service_manager()
        self._pulse = Pulse(self._tell_service_manager)
        find, keyboards = self.supervisor.terminal_of, Keyboards()
        self._terminals = TerminalSockets(dispatch, agents_folder, find, keyboards, os.urandom, wall_clock)
        self._texts = TerminalTexts(dispatch, agents_folder, find)
        grants = {agent.name: agent.grants for agent in config.agents}
        TerminalKeys(dispatch, find, keyboards, lambda name: grants.get(name, frozenset()))
        self._blobs = Blobs(config.data / "files")
        limits = FileLimits(config.longest_file_bytes, config.member_file_bytes)
        self._files = FileRoutes(dispatch, self._blobs, limits)
        workdirs = {agent.name: agent.workdir for agent in config.agents if agent.kind != "external"}
        WorkFolders(dispatch, self._blobs, limits, workdirs.get)
        self._outside = Outside(config, dispatch, feed, os.urandom, self.url)
        self._backups = Backups(config.data, dispatch.now, config.backups)
        self._beside: list[asyncio.Task[None]] = []
        identity = Identity(store.database, members.find_caller, sessions.find_session, wall_clock)
        dispatch.access_changed = identity.forget
        gate = Gate(identity, hosts, dispatch.record_denial, config.public_url)
        self.web = web.Application(middlewares=[answer_errors, gate.middleware], client_max_size=LONGEST_BODY_BYTES)
        self.web.on_response_prepare.append(add_headers)
        self._runner = web.AppRunner(self.web, handler_cancellation=True, access_log=None, shutdown_timeout=1.0)

    async def open(self, tasks: asyncio.TaskGroup) -> None:
        """Seat the team, add every route, start what runs beside them, and listen."""
        await _seat(self.store, self.config)
        dispatch = self.store.dispatch
        add_operations(self.web, dispatch.registry, dispatch)
        add_openapi(self.web, dispatch.registry)
        self.stream.add_to(self.web)
        Sessions(dispatch, secure=(self.config.public_url or "").startswith("https:")).add_to(self.web)
        Health(dispatch).add_to(self.web)
        await self._attendance.open()
        self._attendance.add_to(self.web)
        Metrics(dispatch, lambda: self._pulse.worst_s, lambda: self.stream.open_streams).add_to(self.web)
        Pages(Path(dashboard.__file__).parent).add_to(self.web)
        self._mcp.add_to(self.web)
        self._terminals.add_to(self.web)
        self._texts.add_to(self.web)
        self._blobs.open()
        self._files.add_to(self.web)
        ChatBridges(self._bridge_door(), dispatch).add_to(self.web)
        ChannelExports(dispatch).add_to(self.web)
        BackupRoutes(dispatch, self._backups).add_to(self.web)
        add_reports(self.web, Receivers(self.supervisor.receive_hook, self.supervisor.receive_push_report))
        await self._runner.setup()
        await web.SockSite(self._runner, self._listening, backlog=ACCEPTED_AT_ONCE).start()
        self._listening.listen(WAITING_AT_MOST)  # asyncio has set it to what it accepts in one turn of the loop
        self._beside = await self.supervisor.open(tasks, starts=not self._only_server)
        self._beside.append(tasks.create_task(self._clockwork.run(), name="clockwork"))
        self._beside.append(tasks.create_task(self._pulse.run(), name="pulse"))
        self._beside.append(tasks.create_task(self._sweep_files(), name="file sweep"))
        self._beside += self._outside.open(tasks)
        keeping = self._backups.run(self.store.record_backup, self.store.record_backup_failure)
        self._beside.append(tasks.create_task(keeping, name="backups"))

    async def ready(self) -> ServerReady:
        """Leave the record that tells commands where the server is, and return how to enter."""
        chairman = self.config.chairman.name
        minted = await self.store.run("mint_run_token", name=chairman, run_id="operator")
        run = self.config.data / "run"
        _write_private(run / "operator.token", minted.token.encode() + b"\n")
        record = {"url": self.url, "pid": os.getpid(), "version": __version__, "started_at": wall_clock()}
        _write_private(run / "server.json", orjson.dumps(record))
        link = await self.store.run("create_sign_in_link", name=chairman)
        names = tuple(agent.name for agent in self.config.agents if agent.enabled)
        self._tell_service_manager(f"READY=1\nSTATUS=serving {self.config.team} at {self.url}")
        return ServerReady(self.url, f"{self.config.public_url or self.url}/#k={link.code}", names)

    async def stop_agents(self) -> None:
        """Stop every agent gracefully, in reverse order of start."""
        await self.supervisor.stop_agents()

    async def close(self) -> None:
        """End streams and sockets, let go of the agents, then end the web server."""
        self._tell_service_manager("STOPPING=1")
        (self.config.data / "run" / "server.json").unlink(missing_ok=True)
        self.stream.stop()
        await self._terminals.close()
        for task in self._beside:
            task.cancel()
        await asyncio.gather(*self._beside, return_exceptions=True)
        await self.supervisor.close()
        await self._texts.close()
        await self._runner.cleanup()
        self._attendance.close()

    async def _sweep_files(self) -> None:
        """Remove bytes whose file was deleted, or never came to be, every now and then."""
        while True:
            try:
                await self._blobs.sweep(self._stored_hashes)
            except (OSError, BullpenError):
                logger.exception("files that nobody needs could not be removed")
            await asyncio.sleep(FILES_SWEPT_EVERY_S)

    async def _stored_hashes(self) -> frozenset[str]:
        return frozenset(await self.store.run("list_stored_hashes"))

    def _bridge_door(self) -> BridgeDoor | None:
        desk = self._outside.desk
        return None if desk is None else BridgeDoor(desk.name, desk.shown, desk.sign_in, desk.sign_out)

    def _presence_changed(self, reader: Reader, present: bool) -> None:
        self._attendance.stream_changed(reader, present)
        if reader.client == "bridge":
            self.supervisor.bridge_changed(reader.caller.name, reader.caller.run_id or reader.run_id, present)


@contextlib.asynccontextmanager
async def _store(config: Config) -> AsyncIterator[Store]:
    database = SqliteDatabase(config.data / "team.sqlite3", finish=[text_index.index_new_text, log.seal])
    await database.open()
    following: asyncio.Task[None] | None = None
    try:
        feed = Feed(database, channels.access_of, SseFraming())
        dispatch = Dispatch(Registry(FEATURES), database, feed)
        secret = None if config.register_secret is None else resolve_secret(config.register_secret)
        await dispatch.as_system("found_team", team=config.team, register_secret=secret)
        await feed.open()
        database.writer.after_commit = dispatch.committed
        following = asyncio.create_task(feed.run(), name="feed")
        yield Store(database, feed, dispatch)
    finally:
        if following is not None:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
        await database.close()


async def _seat(store: Store, config: Config) -> None:
    """Make channels, members and agents exist as configured."""
    await store.run("ensure_channel", id="general")
    await store.run("set_guard_limits", member=limits.EVERYBODY, limits=config.guards)
    for human in config.humans:
        await store.run("ensure_member", name=human.name, kind="human", role=human.role)
    for agent in config.agents:
        await store.run("ensure_member", name=agent.name, kind="agent", role=agent.role)
        await store.run(
            "ensure_agent",
            name=agent.name,
            kind=agent.kind,
            description=agent.description,
            job=agent.job,
            command_line=_command_line(agent),
            autostart=agent.autostart and agent.enabled,
            session_id=str(uuid.uuid4()),
            permission_mode=agent.permission_mode if agent.kind in KINDS_THAT_THINK else "",
            isolation=agent.isolation.mode,
        )
        await store.run("set_guard_limits", member=agent.name, limits=agent.guards or config.guards)
        await store.run("ensure_budget", agent=agent.name, **asdict(agent.budget))
    humans = [human.name for human in config.humans]
    for channel in config.channels:
        members_of = [agent.name for agent in config.agents if channel.id in agent.channels]
        await store.run(
            "ensure_channel", id=channel.id, description=channel.description, members=[*humans, *members_of]
        )
    await store.run("ensure_targets", **targets_as_told(config.notifications))
    await store.run(
        "apply_retention",
        messages=str(config.retention.messages),
        audit=str(config.retention.audit),
        channels={channel.id: str(channel.keep) for channel in config.channels if channel.keep is not None},
    )


def _command_line(agent: AgentConfig) -> str:
    return " ".join(agent.command) or (agent.model or "")


class _Ending:
    """What ends the server, and how hastily."""

    def __init__(self, asked: asyncio.Event, stops_agents: bool) -> None:
        self._asked = asked
        self._hurried = asyncio.Event()
        self.stops_agents = stops_agents

    @contextlib.contextmanager
    def signals(self) -> Any:
        loop = asyncio.get_running_loop()
        try:
            loop.add_signal_handler(signal.SIGINT, self._interrupted)
            loop.add_signal_handler(signal.SIGTERM, self._asked.set)
        except (RuntimeError, ValueError):  # not in the main thread: an embedding program decides by `stop`
            yield
            return
        try:
            yield
        finally:
            loop.remove_signal_handler(signal.SIGINT)
            loop.remove_signal_handler(signal.SIGTERM)

    async def wait(self) -> None:
        await self._asked.wait()

    async def unless_hurried(self, work: Any) -> None:
        """Do some work, but not beyond a second interrupt or the time there is."""
        task = asyncio.ensure_future(work)
        hurried = asyncio.ensure_future(self._hurried.wait())
        await asyncio.wait((task, hurried), timeout=AGENTS_STOP_WITHIN_S, return_when=asyncio.FIRST_COMPLETED)
        for waiting in (task, hurried):
            waiting.cancel()
        await asyncio.gather(task, hurried, return_exceptions=True)

    def _interrupted(self) -> None:
        if self._asked.is_set():
            self._hurried.set()
        self.stops_agents = True
        self._asked.set()


@contextlib.contextmanager
def only_one(data: Path) -> Any:
    """Hold the lock that makes one server the only one on a data folder. Raises Unavailable.

    A restore that was decided and not finished is finished first.
    """
    os.umask(0o077)
    run = data / "run"
    run.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (run / "server.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Unavailable(
                f"Another server has {data} open.", hint="Look: bullpen status    Stop it: bullpen down"
            ) from None
        restoring.complete(data)
        yield


@contextlib.contextmanager
def _listen(config: Config) -> Any:
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Bounds what the kernel hides of a slow reader; accepted sockets inherit it.
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 256 * 1024)
        _notice_the_dead(listening)
        try:
            listening.bind((config.host, config.port))
            listening.listen(512)
        except PermissionError as failure:
            raise OSError(errno.EACCES, f"port {config.port} may not be opened") from failure
        yield listening


def _notice_the_dead(listening: socket.socket) -> None:
    """Have the kernel end connections whose peer acknowledges nothing any more; accepted sockets inherit it.

    With a heartbeat each 15 s a stream whose peer is gone without a word ends within 45 s.
    """
    seconds = max(1, round(PEER_SILENCE_S))
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (("TCP_KEEPIDLE", seconds), ("TCP_KEEPINTVL", max(1, seconds // 3)), ("TCP_KEEPCNT", 3)):
        if hasattr(socket, option):
            listening.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(PEER_SILENCE_S * 1000))


def _hosts(host: str, port: int) -> list[str]:
    names = {host, "localhost", "127.0.0.1", "[::1]"} if host in ("127.0.0.1", "::1", "localhost") else {host}
    shown = {_in_url(name) for name in names}
    return [f"{name}:{port}" for name in shown] + (list(shown) if port == 80 else [])


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


def _write_private(file: Path, content: bytes) -> None:
    """Write a file that only we may read, whole or not at all."""
    temporary = file.with_suffix(".new")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as opened:
        opened.write(content)
        opened.flush()
        os.fsync(descriptor)
    temporary.rename(file)
