"""Shared state: versions that nobody overwrites unseen, owners that decide, and what a member has not seen."""

import asyncio
from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conftest import Door, OfficeUnderTest, open_office


async def _set(door: Door, field: str, value: object, **more: object) -> Any:
    return await door.post("/api/state", {"project_id": "shop", "field": field, "value": value, **more})


async def _try(door: Door, field: str, value: object, **more: object) -> tuple[int, Any]:
    return await door.ask("POST", "/api/state", {"project_id": "shop", "field": field, "value": value, **more})


async def _value(door: Door, field: str) -> Any:
    (found,) = (await door.get(f"/api/state?project_id=shop&field={field}"))["items"]
    return found["value"]


async def _notices(door: Door) -> list[str]:
    channels = (await door.get("/api/inbox"))["channels"]
    return [message["content"] for channel in channels for message in channel["messages"]]


async def test_a_field_holds_any_json_and_every_value_it_had(office: OfficeUnderTest) -> None:
    ada = await office.member("ada")
    values: list[Any] = [None, False, 0, 1.5, "text", [1, {"a": None}], {"deep": [[]]}, "", 2**53]
    for version, value in enumerate(values, 1):
        written = await _set(ada, "api/port", value, reason=f"step {version}")
        assert (written["success"], written["version"]) == (True, version)
        assert await _value(ada, "api/port") == value
    history = (await ada.get("/api/state/history?project_id=shop&field=api/port"))["history"]
    assert [(row["version"], row["value"], row["reason"]) for row in history] == [
        (version, value, f"step {version}") for version, value in reversed(list(enumerate(values, 1)))
    ]
    page = await ada.get("/api/state/history?project_id=shop&field=api/port&limit=4")
    rest = await ada.get(f"/api/state/history?project_id=shop&field=api/port&cursor={page['next_cursor']}")
    assert [row["version"] for row in page["history"] + rest["history"]] == list(range(9, 0, -1))
    diff = await ada.get("/api/state/diff?project_id=shop&field=api/port&a=6&b=7")
    assert '+  "deep": [' in diff["lines"]
    back = await ada.post("/api/state/restore", {"project_id": "shop", "field": "api/port", "version": 5})
    assert (back["version"], await _value(ada, "api/port")) == (10, "text")
    again = await _set(ada, "api/port", "text")
    assert again["version"] == 10, "nothing changed"


async def test_of_many_who_expect_the_same_version_one_writes_and_the_others_see_what_is_there(
    office: OfficeUnderTest,
) -> None:
    doors = [await office.member(f"a{number}") for number in range(8)]
    await _set(doors[0], "counter", 0, owner="*")
    for version in range(1, 6):
        answers = await asyncio.gather(
            *(_try(door, "counter", [version, number], expected_version=version) for number, door in enumerate(doors))
        )
        statuses = Counter(status for status, _ in answers)
        assert statuses == {200: 1, 409: 7}
        lost = next(answer for status, answer in answers if status == 409)
        assert lost["error"]["code"] == "conflict"
        assert (lost["current"]["version"], lost["current"]["value"]) == (
            version + 1,
            await _value(doors[0], "counter"),
        )
    status, answer = await _try(doors[0], "counter", 1, expected_version=0)
    assert (status, answer["current"]["version"]) == (409, 6)
    assert (await _set(doors[1], "new", 1, expected_version=0))["version"] == 1


async def test_what_another_owns_is_proposed_and_its_owner_decides(office: OfficeUnderTest) -> None:
    ada, bo = await office.member("ada"), await office.member("bo")
    await _set(ada, "port", 8080)
    proposed = await _set(bo, "port", 9090, reason="8080 is taken")
    assert (proposed["success"], proposed["pending_approval"], proposed["version"]) == (False, True, 1)
    assert await _value(bo, "port") == 8080
    (told,) = await _notices(ada)
    assert "proposed: 9090" in told
    assert "8080 is taken" in told
    status, answer = await _try(bo, "port", 9090)
    assert (status, answer["error"]["code"]) == (409, "proposed")
    path = f"/api/approvals/{proposed['approval_id']}"
    assert (await bo.ask("POST", f"{path}/resolve", {"approved": True}))[0] == 403

    await ada.post(f"{path}/resolve", {"approved": True})

    assert await _value(bo, "port") == 9090
    (last, *_) = (await bo.get("/api/state/history?project_id=shop&field=port"))["history"]
    assert (last["changed_by"], last["source"]) == ("bo", "approval")
    assert "approved by ada" in last["reason"]
    assert any("was approved by ada" in text for text in await _notices(bo))
    rejected = await _set(bo, "port", 1)
    await office.chairman.post(f"/api/approvals/{rejected['approval_id']}/resolve", {"approved": False})
    assert await _value(bo, "port") == 9090


async def test_a_marked_field_needs_another_even_for_its_owner(office: OfficeUnderTest) -> None:
    ada, bo = await office.member("ada"), await office.member("bo")
    await _set(ada, "price", 10, approval_required=True, approver="bo")
    for door, name in ((ada, "ada"), (office.chairman, "chairman")):
        proposed = await _set(door, "price", {"by": name})
        path = f"/api/approvals/{proposed['approval_id']}/resolve"
        assert (await door.ask("POST", path, {"approved": True}))[0] == 403, "nobody approves their own"
        await bo.post(path, {"approved": True})
        assert await _value(bo, "price") == {"by": name}
    for door in (ada, bo):
        assert (await _try(door, "price", 1, approval_required=False))[0] == 403, "who is marked does not unmark"
    assert (await _set(office.chairman, "price", 11, approval_required=False))["success"] is True
    assert (await _set(ada, "price", 12))["success"] is True


async def test_a_proposal_about_an_earlier_version_is_shown_as_stale(office: OfficeUnderTest) -> None:
    ada, bo = await office.member("ada"), await office.member("bo")
    await _set(ada, "port", 1)
    proposed = await _set(bo, "port", 2)
    path = f"/api/approvals/{proposed['approval_id']}"
    assert (await ada.get(path))["stale"] is False

    await _set(ada, "port", 3)

    assert (await ada.get(path))["stale"] is True
    status, answer = await ada.ask("POST", f"{path}/resolve", {"approved": True})
    assert (status, answer["error"]["code"]) == (409, "stale")
    assert await _value(ada, "port") == 3
    await ada.post(f"/api/state/approvals/{proposed['approval_id']}/resolve", {"approved": True, "even_if_stale": True})
    assert await _value(ada, "port") == 2


async def test_several_are_written_together_or_not_at_all(office: OfficeUnderTest) -> None:
    ada, bo = await office.member("ada"), await office.member("bo")
    await _set(ada, "owned", 1)
    await _set(bo, "version", "1.0")

    def batch(*changes: dict[str, Any]) -> dict[str, Any]:
        return {"project_id": "shop", "conclusions": list(changes)}

    new = {"field": "new", "value": 1}
    status, answer = await bo.ask("POST", "/api/state/conclude", batch(new, {"field": "owned", "value": 2}))
    assert (status, answer["needs_approval"]) == (409, ["owned"])
    late = {"field": "version", "value": "2.0", "expected_version": 7}
    assert (await bo.ask("POST", "/api/state/conclude", batch(new, late)))[0] == 409
    assert [item["field"] for item in (await bo.get("/api/state?project_id=shop"))["items"]] == ["owned", "version"]
    done = await bo.post("/api/state/conclude", batch(new, {**late, "expected_version": 1}))
    assert [(state["field"], state["version"]) for state in done["states"]] == [("new", 1), ("version", 2)]


async def test_a_prefix_reads_what_begins_with_it_in_pages(office: OfficeUnderTest) -> None:
    ada = await office.member("ada")
    for field in ("api/port", "api/host", "apix", "db/port", "api/tls/cert"):
        await _set(ada, field, field)
    found = await ada.get("/api/state?project_id=shop&prefix=api/&limit=2")
    rest = await ada.get(f"/api/state?project_id=shop&prefix=api/&limit=2&cursor={found['next_cursor']}")
    fields = [item["field"] for item in found["items"] + rest["items"]]
    assert fields == ["api/host", "api/port", "api/tls/cert"]
    assert [project["fields"] for project in (await ada.get("/api/state/projects"))["projects"]] == [5]
    status, answer = await ada.ask("GET", "/api/state?project_id=shop&field=api/prt")
    assert status == 404
    assert "api/port" in answer["error"]["hint"]


async def test_gaps_are_what_concerns_me_and_i_have_not_seen(office: OfficeUnderTest) -> None:
    ada, bo = await office.member("ada"), await office.member("bo")
    await _set(ada, "api/port", 1, reason="first")
    await bo.post("/api/state/subscribe", {"project_id": "shop", "fields": ["api/*", "later"]})
    path = "/api/state/knowledge-gaps?project_id=shop"
    (gap,) = (await bo.get(path))["gaps"]
    assert (gap["field"], gap["your_version"], gap["current_version"], gap["summary"]) == ("api/port", 0, 1, "first")
    await bo.post("/api/state/knowledge-gaps/acknowledge", {"project_id": "shop", "fields": ["api/port@1"]})
    assert (await bo.get(path))["has_gaps"] is False

    await _set(ada, "api/port", 2, reason="taken")
    await _set(ada, "api/port", 3, reason="taken too")
    await _set(ada, "later", {"a": 1})
    await _set(ada, "other", 1)

    gaps = {gap["field"]: gap for gap in (await bo.get(path))["gaps"]}
    assert set(gaps) == {"api/port", "later"}
    assert (gaps["api/port"]["changes_missed"], gaps["api/port"]["current_value"]) == (2, 3)
    assert gaps["api/port"]["summary"] == "taken too; taken"
    assert len(await _notices(bo)) == 1, "one that is unseen is enough"
    await bo.post("/api/state/knowledge-gaps/acknowledge", {"project_id": "shop", "fields": ["api/port@2", "later@1"]})
    assert [gap["your_version"] for gap in (await bo.get(path))["gaps"]] == [2], "only as far as it was shown"
    await bo.post("/api/state/subscribe", {"project_id": "shop", "fields": ["api/*"], "off": True})
    assert (await bo.get(path))["has_gaps"] is False


async def test_a_gate_lets_only_those_write_who_have_seen_what_is_critical_to_them(office: OfficeUnderTest) -> None:
    ada, bo = await office.member("ada"), await office.member("bo")
    await _set(ada, "schema", 1)
    await bo.post("/api/state/subscribe", {"project_id": "shop", "fields": ["schema"], "critical": True})
    assert (await _set(bo, "mine", 1))["success"]
    await office.chairman.post("/api/state/gate", {"project_id": "shop", "on": True})
    status, answer = await _try(bo, "mine", 2)
    assert (status, answer["error"]["code"], answer["critical_gaps"]) == (409, "knowledge_gap", ["schema"])
    assert (await _set(ada, "mine2", 1))["success"], "whom nothing concerns is not held up"
    await bo.post("/api/state/knowledge-gaps/acknowledge", {"project_id": "shop", "fields": ["schema@1"]})
    assert (await _set(bo, "mine", 2))["success"]
    assert (await ada.ask("POST", "/api/state/gate", {"project_id": "shop", "on": False}))[0] == 403


async def test_memory_is_a_field_that_is_everybodys_and_the_last_writer_wins(office: OfficeUnderTest) -> None:
    ada, bo = await office.member("ada"), await office.member("bo")
    await _set(ada, "memory/style", "tabs", owner="*")
    assert (await _set(bo, "memory/style", "spaces"))["version"] == 2
    assert await _value(ada, "memory/style") == "spaces"


async def test_state_is_there_after_a_restart(tmp_path: Any) -> None:
    async with open_office(tmp_path / "data") as office:
        ada = await office.member("ada")
        await _set(ada, "port", {"a": [1, 2]})
    async with open_office(tmp_path / "data") as office:
        assert await _value(office.chairman, "port") == {"a": [1, 2]}


@pytest.mark.parametrize("field", ["", "/a", "a/", "a//b", "a b", "ä", "a\n", "../x y", "x" * 257, "٣"])
async def test_a_name_that_is_none_is_refused(office: OfficeUnderTest, field: str) -> None:
    status, answer = await _try(office.chairman, field, 1)
    assert (status, answer["error"]["field"]) == (400, "field")


async def test_no_key_and_no_prefix_ever_fails_inside(office: OfficeUnderTest) -> None:
    loop = asyncio.get_running_loop()
    ada = await office.member("ada")
    texts = st.text(max_size=20) | st.text("ab/.*:%_-'\"", max_size=12)

    @given(texts, texts)
    @settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
    def any_text(field: str, prefix: str) -> None:
        async def ask() -> None:
            written, _ = await _try(ada, field, field)
            assert written in (200, 400)
            async with ada.session.get(
                ada.url + "/api/state", params={"project_id": "shop", "prefix": prefix, "limit": "1"},
                headers={"Authorization": f"Bearer {ada.token}"},
            ) as response:  # fmt: skip
                assert response.status in (200, 400)

        asyncio.run_coroutine_threadsafe(ask(), loop).result(5)

    await asyncio.to_thread(any_text)


async def test_a_finished_task_writes_its_field_by_the_rules_for_who_finished_it(office: OfficeUnderTest) -> None:
    ada, bo = await office.member("ada"), await office.member("bo")
    await _set(ada, "release", "planned")
    for door, expected in ((bo, "planned"), (ada, "out")):
        task = await ada.post(
            "/api/tasks",
            {"title": "ship", "related_project": "shop", "related_state": "release", "target_value": "out"},
        )
        await door.post("/api/tasks/claim", {"task_id": task["id"]})
        await door.post(f"/api/tasks/{task['id']}/done", {"result": "shipped"})
        assert await _value(ada, "release") == expected
        (note,) = (await ada.get(f"/api/tasks/{task['id']}"))["comments"]
        assert note["comment"].startswith("shop/release " + ("waits for ap_" if door is bo else "is version 2"))
    assert [asked["stale"] for asked in (await ada.get("/api/approvals"))["approvals"]] == [True]


async def test_every_write_is_listed_with_what_was_before_by_filter(office: OfficeUnderTest) -> None:
    ada, bo = await office.member("ada"), await office.member("bo")
    await _set(ada, "port", 1, reason="first")
    await _set(ada, "port", 2)
    await _set(bo, "host", "here")

    found = await office.chairman.get("/api/audit/changelog?project_id=shop&changed_by=ada&limit=1")

    assert (found["total"], found["limit"], found["offset"]) == (2, 1, 0)
    (entry,) = found["entries"]
    assert (entry["field"], entry["old_value"], entry["new_value"], entry["version"]) == ("port", 1, 2, 2)
    (first,) = (await office.chairman.get("/api/audit/changelog?changed_by=ada&offset=1"))["entries"]
    assert (first["old_value"], first["new_value"], first["reason"]) == (None, 1, "first")
    assert (await office.chairman.get(f"/api/audit/changelog?from={entry['timestamp']}&field=host"))["total"] == 1
    assert (await office.chairman.get("/api/audit/changelog?to=2001-01-01T00:00:00Z"))["total"] == 0
    assert (await office.chairman.ask("GET", "/api/audit/changelog?from=yesterday"))[0] == 400
    rows = (await office.chairman.get("/api/audit/state?project_id=shop"))["rows"]
    assert [row["field"] for row in rows] == ["host", "port"]
    assert (await ada.ask("GET", "/api/audit/changelog"))[0] == 403


async def test_which_way_a_change_would_go_is_said_beforehand(office: OfficeUnderTest) -> None:
    ada, bo = await office.member("ada"), await office.member("bo")
    await _set(ada, "port", 1)
    await _set(bo, "host", 1)

    async def routes(fields: list[str], **how: Any) -> dict[str, str]:
        task = {"affected_fields": fields, **how}
        found = await bo.post("/api/state/route", {"project_id": "shop", "task": task})
        return {"": found["uncertainty"], **{route["field"]: route["route"] for route in found["routes"]}}

    ways = {"": "low", "host": "write_state", "port": "submit_approval", "new": "write_state"}
    assert await routes(["host", "port", "new"]) == ways
    together = await routes(["host", "port"], atomic=True)
    assert (together["host"], together["port"]) == ("start_discussion", "start_discussion")
    assert await routes(["new"], uncertainty="medium") == {"": "medium", "new": "start_discussion"}
    await _set(bo, "host", 1, approval_required=True, approver="ada")
    assert await routes(["host"]) == {"": "high", "host": "submit_approval"}
