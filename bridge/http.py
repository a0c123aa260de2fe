"""A small HTTP/1.1 client over raw sockets: keep-alive pool, both body forms, Server-Sent Events.

Not `http.client`: importing it costs more than the rest of the bridge together.
"""

import _socket
import threading
from collections.abc import Iterator, Mapping

MAX_IDLE = 4
CONNECT_S = 5.0
MAX_HEAD = 64 * 1024


class NothingSent(Exception):
    """The server could not be reached: surely nothing was done."""


class Cut(Exception):
    """The connection ended, or stayed silent for too long, after something was sent: it is not known what was done."""


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
    """One connection. `close` may be called from another thread: whoever reads then gets Cut."""

    def __init__(self, address: Address) -> None:
        try:
            found = _socket.getaddrinfo(address.host, address.port, 0, _socket.SOCK_STREAM)
            family, kind, protocol, _, place = found[0]
            peer = _socket.socket(family, kind, protocol)
            peer.settimeout(CONNECT_S)
            peer.connect(place)
            peer.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
        except OSError as error:
            raise NothingSent(str(error)) from None
        self._peer = _secured(peer, address.host) if address.secure else peer
        self._buffer = b""
        self._is_closed = False
        self.is_reused = False

    def request(self, head: bytes, body: bytes, timeout_s: float) -> "Response":
        """Send a request and read the answer's head. Raises Cut."""
        try:
            self._peer.settimeout(timeout_s)
            self._peer.sendall(head + body)
            while b"\r\n\r\n" not in self._buffer:
                self._more()
                if len(self._buffer) > MAX_HEAD:
                    raise Cut("an answer without an end to its head")
            raw, self._buffer = self._buffer.split(b"\r\n\r\n", 1)
            return Response(self, raw)
        except OSError as error:
            raise Cut(str(error)) from None

    def set_timeout(self, timeout_s: float) -> None:
        self._peer.settimeout(timeout_s)

    def read_line(self) -> bytes:
        while b"\n" not in self._buffer:
            self._more()
        line, self._buffer = self._buffer.split(b"\n", 1)
        return line.rstrip(b"\r")

    def read_exactly(self, count: int) -> bytes:
        parts = [self._buffer[:count]]
        self._buffer = self._buffer[count:]
        missing = count - len(parts[0])
        while missing > 0:
            part = self._receive()
            parts.append(part[:missing])
            self._buffer = part[missing:]
            missing -= len(parts[-1])
        return b"".join(parts)

    def read_some(self) -> bytes:
        """Return what is there, or b"" at the end of the connection."""
        if not self._buffer:
            try:
                return self._peer.recv(65536)
            except OSError as error:
                raise Cut(str(error)) from None
        some, self._buffer = self._buffer, b""
        return some

    def close(self) -> None:
        self._is_closed = True
        try:
            self._peer.shutdown(_socket.SHUT_RDWR)  # wakes a thread that reads
        except OSError:
            pass
        try:
            self._peer.close()
        except OSError:
            pass

    @property
    def is_closed(self) -> bool:
        return self._is_closed

    def _more(self) -> None:
        self._buffer += self._receive()

    def _receive(self) -> bytes:
        try:
            part = self._peer.recv(262144)
        except OSError as error:
            raise Cut(str(error) or "no answer in time") from None
        if not part:
            raise Cut("the server closed the connection")
        return part


class Response:
    """The head of an answer, and its body as it comes."""

    def __init__(self, connection: Connection, head: bytes) -> None:
        lines = head.decode("latin-1").split("\r\n")
        words = lines[0].split(" ", 2)
        if len(words) < 2 or not words[1].isdigit():
            raise Cut("an answer that is no HTTP")
        self.status = int(words[1])
        self.headers: dict[str, str] = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            self.headers[name.strip().lower()] = value.strip()
        self._connection = connection
        self.is_complete = False

    @property
    def is_stream(self) -> bool:
        return self.headers.get("content-type", "").startswith("text/event-stream")

    @property
    def stays_open(self) -> bool:
        """The connection may serve another request once the body is complete."""
        return self.is_complete and self.headers.get("connection", "").lower() != "close"

    def chunks(self) -> Iterator[bytes]:
        """Yield the body as it comes. Raises Cut."""
        connection, length = self._connection, self.headers.get("content-length")
        if self.headers.get("transfer-encoding", "").lower() == "chunked":
            while size := int(connection.read_line().split(b";")[0] or b"0", 16):
                yield connection.read_exactly(size)
                connection.read_exactly(2)
            while connection.read_line():
                pass
        elif length is not None or self.status in (204, 304):
            left = int(length or 0)
            while left > 0:
                part = connection.read_exactly(min(left, 262144))
                left -= len(part)
                yield part
        else:
            while part := connection.read_some():
                yield part
            connection.close()
        self.is_complete = True

    def body(self) -> bytes:
        return b"".join(self.chunks())

    def events(self) -> Iterator[tuple[str, str]]:
        """Yield (event name, data) of a Server-Sent Events body; comments yield ("", "")."""
        data: list[str] = []
        rest, name = b"", "message"
        for part in self.chunks():
            *lines, rest = (rest + part).split(b"\n")
            for raw in lines:
                line = raw.rstrip(b"\r").decode("utf-8", "replace")
                field, _, value = line.partition(":")
                value = value[1:] if value.startswith(" ") else value
                if not line:
                    if data:
                        yield name, "\n".join(data)
                    name, data = "message", []
                elif not field:
                    yield "", ""
                elif field == "event":
                    name = value
                elif field == "data":
                    data.append(value)


class Client:
    """Requests to one server over a few kept connections."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._idle: list[Connection] = []
        self._lock = threading.Lock()

    def open(self) -> Connection:
        """Take a kept connection or make one. Raises NothingSent."""
        with self._lock:
            if self._idle:
                connection = self._idle.pop()
                connection.is_reused = True
                return connection
        return Connection(self._address)

    def exchange(
        self, connection: Connection, method: str, path: str, headers: Mapping[str, str], body: bytes, timeout_s: float
    ) -> tuple[Connection, Response]:
        """Send one request; a kept connection that the server has closed meanwhile is replaced once.

        Raises NothingSent, Cut.
        """
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self._address.header}", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        head = "\r\n".join([*lines, "", ""]).encode("latin-1", "replace")
        try:
            return connection, connection.request(head, body, timeout_s)
        except Cut:
            was_closed = connection.is_closed
            connection.close()
            if not connection.is_reused or was_closed:
                raise
        self.drop_idle()
        fresh = Connection(self._address)
        return fresh, fresh.request(head, body, timeout_s)

    def give_back(self, connection: Connection, response: Response) -> None:
        """Keep a connection whose answer was read to its end."""
        if response.stays_open and not connection.is_closed:
            connection.is_reused = False
            with self._lock:
                if len(self._idle) < MAX_IDLE:
                    self._idle.append(connection)
                    return
        connection.close()

    def drop_idle(self) -> None:
        with self._lock:
            dropped, self._idle = self._idle, []
        for connection in dropped:
            connection.close()


def _secured(peer: "_socket.socket", host: str) -> "_socket.socket":
    import socket
    import ssl

    wrapped = socket.socket(fileno=peer.detach())
    return ssl.create_default_context().wrap_socket(wrapped, server_hostname=host)
