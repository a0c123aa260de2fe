"""Registry → OpenAPI 3.1 document. Nothing here is written a second time."""

from typing import Any

from aiohttp import web

from server import __version__
from server.core.errors import BullpenError, KeyReused, NotAllowed, NotSignedIn
from server.core.operation import Operation, Registry
from server.core.permission import ANYBODY
from server.web.routes import json_response
from server.web.security import add_route

_ERROR_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message", "hint", "field"],
            "properties": {
                "code": {"type": "string"},
                "message": {"type": "string"},
                "hint": {"type": "string"},
                "field": {"type": ["string", "null"]},
            },
        }
    },
}


def add_openapi(app: web.Application, registry: Registry) -> None:
    document = openapi(registry)

    async def show(request: web.Request) -> web.StreamResponse:
        return json_response(document)

    add_route(app, "GET", "/api/openapi.json", show, ANYBODY)


def openapi(registry: Registry) -> dict[str, Any]:
    """Describe every operation that has a route."""
    schemas: dict[str, Any] = {"Error": _ERROR_SCHEMA}
    paths: dict[str, dict[str, Any]] = {}
    for operation in registry:
        if operation.path is not None and operation.method is not None:
            paths.setdefault(operation.path, {})[operation.method.lower()] = _described(operation, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Bullpen",
            "version": __version__,
            "description": "An office for a team of AI coding agents and the people they work for.",
        },
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "session": {"type": "apiKey", "in": "cookie", "name": "bullpen_session"},
            },
        },
        "security": [{"token": []}, {"session": []}],
    }


def _described(operation: Operation, schemas: dict[str, Any]) -> dict[str, Any]:
    arguments = _collected(operation.arguments.model_json_schema(ref_template=_REFERENCE), schemas)
    required, properties = set(arguments.get("required", ())), arguments.get("properties", {})
    in_path = {name for name in properties if operation.path is not None and f"{{{name}}}" in operation.path}
    described: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "description": operation.description,
        "x-permission": operation.allow.name,
        "parameters": [_parameter(name, properties[name], "path", required=True) for name in sorted(in_path)],
        "responses": _responses(operation, schemas),
    }
    rest = {name: schema for name, schema in properties.items() if name not in in_path}
    if operation.streamed:
        _describe_stream(described, operation, {name: rest[name] for name in rest if name not in operation.hidden})
    elif operation.method in ("POST", "PUT", "PATCH"):
        described["parameters"].append(_parameter("Idempotency-Key", {"type": "string", "maxLength": 255}, "header"))
        if rest:
            body = {"type": "object", "properties": rest, "additionalProperties": False}
            if required & rest.keys():
                body["required"] = sorted(required & rest.keys())
            content = {"application/json": {"schema": body}}
            described["requestBody"] = {"required": bool(required & rest.keys()), "content": content}
    else:
        described["parameters"] += [
            _parameter(name, schema, "query", required=name in required) for name, schema in rest.items()
        ]
    if operation.allow is ANYBODY:
        described["security"] = [{}, *([] if operation.name != "register" else [{"token": []}])]
    return described


_BYTES = {"type": "string", "format": "binary"}


def _describe_stream(described: dict[str, Any], operation: Operation, rest: dict[str, Any]) -> None:
    """Tell of the three ways in which bytes may come, or of how they are handed out."""
    if operation.method == "GET":
        described["parameters"].append(_parameter("download", {"type": "string", "enum": ["1"]}, "query"))
        content = {"*/*": {"schema": _BYTES}}
        described["responses"]["200"] = {"description": "The bytes, or a range of them.", "content": content}
        return
    described["parameters"] += [
        _parameter("Idempotency-Key", {"type": "string", "maxLength": 255}, "header"),
        _parameter(
            "X-File-Name", {"type": "string", "description": "Percent-encoded UTF-8; for a raw body."}, "header"
        ),
        *(_parameter(name, schema, "query") for name, schema in {"name": {"type": "string"}, **rest}.items()),
    ]
    encoded = {"name": {"type": "string"}, "content": {"type": "string", "contentEncoding": "base64"}, **rest}
    described["requestBody"] = {
        "required": True,
        "content": {
            "application/octet-stream": {"schema": _BYTES},
            "multipart/form-data": {"schema": {"type": "object", "properties": {"file": _BYTES, **rest}}},
            "application/json": {
                "schema": {"type": "object", "properties": encoded, "required": ["name", "content"]},
            },
        },
    }


def _responses(operation: Operation, schemas: dict[str, Any]) -> dict[str, Any]:
    result = _collected(operation.result_adapter.json_schema(mode="serialization", ref_template=_REFERENCE), schemas)
    responses: dict[str, Any] = {
        str(operation.status): {"description": "Done.", "content": {"application/json": {"schema": result}}}
    }
    errors: list[type[BullpenError]] = [*operation.raises, NotSignedIn, NotAllowed]
    if operation.method in ("POST", "PUT", "PATCH"):
        errors.append(KeyReused)
    for error in errors:
        sentence = (error.__doc__ or "").strip()
        responses.setdefault(
            str(error.status),
            {
                "description": sentence,
                "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
            },
        )
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    responses.setdefault("400", {"description": "A value is not what the operation takes.", "content": content})
    return responses


_REFERENCE = "#/components/schemas/{model}"


def _collected(schema: dict[str, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    """Move the named parts of a schema to those of the document. Two types of one name are a programming error."""
    for name, part in schema.pop("$defs", {}).items():
        if schemas.setdefault(name, part) != part:
            raise ValueError(f"two different types are called {name}")
    return schema


def _parameter(name: str, schema: dict[str, Any], place: str, *, required: bool = False) -> dict[str, Any]:
    return {"name": name, "in": place, "required": required, "schema": schema}
