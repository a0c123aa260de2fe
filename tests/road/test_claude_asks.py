"""The real Claude Code asks, a person answers in Bullpen: what was decided is what happens, and what is shown is so."""

import asyncio
import os
import signal
from functools import partial
from typing import Any

from server.config import RestartPolicy
from tests.conftest import until
from tests.peers.model_api import use_tool
from tests.road.conftest import CLI_PATIENCE_S, Office, OpenRoad

COMMAND = "touch made && ls"


async def _asked(road: Office, order: str, *blocks: Any) -> dict[str, Any]:
    """Have the agent try something that it must ask for, and return what stands in the queue."""
    road.api.when(*blocks, contains=order, times=1)
    await road.say("general", f"@ada {order}")
    found: dict[str, Any] = await until(partial(_first, road), CLI_PATIENCE_S)
    return found


async def _first(road: Office) -> dict[str, Any] | None:
    items = (await road.office.chairman.get("/api/needs-you"))["items"]
    return next((item["approval"] for item in items if item["approval"] is not None), None)


async def _decide(road: Office, asked: dict[str, Any], **decision: Any) -> dict[str, Any]:
    body = {**decision, "hash": asked["hash"]}
    decided: dict[str, Any] = await road.office.chairman.post(f"/api/approvals/{asked['id']}/resolve", body)
    return decided


async def _closed(road: Office, asked: dict[str, Any]) -> str:
    async def comment() -> str | None:
        row = await road.office.chairman.get(f"/api/approvals/{asked['id']}")
        assert row["status"] in ("pending", "closed")
        return str(row["comment"]) if row["status"] == "closed" else None

    found: str = await until(comment, CLI_PATIENCE_S)
    return found


def _bash(command: str) -> Any:
    return use_tool("Bash", {"command": command, "description": "d"})


async def test_what_is_approved_runs_and_a_pattern_that_is_allowed_for_the_session_is_not_asked_again(
    open_road: OpenRoad,
) -> None:
    async with open_road("ada") as road:
        folder = road.office.config.agents[0].workdir
        asked = await _asked(road, "make it", _bash(COMMAND))
        assert (asked["kind"], asked["details"], asked["request"]["input"]["command"]) == (
            "permission", COMMAND, COMMAND,
        )  # fmt: skip
        assert asked["request"]["pattern"] == "any `touch …`, any `ls …`"
        assert asked["request"]["folder"] == str(folder)
        agent = await road.wait_until_agent("ada", activity="needs_you")
        assert (agent["activity_reason_code"], agent["activity_source"]) == ("permission", "hook")
        assert not (folder / "made").exists()

        decided = await _decide(road, asked, approved=True, scope="session")

        assert (decided["status"], decided["scope"]) == ("approved", "session")
        await until((folder / "made").exists, CLI_PATIENCE_S)
        await road.wait_until_agent("ada", activity="idle")
        road.api.when(_bash("touch again && ls"), contains="once more", with_results=False, times=1)
        await road.say("general", "@ada once more")
        await until((folder / "again").exists, CLI_PATIENCE_S)
        assert await _first(road) is None


async def test_a_reason_reaches_the_model_changed_input_is_what_runs_and_a_question_is_answered(
    open_road: OpenRoad,
) -> None:
    async with open_road("ada") as road:
        folder = road.office.config.agents[0].workdir
        asked = await _asked(road, "make it", _bash(COMMAND))
        await _decide(road, asked, approved=False, comment="not on a Friday")
        refused = await road.api.wait_until(lambda request: request.has_results)
        assert refused.new_results == "chairman does not allow this: not on a Friday"

        asked = await _asked(road, "try again", _bash(COMMAND))
        await _decide(road, asked, approved=True, changed_input={"command": "touch other", "description": "d"})
        await until((folder / "other").exists, CLI_PATIENCE_S)
        assert not (folder / "made").exists()

        question = {
            "question": "Which port?", "header": "Port", "multiSelect": False,
            "options": [{"label": "8080", "description": "as before"}, {"label": "9090", "description": "free"}],
        }  # fmt: skip
        asked = await _asked(road, "what now", use_tool("AskUserQuestion", {"questions": [question]}))
        assert (asked["kind"], asked["summary"], asked["options"]) == ("question", "Which port?", ["8080", "9090"])
        await _decide(road, asked, answer="9090")
        await road.api.wait_until(lambda request: '"Which port?"="9090"' in request.new_results)


async def test_what_was_answered_in_the_terminal_or_whose_agent_was_killed_is_closed_and_says_so(
    open_road: OpenRoad,
) -> None:
    async with open_road("ada", restart=RestartPolicy("never")) as road:
        folder = road.office.config.agents[0].workdir
        asked = await _asked(road, "make it", _bash(COMMAND))
        await road.wait_until_agent("ada", activity="needs_you")
        await _type(road, "\r")
        assert await _closed(road, asked) == "answered in the terminal"
        await until((folder / "made").exists, CLI_PATIENCE_S)

        asked = await _asked(road, "leave it", _bash(COMMAND))
        await road.wait_until_agent("ada", activity="needs_you")
        await _type(road, "\x1b")
        assert await _closed(road, asked) == "broken off in the terminal"

        asked = await _asked(road, "try again", _bash(COMMAND))
        os.kill((await road.agent("ada"))["pid"], signal.SIGKILL)
        assert (await _closed(road, asked)).startswith("ada stopped at ")
        status, late = await road.office.chairman.ask(
            "POST", f"/api/approvals/{asked['id']}/resolve", {"approved": True}
        )
        assert (status, late["error"]["code"]) == (409, "closed")
        assert "cannot be answered any more: ada stopped at" in late["error"]["message"]


async def test_of_two_who_decide_at_once_one_wins_and_the_agent_hears_that_one(open_road: OpenRoad) -> None:
    async with open_road("ada") as road:
        folder = road.office.config.agents[0].workdir
        ben = await road.office.member("ben", kind="human", role="operator")
        asked = await _asked(road, "make it", _bash(COMMAND))
        path = f"/api/approvals/{asked['id']}/resolve"

        answers = await asyncio.gather(
            road.office.chairman.ask("POST", path, {"approved": True}),
            ben.ask("POST", path, {"approved": False, "comment": "no"}),
        )

        ((_, won),) = [answer for answer in answers if answer[0] == 200]
        ((_, lost),) = [answer for answer in answers if answer[0] == 409]
        assert (lost["status"], lost["decided_by"]) == (won["status"], won["decided_by"])
        done = await road.api.wait_until(lambda request: request.has_results)
        assert done.new_results == ("made" if won["status"] == "approved" else "ben does not allow this: no")
        assert (folder / "made").exists() == (won["status"] == "approved")


async def _type(road: Office, keys: str) -> None:
    """Type into the agent's terminal as a person at the dashboard does."""
    door = road.office.chairman
    ticket = (await door.post("/api/agents/ada/terminal/ticket", {"mode": "input"}))["ticket"]
    credentials = {"Authorization": f"Bearer {door.token}"}
    async with door.session.ws_connect(f"{door.url}/ws/terminal?ticket={ticket}", headers=credentials) as socket:
        await socket.send_json({"type": "take", "force": True})
        await socket.send_json({"type": "in", "data": keys})
        await socket.send_json({"type": "release"})
        told = ""
        while told.count('"lock"') < 2:
            told += str((await socket.receive(5)).data)
