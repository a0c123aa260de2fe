"""A scripted Anthropic Messages API on the loopback interface, for real agent CLIs that must not need an account.

It answers what its rules say and keeps every request; it knows nothing of Bullpen.
"""

import asyncio
import contextlib
import itertools
import json
import re
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from aiohttp import web

API_KEY = "sk-ant-test-0123456789-abcdefghijklmnopqrstuvwxyz"
"""A made-up key, longer than the 20 characters by which the CLI remembers an approved one."""

Block = Mapping[str, Any]
Answer = Callable[["ModelRequest"], Sequence[Block]]


def say(text: str) -> Block:
    """Return an answer block that is plain text."""
    return {"type": "text", "text": text}


def use_tool(name: str, arguments: Mapping[str, Any] | None = None) -> Block:
    """Return an answer block that calls a tool."""
    return {"type": "tool_use", "name": name, "input": dict(arguments or {})}


@dataclass(frozen=True)
class ModelRequest:
    """One request that reached the API."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: Mapping[str, Any]
    raw: str

    @property
    def is_turn(self) -> bool:
        """A request of the conversation itself; the CLI's side requests (titles, summaries) carry no tools."""
        return self.path == "/v1/messages" and bool(self.body.get("tools"))

    @property
    def tool_names(self) -> list[str]:
        return [tool.get("name", "") for tool in self.body.get("tools", [])]

    @property
    def new_text(self) -> str:
        """Text that came in since the model last spoke, whatever role it was sent under."""
        return "\n".join(block["text"] for block in self._new_blocks() if block.get("type") == "text")

    @property
    def new_results(self) -> str:
        """Tool results that came in since the model last spoke."""
        results = (block for block in self._new_blocks() if block.get("type") == "tool_result")
        return "\n".join(_flat(block.get("content")) for block in results)

    @property
    def has_results(self) -> bool:
        return any(block.get("type") == "tool_result" for block in self._new_blocks())

    def _new_blocks(self) -> list[Block]:
        blocks: list[Block] = []
        for message in reversed(self.body.get("messages", [])):
            if message["role"] == "assistant":
                break
            content = message["content"]
            blocks[:0] = [say(content)] if isinstance(content, str) else content
        return blocks


@dataclass
class Rule:
    """What the model answers, and when; all given conditions must hold."""

    answer: Answer
    contains: str | None = None
    """Part of the text that came in since the model last spoke."""
    result: str | None = None
    """Part of the tool results that came in since the model last spoke."""
    with_results: bool | None = None
    anywhere: str | None = None
    times: int | None = None
    """How often the rule may answer; None: always."""
    gate: str | None = None
    """Hold the answer until `release(gate)`."""
    error: tuple[int, str, str] | None = None
    """HTTP status, error type, message: refuse instead of answering."""
    asked: int = 0

    def matches(self, request: ModelRequest) -> bool:
        return (
            (self.times is None or self.asked < self.times)
            and (self.contains is None or self.contains in request.new_text)
            and (self.result is None or self.result in request.new_results)
            and (self.with_results is None or self.with_results == request.has_results)
            and (self.anywhere is None or self.anywhere in request.raw)
        )


@dataclass
class ModelApi:
    """The scripted API. The first rule that matches answers; without one the model says `OK.`."""

    rules: list[Rule] = field(default_factory=list)
    requests: list[ModelRequest] = field(default_factory=list)
    url: str = ""
    noted: type[ModelRequest] = ModelRequest
    """How a request of this API is read."""
    used: dict[str, Mapping[str, int]] = field(default_factory=dict)
    """Request id → the usage that was told with its answer; of requests of the conversation alone."""
    _gates: dict[str, asyncio.Event] = field(default_factory=dict)
    _arrived: asyncio.Condition = field(default_factory=asyncio.Condition)
    _numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))
    _runner: web.AppRunner | None = None

    def when(self, *answer: Block, **conditions: Any) -> Rule:
        """Add a rule that gives these blocks. Conditions are the fields of Rule."""
        return self.when_asked(lambda _request: answer, **conditions)

    def when_asked(self, answer: Answer, **conditions: Any) -> Rule:
        """Add a rule whose answer is computed from the request."""
        rule = Rule(answer, **conditions)
        self.rules.append(rule)
        return rule

    def release(self, gate: str) -> None:
        """Let the answers that wait at this gate go, now and later."""
        self._gates.setdefault(gate, asyncio.Event()).set()

    def turns(self) -> list[ModelRequest]:
        return [request for request in self.requests if request.is_turn]

    async def wait_until(self, condition: Callable[[ModelRequest], bool], timeout: float = 15.0) -> ModelRequest:  # noqa: ASYNC109
        """Return the first turn request, past or to come, for which the condition holds. Raises TimeoutError."""
        async with asyncio.timeout(timeout), self._arrived:
            seen = 0
            while True:
                for request in self.requests[seen:]:
                    seen += 1
                    if request.is_turn and condition(request):
                        return request
                await self._arrived.wait()

    async def __aenter__(self) -> Self:
        application = web.Application(client_max_size=64 << 20)
        self._add_routes(application)
        application.router.add_route("*", "/{path:.*}", self._elsewhere)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for gate in self._gates.values():
            gate.set()
        await self.close()

    async def close(self) -> None:
        """Go away: from now on nothing listens at its address."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def _add_routes(self, application: web.Application) -> None:
        application.router.add_post("/v1/messages", self._turn)
        application.router.add_post("/v1/messages/count_tokens", self._count_tokens)

    async def _note(self, request: web.Request) -> ModelRequest:
        raw = await request.text()
        try:
            body = json.loads(raw)
        except ValueError:
            body = None
        headers = {name.lower(): value for name, value in request.headers.items()}
        noted = self.noted(request.method, request.path, headers, body if isinstance(body, dict) else {}, raw)
        async with self._arrived:
            self.requests.append(noted)
            self._arrived.notify_all()
        return noted

    async def _elsewhere(self, request: web.Request) -> web.Response:
        await self._note(request)
        if request.method == "HEAD" or request.path == "/":
            return web.Response()
        return self._refusal(404, "not_found_error", "Not Found")

    async def _count_tokens(self, request: web.Request) -> web.Response:
        noted = await self._note(request)
        return web.json_response({"input_tokens": len(noted.raw) // 4})

    async def _turn(self, request: web.Request) -> web.StreamResponse:
        noted = await self._note(request)
        rule = next((rule for rule in self.rules if noted.is_turn and rule.matches(noted)), None)
        if rule is None:
            return await self._speak(request, noted, [say("OK.")])
        rule.asked += 1
        if rule.gate is not None:
            await self._gates.setdefault(rule.gate, asyncio.Event()).wait()
        if rule.error is not None:
            return self._refusal(*rule.error)
        return await self._speak(request, noted, rule.answer(noted))

    def _refusal(self, status: int, kind: str, message: str) -> web.Response:
        return web.json_response({"type": "error", "error": {"type": kind, "message": message}}, status=status)

    async def _speak(self, request: web.Request, asked: ModelRequest, answer: Iterable[Block]) -> web.StreamResponse:
        blocks = [dict(block) for block in answer]
        for block in blocks:
            if block["type"] == "tool_use":
                block.setdefault("id", f"toolu_{uuid.uuid4().hex[:24]}")
        stop = "tool_use" if any(block["type"] == "tool_use" for block in blocks) else "end_turn"
        headers = {"request-id": f"req_{next(self._numbers):06d}"}
        usage = {
            "input_tokens": len(asked.raw) // 4,
            "cache_creation_input_tokens": len(asked.raw) % 1000,
            "cache_read_input_tokens": len(asked.raw) % 100,
            "output_tokens": max(1, len(json.dumps(blocks)) // 4),
        }
        if asked.is_turn:
            self.used[headers["request-id"]] = usage
        message = {
            "id": f"msg_{uuid.uuid4().hex[:24]}",
            "type": "message",
            "role": "assistant",
            "model": asked.body.get("model", "scripted"),
            "content": blocks,
            "stop_reason": stop,
            "stop_sequence": None,
            "usage": usage,
        }
        if not asked.body.get("stream"):
            return web.json_response(message, headers=headers)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", **headers})
        with contextlib.suppress(ConnectionResetError):  # a CLI that was killed does not wait for its answer
            await response.prepare(request)
            for kind, data in _stream(message, blocks):
                await response.write(f"event: {kind}\ndata: {json.dumps({'type': kind, **data})}\n\n".encode())
            await response.write_eof()
        return response


def _stream(message: Mapping[str, Any], blocks: Sequence[Block]) -> Iterable[tuple[str, Mapping[str, Any]]]:
    """Yield the events of a streamed answer, in the order of the real API."""
    yield "message_start", {"message": {**message, "content": [], "stop_reason": None}}
    for index, block in enumerate(blocks):
        if block["type"] == "text":
            start: Block = {"type": "text", "text": ""}
            deltas = [{"type": "text_delta", "text": part} for part in re.findall(r"\S+\s*|\s+", block["text"]) or [""]]
        else:
            start = {**block, "input": {}}
            deltas = [{"type": "input_json_delta", "partial_json": json.dumps(block["input"])}]
        yield "content_block_start", {"index": index, "content_block": start}
        for delta in deltas:
            yield "content_block_delta", {"index": index, "delta": delta}
        yield "content_block_stop", {"index": index}
    output = message["usage"]["output_tokens"]
    yield "message_delta", {"delta": {"stop_reason": message["stop_reason"]}, "usage": {"output_tokens": output}}
    yield "message_stop", {}


def _flat(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(block.get("text", "") for block in content or [])
