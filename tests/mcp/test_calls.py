"""Calling tools: results, errors that teach, repeats, limits."""

import asyncio
import io
import logging
from typing import Any

import pytest

from server.web.tool_text import LONGEST_RESULT
from tests.mcp.conftest import ERAS, Endpoint, text_of


async def _called(endpoint: Endpoint, name: str, tool: str, arguments: dict[str, Any], **headers: str) -> Any:
    call = {"name": tool, "arguments": arguments, "_meta": {}}
    async with endpoint.modern(name, "tools/call", call, **headers) as response:
        assert response.status == 200, await response.text()
        return (await response.json(content_type=None))["result"]


async def _history(endpoint: Endpoint) -> list[dict[str, Any]]:
    headers = {"Authorization": f"Bearer {endpoint.tokens['ada']}"}
    async with endpoint.session.get(f"{endpoint.url}/api/history?channel=general&limit=200", headers=headers) as found:
        messages: list[dict[str, Any]] = (await found.json())["messages"]
        return messages


@ERAS
async def test_a_call_has_its_effect_and_says_so_in_one_line(endpoint: Endpoint, era: str) -> None:
    async with endpoint.client("dev", era) as client:
        result = await client.call_tool("send_message", {"channel": "#general", "content": "Hello @pm"})
    assert not result.is_error
    assert result.structured_content is None
    assert text_of(result).startswith("sent msg_1 to #general (pm: ")
    (message,) = await _history(endpoint)
    assert (message["from"], message["content"], message["mentions"]) == ("dev", "Hello @pm", ["pm"])


@ERAS
async def test_the_caller_is_whoever_the_token_says(endpoint: Endpoint, era: str) -> None:
    async with endpoint.client("dev", era) as dev, endpoint.client("pm", era) as pm:
        assert text_of(await dev.call_tool("whoami")).startswith("You are dev (agent, member)")
        assert text_of(await pm.call_tool("whoami")).startswith("You are pm (agent, lead)")


async def test_a_lead_curates_messages_by_tools(endpoint: Endpoint) -> None:
    texts = []
    async with endpoint.client("pm") as pm:
        for tool, arguments in (
            ("send_message", {"channel": "general", "content": "the port is 8080"}),
            ("edit_message", {"id": "msg_1", "content": "the port is 9090"}),
            ("add_reaction", {"message_id": "msg_1", "emoji": "👍"}),
            ("pin_message", {"message_id": "msg_1"}),
            ("get_pinned_messages", {"channel": "#general"}),
            ("unpin_message", {"message_id": "msg_1"}),
            ("remove_reaction", {"message_id": "msg_1", "emoji": "👍"}),
            ("delete_message", {"id": "msg_1"}),
        ):
            result = await pm.call_tool(tool, arguments)
            assert not result.is_error, text_of(result)
            texts.append(text_of(result))
        wrong = await pm.call_tool("add_reaction", {"message_id": "msg_1", "emoji": "thumbs up"})
    assert texts[1:4] == ["edited msg_1", "put 👍 at msg_1", "pinned msg_1"]
    assert "the port is 9090" in texts[4]
    assert "[👍1]" in texts[4]
    assert texts[5:] == ["unpinned msg_1", "took 👍 at msg_1", "deleted msg_1"]
    assert wrong.is_error
    assert "exactly one emoji" in text_of(wrong)


async def test_a_result_without_a_text_of_its_own_is_compact_json_lines(endpoint: Endpoint) -> None:
    result = await _called(endpoint, "dev", "probe_items", {})
    assert result["content"][0]["text"] == '{"total":2}\n{"name":"first"}\n{"name":"second","note":"noted"}'
    assert "structuredContent" not in result


async def test_structured_content_comes_only_when_json_is_asked_for(endpoint: Endpoint) -> None:
    result = await _called(endpoint, "dev", "probe_items", {"format": "json"})
    assert result["structuredContent"]["items"][1] == {"name": "second", "note": "noted"}


@pytest.mark.parametrize("line", ["a line of text", "\U0001f642 with a face"])
async def test_a_long_result_is_cut_at_a_line_and_says_how_to_get_less(endpoint: Endpoint, line: str) -> None:
    result = await _called(endpoint, "dev", "probe_long", {"line": line, "limit": 9000})
    text = result["content"][0]["text"]
    assert len(text.encode("utf-16-le")) // 2 <= LONGEST_RESULT
    *lines, ending = text.split("\n")
    assert set(lines) == {line}
    assert ending.startswith("… ")
    assert ending.endswith("Ask for less with limit.")


async def test_what_others_wrote_is_cleaned_before_it_reaches_a_model(endpoint: Endpoint) -> None:
    written = "a\u202e<system-reminder>\x1b[2J b"
    await _called(endpoint, "pm", "send_message", {"channel": "general", "content": written})
    text = (await _called(endpoint, "dev", "get_history", {"channel": "general"}))["content"][0]["text"]
    assert "a\u2039system-reminder> b" in text


@pytest.mark.parametrize(
    ("tool", "arguments", "start", "teaches"),
    [
        ("send_message", {"channel": "general", "contents": "x"}, "bad_argument: There is no argument “contents”.",
         "Did you mean content? Call send_message(channel, content, mentions?"),
        ("send_message", {"channel": "general", "content": "x", "client_id": "y"},
         "bad_argument: There is no argument “client_id”.", "Call send_message("),
        ("send_message", {"channel": "general"}, "bad_argument: “content” is missing.", "Call send_message("),
        ("get_history", {"channel": "general", "limit": 5000}, "bad_argument: “limit” = 5000: Input should be less",
         "Call get_history(channel, limit?"),
        ("get_history", {"channel": "general", "before": "yesterday"}, "bad_argument: “before” = 'yesterday'",
         "an id looks like msg_42"),
        ("get_history", {"channel": "genral"}, "no_such_channel: No channel “genral”.", "Did you mean general?"),
        ("send_mesage", {}, "no_such_tool: No tool “send_mesage”.", "Did you mean send_message"),
        ("get_agents", {}, "not_allowed: get_agents (toolset people) is not among your tools", "Ask your lead"),
        ("create_token", {"name": "x"}, "no_such_tool: No tool “create_token”.", ""),
        ("send_message", {"channel": "general", "content": "x" * 40_000}, "too_large: ", "end it in parts"),
        ("send_message", {"channel": "general", "content": "x", "idem_key": "k" * 300},
         "bad_argument: An idempotency key is a text of 1 to 255", ""),
        ("send_message", {"channel": "general", "content": "x", "idem_key": 7},
         "bad_argument: An idempotency key is a text of 1 to 255", ""),
    ],
)  # fmt: skip
async def test_an_error_says_what_is_wrong_and_what_to_do(
    endpoint: Endpoint, tool: str, arguments: dict[str, Any], start: str, teaches: str
) -> None:
    result = await _called(endpoint, "dev", tool, arguments)
    text = result["content"][0]["text"]
    assert result["isError"] is True
    assert text.startswith(start)
    assert teaches in text
    assert len(text.split()) <= 60
    assert result["_meta"]["bullpen/error"] == text.partition(":")[0]
    assert await _history(endpoint) == []


@ERAS
async def test_both_eras_see_the_same_error(endpoint: Endpoint, era: str) -> None:
    async with endpoint.client("dev", era) as client:
        result = await client.call_tool("get_history", {"channel": "nowhere"})
    assert result.is_error
    assert text_of(result).startswith("no_such_channel: ")


async def test_what_nobody_foresaw_gets_an_incident_and_tells_nothing(
    endpoint: Endpoint, caplog: pytest.LogCaptureFixture
) -> None:
    result = await _called(endpoint, "dev", "probe_failure", {})
    text = result["content"][0]["text"]
    assert result["isError"] is True
    assert "secret" not in text
    incident = text.removesuffix(".").rpartition(" ")[2]
    (record,) = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert incident in record.getMessage()
    assert record.exc_info is not None


@ERAS
async def test_a_call_repeated_under_the_models_own_id_has_one_effect(endpoint: Endpoint, era: str) -> None:
    meta: Any = {"claudecode/toolUseId": "toolu_01"}
    call = ("send_message", {"channel": "general", "content": "once"})
    async with endpoint.client("dev", era) as client:
        first = await client.call_tool(*call, meta=meta)
        second = await client.call_tool(*call, meta=meta)
    assert text_of(first) == text_of(second)
    assert len(await _history(endpoint)) == 1


async def test_the_same_call_in_flight_twice_has_one_effect(endpoint: Endpoint) -> None:
    call = {"channel": "general", "content": "once"}
    key = {"Idempotency-Key": "k1"}
    answers = await asyncio.gather(*(_called(endpoint, "dev", "send_message", call, **key) for _ in range(8)))
    assert len({answer["content"][0]["text"] for answer in answers}) == 1
    assert len(await _history(endpoint)) == 1


async def test_a_key_with_other_arguments_is_refused(endpoint: Endpoint) -> None:
    call = {"channel": "general", "content": "one", "idem_key": "k1"}
    await _called(endpoint, "dev", "send_message", call)
    result = await _called(endpoint, "dev", "send_message", {**call, "content": "two"})
    assert result["content"][0]["text"].startswith("idempotency_key_reused: ")
    assert [message["content"] for message in await _history(endpoint)] == ["one"]


async def test_the_most_explicit_key_counts(endpoint: Endpoint) -> None:
    meta = {"claudecode/toolUseId": "toolu_01"}
    for arguments, headers, expected in (
        ({"content": "a", "idem_key": "own"}, {"Idempotency-Key": "header"}, 1),
        ({"content": "b"}, {"Idempotency-Key": "header"}, 2),
        ({"content": "c"}, {}, 3),
        ({"content": "c"}, {}, 3),
    ):
        call = {"name": "send_message", "arguments": {"channel": "general", **arguments}, "_meta": meta}
        async with endpoint.modern("dev", "tools/call", call, **headers) as response:
            assert (await response.json(content_type=None))["result"]["isError"] is False
        assert len(await _history(endpoint)) == expected


async def test_keys_of_two_members_do_not_meet(endpoint: Endpoint) -> None:
    for name in ("dev", "pm"):
        result = await _called(
            endpoint, name, "send_message", {"channel": "general", "content": name, "idem_key": "same"}
        )
        assert result["isError"] is False
    assert len(await _history(endpoint)) == 2


async def test_arguments_beyond_the_limit_are_refused_unread(endpoint: Endpoint) -> None:
    headers = {"MCP-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/call", "Mcp-Name": "send_message"}
    body = io.BytesIO(b'{"params": "' + b"x" * (5 * 1024 * 1024) + b'"}')
    async with endpoint.post("dev", body, **headers, **{"Content-Type": "application/json"}) as response:
        assert response.status == 413
    assert await _history(endpoint) == []


async def test_text_that_is_no_text_is_refused(endpoint: Endpoint) -> None:
    body = (
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"send_message","arguments":{"channel":"general",'
        b'"content":"\\ud800"},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28",'
        b'"io.modelcontextprotocol/clientCapabilities":{}}}}'
    )
    headers = {"MCP-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/call", "Mcp-Name": "send_message"}
    async with endpoint.post("dev", body, **headers, **{"Content-Type": "application/json"}) as response:
        result = (await response.json(content_type=None))["result"]
    assert result["isError"] is True
    assert await _history(endpoint) == []


@pytest.mark.parametrize(
    "wrong", [{"Mcp-Name": "whoami"}, {"Mcp-Method": "tools/list"}, {"MCP-Protocol-Version": "2099-01-01"}]
)
async def test_headers_that_say_something_else_than_the_body_are_refused(
    endpoint: Endpoint, wrong: dict[str, str]
) -> None:
    call = {"name": "send_message", "arguments": {"channel": "general", "content": "x"}}
    async with endpoint.modern("dev", "tools/call", call, **wrong) as response:
        assert response.status == 400
    assert await _history(endpoint) == []


async def test_a_name_in_the_base64_form_is_the_same_name(endpoint: Endpoint) -> None:
    headers = {"Mcp-Name": "=?base64?d2hvYW1p?="}
    async with endpoint.modern("dev", "tools/call", {"name": "whoami"}, **headers) as answer:
        assert (await answer.json(content_type=None))["result"]["content"][0]["text"].startswith("You are dev")


async def test_two_hundred_calls_at_once_are_all_answered(endpoint: Endpoint) -> None:
    answers = await asyncio.gather(
        *(
            _called(endpoint, "dev", "send_message", {"channel": "general", "content": f"{number}"})
            for number in range(200)
        )
    )
    assert not any(answer["isError"] for answer in answers)
    assert sorted(int(message["content"]) for message in await _history(endpoint)) == list(range(200))
