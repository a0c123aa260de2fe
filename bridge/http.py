"""A small HTTP/1.1 client over raw sockets: keep-alive pool, both body forms, Server-Sent Events.

Not `http.client`: importing it costs more than the rest of the bridge together.
"""

from __future__ import annotations

import _socket
import _thread
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

MAX_IDLE = 4
CONNECT_S = 5.0
MAX_HEAD = 64 * 1024
_READ_BYTES = 256 * 1024


class NothingSent(Exception):
    """The server could not be reached: surely nothing was done."""


class Cut(Exception):
    """The connection ended, or was silent for too long, after something was sent: it is not known what was done."""


class Limit:
    """How long to wait: for any one byte, and for the whole answer."""

    def __init__(self, silence_s: float, whole_s: float | None = None) -> None:
        self.silence_s = silence_s
        self._deadline = None if whole_s is None else time.monotonic() + whole_s

    def left_s(self) -> float:
        """Return how long the next byte may take; 0 or less if there is no time left."""
        if self._deadline is None:
            return self.silence_s
        return min(self.silence_s, self._deadline - time.monotonic())


class Address:
    """Where a server is: `http://host:port` or `https://host:port`."""

    def __init__(self, url: str) -> None:
        scheme, _, rest = url.partition("://")
        place = rest.split("/", 1)[0]
        host, _, port = place.rpartition(":") if not place.endswith("]") else (place, "", "")
        if not port.isdigit():
            host, port = place, "443" if scheme == "https" else "80"
        if scheme not in ("http", "https") or not host:
            raise ValueError(f"{url} is no http:// or https:// address")
        self.secure = scheme == "https"
        self.host = host.strip("[]")
        self.port = int(port)
        self.header = place


class Connection:
    """One connection. Only `interrupt` may be called from another thread: whoever reads then gets Cut."""

    def __init__(self, address: Address, limit: Limit) -> None:
        self.limit = limit
        self._secure = address.secure
        self._peer = _connected(address, limit)
        self._buffer = b""
        self.is_interrupted = False
        self.is_closed = False

    def request(self, head: bytes, body: bytes, limit: Limit) -> Response:
        """Send a request and read the answer's head. Raises Cut."""
        self.limit = limit
        try:
            self._peer.settimeout(max(0.001, limit.left_s()))
            self._peer.sendall(head + body)
        except OSError as error:
            raise Cut(_told(error)) from None
        while b"\r\n\r\n" not in self._buffer:
            if len(self._buffer) > MAX_HEAD:
                raise Cut("an answer without an end to its head")
            self._buffer += self._receive()
        raw, self._buffer = self._buffer.split(b"\r\n\r\n", 1)
        return Response(self, raw)

    def read_line(self) -> bytes:
        while b"\n" not in self._buffer:
            self._buffer += self._receive()
        line, self._buffer = self._buffer.split(b"\n", 1)
        return line.rstrip(b"\r")

    def read_up_to(self, count: int) -> bytes:
        """Return at least one byte and at most so many. Raises Cut."""
        if not self._buffer:
            self._buffer = self._receive()
        part, self._buffer = self._buffer[:count], self._buffer[count:]
        return part

    def read_to_end(self) -> Iterator[bytes]:
        """Yield what comes until the server closes the connection. Raises Cut."""
        while self._buffer or (part := self._receive(may_end=True)):
            if self._buffer:
                part, self._buffer = self._buffer, b""
            yield part

    def is_stale(self) -> bool:
        """Tell whether the server has closed a kept connection, or said something nobody asked for."""
        if self._secure:
            import select  # a TLS socket cannot be peeked at

            return bool(select.select([self._peer], [], [], 0)[0])
        try:
            self._peer.settimeout(0)
            self._peer.recv(1, _socket.MSG_PEEK)
        except BlockingIOError:
            return False
        except OSError:
            pass
        return True

    def interrupt(self) -> None:
        """End it from another thread. The descriptor stays its owner's: it could be another socket's by now."""
        self.is_interrupted = True
        try:
            self._peer.shutdown(_socket.SHUT_RDWR)
        except OSError:
            pass

    def close(self) -> None:
        self.is_closed = True
        try:
            self._peer.close()
        except OSError:
            pass

    def _receive(self, *, may_end: bool = False) -> bytes:
        left_s = self.limit.left_s()
        try:
            if left_s <= 0:
                raise TimeoutError
            self._peer.settimeout(left_s)
            part = self._peer.recv(_READ_BYTES)
        except OSError as error:
            raise Cut(_told(error)) from None
        if self.is_interrupted or not (part or may_end):
            raise Cut("the connection was closed")
        return part


class Response:
    """The head of an answer, and its body as it comes."""

    def __init__(self, connection: Connection, head: bytes) -> None:
        lines = head.decode("latin-1").split("\r\n")
        words = lines[0].split(" ", 2)
        if len(words) < 2 or not words[0].startswith("HTTP/1.") or not words[1].isdigit():
            raise Cut("an answer that is no HTTP")
        self.status = int(words[1])
        self.headers: dict[str, str] = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            self.headers[name.strip().lower()] = value.strip()
        self.connection = connection
        self._is_persistent = words[0] == "HTTP/1.1" and self.headers.get("connection", "").lower() != "close"
        self._is_complete = False

    @property
    def is_stream(self) -> bool:
        return self.headers.get("content-type", "").startswith("text/event-stream")

    @property
    def leaves_open(self) -> bool:
        """The connection may serve another request."""
        return self._is_complete and self._is_persistent

    def chunks(self) -> Iterator[bytes]:
        """Yield the body as it comes. Raises Cut."""
        connection, length = self.connection, self.headers.get("content-length", "")
        if self.headers.get("transfer-encoding", "").lower() == "chunked":
            while left := _chunk_size(connection.read_line()):
                while left > 0:
                    part = connection.read_up_to(left)
                    left -= len(part)
                    yield part
                connection.read_line()
            while connection.read_line():
                pass
        elif length.isdigit() or self.status in (204, 304):
            left = int(length or 0)
            while left > 0:
                part = connection.read_up_to(left)
                left -= len(part)
                yield part
        else:
            yield from connection.read_to_end()
            connection.close()
        self._is_complete = True

    def body(self) -> bytes:
        return b"".join(self.chunks())

    def events(self) -> Iterator[tuple[str, bytes]]:
        """Yield (event name, data) of a Server-Sent Events body. Raises Cut."""
        name, data = "message", list[bytes]()
        for line in self._lines():
            field, _, value = line.partition(b":")
            value = value.removeprefix(b" ")
            if not line:
                if data:
                    yield name, b"\n".join(data)
                name, data = "message", []
            elif field == b"event":
                name = value.decode("utf-8", "replace")
            elif field == b"data":
                data.append(value)

    def _lines(self) -> Iterator[bytes]:
        parts: list[bytes] = []  # of one line, which may be 20 MB long
        for chunk in self.chunks():
            first, *more = chunk.split(b"\n")
            parts.append(first)
            for begun in more:
                yield b"".join(parts).rstrip(b"\r")
                parts = [begun]


class Client:
    """Requests to one server over a few kept connections."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._idle: list[Connection] = []
        self._lock = _thread.allocate_lock()

    def send(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes,
        limit: Limit,
        carried_by: Callable[[Connection], None],
    ) -> Response:
        """Send one request; tell by which connection it goes before anything is sent. Raises NothingSent, Cut."""
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self._address.header}", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        head = "\r\n".join([*lines, "", ""]).encode("latin-1", "replace")
        connection = self._kept() or Connection(self._address, limit)
        carried_by(connection)
        try:
            return connection.request(head, body, limit)
        except Cut:
            connection.close()
            raise

    def done(self, response: Response) -> None:
        """Keep the connection of an answer that was read to its end; close it otherwise."""
        connection = response.connection
        if response.leaves_open and not connection.is_closed:
            with self._lock:
                if len(self._idle) < MAX_IDLE:
                    self._idle.append(connection)
                    return
        connection.close()

    def _kept(self) -> Connection | None:
        while True:
            with self._lock:
                if not self._idle:
                    return None
                connection = self._idle.pop()
            if not connection.is_stale():
                return connection
            connection.close()


def _connected(address: Address, limit: Limit) -> _socket.socket:
    reason = "no time left"
    try:
        places = _socket.getaddrinfo(address.host, address.port, 0, _socket.SOCK_STREAM)
    except OSError as error:
        raise NothingSent(_told(error)) from None
    for family, kind, protocol, _, place in places:
        left_s = min(CONNECT_S, limit.left_s())
        if left_s <= 0:
            break
        peer = _socket.socket(family, kind, protocol)
        try:
            peer.settimeout(left_s)
            peer.connect(place)
            peer.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
            return _secured(peer, address.host, left_s) if address.secure else peer
        except OSError as error:
            reason = _told(error)
            peer.close()
    raise NothingSent(reason)


def _secured(peer: _socket.socket, host: str, timeout_s: float) -> _socket.socket:
    import socket  # only here: with ssl it costs more than everything else
    import ssl

    wrapped = socket.socket(fileno=peer.detach())
    wrapped.settimeout(timeout_s)
    return ssl.create_default_context().wrap_socket(wrapped, server_hostname=host)


def _chunk_size(line: bytes) -> int:
    try:
        return int(line.split(b";")[0], 16)
    except ValueError:
        raise Cut("an answer in broken chunks") from None


def _told(error: OSError) -> str:
    return "no answer in time" if isinstance(error, TimeoutError) else (error.strerror or str(error))
