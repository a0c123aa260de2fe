"""The OpenAPI document is valid, tells every route, and real answers keep to it."""

from pathlib import Path

from openapi_spec_validator import OpenAPIV31SpecValidator

from tests.conftest import OfficeUnderTest
from tests.core.examples import COMMANDS, REGISTRY, Scene, check_answer, open_scene

QUERIES = [
    operation
    for operation in REGISTRY
    if not operation.changes and operation.path is not None and not operation.streamed
]
IN_PATH = {
    **dict.fromkeys(["id", "channel"], "general"),
    "name": "worker",
    "task_id": "task_1",
    "approval_id": "ap_1",
    "schedule_id": "sch_1",
    "file_id": "file_1",
}
_OF_MESSAGES = ("/api/messages/", "/api/threads/")
IN_BODY = {
    "show_typing": {"channel": "general"},
    "route_state": {"project_id": "shop", "task": {"affected_fields": ["api/port"]}},
    "check_files": {"paths": ["src/api.py"]},
    "preview_send": {"channel": "general", "content": "@all, @role:member and @working"},
}
IN_QUERY = {
    **dict.fromkeys(["get_history", "list_folders"], "?channel=general"),
    "preview_schedule": "?every=1h",
    **dict.fromkeys(["get_state", "get_state_history", "check_knowledge_gaps"], "?project_id=shop"),
    "diff_state": "?project_id=shop&field=region&a=1&b=2",
}


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
            names = {**IN_PATH, **_ids(scene, operation.path)}
            path = operation.path.format_map(names)
            body = {"code": scene.ids["link"]} if operation.name == "look_at_decision" else IN_BODY.get(operation.name)
            status, answer = await chairman.ask(str(operation.method), path + IN_QUERY.get(operation.name, ""), body)
            assert status == (401 if operation.name == "get_session" else 200), (operation.name, answer)
            check_answer(answer, operation, status, document)


def _ids(scene: Scene, path: str) -> dict[str, str]:
    if path.startswith("/api/notifications/"):
        return {"id": scene.ids["notification"]}
    return {"id": scene.ids["message"]} if path.startswith(_OF_MESSAGES) else {}


async def test_refusals_keep_to_the_document_and_name_the_field(office: OfficeUnderTest) -> None:
    document = await office.chairman.get("/api/openapi.json")
    for operation in COMMANDS:
        if operation.method not in ("POST", "PATCH", "PUT"):
            continue
        assert operation.path is not None
        path = operation.path.format_map(dict.fromkeys(operation.arguments.model_fields, "1"))
        status, refusal = await office.chairman.ask(operation.method, path, {"nonsense": 1})
        assert status == 400, (operation.name, refusal)
        check_answer(refusal, operation, status, document)
