"""Every operation against every role: who may, is not told that they may not; who may not, changes nothing."""

from typing import Any

from server.core.operation import Operation
from server.core.permission import ANYBODY, HUMAN_ROLES, SYSTEM, WORKER_ROLES
from tests.conftest import Door, OfficeUnderTest
from tests.core.examples import REGISTRY

ROUTES = [operation for operation in REGISTRY if operation.path is not None]
BY_SESSION = {"get_session"}
"""Needs a browser's session, which a token is not."""
ROLES = (*HUMAN_ROLES, *WORKER_ROLES)


async def _doors(office: OfficeUnderTest) -> dict[str, Door]:
    kinds = {role: "human" if role in HUMAN_ROLES else "agent" for role in ROLES}
    return {role: await office.member(f"a-{role}", kind=kinds[role], role=role) for role in ROLES}


def _path(operation: Operation) -> str:
    assert operation.path is not None
    return operation.path.format_map(dict.fromkeys(operation.arguments.model_fields, "nobody"))


async def _seq(office: OfficeUnderTest) -> int:
    """Return the seq of the last change that was not a note of a refusal."""
    entries = (await office.chairman.get("/api/audit?limit=200"))["entries"]
    return next(int(entry["seq"]) for entry in entries if entry["kind"] != "access.denied")


async def test_who_may_not_is_told_who_may_and_changes_nothing(office: OfficeUnderTest) -> None:
    doors = await _doors(office)
    asked = 0
    for operation in ROUTES:
        for role in ROLES:
            if operation.allow.admits(role):
                continue
            before = await _seq(office)
            body: Any = {} if operation.method == "POST" else None
            assert operation.method is not None
            status, answer = await doors[role].ask(operation.method, _path(operation), body)
            assert (status, answer["error"]["code"]) == (403, "not_allowed"), (operation.name, role)
            assert operation.allow.name in answer["error"]["message"]
            assert "chairman" in answer["error"]["hint"]
            assert await _seq(office) == before, (operation.name, role)
            asked += 1
    assert asked > 20


async def test_who_may_is_not_refused(office: OfficeUnderTest) -> None:
    doors = await _doors(office)
    wrong = []
    for operation in ROUTES:
        for role in ROLES:
            if operation.name in BY_SESSION:
                continue
            if operation.allow.admits(role) and operation.allow is not ANYBODY:
                body: Any = {} if operation.method == "POST" else None
                assert operation.method is not None
                status, _ = await doors[role].ask(operation.method, _path(operation), body)
                if status in (401, 403) or status >= 500:
                    wrong.append((operation.name, role, status))
    assert wrong == []


def test_what_only_the_server_does_has_no_route_and_no_tool() -> None:
    hidden = [operation for operation in REGISTRY if operation.allow is SYSTEM]
    assert [operation.name for operation in hidden if operation.path or operation.tool] == []
    assert len(hidden) > 5


def test_every_operation_says_in_a_sentence_what_it_does() -> None:
    assert [operation.name for operation in REGISTRY if not operation.summary.endswith((".", "?"))] == []
