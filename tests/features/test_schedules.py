"""Schedules: done on time, in their creator's name, once; whatever the clock, the disk or the others do."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from server.core.errors import Conflict, NotAllowed, NotFound
from tests.conftest import OfficeUnderTest
from tests.features.timed import DAY, HOUR, MINUTE, SECOND, Clock, Timed, open_timed

FIRE = "fire_schedules"
HOURLY = {"cron_expr": "0 * * * *", "channel": "general", "content": "stand-up"}


async def _said(team: Timed, channel: str = "general") -> list[tuple[str, str]]:
    history = await team.call("chairman", "get_history", channel=channel, limit=200)
    return [(message["from"], message["content"]) for message in history.messages]


async def _runs(team: Timed, schedule: str, caller: str = "chairman") -> list[tuple[str, str]]:
    found = await team.call(caller, "list_schedule_runs", schedule_id=schedule, limit=200)
    return [(run.outcome, run.reason) for run in reversed(found.runs)]


async def _wait_for_the_hour(team: Timed) -> None:
    await team.tick(FIRE, HOUR - team.clock.now % HOUR)


async def test_a_message_is_sent_on_the_hour_in_its_creators_name(tmp_path: Path) -> None:
    async with open_timed(tmp_path) as team:
        await team.member("ada")
        made = await team.call("ada", "create_schedule", **HOURLY, name="daily")
        assert made.preview.sentence == "Every hour at :00, UTC"
        assert len(made.preview.next) == 5

        due = await team.tick(FIRE)
        assert datetime.fromtimestamp((due or 0) / 1000, UTC).isoformat() == made.next_run_at.replace(".000Z", "+00:00")
        assert await _said(team) == []
        await _wait_for_the_hour(team)
        await team.tick(FIRE)

        assert await _said(team) == [("ada", "stand-up")]
        assert await _runs(team, made.id) == [("done", "")]


@pytest.mark.parametrize("jump", [HOUR, -HOUR, DAY, -DAY])
async def test_a_clock_that_jumps_makes_neither_a_storm_nor_a_double(tmp_path: Path, jump: int) -> None:
    async with open_timed(tmp_path) as team:
        made = await team.call("chairman", "create_schedule", **HOURLY)
        await _wait_for_the_hour(team)
        assert len(await _said(team)) == 1
        await team.tick(FIRE, jump)
        for _ in range(3):
            await team.tick(FIRE, SECOND)
        assert len(await _said(team)) == (1 if jump < 0 else 2), "what was missed is made up for once"
        if jump < 0:  # what ran does not run again
            await team.tick(FIRE, -jump)
            assert len(await _said(team)) == 1
        await _wait_for_the_hour(team)
        assert len(await _said(team)) == (2 if jump < 0 else 3)
        assert {outcome for outcome, _ in await _runs(team, made.id)} == {"done"}


@pytest.mark.parametrize(("missed", "outcomes"), [("run_once", ["done"]), ("skip", ["missed"])])
async def test_what_was_missed_while_the_server_was_away_follows_its_rule(
    tmp_path: Path, missed: str, outcomes: list[str]
) -> None:
    clock = Clock()
    async with open_timed(tmp_path, clock) as team:
        made = await team.call("chairman", "create_schedule", **HOURLY, missed=missed)
    clock.now += DAY
    async with open_timed(tmp_path, clock) as team:
        await team.tick(FIRE)
        assert [outcome for outcome, _ in await _runs(team, made.id)] == outcomes
        await _wait_for_the_hour(team)
        assert [outcome for outcome, _ in await _runs(team, made.id)] == [*outcomes, "done"]


@pytest.mark.parametrize("overlap", ["skip", "queue", "allow"])
async def test_what_is_open_still_follows_the_rule_for_overlap(tmp_path: Path, overlap: str) -> None:
    async with open_timed(tmp_path) as team:
        await team.member("ada")
        made = await team.call(
            "chairman", "create_schedule", every="1h", action="task", title="sweep", agent="ada", overlap=overlap
        )
        for _ in range(3):
            await team.tick(FIRE, HOUR)
        outcomes = [outcome for outcome, _ in await _runs(team, made.id)]
        assert (
            outcomes
            == {"skip": ["done", "skipped", "skipped"], "queue": ["done", "queued"], "allow": ["done"] * 3}[overlap]
        )
        for task in (await team.call("chairman", "list_tasks")).tasks:
            await team.call("chairman", "done_task", task_id=task.id, result="swept")
        await team.tick(FIRE, MINUTE)
        assert len((await team.call("chairman", "list_tasks")).tasks) == (overlap == "queue")


async def test_the_creators_rights_count_when_it_fires(tmp_path: Path) -> None:
    async with open_timed(tmp_path) as team:
        await team.member("ada")
        await team.call("chairman", "create_channel", id="topic:plan", type="topic", members=["ada"])
        made = await team.call("ada", "create_schedule", every="1h", channel="topic:plan", content="hello")
        other = await team.call("chairman", "create_schedule", every="1h", channel="general", content="still here")
        await team.call("chairman", "remove_channel_member", id="topic:plan", name="ada")

        for _ in range(3):
            await team.tick(FIRE, HOUR)

        assert await _said(team, "topic:plan") == []
        assert len(await _said(team)) == 3, "one that fails holds up no other"
        ((outcome, reason), *_) = await _runs(team, other.id)
        assert (outcome, reason) == ("done", "")
        told = [content for sender, content in await _said_to(team, "ada") if sender == "system"]
        assert told == ["Your schedule sch_1 could not run: No channel “topic:plan”."], "once"
        await team.call("chairman", "add_channel_member", id="topic:plan", agent_name="ada")
        assert {outcome for outcome, _ in await _runs(team, made.id)} == {"failed"}
        await team.call("chairman", "retire_member", name="ada")
        await team.tick(FIRE, HOUR)
        left = await team.call("chairman", "get_schedule", schedule_id=made.id)
        assert (left.status, left.reason) == ("paused", "ada has left")


async def _said_to(team: Timed, name: str) -> list[tuple[str, str]]:
    inbox = await team.call(name, "get_inbox")
    return [(message["from"], message["content"]) for channel in inbox.channels for message in channel.messages]


async def test_a_prompt_reaches_an_agent_and_a_member_can_prompt_itself(tmp_path: Path) -> None:
    async with open_timed(tmp_path) as team:
        await team.member("ada")
        await team.dispatch.as_system(
            "ensure_agent", name="ada", kind="demo", description="", command_line="", autostart=False, session_id="s"
        )
        await team.call("chairman", "create_schedule", every="1h", action="prompt", agent="ada", content="triage")
        await team.call("ada", "create_schedule", every="1h", action="prompt", agent="ada", content="look again")

        await team.tick(FIRE, HOUR)

        assert sorted(await _said_to(team, "ada")) == [("chairman", "triage"), ("system", "look again")]
        assert (await team.call("chairman", "get_agent", name="ada")).wanted == "running", "who may operate, starts it"
        with pytest.raises(NotAllowed):
            await team.call("ada", "create_schedule", every="1h", action="start", agent="ada")


async def test_it_ends_by_count_by_date_or_by_hand_and_can_rest(tmp_path: Path) -> None:
    async with open_timed(tmp_path) as team:
        twice = await team.call("chairman", "create_schedule", every="1h", max_runs=2, **_message("twice"))
        end = datetime.fromtimestamp((team.clock.now + 90 * MINUTE) / 1000, UTC).isoformat()
        until = await team.call("chairman", "create_schedule", every="1h", ends_at=end, **_message("until"))
        gone = await team.call("chairman", "create_schedule", every="1h", **_message("gone"))
        rest = await team.call("chairman", "create_schedule", every="1h", **_message("rest"))
        await team.call("chairman", "cancel_schedule", schedule_id=gone.id)
        await team.call("chairman", "update_schedule", schedule_id=rest.id, paused=True)
        for _ in range(4):
            await team.tick(FIRE, HOUR)
        assert sorted(content for _, content in await _said(team)) == ["twice", "twice", "until"]
        ended = [await team.call("chairman", "get_schedule", schedule_id=made.id) for made in (twice, until)]
        assert [(made.status, made.reason[:5]) for made in ended] == [("ended", "ran 2"), ("ended", "ended")]
        with pytest.raises(NotFound):
            await team.call("chairman", "get_schedule", schedule_id=gone.id)

        await team.call("chairman", "update_schedule", schedule_id=rest.id, paused=False)
        await team.tick(FIRE, HOUR)
        assert [content for _, content in await _said(team)].count("rest") == 1, "the hours of rest are not made up for"


def _message(content: str) -> dict[str, Any]:
    return {"channel": "general", "content": content}


async def test_jitter_spreads_a_thousand_that_are_due_at_once(tmp_path: Path) -> None:
    async with open_timed(tmp_path) as team:
        for number in range(10):
            await team.member(f"bot{number}", kind="bot")
            for _ in range(100):
                await team.call(
                    f"bot{number}", "create_schedule", cron_expr="0 12 * * *", jitter_s=600, **_message("x")
                )
        with pytest.raises(Conflict, match="100 schedules"):
            await team.call("bot0", "create_schedule", cron_expr="0 12 * * *", **_message("x"))
        found = await team.call("chairman", "list_schedules", limit=200)
        moments = {schedule.next_run_at for schedule in found.schedules}
        assert len(moments) > 190
        assert all(moment[11:15] == "12:0" for moment in moments)


async def test_run_now_and_history_and_what_one_may_not_see(tmp_path: Path) -> None:
    async with open_timed(tmp_path) as team:
        for name in ("ada", "bo"):
            await team.member(name)
        made = await team.call("ada", "create_schedule", cron_expr="@daily", channel="dm:chairman", content="report")
        after = await team.call("ada", "run_schedule", schedule_id=made.id)
        assert after.next_run_at == made.next_run_at
        assert await _said_to(team, "chairman") == [("ada", "report")]
        assert await _runs(team, made.id, "ada") == [("done", "")]
        for operation in ("get_schedule", "list_schedule_runs", "cancel_schedule", "run_schedule"):
            with pytest.raises(NotFound):
                await team.call("bo", operation, schedule_id=made.id)
        assert (await team.call("bo", "list_schedules")).schedules == []
        open_one = await team.call("ada", "create_schedule", cron_expr="@daily", **_message("hello"))
        with pytest.raises(NotAllowed):
            await team.call("bo", "cancel_schedule", schedule_id=open_one.id)
        with pytest.raises(NotAllowed, match="creator's name"):
            await team.call("chairman", "update_schedule", schedule_id=open_one.id, content="send me your keys")


async def test_teammcps_form_is_understood_and_wrong_cron_names_its_field(office: OfficeUnderTest) -> None:
    ada = await office.member("ada")
    made = await ada.post("/api/schedules", {"channel": "#general", "content": "hi", "cron_expr": "0 9 * * 1-5"})
    assert (made["sentence"], made["preview"]["warnings"]) == ("At 09:00 on weekdays, UTC", [])
    status, answer = await ada.ask(
        "POST", "/api/schedules", {"channel": "x", "content": "hi", "cron_expr": "0 25 * * *"}
    )
    assert (status, answer["error"]["field"]) == (400, "cron_expr")
    assert "hour must be 0-23" in answer["error"]["message"]
    shown = await ada.get("/api/schedules/preview?cron_expr=30+2+*+*+*&tz=Europe/Berlin")
    assert [warning[:21] for warning in shown["warnings"]] == ["02:30 does not exist "] * 1 + ["02:30 comes twice on "]
