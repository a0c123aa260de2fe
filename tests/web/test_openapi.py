"""The OpenAPI document is valid, tells every route, and real answers keep to it."""

from pathlib import Path
from typing import Any

import jsonschema
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from server.core.operation import Operation
from tests.conftest import OfficeUnderTest
from tests.core.examples import COMMANDS, REGISTRY, open_scene, request_of

QUERIES = [operation for operation in REGISTRY if not operation.changes and operation.path is not None]
IN_PATH = {"id": "general", "name": "worker", "task_id": "task_1", "approval_id": "ap_1"}
IN_QUERY = {"get_history": "?channel=general"}


def _check(answer: Any, schema: dict[str, Any], document: dict[str, Any]) -> None:
    jsonschema.Draft202012Validator({**schema, "components": document["components"]}).validate(answer)


def _schema(document: dict[str, Any], operation: Operation, status: int) -> dict[str, Any]:
    assert operation.path is not None
    assert operation.method is not None
    responses = document["paths"][operation.path][operation.method.lower()]["responses"]
    found: dict[str, Any] = responses[str(status)]["content"]["application/json"]["schema"]
    return found


async def test_the_document_is_valid_and_tells_every_route(office: OfficeUnderTest) -> None:
    document = await office.chairman.get("/api/openapi.json")

    OpenAPIV31SpecValidator(document).validate()
    told = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    assert told == {(operation.method, operation.path) for operation in REGISTRY if operation.path is not None}


async def test_an_id_is_told_as_the_text_it_is(office: OfficeUnderTest) -> None:
    document = await office.chairman.get("/api/openapi.json")
    parameters = {each["name"]: each["schema"] for each in document["paths"]["/api/history"]["get"]["parameters"]}
    for name in ("before", "after", "around", "thread"):
        (schema,) = [part for part in parameters[name]["anyOf"] if part["type"] != "null"]
        assert schema["type"] == "string"
        assert not {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "ge", "lt"} & schema.keys()


async def test_real_answers_and_errors_keep_to_the_document(tmp_path: Path) -> None:
    async with open_scene(tmp_path / "data") as scene:
        chairman = scene.office.chairman
        document = await chairman.get("/api/openapi.json")
        for operation in QUERIES:
            assert operation.path is not None
            names = {**IN_PATH, **({"id": scene.ids["message"]} if "messages" in operation.path else {})}
            path = operation.path.format_map(names)
            status, answer = await chairman.ask("GET", path + IN_QUERY.get(operation.name, ""))
            assert status == (401 if operation.name == "get_session" else 200), (operation.name, answer)
            _check(answer, _schema(document, operation, status), document)


@pytest.mark.parametrize("operation", COMMANDS, ids=lambda operation: str(operation.name))
async def test_what_a_command_answers_is_as_documented(tmp_path: Path, operation: Operation) -> None:
    async with open_scene(tmp_path / "data") as scene:
        document = await scene.office.chairman.get("/api/openapi.json")
        method, path, body = request_of(operation, scene)

        status, answer = await scene.office.chairman.ask(method, path, body)

        assert status == operation.status
        _check(answer, _schema(document, operation, status), document)
        status, refusal = await scene.office.chairman.ask(method, path, {**(body or {}), "nonsense": 1})
        if method == "POST":
            assert (status, refusal["error"]["field"]) == (400, "nonsense")
            _check(refusal, _schema(document, operation, status), document)
