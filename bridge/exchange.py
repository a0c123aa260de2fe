"""One request, sent once: what each kind of the server's answers means for the CLI."""

from __future__ import annotations

from bridge.endpoint import Refused
from bridge.http import Cut, Limit, NothingSent
from bridge.request import parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from bridge.endpoint import Endpoint
    from bridge.http import Response
    from bridge.notifications import Output
    from bridge.request import Request
    from bridge.session import Session

_DRAIN_S = 1.0
TOO_LARGE = "too_large: a call has at most 4 MiB of arguments. Send less at once, or in several calls."


class Answer:
    """One message of the server: its line as it came, and what it says."""

    def __init__(self, line: bytes, message: dict[str, Any]) -> None:
        self.line = line
        self.message = message


class Exchange:
    """Requests to the server's /mcp, each as its era wants it."""

    def __init__(self, endpoint: Endpoint, session: Session, output: Output) -> None:
        self._endpoint = endpoint
        self._session = session
        self._output = output

    def ask(self, request: Request, limit: Limit, deliver: Callable[[Answer], None]) -> None:
        """Send a request once and deliver its answer; what else comes before it goes to the CLI as it is.

        Raises NothingSent, Cut, Refused.
        """
        has_session = not request.is_modern and request.method != "initialize"
        for _ in range(2):
            session = self._session.ensure(limit) if has_session else {}
            request.attempts += 1
            headers = {**request.headers(), **session}
            response = self._endpoint.send("POST", "/mcp", headers, request.line, limit, request.carried_by)
            try:
                if response.status != 404 or not session:
                    self._take(request, response, deliver)
                    return
            finally:
                request.carried_no_more()
                self._endpoint.done(response)
            self._session.lost(session)  # the server was started anew: once more, in another
        raise NothingSent("the server knows no session of ours")

    def _take(self, request: Request, response: Response, deliver: Callable[[Answer], None]) -> None:
        is_answered = False
        try:
            for answer in messages(response):
                if is_answered or request.is_cancelled:
                    continue
                if "method" in answer.message:
                    _note_progress(request, answer.message)
                    self._output.write(answer.line)
                elif answer.message.get("id") in (request.id, None):
                    is_answered = True
                    if request.method == "initialize" and "result" in answer.message:
                        self._session.opened(response, answer.message["result"])
                    deliver(answer)
                    response.connection.limit = Limit(_DRAIN_S, _DRAIN_S)  # its end, so that it can be kept
        except Cut:
            if not is_answered:
                raise
        if not is_answered and not request.is_cancelled:
            raise Cut(f"it answered {response.status} without an answer")


def messages(response: Response) -> Iterator[Answer]:
    """Yield the messages of an answer, be it one or a stream. Raises Cut, Refused."""
    if response.is_stream:
        for _, data in response.events():
            line = data.replace(b"\n", b" ")
            message = parse(line)
            if message is not None:
                yield Answer(line, message)
        return
    body = response.body()
    line = body.replace(b"\r", b" ").replace(b"\n", b" ")
    message = parse(line)
    if message is not None and message.get("jsonrpc") == "2.0":
        yield Answer(line, message)
    elif response.status == 413:
        raise Refused(TOO_LARGE)
    elif 300 <= response.status < 500 and response.status not in (408, 425, 429):
        raise Refused(f"not_allowed: the server refused the request ({response.status}{_reason(message)}).")


def _reason(message: dict[str, Any] | None) -> str:
    error = (message or {}).get("error")
    return f": {str(error.get('message', ''))[:300]}" if isinstance(error, dict) else ""


def _note_progress(request: Request, message: dict[str, Any]) -> None:
    params = message.get("params")
    if message["method"] == "notifications/progress" and isinstance(params, dict):
        progress = params.get("progress")
        if isinstance(progress, int | float):
            request.progress = progress
