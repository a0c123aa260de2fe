"""Guards: agents that only talk to each other are stopped, said to be, and let go on by a person."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from server.config import Guards
from server.core.errors import TooMany
from tests.conftest import UNHURRIED, Door, OfficeUnderTest, open_office, until
from tests.features.scripted_agents import Answer, Scripted, call_tool, different, until_quiet
from tests.features.timed import MINUTE, SECOND, open_timed


async def _guards(office: OfficeUnderTest, status: str = "open") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await office.chairman.get(f"/api/guards?status={status}"))["guards"]
    return found


async def _asked(office: OfficeUnderTest) -> list[dict[str, Any]]:
    rows = (await office.chairman.get("/api/approvals"))["approvals"]
    return [row for row in rows if row["kind"] == "guard"]


async def _said(door: Door, channel: str = "general") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await door.get(f"/api/history?channel={channel}&limit=200"))["messages"]
    return found


async def _receipts(office: OfficeUnderTest, message: dict[str, Any]) -> dict[str, tuple[str, str | None]]:
    rows = (await office.chairman.get(f"/api/messages/{message['id']}/receipts"))["receipts"]
    return {row["recipient"]: (row["state"], row["held_by"]) for row in rows}


@asynccontextmanager
async def _talking(office: OfficeUnderTest, names: Sequence[str], answer: Answer) -> AsyncIterator[list[Scripted]]:
    """Let agents answer whatever wakes them."""
    agents = [Scripted(name, await office.member(name), answer) for name in names]
    tasks = [asyncio.create_task(agent.run()) for agent in agents]
    try:
        yield agents
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _volley(one: Door, other: Door, count: int) -> list[dict[str, Any]]:
    """Have two agents answer each other so many times, each having read the other."""
    sent = []
    for number in range(count):
        sender, reader = (one, other) if number % 2 == 0 else (other, one)
        name = "bo" if number % 2 == 0 else "ada"
        sent.append(await sender.send("general", f"@{name} move {number}"))
        await call_tool(reader, "check_in")
    return sent


async def test_two_agents_that_always_answer_stop_and_a_person_is_asked_once(office: OfficeUnderTest) -> None:
    texts = different(lambda message: f"@{message.sender} and you?")
    answer: Answer = lambda message: {"channel": message.channel, "content": texts(message)}  # noqa: E731
    async with _talking(office, ("ada", "bo"), answer) as agents:
        begun = await office.chairman.send("general", "@ada start")
        await (await office.member("ada")).send("general", "@bo hello there")
        await until_quiet(agents)
        await until(partial(_asked, office))
        await until_quiet(agents)

        said = await _said(office.chairman)
        by_agents = [message for message in said if message["from_kind"] == "agent"]
        assert 4 <= len(by_agents) <= 14
        assert [message["from"] for message in said if message["from_kind"] == "system"] == ["system"], "one notice"
        (asked,) = await _asked(office)
        assert asked["options"] == ["Let them continue", "Keep paused", "Tell them to stop"]
        (guard,) = await _guards(office)
        assert (guard["members"], guard["approval_id"]) == (["ada", "bo"], asked["id"])
        held = [await _receipts(office, message) for message in by_agents if message["id"] > begun["id"]]
        assert ("stored", guard["kind"]) in [state for receipts in held for state in receipts.values()]
        assert "Loop guard: " in "\n".join(told for agent in agents for told in agent.told)
        trail = await office.chairman.get("/api/audit?limit=200")
        assert sum(entry["kind"] == "guard.tripped" for entry in trail["entries"]) == 1


async def test_who_always_answers_a_persons_message_stops_too(office: OfficeUnderTest) -> None:
    root = await office.chairman.send("general", "Discuss this.")
    texts = different(lambda message: f"@{message.sender} but")
    answer: Answer = lambda message: {"channel": "general", "content": texts(message), "reply_to": root["id"]}  # noqa: E731
    async with _talking(office, ("ada", "bo"), answer) as agents:
        await office.chairman.send("general", "@ada @bo begin", reply_to=root["id"])
        await (await office.member("ada")).send("general", "@bo what do you think?", reply_to=root["id"])
        await until_quiet(agents)

        by_agents = [message for message in await _said(office.chairman) if message["from_kind"] == "agent"]
        assert 6 <= len(by_agents) <= 14
        assert [guard["kind"] for guard in await _guards(office)] == ["pair"]


@pytest.mark.parametrize("guards", [Guards(), replace(UNHURRIED, hops=0, pair_per_min=0, pair_per_5_min=0)])
async def test_ten_agents_that_all_answer_all_stop_within_150_messages(tmp_path: Path, guards: Guards) -> None:
    async with open_office(tmp_path / "data", guards=guards) as office:
        texts = different(lambda message: "@all I think")
        answer: Answer = lambda message: {"channel": "general", "content": texts(message)}  # noqa: E731
        names = [f"dev-{number}" for number in range(10)]
        async with _talking(office, names, answer) as agents:
            for name in names:
                await office.chairman.post("/api/channels/general/members", {"agent_name": name})
            await office.chairman.send("general", "@all what shall we do?")
            await until_quiet(agents, 1.0)

            by_agents = sum(agent.sent for agent in agents)
            assert by_agents <= 150
            assert await _guards(office) != []


async def test_what_is_held_wakes_nobody_until_a_person_lets_them_continue(office: OfficeUnderTest) -> None:
    ada, bo = await office.member("ada"), await office.member("bo")
    sent = await _volley(ada, bo, 9)
    assert sent[7]["guard"] is None
    assert sent[8]["guard"].startswith("Loop guard: 9 messages of agents")
    assert [(row["name"], row["will"]) for row in sent[8]["recipients"]] == [("bo", "is not woken: hops")]
    assert await _receipts(office, sent[8]) == {"bo": ("stored", "hops")}
    assert (await call_tool(bo, "check_in"))[0].startswith("Nothing new")
    assert sent[8]["id"] in [message["id"] for message in await _said(bo)], "it is stored, and shown"
    person = await office.chairman.send("general", "@bo and this is from me")
    assert "this is from me" in (await call_tool(bo, "check_in"))[0]
    assert await _receipts(office, person) == {"bo": ("seen", None)}

    (asked,) = await until(partial(_asked, office))
    status, refused = await ada.ask("POST", f"/api/approvals/{asked['id']}/resolve", {"answer": "Let them continue"})
    assert (status, refused["error"]["code"]) == (403, "not_allowed")
    status, refused = await office.chairman.ask("POST", f"/api/approvals/{asked['id']}/resolve", {"answer": "perhaps"})
    assert (status, refused["error"]["field"]) == (400, "answer")
    await office.chairman.post(f"/api/approvals/{asked['id']}/resolve", {"answer": "Let them continue"})

    assert "move 8" in (await call_tool(bo, "check_in"))[0]
    assert await _guards(office) == []
    (cleared,) = await _guards(office, "all")
    assert (cleared["state"], cleared["decision"], cleared["decided_by"]) == ("cleared", "continue", "chairman")
    further = await bo.send("general", "@ada move 9", reply_to=sent[8]["id"])
    assert further["guard"] is None, "they have as much again"


async def test_kept_paused_they_stay_so_and_can_be_let_go_later(office: OfficeUnderTest) -> None:
    ada, bo = await office.member("ada"), await office.member("bo")
    sent = await _volley(ada, bo, 9)
    (guard,) = await _guards(office)
    assert (await ada.ask("POST", f"/api/guards/{guard['id']}/resolve", {"decision": "continue"}))[0] == 403
    kept = await office.chairman.post(f"/api/guards/{guard['id']}/resolve", {"decision": "keep"})
    assert (kept["state"], kept["decision"]) == ("open", "keep")

    again = await ada.send("general", "@bo are you there?", reply_to=sent[7]["id"])

    assert again["guard"] is not None
    assert len(await _guards(office)) == 1
    await until(partial(_no_longer_asked, office))
    await office.chairman.post(f"/api/guards/{guard['id']}/resolve", {"decision": "continue"})
    assert "are you there" in (await call_tool(bo, "check_in"))[0]
    status, decided = await office.chairman.ask("POST", f"/api/guards/{guard['id']}/resolve", {"decision": "stop"})
    assert (status, decided["error"]["code"]) == (409, "decided")


async def _no_longer_asked(office: OfficeUnderTest) -> bool:
    said = await _said(office.chairman)
    return any(message["from_kind"] == "system" for message in said) and not [
        row for row in await _asked(office) if row["status"] == "pending"
    ]


async def test_told_to_stop_each_of_them_is_told_and_what_was_held_stays_so(office: OfficeUnderTest) -> None:
    ada, bo = await office.member("ada"), await office.member("bo")
    sent = await _volley(ada, bo, 9)
    (guard,) = await _guards(office)

    await office.chairman.post(f"/api/guards/{guard['id']}/resolve", {"decision": "stop"})

    for door in (ada, bo):
        told = (await call_tool(door, "check_in"))[0]
        assert "chairman says: stop the exchange" in told
        assert "move 8" not in told
    assert (await bo.send("general", "@ada but", reply_to=sent[8]["id"]))["guard"] is not None, "in that chain"
    assert (await office.chairman.send("general", "@ada @bo new work"))["guard"] is None


@pytest.mark.parametrize(
    ("text", "wakes"),
    [
        ("Thanks!", False),
        ("ok", False),
        ("👍", False),
        ("Got it, thank you very much.", False),
        ("Acknowledged.", False),
        ("You're welcome!", False),
        ("Thanks, which port?", True),
        ("yes", True),
        ("ok, it is 8080", True),
        ("Great: done with #42", True),
    ],
)
async def test_a_bare_acknowledgement_between_agents_wakes_nobody(
    office: OfficeUnderTest, text: str, wakes: bool
) -> None:
    ada = await office.member("ada")
    await office.member("bo")
    sent = await ada.send("general", f"@bo {text}")
    assert await _receipts(office, sent) == {"bo": ("stored", None if wakes else "acknowledgement")}
    assert await _guards(office) == [], "nobody need decide that"
    to_person = await ada.send("general", f"@chairman {text}")
    from_person = await office.chairman.send("general", f"@bo {text}")
    assert await _receipts(office, to_person) == {"chairman": ("stored", None)}
    assert await _receipts(office, from_person) == {"bo": ("stored", None)}


async def test_the_same_text_a_third_time_is_held_and_another_is_not(office: OfficeUnderTest) -> None:
    ada = await office.member("ada")
    await office.member("bo")
    texts = ("@bo Is it done?", "@bo is it  DONE", "Is it done, @bo?!", "@bo is it done by 8?")
    sent = [await ada.send("general", text) for text in texts]
    assert [message["guard"] is None for message in sent] == [True, True, False, True]
    assert [guard["kind"] for guard in await _guards(office)] == ["repeats"]


async def test_an_edit_wakes_no_agent_that_a_message_would_not(office: OfficeUnderTest) -> None:
    ada, bo = await office.member("ada"), await office.member("bo")
    await _volley(ada, bo, 9)
    quiet = await ada.send("general", "Nobody is named.")

    edited = (await ada.ask("PUT", f"/api/messages/{quiet['id']}", {"content": "@bo is named"}))[1]

    assert edited["guard"].startswith("Loop guard: ")
    assert await _receipts(office, quiet) == {"bo": ("stored", "hops")}


async def test_a_crowded_channel_is_paused_whole_with_what_waits_in_it(tmp_path: Path) -> None:
    guards = replace(UNHURRIED, agent_msgs_without_human=6, pair_per_min=0)
    async with open_office(tmp_path / "data", guards=guards) as office:
        doors = [await office.member(name) for name in ("ada", "bo", "cy")]
        await office.chairman.send("general", "go on")
        sent = [await doors[number % 3].send("general", f"@all part {number}") for number in range(7)]
        assert [message["guard"] is None for message in sent] == [True] * 6 + [False]
        assert set((await _receipts(office, sent[5])).values()) == {
            ("stored", "channel"),
            ("stored", None),
        }, "what waited for agents is held too, what waits for the person is not"
        assert (await call_tool(doors[0], "check_in"))[0].startswith("Nothing new")
        (guard,) = await _guards(office)
        await office.chairman.post(f"/api/guards/{guard['id']}/resolve", {"decision": "continue"})
        assert "part 5" in (await call_tool(doors[0], "check_in"))[0]


async def test_a_loop_in_private_is_shown_to_those_who_decide_alone(office: OfficeUnderTest) -> None:
    ada, bo = await office.member("ada"), await office.member("bo")
    cy = await office.member("cy")
    for number in range(9):
        await (ada if number % 2 == 0 else bo).send("dm:bo" if number % 2 == 0 else "dm:ada", f"move {number}")
        await call_tool(bo if number % 2 == 0 else ada, "check_in")
    (guard,) = await _guards(office)
    (asked,) = await until(partial(_asked, office))
    assert guard["channel"] == "dm:ada:bo"
    assert "in direct messages" in asked["summary"]
    assert "move" not in str(asked)
    for door in (cy, ada):
        assert (await door.get("/api/guards"))["guards"] == []
        assert (await door.get("/api/snapshot"))["guards"] == []
    assert (await _said(ada, "dm:bo"))[-1]["from_kind"] == "system"


async def test_limits_are_the_agents_own_and_0_turns_a_guard_off(tmp_path: Path) -> None:
    async with open_timed(tmp_path) as team:
        for name in ("ada", "bo"):
            await team.member(name)
        off = replace(UNHURRIED, hops=0, pair_per_min=0, pair_per_5_min=0, repeats=0, agent_msgs_without_human=0)
        await team.dispatch.as_system("set_guard_limits", member="ada", limits=off)
        for number in range(30):
            assert (await team.call("ada", "send_message", to="bo", content="again"))["guard"] is None, number
        held = [(await team.call("bo", "send_message", to="ada", content=f"no {number}"))["guard"] for number in (1, 2)]
        assert all(held), "bo has the team's limits"


async def test_an_agent_may_send_10_at_once_and_30_a_minute_and_a_person_120(tmp_path: Path) -> None:
    async with open_timed(tmp_path) as team:
        await team.member("ada")
        await team.dispatch.as_system("set_guard_limits", member="", limits=Guards())
        for name, at_once, each_ms in (("ada", 10, 2 * SECOND), ("chairman", 120, SECOND // 2)):
            for number in range(at_once):
                await team.call(name, "send_message", channel="general", content=f"{number}")
            with pytest.raises(TooMany) as refused:
                await team.call(name, "send_message", channel="general", content="one too many")
            assert refused.value.headers["Retry-After"] == str(max(1, each_ms // 1000))
            team.clock.now += each_ms
            await team.call(name, "send_message", channel="general", content="again")
            team.clock.now += MINUTE


async def test_too_many_is_429_and_says_when_the_next_is_allowed(tmp_path: Path) -> None:
    async with open_office(tmp_path / "data", guards=Guards(self_per_min=3)) as office:
        ada = await office.member("ada")
        await ada.send("general", "one", client_id="1")
        async with ada.session.post(
            f"{ada.url}/api/send",
            json={"channel": "general", "content": "two"},
            headers={"Authorization": f"Bearer {ada.token}"},
        ) as response:
            assert (response.status, response.headers["Retry-After"]) == (429, "20")
        text, is_error = await call_tool(ada, "send_message", channel="general", content="three")
        assert is_error
        assert text.startswith("rate_limited: 3 messages a minute are reached. Next allowed in 20 s.")
