"""From a sentence of a person to a turn of the real Claude Code, and back."""

from server.config import Guards
from tests.following import following
from tests.peers.model_api import say, use_tool
from tests.road.conftest import CLI_PATIENCE_S, OpenRoad, end_bridge, reply

TOOLS = {"send_message", "send_dm", "check_in", "get_history", "get_inbox", "whoami"}


async def test_a_mention_wakes_an_idle_agent_and_its_answer_and_every_step_can_be_seen(open_road: OpenRoad) -> None:
    async with open_road("ada") as road:
        road.api.when_asked(reply("I am here."), contains="are you there")
        async with following(road.office.chairman, "?types=message.delivery") as follower:
            asked = await road.say("general", "@ada are you there?")

            assert await road.wait_until_said("general", "ada", 1) == ["I am here."]
            await follower.wait_until(lambda found: len(found.events) >= 4, CLI_PATIENCE_S)

        steps = [event["receipt"]["state"] for event in follower.events if event["receipt"]["message_id"] == asked]
        assert steps == ["stored", "pushed", "seen", "handled"]
        receipt = await road.receipt(asked)
        moments = [receipt[f"{step}_at"] for step in steps]
        assert moments == sorted(moments)
        turn = road.api.turns()[0]
        assert {f"mcp__team__{tool}" for tool in TOOLS} <= set(turn.tool_names), "undeferred from the first turn"
        await road.wait_until_agent("ada", activity="idle")


async def test_what_is_sent_to_a_busy_agent_reaches_it_at_its_next_tool_boundary(open_road: OpenRoad) -> None:
    async with open_road("ada", permission_mode="auto") as road:
        road.api.when(use_tool("mcp__team__whoami"), contains="start working", gate="first tool", times=1)
        road.api.when_asked(reply("Changed over."), contains="use the other port")
        await road.say("general", "@ada start working")
        await road.api.wait_until(lambda request: "start working" in request.new_text)
        await road.wait_until_agent("ada", activity="working")

        later = await road.say("general", "@ada use the other port", delivery="next_step")
        await road.wait_until_receipt(later, "pushed")
        road.api.release("first tool")

        turn = await road.api.wait_until(lambda request: "use the other port" in request.new_text)
        assert turn.has_results, "in the same turn, with the result of the tool"
        assert await road.wait_until_said("general", "ada", 1) == ["Changed over."]
        assert (await road.wait_until_receipt(later, "handled"))["seen_at"]


async def test_an_agent_that_edits_what_another_has_reserved_is_told_and_so_is_the_other(open_road: OpenRoad) -> None:
    async with open_road("ada", permission_mode="auto") as road:
        chairman = road.office.chairman
        await chairman.post("/api/reservations", {"paths": ["notes/**"], "reason": "proof-reading"})
        file = road.office.config.agents[0].workdir / "notes" / "today.md"
        road.api.when(use_tool("Write", {"file_path": str(file), "content": "done"}), contains="write it down", times=1)
        await road.say("general", "@ada write it down")

        told = await road.api.wait_until(lambda request: "is edited by chairman too" in request.new_text)
        assert str(file) in told.new_text
        history = await chairman.get("/api/history?channel=dm:chairman:system")
        assert [f"ada has just edited {file}" in message["content"] for message in history["messages"]] == [True]
        assert file.read_text() == "done"


async def test_what_waits_until_it_is_free_leaves_its_turn_alone(open_road: OpenRoad) -> None:
    async with open_road("ada", permission_mode="auto") as road:
        road.api.when(use_tool("mcp__team__whoami"), contains="start working", gate="first tool", times=1)
        road.api.when(say("Finished."), with_results=True, anywhere="start working", gate="second answer", times=1)
        road.api.when_asked(reply("Now I am."), contains="when you are free")
        await road.say("general", "@ada start working")
        await road.wait_until_agent("ada", activity="working")

        sent = await road.office.chairman.send("general", "@ada when you are free")
        assert [row["will"] for row in sent["recipients"]] == ["reads it when it is free"]
        road.api.release("first tool")
        at_boundary = await road.api.wait_until(lambda request: request.has_results)
        assert (await road.receipt(sent["id"]))["state"] == "stored"
        road.api.release("second answer")

        assert "when you are free" not in at_boundary.raw
        assert await road.wait_until_said("general", "ada", 1) == ["Now I am."]


async def test_an_interrupt_ends_the_running_tool_and_is_read_at_once(open_road: OpenRoad) -> None:
    async with open_road("ada", permission_mode="auto") as road:
        sleep = use_tool("Bash", {"command": "python3 -c 'import time; time.sleep(100)'"})
        road.api.when(sleep, contains="start working", times=1)
        road.api.when_asked(reply("I have stopped."), contains="stop that")
        await road.say("general", "@ada start working")
        await road.wait_until_agent(
            "ada", activity="working", activity_reason="Bash: python3 -c 'import time; time.sleep(100)'"
        )
        busy = await road.say("general", "@ada no hurry")

        sent = await road.office.chairman.send("general", "@ada stop that", delivery="interrupt")

        assert [row["will"] for row in sent["recipients"]] == ["is interrupted, and reads it now"]
        turn = await road.api.wait_until(lambda request: "| @ada stop that" in request.new_text)
        assert "interrupted" in turn.raw.lower()
        assert await road.wait_until_said("general", "ada", 1) == ["I have stopped."]
        await road.wait_until_receipt(busy, "seen", "handled")
        member = await road.office.member("cy")
        status, refused = await member.ask("POST", "/api/send", {"to": "ada", "content": "x", "delivery": "interrupt"})
        assert (status, refused["error"]["code"]) == (403, "not_allowed")


async def test_without_a_bridge_a_busy_agent_is_told_with_the_result_of_its_tool(open_road: OpenRoad) -> None:
    async with open_road("ada", permission_mode="auto") as road:
        road.api.when(use_tool("Bash", {"command": "true"}), contains="start working", gate="first tool", times=1)
        road.api.when(say("Read."), contains="the bridge is gone", times=1)
        await road.say("general", "@ada start working")
        await road.wait_until_agent("ada", activity="working")
        end_bridge(road, "ada")
        await road.wait_until_agent("ada", connected=False)

        later = await road.say("general", "@ada the bridge is gone", delivery="next_step")
        road.api.release("first tool")

        turn = await road.api.wait_until(lambda request: request.has_results)
        assert "| @ada the bridge is gone" in turn.raw
        receipt = await road.wait_until_receipt(later, "seen")
        assert receipt["way"] == "transcript", "that it is there, is read in what the CLI wrote down"


async def test_what_an_earlier_run_says_is_refused_and_told_why(open_road: OpenRoad) -> None:
    async with open_road("ada") as road:
        token_file = road.office.config.data / "agents" / "ada" / "token"
        old = road.office.chairman.as_member(token_file.read_text().strip())
        await road.office.chairman.post("/api/agents/ada/restart")
        await road.wait_until_agent("ada", state="ready", activity="idle", connected=True, generation=2)

        for path in ("/api/agents/ada/hooks", "/api/agents/ada/pushes", "/api/send"):
            status, refused = await old.ask("POST", path, {"hook_event_name": "Stop"})
            assert (status, refused["error"]["code"]) == (409, "stale_run")
        assert refused["error"]["message"] == "This is the token of run 1 of ada, which has ended."
        standing = await road.office.member("ada")
        status, refused = await standing.ask("POST", "/api/agents/ada/hooks", {"hook_event_name": "Stop"})
        assert (status, refused["error"]["code"]) == (409, "stale_run"), "a token of no run reports for none"


async def test_two_real_agents_hold_a_conversation_of_ten_messages(open_road: OpenRoad) -> None:
    # The tenth message is the ninth of agents in a row: one more than the loop guard lets pass unasked.
    async with open_road("ada", "bo", guards=Guards(hops=10)) as road:
        for number in range(1, 10):
            partner = "bo" if number % 2 else "ada"
            road.api.when_asked(reply(f"@{partner} ball {number + 1}."), contains=f"ball {number}.", times=1)

        await road.say("general", "@ada here you go: ball 1.")

        assert await road.wait_until_said("general", "bo", 4) == [f"@ada ball {number}." for number in (3, 5, 7, 9)]
        assert await road.wait_until_said("general", "ada", 5) == [f"@bo ball {number}." for number in (2, 4, 6, 8, 10)]
        # The tenth is the last that anybody was told to answer, and bo has read it.
        history = await road.office.chairman.get("/api/history?channel=general&limit=50")
        (last,) = [message for message in history["messages"] if message["content"] == "@bo ball 10."]
        await road.wait_until_receipt(last["id"], "seen", "handled")
