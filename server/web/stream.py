"""The feed as Server-Sent Events, and the same by long poll for clients that cannot stream."""

import asyncio
import re
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

import orjson
from aiohttp import web
from sse_starlette import ServerSentEvent

from server import __version__
from server.core.call import Caller
from server.core.errors import BadArgument, NotSignedIn
from server.core.event import StoredEvent
from server.core.moment import iso
from server.core.names import direct_channel_id
from server.core.permission import READ
from server.events import log
from server.events.feed import Feed, Filter
from server.web.security import CALLER, add_route

HEARTBEAT_S = 15.0
NO_PROGRESS_S = 60.0
"""A reader that takes nothing for so long is cut; it resumes by its cursor."""
LONGEST_POLL_S = 55.0
RECENT_BYTES = 2 * 1024 * 1024
"""Of frames that are kept for others who catch up."""
CATCHING_UP_AT_ONCE = 2
"""Streams that read pages from the table: a whole team that comes back must not hold up everybody else."""

_CURSOR = re.compile(r"(?:(?P<epoch>[0-9A-Za-z]+)-)?(?P<seq>[0-9]{1,18})")

PresenceChanged = Callable[["Reader", bool], None]


class SseFraming:
    """Rows → bytes that all live readers share: an event frame, and HTTP chunk framing around a blob of them."""

    def encode(self, event: StoredEvent, epoch: str) -> bytes:
        return frame(event.kind, log.as_json(event), f"{epoch}-{event.seq}")

    def ephemeral(self, kind: str, body: bytes) -> bytes:
        return chunk(frame(kind, body))

    def join(self, frames: list[bytes]) -> bytes:
        return chunk(b"".join(frames))


def frame(kind: str, body: bytes, event_id: str | None = None) -> bytes:
    """Return one event of the stream. Only what is stored carries an id."""
    return ServerSentEvent(body.decode(), event=kind, id=event_id, sep="\n").encode()


def chunk(blob: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(blob), blob)


_HEARTBEAT = chunk(b": \n\n")


@dataclass(frozen=True)
class Cursor:
    """Where a client wants to go on."""

    seq: int | None
    epoch: str | None


class Reader:
    """One open stream. There may be thousands that wait: each holds as little as it can."""

    __slots__ = (
        "_beat", "_lagging", "access", "caller", "client", "cursor", "filter", "run_id", "unsent_bytes", "write"
    )  # fmt: skip

    def __init__(
        self, caller: Caller, wanted: Filter, transport: asyncio.WriteTransport, client: str, run_id: str
    ) -> None:
        self.caller = caller
        self.filter = wanted
        self.client = client
        self.run_id = run_id
        self.access: frozenset[str] = frozenset()
        self.cursor = 0
        # The transport's own methods: a call less counts where one row goes to a thousand readers.
        self.write: Callable[[bytes], None] = transport.write
        self.unsent_bytes: Callable[[], int] = transport.get_write_buffer_size
        self._lagging: asyncio.Future[None] | None = None
        self._beat: asyncio.TimerHandle | None = None

    def go_live(self) -> asyncio.Future[None]:
        """Return what is done as soon as this reader is not live any more; until then it gets a heartbeat."""
        self._lagging = asyncio.get_running_loop().create_future()
        self._await_beat()
        return self._lagging

    def fall_behind(self, seq: int) -> None:
        self.cursor = seq
        self.wake()

    def wake(self) -> None:
        if self._lagging is not None and not self._lagging.done():
            self._lagging.set_result(None)
        self.stop_beating()

    def stop_beating(self) -> None:
        if self._beat is not None:
            self._beat.cancel()
            self._beat = None

    def _await_beat(self) -> None:
        self._beat = asyncio.get_running_loop().call_later(HEARTBEAT_S, self._give_beat)

    def _give_beat(self) -> None:
        self.write(_HEARTBEAT)
        self._await_beat()


class _RecentFrames:
    """Frames of pages that were sent of late: a team that comes back wants the same ones."""

    def __init__(self) -> None:
        self._frames: OrderedDict[int, bytes] = OrderedDict()
        self._size = 0

    def frame_of(self, event: StoredEvent, epoch: str) -> bytes:
        """Return the frame of a row. Rows never change, and an epoch lasts as long as this process."""
        found = self._frames.get(event.seq)
        if found is None:
            found = self._frames[event.seq] = SseFraming().encode(event, epoch)
            self._size += len(found)
            while self._size > RECENT_BYTES:
                self._size -= len(self._frames.popitem(last=False)[1])
        return found


class Stream:
    """The routes of the feed."""

    def __init__(self, feed: Feed, clock: Callable[[], int], menu_of: Callable[[Caller], str]) -> None:
        self._feed = feed
        self._clock = clock
        self._menu_of = menu_of
        self.presence_changed: PresenceChanged = lambda reader, present: None
        self._stopping = False
        self._recent = _RecentFrames()
        self._catching_up = asyncio.Semaphore(CATCHING_UP_AT_ONCE)
        self._readers: set[Reader] = set()

    def add_to(self, app: web.Application) -> None:
        add_route(app, "GET", "/api/events", self.events, READ)
        add_route(app, "GET", "/api/events/poll", self.poll, READ)

    @property
    def open_streams(self) -> int:
        """How many read now."""
        return len(self._readers)

    def stop(self) -> None:
        """End every stream and every poll: they resume by their cursors at the next start."""
        self._stopping = True
        for reader in self._readers:
            reader.wake()

    async def events(self, request: web.Request) -> web.StreamResponse:
        """Stream what the caller may see, from a cursor or from now on."""
        wanted, cursor = _filter(request), _cursor(request)
        transport = request.transport
        if request.version < (1, 1) or transport is None:
            raise BadArgument("The stream needs HTTP/1.1.", hint="Use GET /api/events/poll.")
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "X-Accel-Buffering": "no"})
        response.enable_chunked_encoding()
        await response.prepare(request)
        response.headers.clear()  # they are sent, and a stream may be open for days
        reader = Reader(
            request[CALLER],
            wanted,
            transport,
            request.headers.get("X-Bullpen-Client", "").partition("/")[0],
            request.headers.get("X-Bullpen-Run", ""),
        )
        self._readers.add(reader)
        self.presence_changed(reader, True)
        try:
            await self._serve(response, reader, cursor)
        except (TimeoutError, ConnectionResetError, NotSignedIn):
            transport.abort()
        finally:
            self._feed.detach(reader)
            reader.stop_beating()
            self._readers.discard(reader)
            self.presence_changed(reader, False)
        return response

    async def _serve(self, response: web.StreamResponse, reader: Reader, cursor: Cursor) -> None:
        seq = await self._greet(response, reader, cursor)
        while not self._stopping:
            seq = await self._send_page(response, reader, seq)
            if seq >= self._feed.head:
                # No await from finding this to attach: nothing can be published in between.
                lagging = reader.go_live()
                self._feed.attach(reader)
                await lagging
                seq = reader.cursor

    async def _send_page(self, response: web.StreamResponse, reader: Reader, seq: int) -> int:
        """Write what comes after a seq, and return how far that reaches."""
        async with self._catching_up:
            page = await self._feed.page(reader.caller, seq, reader.filter)
        reader.access = page.access
        frames = [self._recent.frame_of(event, self._feed.epoch) for event in page.events]
        for start in range(0, len(frames), 50):
            async with asyncio.timeout(NO_PROGRESS_S):
                await response.write(b"".join(frames[start : start + 50]))
        return page.next

    async def _greet(self, response: web.StreamResponse, reader: Reader, cursor: Cursor) -> int:
        async with self._catching_up:
            page = await self._feed.page(reader.caller, self._feed.head, reader.filter)
        position = page.position
        hello = {
            "seq": position.seq,
            "oldest_seq": position.oldest_seq,
            "epoch": position.epoch,
            "server_version": __version__,
            "server_time": iso(self._clock()),
            "menu": self._menu_of(reader.caller),
        }
        greeting = b"retry: 2000\n\n" + frame("hello", orjson.dumps(hello))
        seq, too_old = _start(cursor, position, self._feed.head)
        if too_old:
            greeting += frame("reset", orjson.dumps({"seq": seq, "epoch": position.epoch}), f"{position.epoch}-{seq}")
        await response.write(greeting)
        return seq

    async def poll(self, request: web.Request) -> web.StreamResponse:
        """Answer with what came after `since`, at once or as soon as there is something."""
        wanted, cursor = _filter(request), _cursor(request)
        limit = _whole(request, "limit", 200, 1, 500)
        wait_s = min(float(_whole(request, "wait_s", 0, 0, 300)), LONGEST_POLL_S)
        caller = request[CALLER]
        loop = asyncio.get_running_loop()
        deadline = loop.time() + wait_s
        position = (await self._feed.page(caller, self._feed.head, wanted)).position
        seq, too_old = _start(cursor, position, self._feed.head)
        while True:
            page = await self._feed.page(caller, seq, wanted, limit)
            left = deadline - loop.time()
            if page.events or too_old or left <= 0 or self._stopping:
                break
            seq = page.next
            await self._feed.wait_beyond(seq, min(left, 1.0))
        events = b",".join(log.as_json(event) for event in page.events)
        tail = {
            "next": page.next,
            "epoch": position.epoch,
            "reset": too_old,
            "timed_out": not page.events and not too_old,
        }
        body = b'{"events":[' + events + b"]," + orjson.dumps(tail)[1:]
        return web.Response(body=body, content_type="application/json")


def _start(cursor: Cursor, position: log.Position, head: int) -> tuple[int, bool]:
    """Return where to go on, and whether what the client knows is too old to go on from."""
    if cursor.seq is None:
        return head, False
    foreign = cursor.epoch is not None and cursor.epoch != position.epoch
    if foreign or cursor.seq > position.seq or (position.oldest_seq > 0 and cursor.seq < position.oldest_seq - 1):
        return head, True
    return cursor.seq, False


def _filter(request: web.Request) -> Filter:
    kinds, channels = request.query.get("types"), request.query.get("channels")
    me = request[CALLER].name
    return Filter(
        None if kinds is None else frozenset(kinds.split(",")),
        None if channels is None else frozenset(_channel_id(channel, me) for channel in channels.split(",")),
    )


def _channel_id(text: str, me: str) -> str:
    name = text.strip().removeprefix("#")
    kind, _, other = name.partition(":")
    return direct_channel_id(me, other) if kind == "dm" and ":" not in other else name


def _cursor(request: web.Request) -> Cursor:
    # A browser repeats the URL when it reconnects, so its Last-Event-ID is the newer of the two.
    text = request.headers.get("Last-Event-ID") or request.query.get("since")
    if not text:
        return Cursor(None, None)
    parts = _CURSOR.fullmatch(text)
    if parts is None:
        raise BadArgument("That is no cursor.", hint="Send the id of the last event, or a seq.", field="since")
    return Cursor(int(parts["seq"]), parts["epoch"])


def _whole(request: web.Request, name: str, default: int, least: int, most: int) -> int:
    text = request.query.get(name)
    if text is None:
        return default
    try:
        return max(least, min(most, int(float(text))))
    except (ValueError, OverflowError):
        raise BadArgument(f"“{name}” is a number from {least} to {most}.", field=name) from None
