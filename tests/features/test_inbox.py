"""The inbox: what was not read, what is owed, and acknowledging, which never goes back."""

from tests.conftest import OfficeUnderTest
from tests.following import following


async def test_what_was_not_shown_cannot_be_acknowledged_and_a_mark_never_moves_back(office: OfficeUnderTest) -> None:
    ada = await office.member("ada")
    sent = [(await office.chairman.send("general", f"@ada {number}"))["id"] for number in range(3)]
    (general,) = (await ada.get("/api/inbox"))["channels"]
    assert (general["unread_count"], general["mentions"], general["ack_id"]) == (3, 3, sent[-1])

    await ada.post("/api/inbox/ack", {"items": [{"channel": "general", "ack_id": sent[1]}]})
    await ada.post("/api/inbox/ack", {"items": [{"channel": "general", "ack_id": sent[0]}]})

    (general,) = (await ada.get("/api/inbox"))["channels"]
    assert [message["id"] for message in general["messages"]] == sent[2:]
    states = [(await ada.get(f"/api/messages/{message}/receipts"))["receipts"][0]["state"] for message in sent]
    assert states == ["handled", "handled", "stored"]


async def test_reading_the_inbox_proves_nothing_and_acknowledging_does(office: OfficeUnderTest) -> None:
    ada = await office.member("ada")
    message = await office.chairman.send("dm:ada", "look")

    await ada.get("/api/inbox")
    before = (await ada.get(f"/api/messages/{message['id']}/receipts"))["receipts"][0]
    await ada.post("/api/inbox/ack", {"items": [{"channel": "dm:chairman", "ack_id": message["id"]}]})
    after = (await ada.get(f"/api/messages/{message['id']}/receipts"))["receipts"][0]

    assert (before["state"], after["state"]) == ("stored", "handled")
    assert after["handled_at"]


async def test_an_answer_in_the_channel_handles_what_was_seen_there(office: OfficeUnderTest) -> None:
    ada = await office.member("ada")
    asked = await office.chairman.send("general", "@ada ready?")

    await ada.send("general", "ready", reply_to=asked["id"])

    receipt = (await office.chairman.get(f"/api/messages/{asked['id']}/receipts"))["receipts"][0]
    assert receipt["state"] == "handled"


async def test_an_ack_of_another_channels_message_is_refused_and_nothing_moves(office: OfficeUnderTest) -> None:
    ada = await office.member("ada")
    in_general = await office.chairman.send("general", "@ada one")
    direct = await office.chairman.send("dm:ada", "two")

    items = [
        {"channel": "general", "ack_id": in_general["id"]},
        {"channel": "general", "ack_id": direct["id"]},
    ]
    status, answer = await ada.ask("POST", "/api/inbox/ack", {"items": items})

    assert (status, answer["error"]["field"]) == (404, "items")
    assert (await ada.get("/api/inbox"))["total_unread"] == 2, "all or nothing"


async def test_a_revoked_token_ends_its_open_stream(office: OfficeUnderTest) -> None:
    minted = await office.chairman.post("/api/tokens", {"name": "ci", "kind": "bot"})
    bot = office.chairman.as_member(minted["token"])
    async with following(bot) as follower:
        await office.chairman.ask("DELETE", f"/api/tokens/{minted['id']}")
        await follower.wait_until_ended()
    assert follower.contents() == []
