"""Notifications by the clock: what is worth telling, to whom, once; quiet hours; retries; the digest."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from server.config import NotificationTarget
from server.core.errors import Conflict, NotFound
from server.core.event import StoredEvent
from server.core.moment import milliseconds
from server.features.notifications.facts import facts_of
from server.features.notifications.model import SETTLE_MS
from server.features.notifications.quiet import Quiet, quiet_until
from server.features.notifications.sending import DELAYS_S, LEASE_MS, Outgoing, Taken
from server.outside.envelope import Envelope
from tests.features.timed import DAY, HOUR, MINUTE, SECOND, START_MS, Timed, open_timed

EVERYTHING = ["needs_you", "agent_failed", "mention", "dm", "task_done", "digest"]
NIGHT = {"start": "22:00", "end": "07:00", "tz": "UTC", "exceptions": ["permission", "crash_loop"]}


def a_target(name: str = "hook", **settings: Any) -> dict[str, Any]:
    return {
        "name": name, "type": "webhook", "address": "env:HOOK", "events": EVERYTHING, "member": "ada", "people": []
    } | settings  # fmt: skip


@pytest.fixture
async def team(tmp_path: Path) -> AsyncIterator[Timed]:
    """A team with a chairman, the human ada, the agent bo, and one target that is ada's."""
    async with open_timed(tmp_path) as timed:
        await timed.member("ada", kind="human", role="operator")
        await timed.member("bo")
        await timed.dispatch.as_system("ensure_targets", targets=[a_target()])
        yield timed


async def follow(team: Timed) -> None:
    while await team.dispatch.as_system("follow_events"):
        pass


async def take(team: Timed, target: str = "hook", *, after_ms: int = 0) -> Outgoing | None:
    team.clock.now += after_ms
    taken: Taken = await team.dispatch.as_system("take_notification", target=target)
    return taken.outgoing


async def told(team: Timed, target: str = "hook", *, after_ms: int = MINUTE) -> list[Outgoing]:
    """Follow the log, let time pass, and take everything that is due, as if it arrived."""
    await follow(team)
    team.clock.now += after_ms
    found = []
    while (outgoing := await take(team, target)) is not None:
        await team.dispatch.as_system("note_sent", id=outgoing.id)
        found.append(outgoing)
    return found


def titles(outgoings: list[Outgoing]) -> list[str]:
    return [said.title for outgoing in outgoings for said in outgoing.items]


async def ask(team: Timed, summary: str, by: str = "bo") -> Any:
    return await team.call(by, "request_approval", kind="action", summary=summary)


async def listed(team: Timed, **filters: object) -> list[Any]:
    return list((await team.call("chairman", "list_notifications", **filters)).notifications)


async def agent_state(team: Timed, state: str, reason: str = "it ended") -> None:
    await team.dispatch.as_system("report_state", name="bo", state=state, reason=reason, lifecycle="")


async def an_agent(team: Timed) -> None:
    await team.dispatch.as_system(
        "ensure_agent", name="bo", kind="custom", description="", command_line="cat", autostart=False, session_id="s"
    )


async def test_what_waits_for_a_person_is_told_once_however_often_the_log_is_read(team: Timed) -> None:
    asked = await ask(team, "deploy")
    found = await told(team)
    assert titles(found) == ["bo asks to: deploy"]
    assert found[0].items[0].facts["approval"] == asked.id
    await team.dispatch.as_system("ensure_targets", targets=[a_target()])  # a new start
    assert await told(team) == []


async def test_what_happened_before_anybody_was_to_be_told_is_not_told_later(tmp_path: Path) -> None:
    async with open_timed(tmp_path) as timed:
        await timed.member("bo")
        await ask(timed, "old")
        await timed.dispatch.as_system("ensure_targets", targets=[a_target(member=None)])
        await ask(timed, "new")
        assert titles(await told(timed)) == ["bo asks to: new"]


async def test_several_of_one_subject_within_a_moment_become_one(team: Timed) -> None:
    for summary in ("one", "two", "three"):
        await ask(team, summary)
        await follow(team)
        team.clock.now += SETTLE_MS // 4
    (found,) = await told(team)
    assert [said.title for said in found.items] == ["bo asks to: one", "bo asks to: two", "bo asks to: three"]
    assert {row.status for row in await listed(team)} == {"delivered"}
    await ask(team, "much later")
    assert titles(await told(team)) == ["bo asks to: much later"]


async def test_a_target_is_told_only_what_it_wants_and_what_is_for_its_person(team: Timed) -> None:
    await team.dispatch.as_system(
        "ensure_targets", targets=[a_target("failures", events=["agent_failed"], member=None), a_target()]
    )
    await team.member("cy", kind="human", role="operator")
    await team.call("bo", "send_message", channel="general", content="@ada and @cy, look")
    await team.call("bo", "send_message", to="cy", content="for you alone")
    await team.call("bo", "send_message", to="ada", content="a secret of ours")

    found = await told(team)
    assert titles(found) == ["bo mentions you in #general", "Message from bo"]
    assert found[1].items[0].text == "a secret of ours"
    assert await told(team, "failures") == []
    shown = await listed(team)
    assert "secret" not in str(shown), "others who manage notifications do not read what was written to ada"


async def test_a_message_that_was_read_meanwhile_is_not_told(team: Timed) -> None:
    sent = await team.call("bo", "send_message", to="ada", content="look")
    await follow(team)
    await team.call("ada", "ack_inbox", items=[{"channel": "dm:ada:bo", "ack_id": sent["id"]}])
    assert await told(team) == []
    (row,) = await listed(team)
    assert (row.status, row.note) == ("delivered", "seen, taken back or decided before it was sent")


async def test_a_message_is_told_as_it_is_now_and_of_a_deleted_one_nothing_is_kept(team: Timed) -> None:
    edited = await team.call("bo", "send_message", to="ada", content="draft")
    gone = await team.call("bo", "send_message", channel="general", content="@ada the canary")
    await follow(team)
    await team.call("bo", "edit_message", id=edited["id"], content="as I meant it")
    await team.call("bo", "delete_message", id=gone["id"])
    found = await told(team)
    assert [said.text for outgoing in found for said in outgoing.items] == ["as I meant it"]
    late = await team.call("bo", "send_message", channel="general", content="look")
    for text in ("look @ada", "look here, @ada"):
        await team.call("bo", "edit_message", id=late["id"], content=text)
        await follow(team)
    found = await told(team)
    assert [said.text for outgoing in found for said in outgoing.items] == ["look here, @ada"]
    rows = await team.database.read(lambda transaction: transaction.all("SELECT * FROM notification"))
    assert "canary" not in str([dict(row) for row in rows])


async def test_a_mention_where_the_person_may_not_read_is_not_told(team: Timed) -> None:
    await team.call("bo", "create_channel", id="topic:plan", type="topic", members=["bo"])
    await team.call("bo", "send_message", channel="topic:plan", content="not for @ada")
    assert await told(team) == []


async def test_what_was_decided_meanwhile_is_not_told(team: Timed) -> None:
    asked = await ask(team, "deploy")
    await follow(team)
    await team.call("chairman", "resolve_approval", approval_id=asked.id, approved=True)
    assert await told(team) == []


async def test_an_agent_that_gives_up_or_fails_again_and_again_is_told_of(team: Timed) -> None:
    await an_agent(team)
    for run in range(3):
        await team.dispatch.as_system("begin_run", name="bo", run_id=f"r{run}")
        await team.dispatch.as_system("end_run", run_id=f"r{run}", code=1, signal=None, reason="exit 1", tail="")
        await agent_state(team, "backoff", "exit 1")
        team.clock.now += 2 * SECOND
        found = await told(team, after_ms=2 * SECOND)
        assert titles(found) == ([] if run < 2 else ["bo keeps failing"]), run
    await agent_state(team, "backoff", "exit 2")
    assert await told(team) == [], "once an hour"
    await agent_state(team, "fatal", "5 starts in 10 minutes")
    (found_fatal,) = await told(team)
    assert (found_fatal.kind, found_fatal.reason) == ("agent_failed", "fatal")
    assert found_fatal.items[0].text == "5 starts in 10 minutes"


async def test_a_prompt_in_an_agents_terminal_is_told_unless_it_was_answered(team: Timed) -> None:
    await an_agent(team)
    await agent_state(team, "ready", "")
    activity = {"name": "bo", "reason": "wants to run make", "source": "hook"}
    await team.dispatch.as_system("report_activity", activity="needs_you", **activity)
    assert titles(await told(team)) == ["bo needs you"]
    await team.dispatch.as_system("report_activity", activity="working", **activity)
    team.clock.now += MINUTE
    await team.dispatch.as_system("report_activity", activity="needs_you", **activity)
    await follow(team)
    await team.dispatch.as_system("report_activity", activity="working", **activity)
    assert await told(team) == []


async def test_a_task_that_is_done_is_told_once(team: Timed) -> None:
    task = await team.call("bo", "create_task", title="Write it", assignee="bo")
    await team.call("bo", "claim_task", task_id=task.id)
    await team.call("bo", "done_task", task_id=task.id, result="written")
    await team.call("chairman", "update_task", task_id=task.id, labels=["docs"])
    found = await told(team)
    assert [(said.title, said.text) for said in found[0].items] == [("Done: Write it", "written")]
    assert len(found) == 1


async def test_a_guard_that_trips_is_told_with_what_it_counted(team: Timed) -> None:
    guard = {"id": "guard_1", "channel": "general", "members": ["bo", "cy"], "evidence": "13 messages in 5 minutes"}
    event = StoredEvent(
        1, START_MS, "guard.tripped", "system", "", "", "team", "guard_1", orjson.dumps({"guard": guard})
    )
    (fact,) = await team.database.read(lambda transaction: facts_of(transaction, event))
    assert (fact.kind, fact.item, fact.title) == ("guard", "guard_1", "A guard pauses bo and cy in #general")
    assert fact.text == "13 messages in 5 minutes"


@pytest.mark.parametrize(
    ("hour", "until"), [(21, None), (22, 33), (23, 33), (24, 33), (30, 33), (31, None), (33, None), (45, None)]
)
def test_quiet_hours_go_over_midnight_by_the_wall_clock_of_their_zone(hour: int, until: int | None) -> None:
    quiet = Quiet("22:00", "07:00", "UTC", [])
    midnight = START_MS - START_MS % DAY
    expected = None if until is None else midnight + 31 * HOUR
    assert quiet_until(quiet, "dm", "", midnight + hour * HOUR) == expected
    berlin = Quiet("22:00", "07:00", "Europe/Berlin", [])
    assert quiet_until(berlin, "dm", "", midnight + 21 * HOUR) == midnight + 30 * HOUR


def test_quiet_hours_end_when_the_clock_says_so_although_it_was_put_forward() -> None:
    # In the night to 2027-03-28 Berlin has no 02:30: from 22:00 to 07:00 it is eight hours.
    began = milliseconds("2027-03-27T22:00:00+01:00")
    quiet = Quiet("22:00", "07:00", "Europe/Berlin", [])
    assert quiet_until(quiet, "dm", "", began - 1) is None
    assert quiet_until(quiet, "dm", "", began) == began + 8 * HOUR


async def test_what_quiet_hours_hold_back_comes_as_one_when_they_end_but_for_the_exceptions(team: Timed) -> None:
    await team.dispatch.as_system("ensure_targets", targets=[a_target()], quiet=NIGHT)
    team.clock.now = START_MS - START_MS % DAY + 23 * HOUR
    await ask(team, "deploy")
    await team.call("bo", "send_message", to="ada", content="look")
    await an_agent(team)
    await agent_state(team, "ready", "")
    await team.dispatch.as_system("report_activity", name="bo", activity="needs_you", reason="?", source="hook")
    gone = await ask(team, "too late")
    assert titles(await told(team)) == ["bo needs you"], "permission is an exception"
    await team.call("chairman", "resolve_approval", approval_id=gone.id, approved=False)
    assert [row.held for row in await listed(team, status="pending")] == [True, True, True]

    assert await told(team, after_ms=7 * HOUR) == []
    (digest,) = await told(team, after_ms=HOUR)
    assert (digest.kind, digest.reason) == ("digest", "quiet_hours")
    assert titles([digest])[1:] == ["bo asks to: deploy", "Message from bo"]
    rows = await listed(team)
    assert {row.status for row in rows} == {"delivered"}
    assert len([row for row in rows if row.merged_into]) == 2


async def test_a_retry_waits_longer_each_time_and_in_the_end_it_has_failed_and_that_is_said(team: Timed) -> None:
    await ask(team, "deploy")
    await follow(team)
    waits = []
    team.clock.now += SETTLE_MS
    while (outgoing := await take(team)) is not None:
        await team.dispatch.as_system("note_not_sent", id=outgoing.id, error="it answered 503")
        (row,) = await listed(team)
        taken: Taken = await team.dispatch.as_system("take_notification", target="hook")
        if taken.next_due is None:
            break
        waits.append(taken.next_due - team.clock.now)
        team.clock.now = taken.next_due
    assert waits == [delay * SECOND for delay in DELAYS_S]
    assert (row.status, row.attempts, row.error) == ("failed", len(DELAYS_S) + 1, "it answered 503")
    history = await team.call("chairman", "get_history", channel="dm:chairman:system")
    assert "“bo asks to: deploy” could not be told to hook: it answered 503" in history.messages[0]["content"]

    await ask(team, "again")
    await told_failing(team)
    history = await team.call("chairman", "get_history", channel="dm:chairman:system")
    assert len(history.messages) == 1, "said once, until something arrives"

    retried = await team.call("chairman", "retry_notification", id=row.id)
    assert (retried.status, retried.attempts) == ("pending", 0)
    assert titles(await told(team)) == ["bo asks to: deploy"]
    with pytest.raises(Conflict, match="was delivered"):
        await team.call("chairman", "retry_notification", id=row.id)


async def told_failing(team: Timed) -> None:
    await follow(team)
    outgoing = await take(team, after_ms=MINUTE)
    assert outgoing is not None
    await team.dispatch.as_system("note_not_sent", id=outgoing.id, error="gone", final=True)


async def test_a_server_that_ended_while_sending_sends_again_under_the_same_id(team: Timed) -> None:
    await ask(team, "deploy")
    await follow(team)
    first = await take(team, after_ms=MINUTE)
    assert first is not None
    assert await take(team, after_ms=LEASE_MS - 1) is None, "somebody is sending it"
    await team.dispatch.as_system("resume_notifications")
    again = await take(team)
    assert again is not None
    assert (again.delivery_id, again.attempt) == (first.delivery_id, 2)


async def test_a_service_that_asks_for_patience_gets_it(team: Timed) -> None:
    await ask(team, "deploy")
    await follow(team)
    outgoing = await take(team, after_ms=MINUTE)
    assert outgoing is not None
    await team.dispatch.as_system("note_not_sent", id=outgoing.id, error="it answered 429", retry_after_s=600)
    assert await take(team, after_ms=599 * SECOND) is None
    assert await take(team, after_ms=SECOND) is not None


async def test_a_target_that_is_taken_out_is_told_nothing_more_and_may_come_back(team: Timed) -> None:
    await ask(team, "deploy")
    await follow(team)
    await team.dispatch.as_system("ensure_targets", targets=[])
    (row,) = await listed(team)
    assert (row.status, row.error) == ("failed", "the target is not in agents.yaml any more")
    with pytest.raises(NotFound):
        await team.call("chairman", "send_test", name="hook")
    await ask(team, "unseen")
    await team.dispatch.as_system("ensure_targets", targets=[a_target()])
    await ask(team, "seen")
    assert titles(await told(team)) == ["bo asks to: seen"]


async def test_the_digest_says_at_its_hour_what_waits_what_fails_and_what_was_done(team: Timed) -> None:
    daily = {"digest_cron": "0 8 * * *", "digest_to": "ada"}
    await team.dispatch.as_system(
        "ensure_targets",
        targets=[a_target(events=["digest"]), a_target("others", events=["digest"], member="chairman")],
        **daily,
    )
    await ask(team, "deploy")
    await an_agent(team)
    await agent_state(team, "fatal", "no such program")
    task = await team.call("bo", "create_task", title="Write it", assignee="bo")
    await team.call("bo", "claim_task", task_id=task.id)
    await team.call("bo", "done_task", task_id=task.id, result="written")
    await team.call("bo", "send_message", channel="general", content="hello @ada")
    eight = START_MS - START_MS % DAY + 32 * HOUR
    assert await team.tick("make_digest") is not None
    assert await told(team, after_ms=0) == []

    team.clock.now = eight + 3 * DAY  # the server was away for days
    assert await team.tick("make_digest") == eight + 4 * DAY
    (digest,) = await told(team)
    assert digest.items[0].title == "1 waiting, 1 failing, 1 done"
    for line in ("- bo: deploy", "- bo: fatal, no such program", "- Write it (bo)", "Unread: 1, with 1 mentions"):
        assert line in digest.items[0].text
    assert await told(team, "others") == []
    assert await team.tick("make_digest", HOUR) == eight + 3 * DAY + 2 * HOUR + 2 * MINUTE
    assert await told(team) == []


async def test_what_is_long_over_leaves_the_queue(team: Timed) -> None:
    await ask(team, "deploy")
    await ask(team, "and more")
    await told(team)
    await team.tick("make_digest", 31 * DAY)
    assert await listed(team) == []


async def test_more_than_twenty_at_once_are_counted_and_not_all_told(team: Timed) -> None:
    for number in range(25):
        await ask(team, f"step {number}")
    (found,) = await told(team)
    envelope = Envelope(NotificationTarget("hook", "webhook"), found, "https://bullpen.example", "timed")
    assert envelope.title == "bo asks to: step 0 (and 24 more)"
    lines = envelope.text().split("\n")
    assert (len(lines), lines[0], lines[-1]) == (20, "• bo asks to: step 1", "… and 5 more")
    assert envelope.link == "https://bullpen.example/needs/ap_1"


async def test_control_characters_reach_nobody(team: Timed) -> None:
    await team.call("bo", "send_message", to="ada", content="a\x1b[31mb\x00c\nd")
    (found,) = await told(team)
    assert found.items[0].text == "a[31mbc\nd"
