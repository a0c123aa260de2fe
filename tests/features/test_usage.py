"""Usage and budgets: each request counts once, no unknown price becomes nothing, a budget asks before it costs."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from server.config import AgentConfig
from server.features.usage.counting import Request, Window
from tests.conftest import OfficeUnderTest, open_office
from tests.features.timed import DAY, HOUR, MINUTE, START_MS, Clock, Timed, open_timed

MODEL = "claude-opus-5-5"


@asynccontextmanager
async def _team(tmp_path: Path, **budget: object) -> AsyncIterator[tuple[Timed, Clock]]:
    """Open a team of chairman and one agent, ada, who has a budget."""
    clock = Clock()
    async with open_timed(tmp_path, clock) as team:
        await team.member("chairman", kind="human", role="chairman")
        await team.member("ada")
        await team.dispatch.as_system(
            "ensure_agent", name="ada", kind="custom", description="", command_line="", autostart=True, session_id="s"
        )
        if budget:
            await team.dispatch.as_system("ensure_budget", agent="ada", **budget)
        yield team, clock


def _request(key: str, at: int, tokens: int = 100, model: str = MODEL, **more: Any) -> Request:
    return Request(key, model, at, tokens, 10, priced=model == MODEL, **more)


async def _count(team: Timed, **told: Any) -> Any:
    return await team.dispatch.as_system("count_usage", **{"name": "ada", "run_id": "r1", "billing": "api", **told})


async def test_a_request_that_is_told_twice_counts_once_and_its_last_figures_hold(tmp_path: Path) -> None:
    async with _team(tmp_path) as (team, clock):
        await _count(team, requests=[_request("req_1", clock.now, 1), _request("req_2", clock.now, 5)])
        await _count(team, requests=[_request("req_1", clock.now, 100)], run_id="r2")

        found = await team.call("chairman", "get_usage")

    (total,) = found.totals
    assert (total.requests, total.input_tokens, total.output_tokens) == (2, 105, 20)


async def test_a_counter_of_cost_adds_up_over_processes_and_is_never_added_twice(tmp_path: Path) -> None:
    async with _team(tmp_path) as (team, clock):
        for run_id, total in (("r1", 100), ("r1", 250), ("r1", 250), ("r2", 40), ("r2", 90), ("r2", 30)):
            await _count(team, run_id=run_id, cost_total=total, cost_model=MODEL)
            clock.now += MINUTE

        found = await team.call("chairman", "get_usage", by="model")

    (row,) = found.rows
    assert (row.model, row.used.cost_usd) == (MODEL, pytest.approx((250 + 90 + 30) / 1e6))


async def test_a_price_that_is_not_known_is_unknown_and_the_model_is_named(tmp_path: Path) -> None:
    async with _team(tmp_path) as (team, clock):
        await _count(team, requests=[_request("req_1", clock.now, 7, "qwen3")])

        found = await team.call("chairman", "get_usage", by="agent,model")

    (row,) = found.rows
    assert (row.used.cost_usd, row.used.unpriced_tokens) == (None, 17)
    assert [(model.model, model.tokens) for model in found.unpriced] == [("qwen3", 17)]


async def test_what_a_plan_pays_is_never_added_to_what_an_account_pays(tmp_path: Path) -> None:
    async with _team(tmp_path) as (team, _clock):
        await _count(team, cost_total=1_000_000, cost_model=MODEL)
        await _count(team, cost_total=5_000_000, cost_model=MODEL, run_id="r2", billing="plan")

        found = await team.call("chairman", "get_usage")

    assert [(total.billing, total.cost_usd) for total in found.totals] == [("api", 1.0), ("plan", 5.0)]


async def test_use_belongs_to_the_task_that_was_held_when_it_was_asked_for(tmp_path: Path) -> None:
    async with _team(tmp_path) as (team, clock):
        task = await team.call("chairman", "create_task", title="Look into it")
        before = clock.now
        clock.now += MINUTE
        claimed = await team.call("ada", "claim_task", task_id=task.id)
        clock.now += MINUTE
        held = clock.now
        clock.now += MINUTE
        await team.call("ada", "done_task", task_id=task.id, result="done", claim=claimed.claim)
        clock.now += MINUTE

        await _count(team, requests=[_request("req_1", before, 1), _request("req_2", held, 2)])

        found = await team.call("chairman", "get_usage", by="task")
        details = await team.call("chairman", "get_task", task_id=task.id)

    assert {row.task: row.used.input_tokens for row in found.rows} == {None: 1, task.id: 2}
    (run,) = details.runs
    assert [used.input_tokens for used in run.usage] == [2]


async def test_it_is_grouped_by_day_and_hour_between_two_moments(tmp_path: Path) -> None:
    async with _team(tmp_path) as (team, clock):
        for number in range(3):
            await _count(team, requests=[_request(f"req_{number}", clock.now)])
            clock.now += DAY
        since = "2027-01-16"

        by_day = await team.call("chairman", "get_usage", by="day")
        later = await team.call("chairman", "get_usage", since=since, by="agent", granularity="hour")

    assert sorted(row.time or "" for row in by_day.rows) == ["2027-01-15", "2027-01-16", "2027-01-17"]
    assert sorted(row.time or "" for row in later.rows if row.agent == "ada") == [
        "2027-01-16T08:00:00Z",
        "2027-01-17T08:00:00Z",
    ]
    assert START_MS == 1_800_000_000_000, "the dates above"


async def test_a_budget_warns_once_then_pauses_and_asks_and_goes_on_when_it_is_raised(tmp_path: Path) -> None:
    async with _team(tmp_path, per_day="10usd", warn_at=70) as (team, _clock):
        for total in (6_000_000, 7_500_000, 9_000_000):
            await _count(team, cost_total=total, cost_model=MODEL)
        history = await team.call("chairman", "get_history", channel="dm:system", limit=50)
        assert [message["content"] for message in history.messages] == ["ada has used $7.50 of $10.00 for 2027-01-15."]
        assert (await team.call("chairman", "get_agent", name="ada")).paused_at is None

        for total in (11_000_000, 12_000_000):
            await _count(team, cost_total=total, cost_model=MODEL)

        paused = await team.call("chairman", "get_agent", name="ada")
        assert (paused.paused_by, paused.paused_reason) == (
            "budget",
            "ada has used $11.00 of $10.00 for 2027-01-15.",
        )
        (asked,) = (await team.call("chairman", "list_approvals")).approvals
        assert (asked.kind, asked.asker, asked.options) == ("budget", "ada", ["raise by 10usd", "keep paused", "stop"])
        await team.call("chairman", "resolve_approval", approval_id=asked.id, approved=True, answer="raise by 5usd")
        await team.dispatch.as_system("settle_budgets")

        resumed = await team.call("chairman", "get_agent", name="ada")
        (agent,) = (await team.call("chairman", "list_agent_usage")).agents
        assert resumed.paused_at is None
        assert [(s.period, s.spent, s.limit, s.exceeded) for s in agent.budgets] == [
            ("day", 12_000_000, 15_000_000, False)
        ]


@pytest.mark.parametrize("answer", ["", "stop"])
async def test_a_budget_that_is_not_raised_leaves_the_agent_paused_or_stops_it(tmp_path: Path, answer: str) -> None:
    async with _team(tmp_path, per_task="1h") as (team, clock):
        task = await team.call("chairman", "create_task", title="Long")
        await team.call("ada", "claim_task", task_id=task.id)
        await _count(team, working_ms=HOUR)
        (asked,) = (await team.call("chairman", "list_approvals")).approvals
        assert "1 h 0 min of 1 h 0 min for task_" in asked.summary

        await team.call("chairman", "resolve_approval", approval_id=asked.id, approved=False, answer=answer)
        await team.dispatch.as_system("settle_budgets")

        agent = await team.call("chairman", "get_agent", name="ada")
        assert (agent.paused_by, agent.wanted) == ("budget", "stopped" if answer else "running")
        clock.now += MINUTE
        await _count(team, working_ms=MINUTE)
        assert (await team.call("chairman", "list_approvals")).approvals == [], "asked once"


@pytest.mark.parametrize(("then", "wanted"), [("notify", "running"), ("stop", "stopped")])
async def test_a_budget_may_only_tell_or_stop(tmp_path: Path, then: str, wanted: str) -> None:
    async with _team(tmp_path, per_month="1usd", on_exceed=then) as (team, _clock):
        await _count(team, cost_total=2_000_000, cost_model=MODEL)

        agent = await team.call("chairman", "get_agent", name="ada")
        history = await team.call("chairman", "get_history", channel="dm:system", limit=50)

    assert (agent.wanted, agent.paused_at) == (wanted, None)
    assert history.messages[0]["content"].startswith("ada has used $2.00 of $1.00 for 2027-01.")


async def test_a_budget_that_a_person_set_stays_until_the_file_says_something_new(tmp_path: Path) -> None:
    async with _team(tmp_path, per_day="10usd") as (team, _clock):
        await team.call("chairman", "set_budget", agent="ada", per_day="3.50usd")
        for per_day in ("10usd", "12usd"):
            await team.dispatch.as_system("ensure_budget", agent="ada", per_day=per_day)
            (budget,) = (await team.call("chairman", "list_budgets")).budgets
            assert budget.per_day == {"10usd": "3.5usd", "12usd": "12usd"}[per_day]


async def test_the_pace_tells_when_a_limit_is_reached(tmp_path: Path) -> None:
    async with _team(tmp_path, per_day="10usd") as (team, clock):
        await _count(team, cost_total=1_000_000, cost_model=MODEL)
        clock.now += 30 * MINUTE
        agent = await _count(team, cost_total=2_000_000, cost_model=MODEL)
        assert agent.cost_per_hour_usd == pytest.approx(4.0)
        assert (agent.limit_of, agent.limit_at) == ("budget of the day", "2027-01-15T10:30:00.000Z")

        soon = Window("five_hour", 90.0, clock.now + 2 * HOUR, 5 * 3600)
        agent = await _count(team, windows=[soon], context_percent=71.0, context_size=200_000, compactions=1)

    assert (agent.limit_of, agent.context_percent, agent.compactions) == ("five_hour", 71.0, 1)
    assert agent.windows[0].reached_at == "2027-01-15T08:50:00.000Z"


async def test_an_agent_reports_its_own_use_once_for_each_id(office: OfficeUnderTest) -> None:
    bot = await office.member("bot", kind="bot")
    told = {"model": "gpt-x", "input_tokens": 10, "output_tokens": 5, "request_id": "a"}
    for cost in (None, 0.25):
        await bot.post("/api/usage", told | ({} if cost is None else {"cost_usd": cost}))
    await bot.post("/api/usage", told | {"request_id": "b"})

    usage = await office.chairman.get("/api/usage?by=agent,model&from=2020-01-01")

    (row,) = usage["rows"]
    assert (row["agent"], row["model"], row["used"]["tokens"]) == ("bot", "gpt-x", 30)
    assert (row["used"]["cost_usd"], row["used"]["unpriced_tokens"]) == (0.25, 15)
    status, refused = await office.chairman.ask("GET", "/api/usage?by=colour")
    assert (status, refused["error"]["field"]) == (400, "by")


async def test_a_paused_agent_says_so_and_who_writes_to_it_is_told(tmp_path: Path) -> None:
    worker = AgentConfig(
        name="worker", kind="custom", role="member", job="", workdir=tmp_path, command=("cat",), autostart=False
    )
    async with open_office(tmp_path / "data", agents=[worker]) as office:
        chairman = office.chairman
        for _ in range(2):
            paused = await chairman.post("/api/agents/worker/pause", {"reason": "lunch"})
        assert (paused["paused_reason"], paused["paused_by"]) == ("lunch", "chairman")
        sent = await chairman.send("general", "@worker hello")
        assert [found["will"] for found in sent["recipients"]] == ["is paused: gets it when somebody resumes it"]

        assert (await chairman.post("/api/agents/worker/resume"))["paused_at"] is None
        entries = (await chairman.get("/api/audit?limit=50"))["entries"]
        assert [entry["operation"] for entry in entries if entry["kind"] == "agent.held"] == [
            "resume_agent",
            "pause_agent",
        ]
