"""Greeting, cursors, resets, filters and heartbeats."""

import asyncio
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from server import __version__
from server.web import stream
from tests.conftest import OfficeUnderTest, opened_office
from tests.following import Follower, following


async def test_a_stream_begins_with_hello_and_what_comes_from_now_on(office: OfficeUnderTest) -> None:
    await office.chairman.send("general", "before")
    snapshot = await office.chairman.get("/api/snapshot")
    async with following(office.chairman) as follower:
        sent = await office.chairman.send("general", "after")
        await follower.wait_for_seq(sent["seq"])

    hello = follower.hello
    assert (hello["seq"], hello["epoch"]) == (snapshot["seq"], snapshot["epoch"])
    assert (hello["oldest_seq"], hello["server_version"]) == (1, __version__)
    assert hello["server_time"].endswith("Z")
    assert hello["menu"]
    assert follower.frames[0].id is None
    assert follower.contents() == ["after"]
    frame = follower.frames[1]
    assert (frame.id, frame.kind) == (f"{hello['epoch']}-{sent['seq']}", "message.created")
    assert set(frame.data) == {"seq", "kind", "at", "actor", "message"}
    assert (frame.data["actor"], frame.data["seq"]) == ("chairman", sent["seq"])


@pytest.mark.parametrize("how", ["since", "since with epoch", "Last-Event-ID", "Last-Event-ID over an older since"])
async def test_a_cursor_of_any_form_resumes_after_it(office: OfficeUnderTest, how: str) -> None:
    epoch = (await office.chairman.get("/api/snapshot"))["epoch"]
    sent = [await office.chairman.send("general", f"{number}") for number in range(5)]
    seq = sent[1]["seq"]
    query, headers = {
        "since": (f"?since={seq}", {}),
        "since with epoch": (f"?since={epoch}-{seq}", {}),
        "Last-Event-ID": ("", {"Last-Event-ID": f"{epoch}-{seq}"}),
        "Last-Event-ID over an older since": ("?since=1", {"Last-Event-ID": f"{epoch}-{seq}"}),
    }[how]
    async with following(office.chairman, query, **headers) as follower:
        await follower.wait_for_seq(sent[-1]["seq"])

    assert follower.contents() == ["2", "3", "4"]
    assert "reset" not in follower.kinds()


@pytest.mark.parametrize("cursor", ["another epoch", "the future", "before the oldest that is kept"])
async def test_a_cursor_that_means_nothing_any_more_gets_exactly_one_reset(tmp_path: Path, cursor: str) -> None:
    async with opened_office(tmp_path / "data") as office:
        for number in range(6):
            await office.chairman.send("general", f"{number}")
        snapshot = await office.chairman.get("/api/snapshot")
        seq = snapshot["seq"]
        if cursor.startswith("before"):
            await office.store.database.write(
                lambda transaction: transaction.run("DELETE FROM event WHERE seq <= :seq", {"seq": seq - 3})
            )
        since = {"another": f"0badf00d-{seq - 1}", "the": f"{seq + 1000}", "before": f"{seq - 5}"}[cursor.split()[0]]

        async with following(office.chairman, f"?since={since}") as follower:
            await follower.wait_until(lambda found: "reset" in found.kinds())
            sent = await office.chairman.send("general", "afterwards")
            await follower.wait_for_seq(sent["seq"])
            assert follower.kinds() == ["hello", "reset", "message.created"]
            assert follower.frames[1].data == {"seq": seq, "epoch": snapshot["epoch"]}
            async with following(office.chairman, **{"Last-Event-ID": follower.frames[1].id or ""}) as resumed:
                await resumed.wait_for_seq(sent["seq"])
                assert resumed.kinds() == ["hello", "message.created"], "the reset's own id is a cursor"
        answer = await office.chairman.get(f"/api/events/poll?since={since}")
        assert (answer["reset"], answer["events"], answer["next"]) == (True, [], sent["seq"])


async def test_the_oldest_that_is_kept_needs_no_reset(tmp_path: Path) -> None:
    async with opened_office(tmp_path / "data") as office:
        sent = [await office.chairman.send("general", f"{number}") for number in range(6)]
        await office.store.database.write(
            lambda transaction: transaction.run("DELETE FROM event WHERE seq < :seq", {"seq": sent[3]["seq"]})
        )
        async with following(office.chairman, f"?since={sent[2]['seq']}") as follower:
            await follower.wait_for_seq(sent[-1]["seq"])
        assert follower.contents() == ["3", "4", "5"]
        assert follower.hello["oldest_seq"] == sent[3]["seq"]


async def test_a_cursor_that_is_none_is_refused(office: OfficeUnderTest) -> None:
    for since in ("x", "-5", "1.5", "99999999999999999999", "a-b", "٣"):
        for path in ("/api/events", "/api/events/poll"):
            status, answer = await office.chairman.ask("GET", f"{path}?since={since}")
            assert (status, answer["error"]["field"]) == (400, "since"), since
    status, _ = await office.chairman.ask("GET", "/api/events", **{"Last-Event-ID": "not a cursor"})
    assert status == 400


async def test_a_stream_goes_on_over_a_restart_of_the_server(tmp_path: Path) -> None:
    async with opened_office(tmp_path / "data") as office:
        async with following(office.chairman) as follower:
            sent = await office.chairman.send("general", "before")
            await follower.wait_for_seq(sent["seq"])
        await office.chairman.send("general", "missed")
    async with opened_office(tmp_path / "data") as office:
        async with following(office.chairman, **{"Last-Event-ID": follower.last_id}) as resumed:
            sent = await office.chairman.send("general", "after")
            await resumed.wait_for_seq(sent["seq"])
        assert resumed.contents() == ["missed", "after"]
        assert "reset" not in resumed.kinds()


async def test_only_kinds_and_channels_that_are_asked_for_come(office: OfficeUnderTest) -> None:
    ada = await office.member("ada", kind="human", role="operator")
    await ada.post("/api/channels", {"id": "topic:x", "type": "topic", "members": ["chairman"]})
    queries = {
        "?types=message.created": ["in general @chairman", "in x", "to me"],
        "?types=message.delivery,read.updated": [],
        "?channels=topic:x": ["in x"],
        "?channels=%23general,topic:x": ["in general @chairman", "in x"],
        "?channels=dm:ada": ["to me"],
        "?channels=dm:ada:chairman&types=message.created": ["to me"],
        "?types=message.created&channels=nowhere": [],
    }
    since = (await ada.get("/api/snapshot"))["seq"]
    await ada.send("general", "in general @chairman")
    await ada.send("topic:x", "in x")
    await ada.send("dm:chairman", "to me")
    for query, contents in queries.items():
        async with following(office.chairman, f"{query}&since={since}") as follower:
            end = (await ada.send("general", "the end"))["seq"]
            answer = await office.chairman.get(f"/api/events/poll{query}&since={since}&wait_s=0")
            heard = [event for event in answer["events"] if event["seq"] < end]
            await follower.wait_until(partial(_begins_with, heard))
        messages = [event["message"]["content"] for event in heard if event["kind"] == "message.created"]
        assert [text for text in messages if text != "the end"] == contents, query


def _begins_with(heard: list[dict[str, Any]], follower: Follower) -> bool:
    return follower.events[: len(heard)] == heard


async def test_deliveries_are_a_kind_of_their_own(office: OfficeUnderTest) -> None:
    await office.member("ada")
    async with following(office.chairman, "?types=message.delivery") as follower:
        sent = await office.chairman.send("general", "@ada look")
        await follower.wait_until(lambda found: found.events)
    (event,) = follower.events
    assert (event["receipt"]["recipient"], event["receipt"]["state"]) == ("ada", "stored")
    assert event["receipt"]["message_id"] == sent["id"]


async def test_a_quiet_stream_has_a_heartbeat(office: OfficeUnderTest, monkeypatch: pytest.MonkeyPatch) -> None:
    assert stream.HEARTBEAT_S == 15
    monkeypatch.setattr(stream, "HEARTBEAT_S", 0.02)
    async with following(office.chairman) as follower:
        await follower.wait_until(lambda found: found.heartbeats >= 3)
        sent = await office.chairman.send("general", "between two of them")
        await follower.wait_for_seq(sent["seq"])
        beats = follower.heartbeats
        await follower.wait_until(lambda found: found.heartbeats >= beats + 2)


async def test_a_poll_answers_at_once_later_or_with_nothing(office: OfficeUnderTest) -> None:
    since = (await office.chairman.get("/api/snapshot"))["seq"]
    nothing = await office.chairman.get(f"/api/events/poll?since={since}&wait_s=0")
    assert (nothing["events"], nothing["next"], nothing["timed_out"]) == ([], since, True)

    waiting: asyncio.Task[Any] = asyncio.create_task(office.chairman.get(f"/api/events/poll?since={since}&wait_s=20"))
    sent = await office.chairman.send("general", "woken")
    found = await asyncio.wait_for(waiting, 5)
    assert [event["message"]["content"] for event in found["events"]] == ["woken"]
    assert (found["next"], found["timed_out"]) == (sent["seq"], False)


async def test_a_poll_is_not_woken_by_what_its_caller_may_not_see(office: OfficeUnderTest) -> None:
    ada, bob = await office.member("ada"), await office.member("bob")
    eve = await office.member("eve")
    since = (await eve.get("/api/snapshot"))["seq"]
    waiting: asyncio.Task[Any] = asyncio.create_task(eve.get(f"/api/events/poll?since={since}&wait_s=20"))
    for number in range(5):
        await ada.send("dm:bob", f"{number}")
        await bob.send("dm:ada", f"{number}")
    assert not waiting.done()
    sent = await ada.send("general", "for all")
    found = await asyncio.wait_for(waiting, 5)
    assert [event["seq"] for event in found["events"]] == [sent["seq"]]
