"""Registry → aiohttp routes: what a request says becomes arguments, what an operation returns becomes JSON."""

import types
import typing
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from aiohttp import web

from server.core.errors import BadArgument
from server.core.operation import Operation, Registry
from server.core.picture import Picture
from server.dispatch import Dispatch
from server.web.security import CALLER, add_route, check_json, door_of

LONGEST_KEY = 255
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def add_operations(app: web.Application, registry: Registry, dispatch: Dispatch) -> None:
    """Add a route for every operation that has one, and whose bodies are JSON."""
    for operation in registry:
        if operation.method is not None and operation.path is not None and not operation.streamed:
            add_route(app, operation.method, operation.path, _handler(operation, dispatch), operation.allow)


def json_response(value: object, *, status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(value), status=status, content_type="application/json")


async def json_object(request: web.Request) -> dict[str, Any]:
    """Read a JSON object from the body; no body at all is an empty one. Raises BadArgument, WrongMedia."""
    check_json(request)
    body = await request.read()
    if not body:
        return {}
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError as failure:
        raise BadArgument(f"The body is not JSON: {failure}.") from None
    if not isinstance(found, dict):
        raise BadArgument("The body must be a JSON object.", hint='As {"channel": "general", "content": "Hello"}.')
    return found


def idempotency_key(request: web.Request) -> str | None:
    """Return the request's idempotency key. Raises BadArgument if it is too long."""
    key = request.headers.get("Idempotency-Key")
    if key is not None and not 1 <= len(key) <= LONGEST_KEY:
        raise BadArgument(f"An Idempotency-Key has 1 to {LONGEST_KEY} characters.")
    return key


def _handler(operation: Operation, dispatch: Dispatch) -> Handler:
    has_body = operation.method in ("POST", "PUT", "PATCH")
    lists = frozenset(name for name, field in operation.arguments.model_fields.items() if _is_list(field.annotation))

    async def handle(request: web.Request) -> web.StreamResponse:
        arguments = await json_object(request) if has_body else _query(request, lists)
        for name, value in request.match_info.items():
            if name in arguments:
                raise BadArgument(f"“{name}” stands in the path already.", field=name)
            arguments[name] = value
        answer = await dispatch.run(
            operation, request[CALLER], arguments, door=door_of(request), idempotency_key=idempotency_key(request)
        )
        if isinstance(answer.value, Picture):
            return web.Response(body=answer.value.png, content_type="image/png")
        response = json_response(answer.value, status=operation.status)
        if answer.replayed:
            response.headers["Idempotent-Replayed"] = "true"
        return response

    return handle


def _query(request: web.Request, lists: frozenset[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in request.query:
        values = request.query.getall(name)
        if name in lists:
            found[name] = values
        elif len(values) > 1:
            raise BadArgument(f"“{name}” was given {len(values)} times.", field=name)
        else:
            found[name] = values[0]
    return found


def _is_list(annotation: Any) -> bool:
    origin = typing.get_origin(annotation)
    if origin in (types.UnionType, typing.Union):
        return any(_is_list(part) for part in typing.get_args(annotation))
    return origin is list or annotation is list
