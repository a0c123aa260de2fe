"""Checking in: reporting, saying, reading and waiting in one call, each once; and the badge that calls for it."""

import asyncio
from typing import Any

from server.core.call import Caller
from server.web.tools import Tools
from tests.conftest import until
from tests.mcp.conftest import Endpoint, endpoint, text_of

__all__ = ["endpoint"]


async def test_a_report_is_noted_with_the_task_it_is_about(endpoint: Endpoint) -> None:
    await _called(endpoint, "dev", "create_task", title="Write it down", assignee="dev")

    noted = await _called(endpoint, "dev", "check_in", status="writing tests", task_id="#1")

    assert noted.splitlines()[0].startswith("noted. #1 todo @dev")
    told = await _called(endpoint, "dev", "get_task", task_id="#1")
    assert "writing tests" in told
    (agent,) = [each for each in (await _get(endpoint, "/api/agents"))["agents"] if each["name"] == "dev"]
    assert (agent["activity_reason"], agent["activity_source"]) == ("writing tests", "check_in")


async def test_what_is_said_arrives_before_the_wait_ends_and_once(endpoint: Endpoint) -> None:
    call = {"to": "#general", "text": "@pm done", "wait_s": 30}
    waiting = asyncio.create_task(_raw(endpoint, "dev", "check_in", call, key="k1"))
    await until(lambda: _contents(endpoint, ["@pm done"]))
    assert not waiting.done()

    await _called(endpoint, "pm", "send_message", channel="general", content="@dev good")
    answer = await waiting
    again = await _raw(endpoint, "dev", "check_in", call, key="k1")

    lines = answer.splitlines()
    assert lines[0].startswith("sent msg_1 to #general (pm:")
    assert lines[1] == "1 new:"
    assert lines[2].endswith("@dev good")
    assert again == answer, "a repeat says nothing anew"
    assert await _contents(endpoint, ["@pm done", "@dev good"])


async def test_what_cannot_be_sent_is_said_at_once_and_nothing_is_read(endpoint: Endpoint) -> None:
    await _called(endpoint, "pm", "send_message", channel="general", content="@dev hello")
    for arguments, problem in (
        ({"to": "#nowhere", "text": "x", "wait_s": 30}, "no_such_channel: "),
        ({"to": "@nobody", "text": "x", "wait_s": 30}, "no_such_member: "),
        ({"text": "x", "wait_s": 30}, "bad_argument: “to” and “text” go together."),
        ({"task_id": "#99", "wait_s": 30}, "not_found: No task #99."),
    ):
        assert (await _raw(endpoint, "dev", "check_in", arguments)).startswith(problem)
    assert "@dev hello" in await _called(endpoint, "dev", "check_in")


async def test_a_long_answer_leaves_the_rest_owed(endpoint: Endpoint) -> None:
    for letter in "abcd":
        await _called(endpoint, "pm", "send_dm", recipient="dev", content=letter * 20_000)
    seen = ""
    for more in (2, 0):
        answer = await _called(endpoint, "dev", "check_in")
        assert len(answer.encode()) <= 64 * 1024
        assert ("… 2 more" in answer) == (more == 2)
        seen += "".join(letter for letter in "abcd" if letter * 20_000 in answer)
    assert seen == "abcd"
    acknowledged = await _raw(endpoint, "dev", "ack_inbox", {"items": [{"channel": "dm:dev:pm", "ack_id": "msg_4"}]})
    assert '"unread":0' in acknowledged, "what checking in showed may be acknowledged"


async def test_a_result_tells_now_and_then_that_something_waits(endpoint: Endpoint) -> None:
    now = [0.0]
    tools = Tools(endpoint.dispatch.registry, endpoint.dispatch, clean=str, monotonic=lambda: now[0])
    caller = Caller("dev", "agent", "member")
    await _called(endpoint, "pm", "send_message", channel="general", content="@dev look")
    await _called(endpoint, "pm", "send_dm", recipient="dev", content="and here")

    async def badges(tool: str) -> list[str]:
        result = await tools.call(caller, tool, {}, None)
        return [part["text"] for part in result["content"][1:]]

    assert await badges("get_inbox") == []
    assert await badges("whoami") == ["inbox: 2 new (1 mention from pm) → check_in"]
    now[0] = 59.0
    assert await badges("whoami") == [], "once a minute"
    now[0] = 60.0
    assert await badges("whoami") == ["inbox: 2 new (1 mention from pm) → check_in"], "showing it marks nothing"
    assert await badges("check_in") == []
    now[0] = 200.0
    assert await badges("whoami") == []


async def _raw(endpoint: Endpoint, name: str, tool: str, arguments: dict[str, Any], key: str | None = None) -> str:
    headers = {} if key is None else {"Idempotency-Key": key}
    async with endpoint.client(name, headers=headers) as client:
        return text_of_first(await client.call_tool(tool, arguments))


async def _called(endpoint: Endpoint, name: str, tool: str, **arguments: Any) -> str:
    return await _raw(endpoint, name, tool, arguments)


def text_of_first(result: Any) -> str:
    """Return what a call answered, without the badge that may stand behind it."""
    result.content[1:] = []
    return text_of(result)


async def _get(endpoint: Endpoint, path: str) -> Any:
    headers = {"Authorization": f"Bearer {endpoint.tokens['ada']}"}
    async with endpoint.session.get(endpoint.url + path, headers=headers) as answer:
        return await answer.json()


async def _contents(endpoint: Endpoint, expected: list[str]) -> bool:
    found = await _get(endpoint, "/api/history?channel=general")
    return [message["content"] for message in found["messages"]] == expected
