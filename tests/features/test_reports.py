"""Refused attempts in the trail, and reports on what it holds."""

from typing import Any

from tests.conftest import Door, OfficeUnderTest


async def _report(door: Door, report_type: str, **more: str) -> tuple[dict[str, Any], list[tuple[str, int, str]]]:
    report = await door.post("/api/audit/reports", {"report_type": report_type, **more})
    return report, [(found["what"], found["count"], found["who"]) for found in report["findings"]]


async def _set(door: Door, field: str, value: object) -> Any:
    return await door.post("/api/state", {"project_id": "shop", "field": field, "value": value})


async def test_a_refused_attempt_is_in_the_trail_and_a_flood_of_them_is_not(office: OfficeUnderTest) -> None:
    ada = await office.member("ada")
    for _ in range(15):
        assert (await ada.ask("POST", "/api/agents/worker/start", {}))[0] == 403
    entries = (await office.chairman.get("/api/audit?kind=access.denied"))["entries"]
    assert len(entries) == 10
    assert {(entry["actor"], entry["operation"], entry["door"]) for entry in entries} == {
        ("ada", "POST /api/agents/{name}/start", "rest")
    }
    assert "may not do this: operate" in entries[0]["body"]["message"]
    told = (await ada.get("/api/events/poll?since=0&limit=500"))["events"]
    assert "access.denied" not in {event["kind"] for event in told}


async def test_compliance_names_what_went_past_its_owner(office: OfficeUnderTest) -> None:
    ada, bo = await office.member("ada"), await office.member("bo")
    await _set(ada, "port", 1)
    await _set(office.chairman, "port", 2)
    approved, rejected = await _set(bo, "port", 3), await _set(bo, "port", 4)
    await ada.post(f"/api/approvals/{approved['approval_id']}/resolve", {"approved": True})
    await ada.post(f"/api/approvals/{rejected['approval_id']}/resolve", {"approved": False})
    await bo.ask("POST", "/api/agents/worker/start", {})

    report, findings = await _report(office.chairman, "compliance")

    assert findings == [
        ("wrote without its owner", 1, "chairman"),
        ("proposal rejected", 1, "bo"),
        ("attempt refused", 1, "bo"),
    ], "what its owner approved is by the rules"
    assert report["figures"] == {"changes": 3, "without_owner": 1, "rejected": 1, "expired": 0, "refused_attempts": 1}
    assert report["visibility"] == "chairman_only"
    assert (await _report(office.chairman, "compliance", project_id="other"))[1] == []


async def test_anomaly_finds_what_flaps_and_who_is_often_refused(office: OfficeUnderTest) -> None:
    ada, bo = await office.member("ada"), await office.member("bo")
    for value in range(6):
        await _set(ada, "flag", value)
        await _set(ada, "calm", value % 2 if value < 3 else 0)
    for value in range(4):
        asked = await _set(bo, "flag", {"value": value})
        await ada.post(f"/api/approvals/{asked['approval_id']}/resolve", {"approved": False})

    report, findings = await _report(office.chairman, "anomaly", project_id="shop")

    assert findings == [
        ("changed more than 5 times within an hour", 6, "ada"),
        ("rejected more than 3 times", 4, "bo"),
    ]
    assert report["visibility"] == "all"


async def test_efficiency_counts_what_was_done_and_public_ones_are_listed(office: OfficeUnderTest) -> None:
    ada = await office.member("ada")
    await _set(ada, "port", 1)
    task = await ada.post("/api/tasks", {"title": "x"})
    await ada.post(f"/api/tasks/{task['id']}/done", {"result": "y"})
    asked = await ada.post("/api/questions", {"question": "Which?"})
    await office.chairman.post(f"/api/approvals/{asked['id']}/resolve", {"answer": "that"})

    report, _ = await _report(office.chairman, "efficiency")
    await _set(office.chairman, "port", 2)
    await _report(office.chairman, "compliance")

    figures = report["figures"]
    assert (figures["changes"], figures["decisions"], figures["tasks_done"], figures["timed_out"]) == (1, 1, 1, 0)
    assert figures["top_fields"] == [{"field": "shop/port", "changes": 1}]
    assert [found["type"] for found in (await ada.get("/api/reports/public"))["reports"]] == ["efficiency"]
    assert len((await office.chairman.get("/api/audit/reports"))["reports"]) == 2
    assert (await ada.ask("GET", "/api/audit/reports"))[0] == 403
    assert (await ada.ask("POST", "/api/audit/reports", {"report_type": "anomaly"}))[0] == 403
