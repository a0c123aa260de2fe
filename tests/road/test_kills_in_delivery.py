"""`kill -9` of the bridge while it is handed something: every message is read, and none is read twice.

BULLPEN_BRIDGE_KILLS=200 makes it the long test that is run before a release.
"""

import os
import re
import signal
from collections import Counter
from functools import partial

import pytest

from server.supervision import courier
from tests.conftest import until
from tests.peers.model_api import ModelRequest, use_tool
from tests.road.conftest import CLI_PATIENCE_S, OpenRoad, bridge_pid

KILLS_A_ROUND = 8
"""Within the burst that the CLI takes, so that no push need wait for its pace."""
ROUNDS = -(-int(os.environ.get("BULLPEN_BRIDGE_KILLS", KILLS_A_ROUND)) // KILLS_A_ROUND)


def _asks(text: str, request: ModelRequest) -> bool:
    return text in request.new_text + request.new_results


@pytest.mark.parametrize("number_of_round", range(ROUNDS))
async def test_each_message_is_read_once_whenever_the_bridge_is_killed(
    open_road: OpenRoad, monkeypatch: pytest.MonkeyPatch, number_of_round: int
) -> None:
    monkeypatch.setattr(courier, "PACE_S", 0.1)
    monkeypatch.setattr(courier, "GRACE_S", (1.5, 3.0, 6.0))
    async with open_road("ada") as road:
        # What was lost twice is named by a notice, and fetched.
        road.api.when(use_tool("mcp__team__check_in"), contains="Read with the tool check_in")
        sent, killed = [], 0
        for number in range(KILLS_A_ROUND):
            sent.append(await road.say("dm:ada", f"delivery number {number}."))
            await road.wait_until_receipt(sent[-1], "pushed", "seen", "handled")
            killed = await until(partial(bridge_pid, road, "ada", killed), CLI_PATIENCE_S)
            os.kill(killed, signal.SIGKILL)

        for message in sent:
            await road.wait_until_receipt(message, "seen", "handled")
        for number in range(KILLS_A_ROUND):  # the hook tells of a prompt a moment before the model is asked
            await road.api.wait_until(partial(_asks, f"delivery number {number}."))
        await road.wait_until_agent("ada", activity="idle", connected=True)

        heard = "\n".join(turn.new_text + turn.new_results for turn in road.api.turns())
        assert Counter(re.findall(r"delivery number (\d+)\.", heard)) == {
            str(number): 1 for number in range(KILLS_A_ROUND)
        }
        assert (await road.agent("ada"))["generation"] == 1, "the CLI itself noticed nothing"
