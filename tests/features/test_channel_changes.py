"""Channels as they are kept: renamed, archived, joined, left, and turned down."""

from typing import Any

from tests.conftest import Door, OfficeUnderTest
from tests.following import told_since


async def _channel(door: Door, name: str) -> Any:
    return next(found for found in (await door.get("/api/snapshot"))["channels"] if found["id"] == name)


async def test_a_channel_is_renamed_and_described_by_its_creator_and_its_id_stays(office: OfficeUnderTest) -> None:
    ada, bo = await office.member("ada"), await office.member("bo")
    await ada.post("/api/channels", {"id": "front", "members": ["bo"]})

    assert (await bo.ask("PATCH", "/api/channels/front", {"name": "Mine"}))[0] == 403
    assert (await ada.ask("PATCH", "/api/channels/front", {}))[0] == 400
    status, changed = await ada.ask("PATCH", "/api/channels/front", {"name": "Front end", "description": "Pixels"})

    assert status == 200
    assert changed == await _channel(bo, "front")
    assert (changed["id"], changed["name"], changed["description"]) == ("front", "Front end", "Pixels")


async def test_nothing_is_written_in_an_archived_channel_until_it_is_open_again(office: OfficeUnderTest) -> None:
    ada = await office.member("ada")
    await ada.post("/api/channels", {"id": "old"})
    sent = await ada.send("old", "long ago")
    assert (await ada.post("/api/channels/old/archive"))["archived"]

    for method, path, body in (
        ("POST", "/api/send", {"channel": "old", "content": "hello"}),
        ("PUT", f"/api/messages/{sent['id']}", {"content": "hello"}),
        ("POST", f"/api/messages/{sent['id']}/reactions", {"emoji": "👍"}),
        ("POST", f"/api/messages/{sent['id']}/pin", {}),
        ("PATCH", "/api/channels/old", {"name": "x"}),
        ("POST", "/api/channels/old/members", {"agent_name": "chairman"}),
    ):
        assert (await ada.ask(method, path, body))[0] == 409, path
    assert [one["content"] for one in (await ada.get("/api/history?channel=old"))["messages"]] == ["long ago"]
    await ada.post("/api/channels/old/unarchive")
    await ada.send("old", "and now")


async def test_who_may_do_what_with_a_channel(office: OfficeUnderTest) -> None:
    doors = {
        "ada": await office.member("ada"),
        "bo": await office.member("bo"),
        "lead": await office.member("lead", role="lead"),
        "viewer": await office.member("vera", kind="human", role="viewer"),
        "chairman": office.chairman,
    }
    await doors["ada"].post("/api/channels", {"id": "front"})
    for who, path, expected in (
        ("bo", "front/archive", 403),
        ("viewer", "front/archive", 403),
        ("lead", "front/archive", 200),
        ("chairman", "front/unarchive", 200),
        ("chairman", "general/archive", 409),
        ("bo", "dm:ada:chairman/archive", 404),
        ("bo", "front/join", 200),
        ("bo", "front/leave", 200),
        ("viewer", "front/join", 200),
        ("bo", "nowhere/join", 404),
    ):
        status, answer = await doors[who].ask("POST", f"/api/channels/{path}", {})
        assert status == expected, (who, path, answer)


async def test_who_leaves_an_open_channel_reads_it_and_is_counted_nothing(office: OfficeUnderTest) -> None:
    bo = await office.member("bo")
    await office.chairman.post("/api/channels", {"id": "front", "members": ["bo"]})
    await bo.post("/api/channels/front/leave")
    await office.chairman.send("front", "@all hello")

    snapshot = await bo.get("/api/snapshot")
    assert "front" in [channel["id"] for channel in snapshot["channels"]]
    assert "front" not in [read["channel"] for read in snapshot["reads"]]
    await bo.post("/api/channels/front/join")
    (read,) = [read for read in (await bo.get("/api/snapshot"))["reads"] if read["channel"] == "front"]
    assert read["unread"] == 0, "what came meanwhile is history"


async def test_how_much_one_wants_to_be_told_is_ones_own(office: OfficeUnderTest) -> None:
    ada, bo = await office.member("ada"), await office.member("bo")
    before = (await bo.get("/api/snapshot"))["seq"]

    status, read = await ada.ask("PUT", "/api/channels/general/level", {"level": "mentions"})

    assert (status, read["level"]) == (200, "mentions")
    (mine,) = [row for row in (await ada.get("/api/snapshot"))["reads"] if row["channel"] == "general"]
    assert mine["level"] == "mentions"
    (told,) = await told_since(ada, before)
    assert (told["kind"], told["read"]["level"]) == ("read.updated", "mentions")
    assert await told_since(bo, before) == []
    assert "mentions" not in str((await bo.get("/api/snapshot"))["channels"])
    assert (await ada.ask("PUT", "/api/channels/general/level", {"level": "loud"}))[0] == 400
    await ada.post("/api/channels/general/leave")
    assert (await ada.ask("PUT", "/api/channels/general/level", {"level": "all"}))[0] == 409
