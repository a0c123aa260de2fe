"""The relay: every line of the CLI to the server's /mcp and back, through late, dying and returning servers.

A thread for each request; the CLI itself decides what runs at once. `fd 0` ending is the only way to end.
"""

import json
import os
import threading
import time
from dataclasses import dataclass
from typing import Any

from bridge.cache import KEPT, Cache
from bridge.event_stream import EventStream
from bridge.http import Address, Client, Connection, Cut, NothingSent, Response
from bridge.journal import Journal
from bridge.notifications import Listeners, Output
from bridge.request import Request, parse
from bridge.session import Session
from bridge.token_file import TokenFile

LONGEST_REQUEST = 4 * 1024 * 1024


@dataclass
class Patience:
    """How long to wait for what."""

    menu_s: float = 1.5
    """For the server before a listing is answered from the cache: the CLI's own probe gives up at 2.95 s (measured)."""
    call_s: float = 40.0
    """For a server that is away before a call is given up."""
    silence_s: float = 60.0
    """For any byte of an answer that has begun or is awaited."""
    first_pause_s: float = 0.1
    longest_pause_s: float = 1.0
    told_every_s: float = 2.0
    """Progress notes while the server is away."""


@dataclass
class Place:
    """Whom the bridge serves, and where."""

    url: str
    token_file: str
    agent: str
    run_id: str
    state_folder: str


class Relay:
    """One CLI's way to the server."""

    def __init__(self, place: Place, patience: Patience) -> None:
        self._place = place
        self._patience = patience
        address = Address(place.url)
        self._client = Client(address)
        self._token = TokenFile(place.token_file)
        self._output = Output()
        self._listeners = Listeners(self._output)
        self._cache = Cache(place.state_folder)
        self._journal = Journal(place.state_folder)
        self._session = Session(self._post_once, self._journal.greeting)
        self._lock = threading.Lock()
        self._open: dict[str, tuple[Request, Connection | None]] = {}
        self._is_late = False
        """The server did not answer in time: listings are answered at once until it is there."""
        self._owes_list = False
        """A listing was answered from the cache: the CLI must ask again once the server is there."""
        self._menu = ""
        self._stream = EventStream(
            address, self._token, place.agent, place.run_id, self._server_came, self._listeners.tell_list_changed
        )

    def run(self) -> None:
        """Relay until stdin ends, then end the process."""
        threading.stack_size(256 * 1024)
        _thread(self._stream.run)
        if self._journal.is_resumed:
            self._resume()
        rest = self._journal.partial
        while data := os.read(0, 65536):
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                if line.strip():
                    self._on_line(line)
            if rest:
                self._journal.keep_partial(rest)
        self._journal.close()
        os._exit(0)

    # Lines of the CLI ---------------------------------------------------------------------------------------------

    def _on_line(self, line: bytes) -> None:
        message = parse(line)
        if message is None:
            self._output.error(None, -32700, "This line is no JSON object.")
        elif "method" not in message:
            if self._listeners.is_older_era:  # an answer to a request of the server
                _thread(self._post_quietly, line)
        elif "id" not in message:
            self._on_notification(str(message["method"]), message, line)
        else:
            self._on_request(Request(message, line))

    def _on_notification(self, method: str, message: dict[str, Any], line: bytes) -> None:
        if method == "notifications/cancelled":
            params = message.get("params")
            request_id = params.get("requestId") if isinstance(params, dict) else None
            self._cancel(request_id)
        if not self._listeners.is_older_era:
            return  # the modern era's server takes none
        if method == "notifications/initialized":
            self._post_quietly(line)  # in order: what follows it must find the session open
        else:
            _thread(self._post_quietly, line)

    def _on_request(self, request: Request) -> None:
        if request.method == "ping":
            self._output.result(request.id, {})
            return
        self._journal.accept(request.id, request.key, request.line.decode("utf-8", "surrogatepass"))
        if request.method == "subscriptions/listen":
            self._listeners.listen(request.id)
            return
        if request.method == "initialize":
            greeting = request.line.decode("utf-8", "surrogatepass")
            self._listeners.is_older_era = True
            self._journal.greet(greeting)
            self._session.greet(greeting)
        with self._lock:
            self._open[_name(request.id)] = request, None
        _thread(self._serve, request)

    def _cancel(self, request_id: object) -> None:
        """Stop working on a request: its connection closes, which the server takes for the wish to stop."""
        if self._listeners.hang_up(request_id):
            self._journal.answered(request_id)
            return
        with self._lock:
            request, connection = self._open.get(_name(request_id), (None, None))
            if request is not None:
                request.is_cancelled = True
        if connection is not None:
            connection.close()

    def _resume(self) -> None:
        """Go on where a bridge that was killed left off, under the same keys."""
        owed = self._journal.owed()
        self._listeners.is_older_era = self._journal.greeting is not None
        if owed:
            self._output.write(b"")  # ends a line that was cut in the middle; the CLI skips it
        for key, line in owed:
            message = parse(line.encode("utf-8", "surrogatepass"))
            if message is None:
                continue
            request = Request(message, line.encode("utf-8", "surrogatepass"), key)
            if request.method == "subscriptions/listen":
                self._listeners.listen(request.id)
                continue
            with self._lock:
                self._open[_name(request.id)] = request, None
            _thread(self._serve, request)

    # Requests -----------------------------------------------------------------------------------------------------

    def _serve(self, request: Request) -> None:
        try:
            if len(request.line) > LONGEST_REQUEST:
                self._fail(request, f"too_large: at most {LONGEST_REQUEST} bytes of arguments are taken.")
            elif request.method in KEPT:
                self._serve_listing(request)
            else:
                self._serve_call(request)
        finally:
            with self._lock:
                self._open.pop(_name(request.id), None)
            self._journal.answered(request.id)

    def _serve_listing(self, request: Request) -> None:
        """Answer with the server's word, or in time with the last one it gave."""
        deadline = time.monotonic() + (0.0 if self._is_late else self._patience.menu_s)
        pause = self._patience.first_pause_s
        while not request.is_cancelled:
            left = deadline - time.monotonic()
            try:
                if left > 0 and self._exchange(request, left):
                    self._is_late = False
                    return
            except (NothingSent, Cut):
                pass
            left = deadline - time.monotonic()
            if left <= 0:
                break
            time.sleep(min(pause, left))
            pause *= 1.7
        if not request.is_cancelled:
            self._is_late = True
            self._owes_list = True
            self._output.result(request.id, self._cache.answer(request.method, request.params))

    def _serve_call(self, request: Request) -> None:
        """Repeat until the server answers, has been away for too long, or nobody wants it any more."""
        was_sent = False
        away_since: float | None = None
        pause = self._patience.first_pause_s
        told_at = time.monotonic()
        while not request.is_cancelled:
            try:
                if self._exchange(request, self._patience.silence_s):
                    return
                was_sent = True
            except NothingSent:
                pass
            except Cut:
                was_sent = True
            now = time.monotonic()
            away_since = away_since or now
            if now - away_since >= self._patience.call_s:
                self._give_up(request, was_sent)
                return
            if request.progress_token is not None and now - told_at >= self._patience.told_every_s:
                told_at = now
                self._output.progress(request.progress_token, now - away_since, "server not reachable, retrying")
            time.sleep(pause)
            pause = min(self._patience.longest_pause_s, pause * 1.7)

    def _give_up(self, request: Request, was_sent: bool) -> None:
        away = f"unavailable: the Bullpen server was not reachable for {self._patience.call_s:g} s."
        if was_sent:
            after = "It is not known whether the call took effect. Check before you repeat it, or do other work."
        else:
            after = "Nothing was sent, so nothing was done. Try again later, or go on with other work."
        self._fail(request, f"{away} {after}")

    def _exchange(self, request: Request, silence_s: float) -> bool:
        """Send a request once and pass its answer on; tell whether it was answered. Raises NothingSent, Cut."""
        if not request.is_modern and request.method != "initialize" and self._session.needs_opening():
            self._session.renew({})
        session = {} if request.is_modern or request.method == "initialize" else self._session.headers()
        connection = self._client.open()
        connection, response = self._send(request, connection, session, silence_s)
        if response.status == 401:
            self._client.give_back(connection, _drained(response))
            if self._token.reload():
                return self._exchange(request, silence_s)
            self._refuse(request)
            return request.is_call
        if response.status == 404 and session:
            self._client.give_back(connection, _drained(response))
            self._session.renew(session)
            return False
        if response.is_stream:
            answered = self._pass_stream_on(request, response)
        else:
            answered = self._pass_body_on(request, response)
        if answered and request.method == "initialize":
            self._session.opened(response.headers, self._cache.answer("initialize", request.params))
        self._client.give_back(connection, response)
        return answered

    def _send(
        self, request: Request, connection: Connection, session: dict[str, str], silence_s: float
    ) -> tuple[Connection, Response]:
        with self._lock:
            self._open[_name(request.id)] = request, connection
        if request.is_cancelled:
            connection.close()
            raise NothingSent("cancelled")
        headers = {**self._headers(), **request.headers(), **session}
        used, response = self._client.exchange(connection, "POST", "/mcp", headers, request.line, silence_s)
        with self._lock:
            self._open[_name(request.id)] = request, used
        return used, response

    def _pass_stream_on(self, request: Request, response: Response) -> bool:
        answered = False
        for _, data in response.events():
            if answered or not data or request.is_cancelled:
                continue
            line = data.encode("utf-8", "surrogatepass")
            message = parse(line)
            if message is None:
                continue
            answered = "method" not in message and message.get("id") == request.id
            if answered:
                self._remember(request, message)
            self._output.write(line.replace(b"\n", b""))
        return answered

    def _pass_body_on(self, request: Request, response: Response) -> bool:
        line = response.body().replace(b"\r", b"").replace(b"\n", b"")
        message = parse(line)
        if message is not None and message.get("jsonrpc") == "2.0":
            if message.get("id") != request.id:
                line = json.dumps({**message, "id": request.id}).encode()
            if not request.is_cancelled:
                self._remember(request, message)
                self._output.write(line)
            return True
        if response.status == 413:
            self._fail(request, "too_large: the arguments are too large for the server. Send less at once.")
            return True
        if response.status in (400, 403, 421):
            self._fail(request, f"not_allowed: the server refused the request ({response.status}). Tell your operator.")
            return True
        return False  # 429 and 5xx: later

    def _remember(self, request: Request, message: dict[str, Any]) -> None:
        if request.method in KEPT and "result" in message and not request.params.get("cursor"):
            self._cache.keep(request.method, message["result"])

    def _refuse(self, request: Request) -> None:
        if request.is_call:
            self._fail(request, "not_signed_in: your token is not accepted. Nothing was done. Tell your operator.")

    def _fail(self, request: Request, text: str) -> None:
        if request.is_cancelled:
            return
        if request.is_call:
            self._output.tool_error(request.id, text)
        else:
            self._output.error(request.id, -32000, text)

    # Beside requests ----------------------------------------------------------------------------------------------

    def _server_came(self, menu: str) -> None:
        """The event stream is open: the server is there, maybe another one than before."""
        self._is_late = False
        changed = self._owes_list or (self._menu not in ("", menu))
        self._menu, self._owes_list = menu, False
        if changed:
            self._listeners.tell_list_changed()

    def _post_quietly(self, line: bytes) -> None:
        if self._session.needs_opening():
            return  # its renewal tells the server all that it must know
        try:
            self._post_once(line, self._session.headers())
        except (NothingSent, Cut):
            pass  # a notification has no answer; a session that is lost is renewed by the next request

    def _post_once(self, body: bytes, headers: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        connection = self._client.open()
        every = {**self._headers(), **headers}
        connection, response = self._client.exchange(connection, "POST", "/mcp", every, body, 10.0)
        content = response.body()
        self._client.give_back(connection, response)
        return response.status, response.headers, content

    def _headers(self) -> dict[str, str]:
        return {
            "Content-Type": "application/json",
            "Accept": "application/json, text/event-stream",
            **self._token.header(),
        }


def _drained(response: Response) -> Response:
    response.body()
    return response


def _name(request_id: object) -> str:
    return json.dumps(request_id)


def _thread(work: Any, *arguments: Any) -> None:
    threading.Thread(target=work, args=arguments, daemon=True).start()
