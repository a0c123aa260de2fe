"""A scripted Gemini API on the loopback interface, for the real Gemini CLI; scripted as model_api is."""

import contextlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from tests.peers.model_api import Block, ModelApi, ModelRequest

USAGE = {"promptTokenCount": 100, "cachedContentTokenCount": 10, "candidatesTokenCount": 5, "totalTokenCount": 105}
_STATUSES = {400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 429: "RESOURCE_EXHAUSTED"}


@dataclass(frozen=True)
class GeminiRequest(ModelRequest):
    """One request that reached the API."""

    @property
    def is_turn(self) -> bool:
        return "enerateContent" in self.path and bool(self.tool_names)

    @property
    def tool_names(self) -> list[str]:
        declared = (tool.get("functionDeclarations", []) for tool in self.body.get("tools") or [])
        return [function["name"] for functions in declared for function in functions]

    @property
    def new_text(self) -> str:
        return "\n".join(part["text"] for part in self._new_parts() if "text" in part)

    @property
    def new_results(self) -> str:
        parts = (part["functionResponse"] for part in self._new_parts() if "functionResponse" in part)
        return "\n".join(str(part["response"].get("output", part["response"])) for part in parts)

    @property
    def has_results(self) -> bool:
        return any("functionResponse" in part for part in self._new_parts())

    def _new_parts(self) -> list[Mapping[str, Any]]:
        parts: list[Mapping[str, Any]] = []
        for content in reversed(self.body.get("contents", [])):
            if content.get("role") == "model":
                break
            parts[:0] = content["parts"]
        return parts


@dataclass
class GeminiApi(ModelApi):
    """The scripted API. A tool is called by its whole name, as `mcp_team_send_message`."""

    noted: type[ModelRequest] = GeminiRequest

    def _add_routes(self, application: web.Application) -> None:
        application.router.add_post("/{path:.*enerateContent}", self._turn)

    def _refusal(self, status: int, kind: str, message: str) -> web.Response:
        reason = kind or _STATUSES.get(status, "UNAVAILABLE")
        return web.json_response({"error": {"code": status, "message": message, "status": reason}}, status=status)

    async def _speak(self, request: web.Request, asked: ModelRequest, answer: Iterable[Block]) -> web.StreamResponse:
        parts = [_part(block) for block in answer]
        candidate = {"content": {"role": "model", "parts": parts}, "finishReason": "STOP", "index": 0}
        said = {"candidates": [candidate], "usageMetadata": USAGE, "modelVersion": "scripted"}
        if "stream" not in asked.path:
            return web.json_response(said)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        with contextlib.suppress(ConnectionResetError):  # a CLI that was killed does not wait for its answer
            await response.prepare(request)
            await response.write(f"data: {json.dumps(said)}\r\n\r\n".encode())
            await response.write_eof()
        return response


def _part(block: Block) -> dict[str, Any]:
    if block["type"] == "text":
        return {"text": block["text"]}
    return {"functionCall": {"name": block["name"], "args": block["input"]}}
