"""The HTTP API as the command line uses it: one request at a time, and the event stream line by line."""

import http.client
import json
import os
import urllib.parse
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

from server.cli.failure import CommandFailed, ExitCode

Json = dict[str, Any]
_TIMEOUT_S = 30.0
_PIECE_BYTES = 128 * 1024
_STREAM_TIMEOUT_S = 45.0
"""The server writes a comment every 15 s."""
_CODES = {
    400: ExitCode.USAGE,
    401: ExitCode.DENIED,
    403: ExitCode.DENIED,
    404: ExitCode.NOT_FOUND,
    409: ExitCode.CONFLICT,
}


class Refused(CommandFailed):
    """The server answered with an error."""

    def __init__(self, status: int, answer: Json) -> None:
        error = answer.get("error")
        error = error if isinstance(error, dict) else {}
        message = str(error.get("message") or f"The server answered {status}.")
        hint = str(error.get("hint") or "")
        if status == 401:
            message = "The server does not accept this token."
            hint = "Give another by BULLPEN_TOKEN or --token-file, or make one: bullpen token create NAME --kind human"
        super().__init__(message, hint=hint, code=_CODES.get(status, ExitCode.FAILED))
        self.status = status


class Client:
    """Talks to one server with one token."""

    def __init__(self, url: str, token: str | None) -> None:
        self.url = url.rstrip("/")
        parts = urllib.parse.urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise CommandFailed(
                f"“{url}” is no server's address.", hint="It looks like http://127.0.0.1:7777", code=ExitCode.USAGE
            )
        self._secure = parts.scheme == "https"
        self._host = parts.hostname
        self._port = parts.port
        self._prefix = parts.path.rstrip("/")
        self.token = token

    def get(self, path: str, /, **query: object) -> Json:
        return self._request("GET", path, query=query)

    def post(
        self,
        path: str,
        body: Mapping[str, object] | None = None,
        *,
        key: str | None = None,
        timeout_s: float = _TIMEOUT_S,
    ) -> Json:
        """Send a command. `key` makes a repeated one harmless."""
        return self._request("POST", path, body=dict(body or {}), key=key, timeout_s=timeout_s)

    def put(self, path: str, body: Mapping[str, object]) -> Json:
        return self._request("PUT", path, body=dict(body))

    def patch(self, path: str, body: Mapping[str, object]) -> Json:
        return self._request("PATCH", path, body=dict(body))

    def delete(self, path: str) -> Json:
        return self._request("DELETE", path)

    def upload(self, path: str, name: str, body: BinaryIO, *, key: str | None = None, **query: object) -> Json:
        """Send a file's bytes as they are read."""
        connection = self._connection(_STREAM_TIMEOUT_S)
        size = os.fstat(body.fileno()).st_size if body.seekable() else None
        # A body of unknown length, as from a pipe, goes in chunks.
        length = {"Transfer-Encoding": "chunked"} if size is None else {"Content-Length": str(size)}
        headers = {
            **length, "Content-Type": "application/octet-stream", "X-File-Name": urllib.parse.quote(name, safe=""),
            **self._identifying(), **({"Idempotency-Key": key} if key else {}),
        }  # fmt: skip
        try:
            connection.request(
                "POST", self._path(path, query), body=_pieces(body), headers=headers, encode_chunked=size is None
            )
            return _parsed(_accepted(connection.getresponse()).read()) or {}
        except BrokenPipeError:  # refused before all of it was read: the answer says why
            return _parsed(_accepted(connection.getresponse()).read()) or {}
        except (OSError, http.client.HTTPException) as error:
            raise self._unreachable(error) from None
        finally:
            connection.close()

    def download(self, path: str, target: BinaryIO) -> None:
        """Write an answer's bytes to a file as they come."""
        connection = self._connection(_STREAM_TIMEOUT_S)
        try:
            response = self._open(connection, "GET", self._prefix + path, None, {})
            while piece := response.read(_PIECE_BYTES):
                target.write(piece)
        except http.client.HTTPException as error:
            raise self._unreachable(error) from None
        finally:
            connection.close()

    def healthy(self, timeout_s: float = 2.0) -> Json | None:
        """Return the health answer, or None if nobody answers in time."""
        try:
            return self._request("GET", "/api/health", timeout_s=timeout_s)
        except CommandFailed:
            return None

    def pieces(self, path: str, /, **query: object) -> Iterator[bytes]:
        """Yield an answer piece by piece, whatever its size."""
        connection = self._connection(_STREAM_TIMEOUT_S)
        try:
            response = self._open(connection, "GET", self._path(path, query), None, {})
            while piece := response.read(65536):
                yield piece
        except (OSError, http.client.HTTPException) as error:
            raise self._unreachable(error) from None
        finally:
            connection.close()

    def events(self, since: int, **query: object) -> Iterator[tuple[str, Json]]:
        """Follow the event stream: (kind, data) for each event after `since`. Ends when the connection does."""
        connection = self._connection(_STREAM_TIMEOUT_S)
        try:
            response = self._open(
                connection,
                "GET",
                self._path("/api/events", {**query, "since": since}),
                None,
                {"Accept": "text/event-stream"},
            )
            kind, lines = "message", []
            for raw in response:
                line = raw.decode("utf-8").rstrip("\r\n")
                if line.startswith("event:"):
                    kind = line[6:].strip()
                elif line.startswith("data:"):
                    lines.append(line[5:].removeprefix(" "))
                elif not line and lines:
                    yield kind, json.loads("\n".join(lines))
                    kind, lines = "message", []
        except (OSError, http.client.HTTPException) as error:
            raise self._unreachable(error) from None
        finally:
            connection.close()

    def _request(
        self, method: str, path: str, *, query: Mapping[str, object] | None = None, body: Json | None = None,
        key: str | None = None, timeout_s: float = _TIMEOUT_S,
    ) -> Json:  # fmt: skip
        connection = self._connection(timeout_s)
        headers = {"Idempotency-Key": key} if key else {}
        try:
            response = self._open(connection, method, self._path(path, query or {}), body, headers)
            text = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise self._unreachable(error) from None
        finally:
            connection.close()
        return _parsed(text) or {}

    def _open(
        self, connection: http.client.HTTPConnection, method: str, path: str, body: Json | None, headers: dict[str, str]
    ) -> http.client.HTTPResponse:
        headers |= self._identifying()
        if body is not None:
            headers["Content-Type"] = "application/json"
        connection.request(method, path, body=None if body is None else json.dumps(body), headers=headers)
        return _accepted(connection.getresponse())

    def _identifying(self) -> dict[str, str]:
        named = {"User-Agent": "bullpen-cli"}
        return named | ({"Authorization": f"Bearer {self.token}"} if self.token else {})

    def _connection(self, timeout_s: float) -> http.client.HTTPConnection:
        kind = http.client.HTTPSConnection if self._secure else http.client.HTTPConnection
        return kind(self._host, self._port, timeout=timeout_s)

    def _path(self, path: str, query: Mapping[str, object]) -> str:
        pairs = {name: value for name, value in query.items() if value is not None}
        return self._prefix + path + (f"?{urllib.parse.urlencode(pairs)}" if pairs else "")

    def _unreachable(self, error: Exception) -> CommandFailed:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        return CommandFailed(
            f"No server answers at {self.url} ({reason}).", hint="Start it: bullpen up", code=ExitCode.UNREACHABLE
        )


def _accepted(response: http.client.HTTPResponse) -> http.client.HTTPResponse:
    """Return an answer that is none of refusal. Raises Refused."""
    if response.status >= 400:
        raise Refused(response.status, _parsed(response.read()) or {})
    return response


def _pieces(body: BinaryIO) -> Iterator[bytes]:
    while piece := body.read(_PIECE_BYTES):
        yield piece


def segment(name: str) -> str:
    """Return a name as one segment of a path."""
    return urllib.parse.quote(name, safe="")


def _parsed(text: bytes) -> Json | None:
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
