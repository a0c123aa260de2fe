"""Serves each request of the CLI until it is answered: in time from the cache, or whenever the server is back."""

from __future__ import annotations

import _thread
import sys
import time

from bridge.endpoint import Refused
from bridge.exchange import TOO_LARGE
from bridge.http import Cut, Limit, NothingSent
from bridge.request import Request, name_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from bridge.cache import Cache
    from bridge.exchange import Answer, Exchange
    from bridge.journal import Journal
    from bridge.notifications import Listeners, Output

LONGEST_REQUEST = 4 * 1024 * 1024
"""The server takes no more."""


class Patience:
    """How long to wait for what, in seconds."""

    menu_s = 1.5
    """For the server before a listing is answered from the cache: the CLI's own probe gives up at 2.95 s (measured)."""
    call_s = 40.0
    """For a server that is away before a call is given up."""
    silence_s = 60.0
    """For the next byte of an answer; the server sends one every 15 s of a long call."""
    first_pause_s = 0.1
    longest_pause_s = 1.0
    told_every_s = 2.0
    """Between progress notes while the server is away."""


class Service:
    """One thread for each request: what may run at once is for the CLI and the server to say."""

    def __init__(
        self,
        exchange: Exchange,
        cache: Cache,
        journal: Journal,
        output: Output,
        listeners: Listeners,
        patience: Patience,
    ) -> None:
        self._exchange = exchange
        self._cache = cache
        self._journal = journal
        self._output = output
        self._listeners = listeners
        self._patience = patience
        self._lock = _thread.allocate_lock()
        self._open: dict[str, Request] = {}
        self._is_late = False
        """The server did not answer in time: listings are answered at once until it is there."""
        self._is_catching_up = False

    def start(self, request: Request) -> None:
        with self._lock:
            self._open[request.name] = request
        _thread.start_new_thread(self._serve, (request,))

    def cancel(self, request_id: object) -> None:
        """Stop working on a request. It gets no answer."""
        with self._lock:
            request = self._open.get(name_of(request_id))
        if request is not None:
            request.cancel()

    def server_came(self) -> None:
        """Ask the server again before a listing is answered from the cache."""
        self._is_late = False

    def _serve(self, request: Request) -> None:
        try:
            if len(request.line) > LONGEST_REQUEST:
                self._fail(request, f"{TOO_LARGE} Nothing was sent.")
            elif request.is_listing:
                self._serve_listing(request)
            else:
                self._serve_call(request)
        except Exception:
            sys.excepthook(*sys.exc_info())
            self._fail(request, "failed: the bridge has an error. It is not known whether the call took effect.")
        finally:
            with self._lock:
                if self._open.get(request.name) is request:
                    del self._open[request.name]
            self._journal.answered(request.id)

    # Listings -----------------------------------------------------------------------------------------------------

    def _serve_listing(self, request: Request) -> None:
        """Answer with the server's word, or in time with the last one it gave."""
        limit = Limit(self._patience.menu_s, 0.0 if self._is_late else self._patience.menu_s)
        pause_s = self._patience.first_pause_s
        while limit.left_s() > 0 and not request.is_cancelled:
            try:
                self._exchange.ask(request, limit, lambda answer: self._deliver_listing(request, answer))
                self._is_late = False
                return
            except (NothingSent, Cut):
                time.sleep(max(0.0, min(pause_s, limit.left_s())))
                pause_s *= 1.7
            except Refused:
                break  # it may accept another token, later
        if request.is_cancelled:
            return
        self._is_late = True
        told = self._cache.answer(request)
        self._output.result(request.id, told)
        if request.method == "tools/list":
            self._start_catching_up(request, told)

    def _deliver_listing(self, request: Request, answer: Answer) -> None:
        self._remember(request, answer)
        self._deliver(request, answer)

    def _remember(self, request: Request, answer: Answer) -> None:
        if "result" in answer.message:
            self._cache.keep(request.method, answer.message["result"])

    def _start_catching_up(self, request: Request, told: dict[str, Any]) -> None:
        with self._lock:
            if self._is_catching_up:
                return
            self._is_catching_up = True
        repeated = Request({"id": request.id, "method": request.method, "params": request.params}, request.line)
        _thread.start_new_thread(self._catch_up, (repeated, told))

    def _catch_up(self, request: Request, told: dict[str, Any]) -> None:
        """Ask until the server tells its own list; if that is another, the CLI must ask again."""
        answers: list[Answer] = []
        pause_s = self._patience.first_pause_s
        try:
            while not answers:
                time.sleep(pause_s)
                pause_s = min(2 * self._patience.longest_pause_s, pause_s * 1.7)
                try:
                    self._exchange.ask(request, Limit(self._patience.silence_s), answers.append)
                except (NothingSent, Cut, Refused):
                    pass
        finally:
            with self._lock:
                self._is_catching_up = False
        self._is_late = False
        self._remember(request, answers[0])
        result = answers[0].message.get("result")
        if isinstance(result, dict) and result.get("tools") != told.get("tools"):
            self._listeners.tell_list_changed()

    # Calls --------------------------------------------------------------------------------------------------------

    def _serve_call(self, request: Request) -> None:
        """Repeat until the server answers, has been away for too long, or nobody wants it any more."""
        was_sent = False
        away_since: float | None = None
        pause_s = self._patience.first_pause_s
        told_at = time.monotonic()
        while not request.is_cancelled:
            try:
                limit = Limit(self._patience.silence_s)
                self._exchange.ask(request, limit, lambda answer: self._deliver(request, answer))
                return
            except Refused as refusal:
                self._fail(request, f"{refusal} {_certainty(was_sent, 'Nothing was done.')}")
                return
            except NothingSent as error:
                reason = str(error)
            except Cut as error:
                was_sent, reason = True, str(error)
            now = time.monotonic()
            away_since = away_since or now
            if now - away_since >= self._patience.call_s:
                self._give_up(request, was_sent, reason)
                return
            if request.progress_token is not None and now - told_at >= self._patience.told_every_s:
                told_at = now
                request.progress += 0.001  # progress must grow
                text = f"server not reachable ({reason}), retrying"
                self._output.progress(request.progress_token, request.progress, text)
            time.sleep(pause_s)
            pause_s = min(self._patience.longest_pause_s, pause_s * 1.7)

    def _give_up(self, request: Request, was_sent: bool, reason: str) -> None:
        away = f"unavailable: the Bullpen server has not answered for {self._patience.call_s:g} s ({reason})."
        later = "Try again later, or go on with other work."
        self._fail(request, f"{away} {_certainty(was_sent, f'Nothing was sent, so nothing was done. {later}')}")

    def _deliver(self, request: Request, answer: Answer) -> None:
        if request.is_cancelled:
            return
        if answer.message.get("id") != request.id:  # an error of a server that could not read the id
            self._output.say({**answer.message, "id": request.id})
        else:
            self._output.write(answer.line)
        self._journal.answered(request.id)

    def _fail(self, request: Request, text: str) -> None:
        if request.is_cancelled:
            return
        if request.is_call:
            self._output.tool_error(request.id, text, is_modern=request.is_modern)
        else:
            self._output.error(request.id, -32000, text)


def _certainty(was_sent: bool, otherwise: str) -> str:
    if not was_sent:
        return otherwise
    return "It is not known whether the call took effect. Check before you repeat it, or go on with other work."
