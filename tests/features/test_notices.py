"""A notice names what waits without a word of it: it proves nothing of the messages themselves."""

from pathlib import Path

from tests.conftest import opened_office


async def test_a_notice_in_the_agents_turn_does_not_count_its_messages_as_seen(tmp_path: Path) -> None:
    async with opened_office(tmp_path / "data") as office:
        ada = await office.member("ada")
        number = int((await office.chairman.send("dm:ada", "the port is 8080"))["id"].removeprefix("msg_"))
        pushed = {"recipient": "ada", "messages": [number], "push_id": "abcd1234"}
        await office.store.run("mark_pushed", way="paste", **pushed)

        assert await office.store.run("mark_push_seen", recipient="ada", push_id="abcd1234", way="hook") == []

        inbox = await ada.get(f"/api/messages/msg_{number}/receipts")
        assert [receipt["state"] for receipt in inbox["receipts"]] == ["pushed"]
        checked_in = await office.store.run("list_owed", recipient="ada")
        assert [owed.content for owed in checked_in] == ["the port is 8080"]


async def test_a_push_in_the_agents_turn_does(tmp_path: Path) -> None:
    async with opened_office(tmp_path / "data") as office:
        await office.member("ada")
        number = int((await office.chairman.send("dm:ada", "the port is 8080"))["id"].removeprefix("msg_"))
        await office.store.run("mark_pushed", recipient="ada", messages=[number], way="socket", push_id="abcd1234")

        (receipt,) = await office.store.run("mark_push_seen", recipient="ada", push_id="abcd1234", way="hook")

        assert (receipt.state, receipt.way) == ("seen", "hook")
        assert await office.store.run("list_owed", recipient="ada") == []
