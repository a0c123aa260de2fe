"""Needs you: all that waits for a person in one list, dearest first; trouble comes and goes; links decide once."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from server.config import AgentConfig
from server.core.errors import BadArgument, Conflict, NotAllowed, NotFound
from tests.conftest import Door, OfficeUnderTest, open_office, until
from tests.features.timed import MINUTE, SECOND, Timed, open_timed

REQUEST = {
    "tool": "Bash", "input": {"command": "pytest -q"}, "folder": "/src", "pattern": "any `pytest …`",
    "rules": [{"toolName": "Bash", "ruleContent": "pytest:*"}],
}  # fmt: skip


async def _relayed(timed: Timed, agent: str = "ada", **fields: Any) -> Any:
    asked = {
        "agent": agent, "run_id": "r1", "kind": "permission", "summary": "wants to run: pytest -q",
        "details": "pytest -q", "options": [], "expires_s": 1800, "request": REQUEST, **fields,
    }  # fmt: skip
    return await timed.dispatch.as_system("relay_request", **asked)


async def _agent(timed: Timed, name: str = "ada") -> None:
    await timed.member(name)
    await timed.dispatch.as_system(
        "ensure_agent", name=name, kind="claude", description="", command_line="", autostart=True, session_id="s"
    )


async def _state(timed: Timed, state: str, reason: str = "", name: str = "ada") -> None:
    await timed.dispatch.as_system("report_state", name=name, state=state, reason=reason, lifecycle="{}")


async def _activity(timed: Timed, activity: str, code: str = "", name: str = "ada") -> None:
    await timed.dispatch.as_system(
        "report_activity", name=name, activity=activity, reason="because", source="hook", reason_code=code
    )


async def _needs(timed: Timed, group: str = "now", who: str = "chairman") -> list[tuple[str, str]]:
    found = await timed.call(who, "list_needs", group=group)
    return [(need.kind, need.who) for need in found.items]


async def test_the_list_is_sorted_by_the_cost_of_waiting_and_knows_whose_each_is(tmp_path: Path) -> None:
    async with open_timed(tmp_path) as timed:
        await _agent(timed)
        for name in ("bo", "cy"):
            await timed.member(name)
        await timed.member("ben", kind="human", role="operator")
        await timed.call("bo", "send_message", channel="general", content="@chairman look")
        await timed.call("cy", "send_dm", recipient="chairman", content="a word with you")
        await timed.call("bo", "request_approval", kind="spending", summary="a bigger model")
        question = await timed.call("cy", "ask_human", question="Which port?")
        await _state(timed, "fatal", "exit 1")
        await timed.tick("settle_troubles", SECOND)
        await _relayed(timed)

        order = [("permission", "ada"), ("question", "cy"), ("failure", "ada"), ("spending", "bo")]
        assert await _needs(timed) == [*order, ("direct", "cy"), ("mention", "bo")]
        assert await _needs(timed, who="ben") == order
        assert await _needs(timed, who="bo") == []

        await timed.call("chairman", "delegate_approval", approval_id=question.id, to="bo")
        await timed.call("chairman", "snooze_approval", approval_id="ap_1", for_s=600)
        assert await _needs(timed, "others") == [("question", "cy")]
        assert ("question", "cy") in await _needs(timed, who="bo")
        assert await _needs(timed, "snoozed") == [("spending", "bo")]
        counts = (await timed.call("chairman", "list_needs")).counts
        assert (counts.now, counts.others, counts.snoozed) == (4, 1, 1)


async def test_what_an_agent_works_with_is_shown_to_who_decides_and_not_to_other_agents(tmp_path: Path) -> None:
    async with open_timed(tmp_path) as timed:
        await _agent(timed)
        await timed.member("bo")
        asked = await _relayed(timed)
        assert (await timed.call("bo", "list_approvals")).approvals == []
        assert (await timed.call("bo", "get_snapshot")).approvals == []
        with pytest.raises(NotFound):
            await timed.call("bo", "get_approval", approval_id=asked.id)
        with pytest.raises(NotAllowed):
            await timed.call("ada", "resolve_approval", approval_id=asked.id, approved=True)

        await timed.call("chairman", "delegate_approval", approval_id=asked.id, to="bo")

        assert (await timed.call("bo", "get_snapshot")).approvals[0].details == "pytest -q"
        decided = await timed.call("bo", "resolve_approval", approval_id=asked.id, approved=True, scope="session")
        assert (decided.status, decided.scope) == ("approved", "session")


@pytest.mark.parametrize(
    ("request_fields", "decision", "error"),
    [
        ({"remember": "none"}, {"scope": "session"}, BadArgument),
        ({}, {"scope": "always"}, BadArgument),
        ({"pattern": None}, {"scope": "session"}, BadArgument),
        ({"is_whole": False}, {}, Conflict),
    ],
)
async def test_no_more_is_allowed_than_the_team_file_lets_and_than_is_shown(
    tmp_path: Path, request_fields: dict[str, Any], decision: dict[str, Any], error: type[Exception]
) -> None:
    async with open_timed(tmp_path) as timed:
        await _agent(timed)
        asked = await _relayed(timed, request={**REQUEST, **request_fields})
        with pytest.raises(error):
            await timed.call("chairman", "resolve_approval", approval_id=asked.id, approved=True, **decision)
        rejected = await timed.call("chairman", "resolve_approval", approval_id=asked.id, approved=False)
        assert rejected.status == "rejected"


async def test_only_a_chairman_allows_something_for_always(tmp_path: Path) -> None:
    async with open_timed(tmp_path) as timed:
        await _agent(timed)
        await timed.member("ben", kind="human", role="operator")
        asked = await _relayed(timed, request={**REQUEST, "remember": "always"})
        decision = {"approval_id": asked.id, "approved": True, "scope": "always"}
        with pytest.raises(NotAllowed):
            await timed.call("ben", "resolve_approval", **decision)
        assert (await timed.call("chairman", "resolve_approval", **decision)).scope == "always"


async def test_time_denies_a_permission_unless_it_was_given_more_and_some_wait_for_ever(tmp_path: Path) -> None:
    async with open_timed(tmp_path) as timed:
        await _agent(timed)
        first, second = await _relayed(timed), await _relayed(timed)
        patient = await _relayed(timed, expires_s=None)
        await timed.call("chairman", "extend_approval", approval_id=second.id, for_s=1800)

        await timed.tick("expire_approvals", 30 * MINUTE)

        states = [
            (await timed.call("chairman", "get_approval", approval_id=asked.id)).status
            for asked in (first, second, patient)
        ]
        assert states == ["expired", "pending", "pending"]
        assert (await timed.call("ada", "get_inbox")).total_unread == 0, "its CLI tells the model"


async def test_trouble_is_told_once_stays_put_away_and_is_over_when_the_trouble_is(tmp_path: Path) -> None:
    async with open_timed(tmp_path) as timed:
        await _agent(timed)
        await _state(timed, "fatal", "exit 1; 5 restarts, given up")
        for _ in range(3):
            await timed.tick("settle_troubles", SECOND)
        (failure,) = (await timed.call("chairman", "list_approvals")).approvals
        assert (failure.kind, failure.summary) == (
            "failure", "has failed and is left alone: exit 1; 5 restarts, given up",
        )  # fmt: skip
        with pytest.raises(BadArgument):
            await timed.call("chairman", "resolve_approval", approval_id=failure.id, approved=True)
        await timed.call("chairman", "dismiss_approval", approval_id=failure.id)
        await timed.tick("settle_troubles", SECOND)
        assert await _needs(timed) == []

        await _state(timed, "ready")
        await _activity(timed, "needs_you", "login")
        await timed.tick("settle_troubles", SECOND)
        assert await _needs(timed) == [("login", "ada")]
        await _activity(timed, "working")
        await timed.tick("settle_troubles", SECOND)
        assert await _needs(timed) == []
        (last, *_) = (await timed.call("chairman", "list_needs", group="done")).items
        assert last.approval.comment == "over: ada is working"


async def test_a_dialog_that_no_hook_relays_is_told_once_it_has_stood_a_while(tmp_path: Path) -> None:
    async with open_timed(tmp_path) as timed:
        await _agent(timed)
        await _state(timed, "ready")
        await _activity(timed, "needs_you", "permission")
        due = await timed.tick("settle_troubles", SECOND)
        assert due == timed.clock.now + 2 * SECOND
        asked = await _relayed(timed)
        await timed.tick("settle_troubles", MINUTE)
        assert await _needs(timed) == [("permission", "ada")]

        await timed.dispatch.as_system("close_unheld_requests", comment="the server was restarted")
        await timed.tick("settle_troubles", 3 * SECOND)

        assert await _needs(timed) == [("terminal", "ada")]
        with pytest.raises(Conflict) as late:
            await timed.call("chairman", "resolve_approval", approval_id=asked.id, approved=True)
        assert "cannot be answered any more: the server was restarted" in late.value.message


async def test_a_stalled_agent_stands_in_the_queue(tmp_path: Path) -> None:
    async with open_timed(tmp_path) as timed:
        await _agent(timed)
        await _state(timed, "ready")
        await _activity(timed, "stalled", "silent")
        await timed.tick("settle_troubles", SECOND)
        assert await _needs(timed) == [("stall", "ada")]


async def test_the_end_of_a_run_closes_what_it_asked(tmp_path: Path) -> None:
    async with open_timed(tmp_path) as timed:
        await _agent(timed)
        await timed.dispatch.as_system("begin_run", name="ada", run_id="r1")
        asked = await _relayed(timed)
        await timed.dispatch.as_system("end_run", run_id="r1", code=None, signal=9, reason="killed", tail="")

        await timed.tick("close_requests_of_the_gone", SECOND)

        closed = await timed.call("chairman", "get_approval", approval_id=asked.id)
        assert closed.status == "closed"
        assert closed.comment.startswith("ada stopped at ")


async def _linked(office: OfficeUnderTest, door: Door) -> tuple[str, str]:
    asked = await door.post("/api/questions", {"question": "Which port?", "options": ["8080", "9090"]})
    link = await office.chairman.post(f"/api/approvals/{asked['id']}/links")
    return asked["id"], link["code"]


async def test_a_link_shows_the_whole_decides_once_and_only_by_its_button(office: OfficeUnderTest) -> None:
    ada = await office.member("ada")
    nobody = office.chairman.as_member(None)
    approval, code = await _linked(office, ada)
    for _ in range(3):
        shown = await nobody.post("/api/decisions/look", {"code": code})
        assert (shown["approval"]["summary"], shown["member"]) == ("Which port?", "chairman")
    assert (await ada.get(f"/api/approvals/{approval}"))["status"] == "pending"

    decision = {"code": code, "answer": "9090"}
    answers = await asyncio.gather(*(nobody.ask("POST", "/api/decisions", decision) for _ in range(5)))

    assert sorted(status for status, _ in answers) == [200, 401, 401, 401, 401]
    decided = await ada.get(f"/api/approvals/{approval}")
    assert (decided["status"], decided["answer"], decided["decided_by"]) == ("answered", "9090", "chairman")
    entries = (await office.chairman.get("/api/audit?operation=decide_by_link"))["entries"]
    assert {(entry["actor"], entry["door"]) for entry in entries if entry["kind"] == "approval.changed"} == {
        ("chairman", "link")
    }
    assert code not in str(await office.chairman.get("/api/audit?limit=200"))


async def test_a_link_is_for_what_is_harmless_for_who_may_decide_and_for_a_while(tmp_path: Path) -> None:
    async with open_timed(tmp_path) as timed:
        await timed.member("ada")
        await timed.member("vera", kind="human", role="viewer")
        await timed.member("ben", kind="human", role="operator")
        spending = await timed.call("ada", "request_approval", kind="spending", summary="more")
        question = await timed.call("ada", "ask_human", question="Which port?")
        with pytest.raises(Conflict):
            await timed.call("chairman", "create_decision_link", approval_id=spending.id)
        for name in ("vera", "ada"):
            with pytest.raises(NotAllowed):
                await timed.call(name, "create_decision_link", approval_id=question.id)
        with pytest.raises(NotAllowed):
            await timed.call("chairman", "create_decision_link", approval_id=question.id, member="ben")
        link = await timed.call("ben", "create_decision_link", approval_id=question.id, expires_s=600)
        late = await timed.call("ben", "create_decision_link", approval_id=question.id, expires_s=60)
        timed.clock.now += MINUTE
        timed.callers["nobody"] = timed.callers["ada"]
        with pytest.raises(Exception, match="used or has expired"):
            await timed.call("chairman", "decide_by_link", code=late.code, answer="1")
        await timed.call("chairman", "retire_member", name="ben")
        with pytest.raises(NotAllowed):
            await timed.call("chairman", "decide_by_link", code=link.code, answer="1")


async def test_an_agent_that_cannot_start_stands_in_the_queue_of_a_real_office(tmp_path: Path) -> None:
    broken = AgentConfig(
        name="broken", kind="custom", role="member", job="", workdir=tmp_path, command=("no-such-program",)
    )
    async with open_office(tmp_path / "data", agents=[broken]) as office:

        async def failure() -> Any:
            items = (await office.chairman.get("/api/needs-you"))["items"]
            return next((item for item in items if item["kind"] == "failure"), None)

        found = await until(failure)
        assert "There is no program no-such-program" in found["summary"]
        assert (await office.chairman.get("/api/agents/broken"))["reason_code"] == "cannot_start"
