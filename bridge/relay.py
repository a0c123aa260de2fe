"""The relay: takes the CLI's lines and sets each on its way. The end of stdin is the only way to end."""

from __future__ import annotations

import _thread
import os
import sys

from bridge.cache import Cache
from bridge.endpoint import Endpoint, Refused
from bridge.event_stream import EventStream
from bridge.exchange import Exchange
from bridge.http import Address, Limit
from bridge.journal import Journal
from bridge.notifications import Listeners, Output
from bridge.request import Request, parse
from bridge.service import Patience, Service
from bridge.session import Session
from bridge.stdin import Stdin
from bridge.token_file import TokenFile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

STACK_BYTES = 1024 * 1024
_NOTIFY_S = 10.0
_FAREWELL_S = 0.3


class Relay:
    """One CLI's way to the server."""

    def __init__(
        self, *, url: str, token_file: str, agent: str, run_id: str, state_folder: str, launch: str, patience: Patience
    ) -> None:
        """Raises ValueError for a wrong URL, OSError if the state folder cannot be used."""
        endpoint = Endpoint(Address(url), TokenFile(token_file), run_id)
        os.makedirs(state_folder, mode=0o700, exist_ok=True)
        self._patience = patience
        self._journal = Journal(state_folder, Stdin(), launch)
        self._output = Output(self._journal.writing)
        self._listeners = Listeners(self._output)
        self._session = Session(endpoint, self._journal)
        exchange = Exchange(endpoint, self._session, self._output)
        cache = Cache(state_folder)
        self._service = Service(exchange, cache, self._journal, self._output, self._listeners, patience)
        self._stream = EventStream(endpoint, agent, self._server_came, self._menu_changed)

    def run(self) -> None:
        """Relay until stdin ends, then end the process."""
        _thread.stack_size(STACK_BYTES)
        _thread.start_new_thread(self._stream.run, ())
        if self._journal.is_resumed:
            self._resume()
        while (lines := self._journal.read()) is not None:
            for line in lines:
                try:
                    self._on_line(line)
                except Exception:  # one line must not cost all that is under way
                    sys.excepthook(*sys.exc_info())
        self._journal.close()
        try:
            self._session.close(Limit(_FAREWELL_S, _FAREWELL_S))
        except Refused:
            pass
        os._exit(0)

    def _resume(self) -> None:
        """Go on where a bridge that was killed left off, under the same keys."""
        self._listeners.is_handshake_era = self._journal.greeting is not None
        if self._journal.was_writing:
            self._output.write(b"")  # ends a line that was cut in the middle, so that the next one is whole
        for line in self._journal.owed():
            self._on_line(line)

    def _on_line(self, line: bytes) -> None:
        message = parse(line)
        if message is None:
            self._output.error(None, -32700, "This line is no JSON object.")
        elif "method" not in message:
            self._tell(line)  # an answer to a request of the server
        elif "id" not in message:
            self._on_notification(message, line)
        else:
            self._on_request(message, line)

    def _on_notification(self, message: dict[str, Any], line: bytes) -> None:
        if message["method"] == "notifications/cancelled":
            params = message.get("params")
            request_id = params.get("requestId") if isinstance(params, dict) else None
            if self._listeners.hang_up(request_id):
                self._journal.answered(request_id)
            self._service.cancel(request_id)
        if message["method"] == "notifications/initialized":
            # In order, before the next line is taken: that may already need the session.
            self._session.confirm(line, Limit(_NOTIFY_S, self._patience.menu_s))
        else:
            self._tell(line)

    def _on_request(self, message: dict[str, Any], line: bytes) -> None:
        request = Request(message, line)
        self._journal.take(request.id, line)
        if request.method == "ping":
            self._output.result(request.id, {})
            self._journal.answered(request.id)
        elif request.method == "subscriptions/listen":
            self._listeners.listen(request.id, request.params)
        else:
            if request.method == "initialize":
                self._listeners.is_handshake_era = True
                self._journal.greet(line)
                self._session.forget()
            elif request.is_call and not request.key:
                request.key = self._journal.key_for(request.id)
            self._service.start(request)

    def _tell(self, line: bytes) -> None:
        """Pass on what has no answer; the modern era's server takes nothing of the kind."""
        if self._listeners.is_handshake_era:
            _thread.start_new_thread(self._tell_quietly, (line,))

    def _tell_quietly(self, line: bytes) -> None:
        self._session.tell(line, Limit(_NOTIFY_S, _NOTIFY_S))

    # Called by the event stream's thread --------------------------------------------------------------------------

    def _server_came(self, menu: str) -> None:
        self._service.server_came()
        if self._journal.menu not in ("", menu):
            self._listeners.tell_list_changed()
        self._journal.keep_menu(menu)

    def _menu_changed(self, menu: str) -> None:
        self._journal.keep_menu(menu or self._journal.menu)
        self._listeners.tell_list_changed()
