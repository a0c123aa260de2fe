"""Tasks: what is to be done, by whom, and how far it is."""

import pytest

from tests.conftest import Door, OfficeUnderTest


async def _task(door: Door, title: str = "Look into it", **fields: object) -> dict[str, object]:
    made: dict[str, object] = await door.post("/api/tasks", {"title": title, **fields})
    return made


async def test_an_assignment_is_owed_to_the_one_it_is_given_to(office: OfficeUnderTest) -> None:
    ada = await office.member("ada")

    task = await _task(office.chairman, "Fix the port", assignee="ada", priority="high")

    (channel,) = (await ada.get("/api/inbox"))["channels"]
    assert channel["channel"] == "dm:ada:system"
    assert "chairman gave you a task" in channel["messages"][0]["content"]
    receipts = (await ada.get(f"/api/messages/{channel['ack_id']}/receipts"))["receipts"]
    assert [(receipt["recipient"], receipt["state"]) for receipt in receipts] == [("ada", "stored")]
    assert (task["assignee"], task["priority"], task["status"]) == ("ada", "high", "todo")


async def test_the_list_is_filtered_sorted_and_paged(office: OfficeUnderTest) -> None:
    ada = await office.member("ada")
    for number, priority in enumerate(["low", "urgent", "medium", "high", "urgent"]):
        await _task(office.chairman, f"t{number}", priority=priority, labels=["even"] if number % 2 == 0 else [])
    await _task(ada, "mine", assignee="ada")

    async def titles(query: str = "") -> list[str]:
        return [task["title"] for task in (await ada.get(f"/api/tasks{query}"))["tasks"]]

    assert await titles() == ["t1", "t4", "t3", "t2", "mine", "t0"]
    assert await titles("?label=even") == ["t4", "t2", "t0"]
    assert await titles("?assignee=ada") == ["mine"]
    assert await titles("?creator=ada&status=todo") == ["mine"]
    assert await titles("?priority=urgent,low&sort=title") == ["t0", "t1", "t4"]
    assert await titles("?status=done") == []
    first = await ada.get("/api/tasks?limit=4")
    rest = await ada.get(f"/api/tasks?limit=4&cursor={first['next_cursor']}")
    assert (first["total"], [len(page["tasks"]) for page in (first, rest)]) == (6, [4, 2])
    for query in ("?status=open", "?priority=1", "?sort=colour"):
        status, answer = await ada.ask("GET", f"/api/tasks{query}")
        assert (status, answer["error"]["field"]) == (400, query[1:].partition("=")[0])


async def test_what_changed_since_a_cursor_is_listed_closed_or_not(office: OfficeUnderTest) -> None:
    first = await _task(office.chairman, "first")
    seq = (await office.chairman.get("/api/snapshot"))["seq"]
    await _task(office.chairman, "second")
    await office.chairman.post(f"/api/tasks/{first['id']}/done", {"result": "yes"})

    changed = (await office.chairman.get(f"/api/tasks?since_seq={seq}&sort=updated_at"))["tasks"]

    assert [task["title"] for task in changed] == ["second", "first"]
    assert (await office.chairman.get(f"/api/tasks?since_seq={changed[-1]['seq']}"))["tasks"] == []


async def test_a_parents_progress_follows_its_subtasks_by_weight(office: OfficeUnderTest) -> None:
    parent = await _task(office.chairman, "release")
    heavy = await _task(office.chairman, "build", parent_id=parent["id"], weight=3)
    light = await _task(office.chairman, "announce", parent_id=parent["id"])
    await office.chairman.ask("PATCH", f"/api/tasks/{light['id']}", {"progress": 40})
    await office.chairman.post(f"/api/tasks/{heavy['id']}/done", {"result": "built"})

    found = await office.chairman.get(f"/api/tasks/{parent['id']}")

    assert found["task"]["progress"] == 85
    assert [child["title"] for child in found["children"]] == ["build", "announce"]
    await office.chairman.ask("PATCH", f"/api/tasks/{light['id']}", {"status": "cancelled"})
    assert (await office.chairman.get(f"/api/tasks/{parent['id']}"))["task"]["progress"] == 100


async def test_a_task_waits_for_others_and_circles_are_refused(office: OfficeUnderTest) -> None:
    first = await _task(office.chairman, "first")
    second = await _task(office.chairman, "second", depends_on=[first["id"]])
    assert second["waits_for"] == 1

    status, answer = await office.chairman.ask("PATCH", f"/api/tasks/{first['id']}", {"depends_on": [second["id"]]})
    assert (status, answer["error"]["field"]) == (400, "depends_on")
    assert (await office.chairman.ask("POST", "/api/tasks", {"title": "x", "depends_on": ["#999"]}))[0] == 404

    await office.chairman.post(f"/api/tasks/{first['id']}/done", {"result": "ok"})
    assert (await office.chairman.get(f"/api/tasks/{second['id']}"))["task"]["waits_for"] == 0
    await office.chairman.ask("PATCH", f"/api/tasks/{first['id']}", {"status": "todo"})
    assert (await office.chairman.get(f"/api/tasks/{second['id']}"))["task"]["waits_for"] == 1


async def test_a_message_becomes_one_task_and_its_channel_stays_closed_to_others(office: OfficeUnderTest) -> None:
    ada, bo = await office.member("ada"), await office.member("bo")
    message = await ada.send("general", "The port is wrong.\nPlease look.")
    secret = await ada.send("dm:chairman", "a private wish")

    pinned = await bo.post(f"/api/messages/{message['id']}/task", {"assignee": "ada"})

    assert (pinned["title"], pinned["source_msg"], pinned["channel"]) == (
        "The port is wrong. Please look.", message["id"], "general",
    )  # fmt: skip
    status, answer = await ada.ask("POST", f"/api/messages/{message['id']}/task", {})
    assert (status, answer["task_id"]) == (409, pinned["id"])
    assert (await bo.ask("POST", f"/api/messages/{secret['id']}/task", {}))[0] == 404
    assert (await bo.ask("POST", "/api/tasks", {"title": "x", "source_msg": secret["id"]}))[0] == 404


async def test_members_change_of_others_tasks_only_what_is_theirs_to_change(office: OfficeUnderTest) -> None:
    ada, bo = await office.member("ada"), await office.member("bo")
    lead = await office.member("pm", role="lead")
    task = await _task(office.chairman, "Fix it", assignee="ada")
    path = f"/api/tasks/{task['id']}"

    assert (await ada.ask("PATCH", path, {"progress": 30, "status": "doing"}))[0] == 200
    assert (await ada.ask("PATCH", path, {"priority": "low"}))[0] == 403
    assert (await bo.ask("PATCH", path, {"status": "done"}))[0] == 403
    assert (await bo.ask("PATCH", path, {"note": "I saw that too."}))[0] == 200
    assert (await bo.ask("DELETE", path))[0] == 403
    assert (await lead.ask("PATCH", path, {"priority": "urgent", "assignee": "bo"}))[0] == 200
    details = await ada.get(path)
    assert [note["comment"] for note in details["comments"]] == ["I saw that too."]
    assert (await office.chairman.ask("DELETE", path))[0] == 200
    assert (await ada.ask("GET", path))[0] == 404


async def test_the_history_tells_each_field_from_what_to_what(office: OfficeUnderTest) -> None:
    task = await _task(office.chairman, "Fix it")
    path = f"/api/tasks/{task['id']}"
    await office.chairman.ask("PATCH", path, {"title": "Mend it", "priority": "high"})
    await office.chairman.ask("PATCH", path, {"status": "blocked", "reason": "no key"})
    before = (await office.chairman.get("/api/snapshot"))["seq"]
    await office.chairman.ask("PATCH", path, {"title": "Mend it"})

    history = (await office.chairman.get(f"{path}/history"))["history"]

    assert [line["action"] for line in history] == ["created", "updated", "updated"]
    assert history[1]["changes"] == {"title": ["Fix it", "Mend it"], "priority": [1, 2]}
    assert history[2]["changes"] == {"status": ["todo", "blocked"], "blocked_reason": ["", "no key"]}
    assert (await office.chairman.get("/api/snapshot"))["seq"] == before, "what changes nothing is no change"


async def test_a_change_of_what_has_changed_meanwhile_is_a_conflict_with_the_facts(office: OfficeUnderTest) -> None:
    task = await _task(office.chairman, "Fix it")
    path = f"/api/tasks/{task['id']}"
    assert (await office.chairman.ask("PATCH", path, {"progress": 10, "version": 1}))[0] == 200

    status, answer = await office.chairman.ask("PATCH", path, {"progress": 20, "version": 1})

    assert (status, answer["current_version"]) == (409, 2)
    assert (await office.chairman.get(path))["task"]["progress"] == 10


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({"title": " "}, 400, "title"),
        ({"title": "x" * 201}, 400, "title"),
        ({"title": "x", "priority": "now"}, 400, "priority"),
        ({"title": "x", "assignee": "nobody"}, 404, "assignee"),
        ({"title": "x", "due_date": "tomorrow"}, 400, "due_date"),
        ({"title": "x", "parent_id": "task_9"}, 404, "task_id"),
        ({"title": "x", "status": "done"}, 400, "status"),
        ({}, 400, "title"),
    ],
)
async def test_a_task_that_cannot_be_is_refused_with_the_reason(
    office: OfficeUnderTest, body: dict[str, object], status: int, field: str
) -> None:
    got, answer = await office.chairman.ask("POST", "/api/tasks", body)

    assert (got, answer["error"]["field"]) == (status, field), answer


async def test_blocked_needs_a_reason_and_loses_it_with_the_status(office: OfficeUnderTest) -> None:
    task = await _task(office.chairman, "Fix it")
    path = f"/api/tasks/{task['id']}"
    status, answer = await office.chairman.ask("PATCH", path, {"status": "blocked"})
    assert (status, answer["error"]["field"]) == (400, "reason")

    await office.chairman.ask("PATCH", path, {"status": "blocked", "reason": "no key"})
    _, again = await office.chairman.ask("PATCH", path, {"status": "doing"})

    assert (again["status"], again["blocked_reason"]) == ("doing", "")


async def test_a_milestone_is_done_with_the_last_of_its_subtasks(office: OfficeUnderTest) -> None:
    ada = await office.member("ada")
    milestone = await ada.post("/api/tasks", {"title": "beta", "kind": "milestone"})
    parts = [await ada.post("/api/tasks", {"title": title, "parent_id": milestone["id"]}) for title in ("a", "b", "c")]
    await ada.post(f"/api/tasks/{parts[0]['id']}/done", {"result": "x"})
    await ada.ask("PATCH", f"/api/tasks/{parts[1]['id']}", {"status": "cancelled"})
    assert (await ada.get(f"/api/tasks/{milestone['id']}"))["task"]["status"] == "todo"
    await ada.post(f"/api/tasks/{parts[2]['id']}/done", {"result": "x"})
    reached = (await ada.get(f"/api/tasks/{milestone['id']}"))["task"]
    assert (reached["status"], reached["progress"]) == ("done", 100)


async def test_each_time_somebody_held_a_task_is_on_record(office: OfficeUnderTest) -> None:
    ada, bo = await office.member("ada"), await office.member("bo")
    task = await office.chairman.post("/api/tasks", {"title": "dig"})
    path = f"/api/tasks/{task['id']}"
    first = await ada.post("/api/tasks/claim", {"task_id": task["id"]})
    await ada.ask("PATCH", path, {"status": "todo", "claim": first["claim"]})
    second = await bo.post("/api/tasks/claim", {"task_id": task["id"]})
    held = (await ada.get(path))["runs"]
    assert [(run["member"], run["claim"], run["outcome"]) for run in held] == [("ada", 1, "released"), ("bo", 2, "")]
    await bo.post(f"{path}/done", {"result": "dug", "claim": second["claim"]})
    runs = (await ada.get(path))["runs"]
    assert [(run["outcome"], run["ended_at"] is not None) for run in runs] == [("released", True), ("done", True)]


async def test_a_task_names_the_files_it_is_about(office: OfficeUnderTest) -> None:
    made = await office.chairman.post("/api/tasks", {"title": "x", "files": ["./src//api.py", "docs/**"]})
    assert made["files"] == ["src/api.py", "docs/**"]
    status, changed = await office.chairman.ask("PATCH", f"/api/tasks/{made['id']}", {"files": ["src/db.py"]})
    assert (status, changed["files"]) == (200, ["src/db.py"])
    status, answer = await office.chairman.ask("POST", "/api/tasks", {"title": "x", "files": ["../secrets"]})
    assert (status, answer["error"]["field"]) == (400, "files.0")
