"""A scripted OpenAI Responses API on the loopback interface, for the real Codex; scripted as model_api is."""

import contextlib
import itertools
import json
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.peers.model_api import Block, ModelApi, ModelRequest

USAGE = {
    "input_tokens": 100,
    "input_tokens_details": {"cached_tokens": 10},
    "output_tokens": 5,
    "output_tokens_details": {"reasoning_tokens": 0},
    "total_tokens": 105,
}
_RESULTS = ("function_call_output", "custom_tool_call_output")


@dataclass(frozen=True)
class ResponsesRequest(ModelRequest):
    """One request that reached the API."""

    @property
    def is_turn(self) -> bool:
        return self.path == "/v1/responses" and bool(self.body.get("tools"))

    @property
    def tool_names(self) -> list[str]:
        return [name for name, _ in self.tools()]

    def tools(self) -> Iterable[tuple[str, Mapping[str, Any]]]:
        """Yield each tool's whole name, and what a call of it carries."""
        for tool in self.body.get("tools", []):
            if tool.get("type") == "namespace":
                for inner in tool["tools"]:
                    yield f"{tool['name']}__{inner['name']}", {"namespace": tool["name"], "name": inner["name"]}
            else:
                name = tool.get("name", tool.get("type", ""))
                yield name, {"name": name}

    @property
    def new_text(self) -> str:
        parts = (part for item in self._new_items() if item.get("type") == "message" for part in item["content"])
        return "\n".join(part.get("text", "") for part in parts)

    @property
    def new_results(self) -> str:
        return "\n".join(_flat(item["output"]) for item in self._new_items() if item.get("type") in _RESULTS)

    @property
    def has_results(self) -> bool:
        return any(item.get("type") in _RESULTS for item in self._new_items())

    def _new_items(self) -> list[Mapping[str, Any]]:
        items: list[Mapping[str, Any]] = []
        for item in reversed(self.body.get("input", [])):
            if item.get("role") == "assistant" or item.get("type") in ("function_call", "custom_tool_call"):
                break
            items.insert(0, item)
        return items


@dataclass
class ResponsesApi(ModelApi):
    """The scripted API. A tool is called by its whole name, as `mcp__team__send_message`."""

    noted: type[ModelRequest] = ResponsesRequest
    _answers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    def _add_routes(self, application: web.Application) -> None:
        application.router.add_post("/v1/responses", self._turn)

    def _refusal(self, status: int, kind: str, message: str) -> web.Response:
        error = {"message": message, "type": kind, "param": None, "code": kind}
        return web.json_response({"error": error}, status=status)

    async def _speak(self, request: web.Request, asked: ModelRequest, answer: Iterable[Block]) -> web.StreamResponse:
        assert isinstance(asked, ResponsesRequest)
        items = [_item(block, dict(asked.tools())) for block in answer]
        number = f"resp_{next(self._answers):06d}"
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        with contextlib.suppress(ConnectionResetError):  # a CLI that was killed does not wait for its answer
            await response.prepare(request)
            for kind, data in _stream(number, items):
                await response.write(f"event: {kind}\ndata: {json.dumps({'type': kind, **data})}\n\n".encode())
            await response.write_eof()
        return response


def _item(block: Block, tools: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    if block["type"] == "text":
        content = [{"type": "output_text", "text": block["text"], "annotations": []}]
        return {"type": "message", "id": _new("msg"), "role": "assistant", "status": "completed", "content": content}
    return {
        "type": "function_call",
        "id": _new("fc"),
        "call_id": _new("call"),
        "arguments": json.dumps(block["input"]),
        "status": "completed",
        **tools.get(block["name"], {"name": block["name"]}),
    }


def _stream(number: str, items: list[dict[str, Any]]) -> Iterable[tuple[str, Mapping[str, Any]]]:
    """Yield the events of a streamed answer, in the order of the real API."""
    yield "response.created", {"response": {"id": number}}
    for index, item in enumerate(items):
        yield "response.output_item.added", {"output_index": index, "item": item}
        yield "response.output_item.done", {"output_index": index, "item": item}
    yield "response.completed", {"response": {"id": number, "output": items, "usage": USAGE}}


def _new(prefix: str) -> str:
    return f"{prefix}_{uuid.uuid4().hex[:24]}"


def _flat(output: Any) -> str:
    if isinstance(output, str):
        return output
    return "\n".join(part.get("text", "") for part in output or [])
