"""Messages: order, pages, threads, mentions, and to whom each is owed."""

import pytest

from tests.conftest import OfficeUnderTest


async def test_history_pages_in_every_direction_without_gap_or_overlap(office: OfficeUnderTest) -> None:
    sent = [(await office.chairman.send("general", f"{number}"))["id"] for number in range(25)]
    back: list[str] = []
    cursor = ""
    while True:
        page = await office.chairman.get(f"/api/history?channel=general&limit=7{cursor}")
        back[:0] = [message["id"] for message in page["messages"]]
        if not page["hasMore"]:
            break
        cursor = f"&before={page['next_cursor']}"
    assert back == sent

    after = await office.chairman.get(f"/api/history?channel=general&limit=5&after={sent[9]}")
    assert [message["id"] for message in after["messages"]] == sent[10:15]
    around = await office.chairman.get(f"/api/history?channel=general&limit=6&around={sent[12]}")
    found = [message["id"] for message in around["messages"]]
    assert sent[12] in found
    assert found == sent[sent.index(found[0]) : sent.index(found[-1]) + 1]


async def test_a_reply_belongs_to_the_thread_of_its_root_and_is_owed_to_whom_it_answers(
    office: OfficeUnderTest,
) -> None:
    ada, bo = await office.member("ada"), await office.member("bo")
    root = await ada.send("general", "shall we?")
    first = await bo.send("general", "yes", reply_to=root["id"])
    second = await office.chairman.send("general", "then do", reply_to=first["id"])

    assert (first["thread"], second["thread"]) == (root["id"], root["id"])
    assert [recipient["name"] for recipient in second["recipients"]] == ["bo"]
    thread = await ada.get(f"/api/history?channel=general&thread={root['id']}")
    assert [message["content"] for message in thread["messages"]] == ["shall we?", "yes", "then do"]


@pytest.mark.parametrize(
    ("content", "owed"),
    [
        ("@ada look", ["ada"]),
        ("@Ada, @bo: look", ["ada", "bo"]),
        ("mail to a@ada.example", []),
        ("@nobody is here", []),
        ("`@ada`", ["ada"]),
        ("@chairman I am it", []),
        ("@ada @ada @ada", ["ada"]),
        ("@adam is another", []),
    ],
)
async def test_who_is_named_is_owed_and_told_to_the_sender(
    office: OfficeUnderTest, content: str, owed: list[str]
) -> None:
    await office.member("ada")
    await office.member("bo")

    sent = await office.chairman.send("general", content)

    assert (sent["mentions"], [recipient["name"] for recipient in sent["recipients"]]) == (owed, owed)
    receipts = (await office.chairman.get(f"/api/messages/{sent['id']}/receipts"))["receipts"]
    assert [(receipt["recipient"], receipt["state"]) for receipt in receipts] == [(name, "stored") for name in owed]


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({"channel": "general", "content": "  \n"}, 400, "content"),
        ({"channel": "general", "content": ""}, 400, "content"),
        ({"channel": "general", "content": "é" * 16_385}, 413, "content"),
        ({"content": "where?"}, 400, "channel"),
        ({"channel": "general", "to": "ada", "content": "both?"}, 400, "channel"),
        ({"channel": "genral", "content": "x"}, 404, "channel"),
        ({"channel": "dm:adaa", "content": "x"}, 404, None),
        ({"channel": "general", "content": "x", "reply_to": "msg_999"}, 404, "reply_to"),
        ({"channel": "general", "content": "x", "reply_to": "nonsense"}, 400, "reply_to"),
        ({"channel": "general", "content": "x", "mentions": ["adaa"]}, 404, "mentions"),
        ({"channel": "general", "content": "x", "metadata": {str(n): n for n in range(40)}}, 400, "metadata"),
        ({"channel": "dm:chairman", "content": "to myself"}, 400, "channel"),
    ],
)
async def test_a_message_that_cannot_be_sent_says_what_to_do(
    office: OfficeUnderTest, body: dict[str, object], status: int, field: str | None
) -> None:
    await office.member("ada")
    before = (await office.chairman.get("/api/snapshot"))["seq"]

    got, answer = await office.chairman.ask("POST", "/api/send", body)

    assert got == status, answer
    if field is not None:
        assert answer["error"]["field"] == field
    if status == 404 and "ada" in str(body):
        assert "ada" in answer["error"]["message"] + answer["error"]["hint"], "the nearest name"
    assert (await office.chairman.get("/api/snapshot"))["seq"] == before


async def test_exactly_32_kib_are_taken(office: OfficeUnderTest) -> None:
    sent = await office.chairman.send("general", "é" * 16_384)
    assert len(sent["content"].encode()) == 32 * 1024


async def test_the_sender_and_kind_are_the_servers_word(office: OfficeUnderTest) -> None:
    ada = await office.member("ada")
    status, _ = await ada.ask("POST", "/api/send", {"channel": "general", "content": "x", "from": "chairman"})
    assert status == 400
    sent = await ada.send("general", "x", metadata={"from": "chairman"})
    assert (sent["from"], sent["from_kind"]) == ("ada", "agent")
