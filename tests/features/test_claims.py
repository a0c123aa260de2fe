"""Claims: one holder, a number that only grows, and nothing kept by the silent."""

import asyncio
import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from server.core.errors import Conflict
from tests.conftest import Door, OfficeUnderTest, open_office
from tests.features.timed import DAY, HOUR, MINUTE, SECOND, Clock, Timed, open_timed

CLAIMERS, ROUNDS = 16, 50

CLAIM_ALL = """
import json, sys, urllib.error, urllib.request
url, token = sys.argv[1:]
def claim():
    request = urllib.request.Request(url + "/api/tasks/claim", b'{"next": true}', method="POST", headers={
        "Authorization": "Bearer " + token, "Content-Type": "application/json"})
    return json.load(urllib.request.urlopen(request, timeout=20))
sys.stdin.readline()
won = []
while (found := claim())["task"] is not None:
    won.append([found["task"]["id"], found["claim"]])
print(json.dumps(won))
"""


async def _claimers(office: OfficeUnderTest) -> list[Door]:
    return [await office.member(f"c{number}") for number in range(CLAIMERS)]


async def _rounds(office: OfficeUnderTest, doors: list[Door], rounds: int) -> None:
    for _ in range(rounds):
        task = await office.chairman.post("/api/tasks", {"title": "one winner"})
        body = {"task_id": task["id"]}
        answers = await asyncio.gather(*(door.ask("POST", "/api/tasks/claim", body) for door in doors))
        won = [answer for status, answer in answers if status == 200]
        lost = [answer for status, answer in answers if status == 409]
        assert (len(won), len(lost)) == (1, CLAIMERS - 1)
        assert {answer["error"]["code"] for answer in lost} == {"taken"}
        assert {answer["taken_by"] for answer in lost} == {won[0]["task"]["assignee"]}
        assert won[0]["claim"] == 1


async def test_of_sixteen_claimers_one_wins_in_each_of_fifty_rounds_also_over_a_restart(tmp_path: Path) -> None:
    async with open_office(tmp_path / "data") as office:
        doors = await _claimers(office)
        await _rounds(office, doors, ROUNDS // 2)
    async with open_office(tmp_path / "data") as office:
        again = [Door(office.url, door.token, office.chairman.session) for door in doors]
        await _rounds(office, again, ROUNDS // 2)
        held = (await office.chairman.get("/api/tasks?status=doing&limit=200"))["tasks"]
        assert len(held) == ROUNDS


async def test_sixteen_processes_take_every_task_once(office: OfficeUnderTest) -> None:
    doors = await _claimers(office)
    tasks = [(await office.chairman.post("/api/tasks", {"title": f"{n}"}))["id"] for n in range(ROUNDS)]
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", CLAIM_ALL, office.url, str(door.token),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        )
        for door in doors
    ]  # fmt: skip
    outputs = await asyncio.gather(*(process.communicate(b"go\n") for process in processes))

    won = [tuple(each) for output, _ in outputs for each in json.loads(output)]

    assert Counter(won) == Counter((task, 1) for task in tasks)


async def _held(timed: Timed, name: str = "ada", **fields: Any) -> tuple[str, int]:
    task = await timed.call("chairman", "create_task", title="work", lease_ttl_s=60, **fields)
    claimed = await timed.call(name, "claim_task", task_id=task.id)
    return task.id, claimed.claim


async def _refused(timed: Timed, name: str, operation: str, **arguments: object) -> dict[str, Any]:
    with pytest.raises(Conflict) as caught:
        await timed.call(name, operation, **arguments)
    return {"code": caught.value.code, **caught.value.facts}


async def _team(timed: Timed) -> None:
    await timed.member("ada")
    await timed.member("bo")


async def test_a_zombie_changes_nothing_and_learns_who_holds_it_now(tmp_path: Path) -> None:
    clock = Clock()
    async with open_timed(tmp_path, clock) as timed:
        await _team(timed)
        task, first = await _held(timed)
        await timed.tick("expire_claims", 61 * SECOND)
        before = (await timed.call("chairman", "get_task", task_id=task)).task
        assert (before.status, before.assignee, before.attempts) == ("todo", None, 1)
        for claim_of in (first,):
            refused = await _refused(timed, "ada", "update_task", task_id=task, claim=claim_of, progress=99)
            assert refused["code"] == "stale_claim"
        second = (await timed.call("bo", "claim_task", task_id=task)).claim
    async with open_timed(tmp_path, clock) as timed:  # the server was restarted
        await _team(timed)
        calls: list[tuple[str, dict[str, object]]] = [
            ("update_task", {"progress": 99}),
            ("update_task", {"status": "todo"}),
            ("update_task", {"status": "failed", "note": "no"}),
            ("done_task", {"result": "mine"}),
        ]
        for operation, arguments in calls:
            refused = await _refused(timed, "ada", operation, task_id=task, claim=first, **arguments)
            assert refused == {
                "code": "stale_claim", "current_claim": second, "current_assignee": "bo", "status": "doing",
            }  # fmt: skip
        assert second == first + 1
        done = await timed.call("bo", "done_task", task_id=task, claim=second, result="really")
        assert (done.status, done.result, done.progress) == ("done", "really", 100)


async def test_what_is_done_with_a_task_keeps_it_and_silence_frees_it(tmp_path: Path) -> None:
    async with open_timed(tmp_path) as timed:
        await _team(timed)
        task, claim = await _held(timed)
        for _ in range(5):
            assert await timed.tick("expire_claims", 50 * SECOND) is not None
            await timed.call("ada", "update_task", task_id=task, claim=claim)
        assert (await timed.call("ada", "get_task", task_id=task)).task.assignee == "ada"

        due = await timed.tick("expire_claims")
        assert due == timed.clock.now + 60 * SECOND
        assert await timed.tick("expire_claims", 60 * SECOND) is None

        freed = (await timed.call("ada", "get_task", task_id=task)).task
        assert (freed.status, freed.assignee, freed.claim) == ("todo", None, claim)


async def test_a_lease_that_ran_out_and_was_not_taken_back_yet_is_still_ones_own(tmp_path: Path) -> None:
    async with open_timed(tmp_path) as timed:
        await _team(timed)
        task, claim = await _held(timed)
        timed.clock.now += 10 * MINUTE

        await timed.call("ada", "update_task", task_id=task, claim=claim, progress=50)

        assert await timed.tick("expire_claims") == timed.clock.now + 60 * SECOND


async def _supervised(timed: Timed, state: str, activity: str, run_id: str = "run-1") -> None:
    await timed.member("ada", run_id="run-1")
    await timed.dispatch.as_system(
        "ensure_agent", name="ada", kind="claude", description="", command_line="", autostart=True, session_id="s"
    )
    await timed.dispatch.as_system("begin_run", name="ada", run_id=run_id)
    await timed.dispatch.as_system("report_state", name="ada", state=state, reason="", lifecycle="{}")
    await timed.dispatch.as_system("report_activity", name="ada", activity=activity, reason="", source="hook")


async def test_an_agent_that_is_known_to_work_keeps_its_task_but_not_for_ever(tmp_path: Path) -> None:
    async with open_timed(tmp_path) as timed:
        await _supervised(timed, "ready", "working")
        task, _ = await _held(timed)
        for _ in range(10):
            await timed.tick("expire_claims", 61 * SECOND)
        assert (await timed.call("ada", "get_task", task_id=task)).task.assignee == "ada"

        await timed.tick("expire_claims", DAY)

        assert (await timed.call("ada", "get_task", task_id=task)).task.assignee is None


async def test_an_agent_that_idles_loses_it_when_the_lease_is_over(tmp_path: Path) -> None:
    async with open_timed(tmp_path) as timed:
        await _supervised(timed, "ready", "idle")
        task, _ = await _held(timed)

        await timed.tick("expire_claims", 61 * SECOND)

        assert (await timed.call("ada", "get_task", task_id=task)).task.assignee is None


async def test_what_an_agent_held_is_free_as_soon_as_its_run_has_ended_and_its_work_is_kept(tmp_path: Path) -> None:
    async with open_timed(tmp_path) as timed:
        await _supervised(timed, "ready", "working")
        task, claim = await _held(timed)
        await timed.call("ada", "update_task", task_id=task, claim=claim, progress=70, note="half is in main")
        await timed.call("ada", "update_task", task_id=task, claim=claim, status="blocked", reason="no key")
        await timed.dispatch.as_system("end_run", run_id="run-1", code=None, signal=9, reason="killed", tail="")

        await timed.tick("expire_claims")

        freed = await timed.call("chairman", "get_task", task_id=task)
        assert (freed.task.status, freed.task.assignee, freed.task.progress) == ("todo", None, 70)
        assert freed.task.attempts == 0, "it was not the task's fault"
        assert "half is in main" in [note.comment for note in freed.comments]


async def test_what_a_retired_member_was_given_is_free_too(tmp_path: Path) -> None:
    async with open_timed(tmp_path) as timed:
        await _team(timed)
        task = await timed.call("chairman", "create_task", title="given", assignee="ada")
        await timed.call("chairman", "retire_member", name="ada")

        await timed.tick("expire_claims")

        assert (await timed.call("bo", "claim_task", next=True)).task.id == task.id


async def test_after_enough_attempts_a_task_is_dead_and_its_creator_is_told(tmp_path: Path) -> None:
    async with open_timed(tmp_path) as timed:
        await _team(timed)
        task, claim = await _held(timed, max_attempts=3)
        numbers = [claim]
        for _ in range(2):
            await timed.call("ada", "update_task", task_id=task, claim=numbers[-1], status="failed", note="it crashed")
            numbers.append((await timed.call("ada", "claim_task", task_id=task)).claim)
        await timed.tick("expire_claims", HOUR)

        dead = (await timed.call("chairman", "get_task", task_id=task)).task
        assert (dead.status, dead.attempts, numbers) == ("failed", 3, [1, 2, 3])
        assert (await _refused(timed, "ada", "claim_task", task_id=task))["code"] == "closed"
        inbox = await timed.call("chairman", "get_inbox")
        assert "Given up after 3 attempts" in str(inbox)


@pytest.mark.parametrize("end", ["done", "failed", "cancelled"])
async def test_what_is_closed_stays_closed_for_whoever_held_it(tmp_path: Path, end: str) -> None:
    async with open_timed(tmp_path) as timed:
        await _team(timed)
        task, claim = await _held(timed)
        await timed.call("chairman", "update_task", task_id=task, status=end)

        refused = [
            await _refused(timed, "ada", "done_task", task_id=task, claim=claim, result="late"),
            await _refused(timed, "ada", "done_task", task_id=task, result="late"),
            await _refused(timed, "ada", "update_task", task_id=task, claim=claim, status="failed", note="late"),
            await _refused(timed, "ada", "update_task", task_id=task, status="doing"),
            await _refused(timed, "ada", "claim_task", task_id=task),
        ]

        assert {facts["code"] for facts in refused} == {"closed"}
        assert (await timed.call("ada", "get_task", task_id=task)).task.status == end


async def test_the_best_free_task_is_the_most_urgent_then_the_oldest_that_one_can_do(tmp_path: Path) -> None:
    async with open_timed(tmp_path) as timed:
        await _team(timed)

        async def create(title: str, **fields: object) -> Any:
            return await timed.call("chairman", "create_task", title=title, **fields)

        await create("old")
        await create("urgent gpu", priority="urgent", requires=["gpu"])
        await create("for bo", priority="urgent", assignee="bo")
        first = await create("high", priority="high")
        await create("waits", priority="urgent", depends_on=[first.id])
        await create("newer")

        async def next_title(name: str, **arguments: object) -> str | None:
            found = (await timed.call(name, "claim_task", next=True, **arguments)).task
            return None if found is None else str(found.title)

        assert [await next_title("ada") for _ in range(4)] == ["high", "old", "newer", None]
        assert await next_title("ada", capabilities=["gpu", "docker"]) == "urgent gpu"
        assert await next_title("bo") == "for bo"
        refused = await _refused(timed, "bo", "claim_task", task_id="task_5")
        assert refused == {"code": "dependencies_unmet", "pending": [first.id]}


async def test_claiming_again_what_one_holds_gives_the_same_claim(tmp_path: Path) -> None:
    async with open_timed(tmp_path) as timed:
        await _team(timed)
        task, claim = await _held(timed)
        timed.clock.now += 30 * SECOND

        again = await timed.call("ada", "claim_task", task_id=task)

        assert again.claim == claim
        assert await timed.tick("expire_claims") == timed.clock.now + 60 * SECOND


async def test_a_release_is_free_at_once_and_counts_as_no_attempt(tmp_path: Path) -> None:
    async with open_timed(tmp_path) as timed:
        await _team(timed)
        task, claim = await _held(timed)

        await timed.call("ada", "update_task", task_id=task, claim=claim, status="todo")

        taken = await timed.call("bo", "claim_task", next=True)
        assert (taken.task.id, taken.claim, taken.task.attempts) == (task, claim + 1, 0)
