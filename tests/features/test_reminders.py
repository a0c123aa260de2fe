"""Reminders: each thing said once, to whom it concerns, and not in the night."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from server.core.errors import BadArgument
from tests.conftest import OfficeUnderTest
from tests.features.timed import DAY, HOUR, MINUTE, Timed, open_timed


def _iso(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat()


async def _told(team: Timed, name: str, words: str) -> int:
    history = await team.call(name, "get_history", channel=f"dm:{name}:system", limit=200)
    return sum(words in message["content"] for message in history.messages)


async def _team(team: Timed) -> None:
    await team.member("ada")
    await team.member("pm", role="lead")
    await team.tick("remind")
    for name in ("ada", "pm", "chairman"):
        await team.dispatch.as_system("send_message", to=name, content="hello")


async def test_a_due_date_is_said_before_when_it_comes_and_later_to_more_each_once(tmp_path: Path) -> None:
    async with open_timed(tmp_path) as team:
        await _team(team)
        due = team.clock.now + 2 * DAY
        await team.call("chairman", "create_task", title="ship", assignee="ada", due_date=_iso(due))

        async def told_after(ms: int) -> list[int]:
            team.clock.now += ms
            for _ in range(3):
                await team.tick("remind", MINUTE)
            return [await _told(team, name, "“ship”") for name in ("ada", "chairman", "pm")]

        assert await told_after(DAY - HOUR) == [0, 0, 0]
        assert await told_after(HOUR) == [1, 0, 0]
        assert await told_after(DAY) == [2, 1, 0]
        assert await told_after(DAY) == [3, 2, 1]
        assert await told_after(2 * DAY) == [3, 3, 2]
        assert await told_after(30 * DAY) == [3, 3, 2], "never in a loop"


async def test_of_steps_that_passed_while_the_server_was_away_only_the_last_is_said(tmp_path: Path) -> None:
    async with open_timed(tmp_path) as team:
        await _team(team)
        await team.call("ada", "create_task", title="ship", assignee="ada", due_date=_iso(team.clock.now + DAY))
        await team.tick("remind", 10 * DAY)
        await team.tick("remind", MINUTE)
        assert [await _told(team, name, "overdue") for name in ("ada", "pm", "chairman")] == [0, 1, 1]


async def test_a_task_that_does_not_move_is_asked_after_and_moving_begins_anew(tmp_path: Path) -> None:
    async with open_timed(tmp_path) as team:
        await _team(team)
        task = await team.call("chairman", "create_task", title="dig", lease_ttl_s=86_400)
        claimed = await team.call("ada", "claim_task", task_id=task.id)
        words = "has not moved"
        for minutes, told in ((29, [0, 0, 0]), (31, [1, 0, 0]), (61, [2, 1, 1]), (121, [2, 2, 2]), (900, [2, 2, 2])):
            while team.clock.now < claimed_at(claimed.task.updated_at) + minutes * MINUTE:
                await team.tick("remind", MINUTE)
            assert [await _told(team, name, words) for name in ("ada", "chairman", "pm")] == told, minutes
        await team.call("ada", "update_task", task_id=task.id, note="found it")
        await team.tick("remind", 29 * MINUTE)
        assert await _told(team, "ada", words) == 2
        await team.tick("remind", 2 * MINUTE)
        assert await _told(team, "ada", words) == 3
        await team.call("ada", "done_task", task_id=task.id, result="dug")
        await team.tick("remind", DAY)
        assert await _told(team, "ada", words) == 3


def claimed_at(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


async def test_in_quiet_hours_nothing_is_said_and_nothing_is_lost(tmp_path: Path) -> None:
    async with open_timed(tmp_path) as team:
        await _team(team)
        midnight = team.clock.now + DAY - team.clock.now % DAY
        quiet = {"start": "22:00", "end": "07:00", "tz": "UTC"}
        steps = [{"on": "due", "after_s": 0, "to": ["assignee", "@pm"]}]
        await team.call("chairman", "set_reminders", steps=steps, quiet=quiet)
        await team.call("chairman", "create_task", title="x", assignee="ada", due_date=_iso(midnight))
        team.clock.now = midnight
        for _ in range(6):
            await team.tick("remind", HOUR)
        assert await _told(team, "ada", "overdue") == 0
        await team.tick("remind", HOUR)
        assert [await _told(team, name, "overdue") for name in ("ada", "pm", "chairman")] == [1, 1, 0]
        with pytest.raises(BadArgument, match="time zone"):
            await team.call("chairman", "set_reminders", steps=[], quiet={**quiet, "tz": "Mars"})


async def test_a_report_is_asked_for_as_often_as_was_said(tmp_path: Path) -> None:
    async with open_timed(tmp_path) as team:
        await _team(team)
        await team.call("chairman", "set_reminders", steps=[])
        daily = await team.call("chairman", "create_task", title="a", assignee="ada", checkin_interval="daily")
        await team.call("chairman", "create_task", title="b", assignee="ada", checkin_interval="0 9 * * mon")
        for _ in range(14):
            await team.tick("remind", DAY)
        assert await _told(team, "ada", "How far is #1 ") == 14
        assert await _told(team, "ada", "How far is #2 ") == 2
        await team.call("chairman", "update_task", task_id=daily.id, checkin_interval="")
        await team.tick("remind", 3 * DAY)
        assert await _told(team, "ada", "How far is #1 ") == 14
        with pytest.raises(BadArgument, match="five fields"):
            await team.call("chairman", "create_task", title="c", checkin_interval="monthly")


async def test_settings_are_read_and_refused_with_what_is_wrong(office: OfficeUnderTest) -> None:
    assert len((await office.chairman.get("/api/reminders"))["steps"]) == 7
    ada = await office.member("ada")
    body = {"steps": [{"on": "due", "after_s": 0, "to": ["everybody"]}]}
    assert (await office.chairman.ask("PUT", "/api/reminders", body))[0] == 400
    assert (await ada.ask("PUT", "/api/reminders", {"steps": []}))[0] == 403
