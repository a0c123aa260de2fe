"""Every error as one JSON shape; what nobody foresaw gets an incident id and tells nothing of the inside."""

import asyncio
import logging
import uuid
from collections.abc import Awaitable, Callable

import orjson
from aiohttp import web

from server.core.errors import BullpenError

logger = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_SENTENCES = {
    404: ("not_found", "No such page or route.", "The routes are listed in /api/openapi.json."),
    405: ("method_not_allowed", "This route does not take that method.", "See /api/openapi.json."),
    413: ("too_large", "The request body is too large.", "At most 1 MiB is taken; send it in parts."),
}


def error_response(failure: BullpenError) -> web.Response:
    return web.Response(
        body=orjson.dumps(failure.as_json()),
        status=failure.status,
        headers=failure.headers,
        content_type="application/json",
    )


@web.middleware
async def answer_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn every exception into the one error shape."""
    try:
        return await handler(request)
    except BullpenError as failure:
        return error_response(failure)
    except web.HTTPException as failure:
        if failure.status < 400:
            raise
        code, message, hint = _SENTENCES.get(failure.status, ("failed", failure.reason, ""))
        response = _plain(failure.status, code, message, hint)
        if "Allow" in failure.headers:
            response.headers["Allow"] = failure.headers["Allow"]
        return response
    except (asyncio.CancelledError, ConnectionResetError):
        raise
    except Exception:
        incident = uuid.uuid4().hex[:12]
        logger.exception("incident %s in %s %s", incident, request.method, request.path)
        return _plain(500, "failed", "Something went wrong inside.", f"Tell the operator the incident id {incident}.")


def _plain(status: int, code: str, message: str, hint: str) -> web.Response:
    body = {"error": {"code": code, "message": message, "hint": hint, "field": None}}
    return web.Response(body=orjson.dumps(body), status=status, content_type="application/json")
