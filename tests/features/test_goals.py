"""Goals and the team on one page."""

from tests.conftest import OfficeUnderTest


async def test_a_goals_progress_is_that_of_its_tasks_by_weight(office: OfficeUnderTest) -> None:
    ada = await office.member("ada")
    tasks = [
        await ada.post("/api/tasks", {"title": title, "weight": weight})
        for title, weight in (("big", 3), ("small", 1), ("dropped", 50))
    ]
    goal = await ada.post("/api/goals", {"title": "Ship", "weight": 3, "task_ids": [task["id"] for task in tasks]})
    assert (goal["progress"], goal["tasks_done"]) == (0, 0)
    await ada.post(f"/api/tasks/{tasks[0]['id']}/done", {"result": "it works"})
    assert (await ada.ask("PATCH", f"/api/tasks/{tasks[1]['id']}", {"progress": 50}))[0] == 200
    assert (await ada.ask("PATCH", f"/api/tasks/{tasks[2]['id']}", {"status": "cancelled"}))[0] == 200
    await ada.post("/api/goals", {"title": "Rest", "weight": 1})
    found = await ada.get("/api/goals")
    assert [(goal["title"], goal["progress"], goal["tasks_done"]) for goal in found["goals"]] == [
        ("Ship", 87, 1),
        ("Rest", 0, 0),
    ]
    assert found["progress"] == 87 * 3 // 4
    bo = await office.member("bo")
    assert (await bo.ask("PATCH", f"/api/goals/{goal['id']}", {"status": "dropped"}))[0] == 403
    assert (await bo.ask("POST", "/api/goals", {"title": "x", "task_ids": ["#999"]}))[0] == 404
    status, _ = await ada.ask("PATCH", f"/api/goals/{goal['id']}", {"status": "dropped"})
    assert status == 200
    assert [goal["title"] for goal in (await ada.get("/api/goals"))["goals"]] == ["Rest"]


async def test_the_team_is_told_on_one_page(office: OfficeUnderTest) -> None:
    ada = await office.member("ada")
    first = await ada.post("/api/tasks", {"title": "first", "due_date": "2020-01-01"})
    await ada.post("/api/tasks", {"title": "second", "depends_on": [first["id"]]})
    stuck = await ada.post("/api/tasks", {"title": "third", "assignee": "ada"})
    await ada.ask("PATCH", f"/api/tasks/{stuck['id']}", {"status": "blocked", "reason": "no key"})
    await ada.post("/api/questions", {"question": "Which key?"})
    await ada.post("/api/goals", {"title": "Ship", "task_ids": [first["id"]]})
    await ada.post("/api/schedules", {"every": "1h", "channel": "general", "content": "x"})

    page = await ada.get("/api/team/status")

    assert page["tasks"] == {"blocked": 1, "todo": 2}
    assert page["overdue"] == 1
    assert sorted((task["title"], task["why"]) for task in page["blocked"]) == [
        ("second", "waits for 1 tasks"),
        ("third", "no key"),
    ]
    assert [(each["what"], each["why"]) for each in page["attention"]] == [("ap_1 of ada", "Which key?")]
    assert (page["goals"][0]["title"], page["progress"]) == ("Ship", 0)
    assert page["next_schedule_at"] is not None
