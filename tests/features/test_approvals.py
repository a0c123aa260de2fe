"""Approvals: decided once, never by who asked, and never by silence without saying so."""

import asyncio
from pathlib import Path

import pytest

from server.core.errors import Conflict, NotAllowed
from tests.conftest import Door, OfficeUnderTest, open_office
from tests.features.timed import HOUR, MINUTE, SECOND, Clock, open_timed


async def _asked(door: Door, **fields: object) -> dict[str, str]:
    body = {"kind": "action", "summary": "upgrade the staging database", "details": "alembic upgrade head", **fields}
    made: dict[str, str] = await door.post("/api/approvals", body)
    return made


async def test_the_decision_is_owed_to_who_asked(office: OfficeUnderTest) -> None:
    ada = await office.member("ada")
    asked = await _asked(ada)
    assert asked["status"] == "pending"

    decided = await office.chairman.post(
        f"/api/approvals/{asked['id']}/resolve", {"approved": False, "comment": "not today", "hash": asked["hash"]}
    )

    assert (decided["status"], decided["decided_by"]) == ("rejected", "chairman")
    (channel,) = (await ada.get("/api/inbox"))["channels"]
    assert "was rejected by chairman (not today)" in channel["messages"][0]["content"]
    receipt = (await ada.get(f"/api/messages/{channel['ack_id']}/receipts"))["receipts"][0]
    assert (receipt["recipient"], receipt["state"]) == ("ada", "stored")
    assert (await office.chairman.get("/api/approvals"))["approvals"] == []


async def test_who_asked_can_wait_for_the_answer(office: OfficeUnderTest) -> None:
    ada = await office.member("ada")
    question = await ada.post("/api/questions", {"question": "Which port?", "options": ["8080", "9090"]})
    waiting = asyncio.create_task(ada.get(f"/api/approvals/{question['id']}?wait_s=5"))

    status, answer = await office.chairman.ask("POST", f"/api/approvals/{question['id']}/resolve", {"approved": True})
    assert (status, answer["error"]["field"]) == (400, "answer")
    assert "8080, 9090" in answer["error"]["hint"]
    await office.chairman.post(f"/api/approvals/{question['id']}/resolve", {"answer": "8080"})

    answered = await waiting
    assert (answered["status"], answered["answer"]) == ("answered", "8080")


async def test_nobody_decides_their_own_and_members_decide_nothing_unless_it_is_given_to_them(
    office: OfficeUnderTest,
) -> None:
    ada, bo = await office.member("ada"), await office.member("bo")
    lead = await office.member("pm", role="lead")
    asked = await _asked(ada)
    path = f"/api/approvals/{asked['id']}"
    for door in (ada, bo, lead):
        assert (await door.ask("POST", f"{path}/resolve", {"approved": True}))[0] == 403
    own = await _asked(office.chairman)
    assert (await office.chairman.ask("POST", f"/api/approvals/{own['id']}/resolve", {"approved": True}))[0] == 403

    assert (await office.chairman.ask("POST", f"{path}/delegate", {"to": "ada"}))[0] == 400
    await office.chairman.post(f"{path}/delegate", {"to": "pm"})

    assert (await lead.post(f"{path}/resolve", {"approved": True}))["decided_by"] == "pm"
    inbox = str(await lead.get("/api/inbox"))
    assert f"asks you to decide {asked['id']}" in inbox


async def test_of_two_who_decide_at_once_one_wins_and_the_other_learns_who_and_what(office: OfficeUnderTest) -> None:
    ada = await office.member("ada")
    ben = await office.member("ben", kind="human", role="operator")
    for _ in range(10):
        asked = await _asked(ada)
        path = f"/api/approvals/{asked['id']}/resolve"
        answers = await asyncio.gather(
            office.chairman.ask("POST", path, {"approved": True}), ben.ask("POST", path, {"approved": False})
        )
        ((_, won),) = [answer for answer in answers if answer[0] == 200]
        ((_, lost),) = [answer for answer in answers if answer[0] == 409]
        assert (lost["error"]["code"], lost["status"], lost["decided_by"]) == (
            "decided", won["status"], won["decided_by"],
        )  # fmt: skip


async def test_a_decision_about_something_else_than_was_shown_is_refused(office: OfficeUnderTest) -> None:
    ada = await office.member("ada")
    harmless, harmful = await _asked(ada), await _asked(ada, details="rm -rf /")
    assert harmless["hash"] != harmful["hash"]

    status, answer = await office.chairman.ask(
        "POST", f"/api/approvals/{harmful['id']}/resolve", {"approved": True, "hash": harmless["hash"]}
    )

    assert (status, answer["error"]["code"]) == (409, "changed")
    assert (await office.chairman.get(f"/api/approvals/{harmful['id']}"))["status"] == "pending"


async def test_what_nobody_decides_in_time_is_denied_by_time_also_over_a_restart(tmp_path: Path) -> None:
    clock = Clock()
    async with open_timed(tmp_path, clock) as timed:
        await timed.member("ada")
        asked = await timed.call("ada", "request_approval", kind="action", summary="deploy", expires_s=600)
        assert await timed.tick("expire_approvals", 599 * SECOND) == clock.now + SECOND
    async with open_timed(tmp_path, clock) as timed:
        await timed.member("ada")
        assert await timed.tick("expire_approvals", SECOND) is None

        expired = await timed.call("ada", "get_approval", approval_id=asked.id)
        assert (expired.status, expired.decided_by) == ("expired", None)
        assert "denied by time: nobody decided" in str(await timed.call("ada", "get_inbox"))
        with pytest.raises(Conflict) as late:
            await timed.call("chairman", "resolve_approval", approval_id=asked.id, approved=True)
        assert "by time" in late.value.message


async def test_what_is_snoozed_comes_back_before_it_expires(tmp_path: Path) -> None:
    async with open_timed(tmp_path) as timed:
        await timed.member("ada")
        asked = await timed.call("ada", "request_approval", kind="action", summary="deploy", expires_s=600)
        await timed.call("chairman", "snooze_approval", approval_id=asked.id, for_s=1800)
        await timed.tick("expire_approvals", 30 * MINUTE)
        assert (await timed.call("ada", "get_approval", approval_id=asked.id)).status == "pending"

        await timed.tick("expire_approvals", HOUR)

        assert (await timed.call("ada", "get_approval", approval_id=asked.id)).status == "expired"


async def test_what_was_taken_back_or_whose_asker_has_left_is_closed(tmp_path: Path) -> None:
    async with open_timed(tmp_path) as timed:
        await timed.member("ada")
        await timed.member("bo")
        first = await timed.call("ada", "request_approval", kind="action", summary="one")
        second = await timed.call("ada", "request_approval", kind="action", summary="two")
        with pytest.raises(NotAllowed):
            await timed.call("bo", "cancel_approval", approval_id=first.id)
        assert (await timed.call("ada", "cancel_approval", approval_id=first.id)).status == "cancelled"
        with pytest.raises(Conflict):
            await timed.call("chairman", "resolve_approval", approval_id=first.id, approved=True)
        await timed.call("chairman", "retire_member", name="ada")

        await timed.tick("expire_approvals")

        closed = await timed.call("chairman", "get_approval", approval_id=second.id)
        assert (closed.status, closed.comment) == ("cancelled", "who asked has left")


async def test_requests_outlive_the_server(tmp_path: Path) -> None:
    async with open_office(tmp_path / "data") as office:
        ada = await office.member("ada")
        asked = await _asked(ada)
    async with open_office(tmp_path / "data") as office:
        (waiting,) = (await office.chairman.get("/api/snapshot"))["approvals"]
        assert waiting == asked
