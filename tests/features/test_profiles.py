"""Profiles: what a member can do and what concerns them; nothing is wiped that was not named."""

from tests.conftest import OfficeUnderTest

PATH = "/api/state/agent-profile"


async def test_what_is_left_out_stays_and_subscriptions_are_the_same_ones(office: OfficeUnderTest) -> None:
    ada, bo = await office.member("ada"), await office.member("bo")
    await ada.post(PATH, {"description": "builds the API", "skills": ["python", "sql"]})
    await ada.post("/api/state/subscribe", {"project_id": "shop", "fields": ["api/*"]})
    changed = await ada.post(PATH, {"critical_fields": ["shop/schema", "lab/*"]})
    assert (changed["description"], changed["skills"]) == ("builds the API", ["python", "sql"])
    assert (changed["relevant_fields"], changed["critical_fields"]) == (["shop/api/*"], ["lab/*", "shop/schema"])
    assert changed["projects"] == ["lab", "shop"]
    assert await bo.get(f"{PATH}?agent_id=ada") == changed
    assert await ada.post(PATH, {"skills": ["python", "sql"]}) == changed, "nothing changed"
    await bo.post("/api/state", {"project_id": "shop", "field": "schema", "value": 1})
    assert (await ada.get("/api/state/knowledge-gaps?project_id=shop"))["critical_gaps"] == ["schema"]
    for wrong in ("schema", "shop/", "sh op/x", "shop//x"):
        assert (await ada.ask("POST", PATH, {"relevant_fields": [wrong]}))[0] == 400
    assert (await ada.ask("GET", f"{PATH}?agent_id=nobody"))[0] == 404


async def test_the_best_free_task_is_one_that_its_skills_allow(office: OfficeUnderTest) -> None:
    ada = await office.member("ada")
    await office.chairman.post("/api/tasks", {"title": "draw", "priority": "urgent", "requires": ["design"]})
    await office.chairman.post("/api/tasks", {"title": "code", "priority": "low", "requires": ["python"]})
    assert (await ada.post("/api/tasks/claim", {"next": True}))["task"] is None
    await ada.post(PATH, {"skills": ["python"]})
    assert (await ada.post("/api/tasks/claim", {"next": True}))["task"]["title"] == "code"
