"""`kill -9` of the real CLI, of its bridge and of the server around it: nothing owed is lost, nothing is done twice."""

import os
import signal
from functools import partial

from server.supervision.kinds.files import socket_path
from tests.conftest import until
from tests.peers.model_api import Block, ModelRequest, say, use_tool
from tests.road.conftest import CLI_PATIENCE_S, OpenRoad, bridge_pid, reply

BRIDGE_KILLS = 20


async def test_a_killed_cli_comes_back_with_its_conversation_and_gets_what_it_is_owed(open_road: OpenRoad) -> None:
    async with open_road("ada") as road:
        road.api.when_asked(reply("Noted."), contains="the word is heron")
        await road.say("general", "@ada remember: the word is heron")
        await road.wait_until_said("general", "ada", 1)
        before = await road.wait_until_agent("ada", activity="idle")
        await road.wait_until_kept("ada", "the word is heron", "Noted.")
        road.api.when(say("Thinking."), contains="which word", gate="thinking", times=1)
        road.api.when_asked(reply("Heron."), contains="which word")
        asked = await road.say("general", "@ada which word?")
        await road.api.wait_until(lambda request: "which word" in request.new_text)

        os.kill(before["pid"], signal.SIGKILL)

        assert await road.wait_until_said("general", "ada", 2) == ["Noted.", "Heron."]
        after = await road.wait_until_agent("ada", state="ready")
        assert (after["pid"] != before["pid"], after["generation"]) == (True, before["generation"] + 1)
        assert after["last_exit"]["signal"] == signal.SIGKILL
        await road.wait_until_receipt(asked, "handled")
        answered = [turn for turn in road.api.turns() if "which word" in turn.new_text][-1]
        assert "the word is heron" in answered.raw, "its conversation is the one from before"
        road.api.release("thinking")


async def test_what_is_sent_while_the_cli_is_down_is_told_and_delivered_when_it_is_up(open_road: OpenRoad) -> None:
    async with open_road("ada") as road:
        road.api.when_asked(reply("Back."), contains="welcome back")
        chairman = road.office.chairman
        await chairman.post("/api/agents/ada/stop")
        await road.wait_until_agent("ada", state="stopped")

        sent = await chairman.send("general", "@ada welcome back")
        assert [(found["awake"], found["will"]) for found in sent["recipients"]] == [
            (False, "is stopped: gets it when somebody starts it")
        ]
        assert (await road.receipt(sent["id"]))["state"] == "stored"
        await chairman.post("/api/agents/ada/start")

        assert await road.wait_until_said("general", "ada", 1) == ["Back."]


async def test_20_kills_of_the_bridge_are_not_seen_by_the_model_and_each_call_has_one_effect(
    open_road: OpenRoad,
) -> None:
    async with open_road("ada", permission_mode="auto") as road:
        calls = 2 * BRIDGE_KILLS
        sent = iter(range(1, calls + 1))

        def next_call(request: ModelRequest) -> list[Block]:
            number = next(sent, None)
            if number is None:
                return [say("Done.")]
            return [use_tool("mcp__team__send_message", {"channel": "general", "content": f"part {number}"})]

        road.api.when_asked(next_call, contains="send forty parts")
        road.api.when_asked(next_call, with_results=True, anywhere="send forty parts")
        await road.say("general", "@ada send forty parts")
        killed = 0
        for number in range(BRIDGE_KILLS):
            await road.wait_until_said("general", "ada", 2 * number + 1)
            killed = await until(partial(bridge_pid, road, "ada", killed), CLI_PATIENCE_S)
            os.kill(killed, signal.SIGKILL)

        said = await road.wait_until_said("general", "ada", calls)
        await road.wait_until_agent("ada", activity="idle")

        assert said == [f"part {number}" for number in range(1, calls + 1)], "each once, in order"
        results = "\n".join(turn.new_results for turn in road.api.turns())
        assert results.count("sent msg_") == calls
        assert "rror" not in results, "the model saw nothing of it"
        killed = await until(partial(bridge_pid, road, "ada", killed), CLI_PATIENCE_S)
        os.kill(killed, signal.SIGKILL)  # idle
        road.api.when_asked(reply("Still here."), contains="still there")
        await road.say("general", "@ada still there?")
        assert (await road.wait_until_said("general", "ada", calls + 1))[-1] == "Still here."


async def test_a_burst_of_45_that_are_owed_all_reach_the_model(open_road: OpenRoad) -> None:
    async with open_road("ada") as road:
        sent = [await road.say("dm:ada", f"burst number {number}.") for number in range(45)]

        for message in sent:
            await road.wait_until_receipt(message, "seen", "handled")
        await road.api.wait_until(lambda request: "| burst number 44." in request.new_text)
        heard = "\n".join(turn.new_text for turn in road.api.turns())
        assert [number for number in range(45) if f"| burst number {number}." not in heard] == []


async def test_what_the_clis_own_socket_does_not_take_is_typed_at_its_idle_prompt(open_road: OpenRoad) -> None:
    async with open_road("ada") as road:
        road.api.when(use_tool("mcp__team__check_in"), contains="Read with the tool check_in", times=1)
        socket = socket_path(road.office.config.data / "agents" / "ada" / "push", "claude.sock")
        await until(socket.exists, CLI_PATIENCE_S)
        socket.unlink()

        asked = await road.say("general", "@ada by another way, please")

        receipt = await road.wait_until_receipt(asked, "seen", "handled")
        assert receipt["way"] == "pull", "the notice holds no word of it; the tool gives it"
        await road.api.wait_until(lambda request: "by another way, please" in request.new_results)
