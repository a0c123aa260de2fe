"""What a member is offered: by role, in the same bytes every time, small."""

import json

import pytest
from aiohttp import ClientResponse

from server.core.call import Caller
from server.core.operation import Operation, Registry, operation_of
from server.core.permission import READ
from server.features import members
from server.features.catalogue import FEATURES
from server.web.mcp import INSTRUCTIONS
from server.web.tools import TOOLSETS, Tools
from tests.mcp.conftest import ERAS, Endpoint

DEV = Caller("dev", "agent", "member")
PM = Caller("pm", "agent", "lead")
EVE = Caller("eve", "human", "viewer")


async def _listed(response: ClientResponse) -> list[dict[str, object]]:
    body = await response.json(content_type=None)
    tools: list[dict[str, object]] = body["result"]["tools"]
    return tools


async def test_both_eras_list_the_same_tools_in_the_same_order(endpoint: Endpoint) -> None:
    async with endpoint.client("dev") as modern, endpoint.client("dev", "legacy") as legacy:
        lists = [(await client.list_tools()).tools for client in (modern, legacy)]
    assert lists[0] == lists[1]
    assert [tool.name for tool in lists[0]] == [tool["name"] for tool in endpoint.tools.menu(DEV).listing]


async def test_the_list_is_the_same_bytes_every_time(endpoint: Endpoint) -> None:
    bodies = []
    for _ in range(3):
        async with endpoint.modern("dev", "tools/list") as response:
            assert response.headers["Content-Type"] == "application/json"
            bodies.append(await response.read())
    assert bodies[0] == bodies[1] == bodies[2]
    assert json.loads(bodies[0])["result"]["cacheScope"] == "private"


@ERAS
async def test_a_lead_has_tools_that_a_worker_has_not(endpoint: Endpoint, era: str) -> None:
    async with endpoint.client("dev", era) as dev, endpoint.client("pm", era) as pm:
        worker = {tool.name for tool in (await dev.list_tools()).tools}
        lead = {tool.name for tool in (await pm.list_tools()).tools}
    assert {"whoami", "check_in", "send_message", "get_inbox"} <= worker
    assert worker < lead
    assert {"get_agents", "create_channel"} <= lead - worker
    assert {"start_agent", "stop_agent", "restart_agent"} <= lead - worker


async def test_a_viewer_is_offered_what_it_may_do_and_nothing_else(endpoint: Endpoint) -> None:
    tools = endpoint.tools.menu(EVE).tools
    assert "get_agents" in tools
    assert "send_message" not in tools


async def test_the_menu_version_follows_the_list(endpoint: Endpoint) -> None:
    version = endpoint.tools.menu_version
    assert version(DEV) == version(Caller("qa", "bot", "member"))
    assert version(DEV) != version(PM)


async def test_a_tool_shows_its_visible_arguments_without_ballast(endpoint: Endpoint) -> None:
    tools = endpoint.tools.menu(DEV).tools
    schema = tools["send_message"].schema
    assert list(schema["properties"]) == ["channel", "content", "mentions", "reply_to", "priority", "files", "idem_key"]
    assert schema["required"] == ["channel", "content"], "the route has `to` beside it, which a tool does not show"
    assert schema["properties"]["reply_to"] == {"type": "string", "description": "Message, as `msg_91`."}
    assert schema["properties"]["priority"] == {
        "type": "string",
        "enum": ["now", "next", "later"],
        "default": "next",
    }
    items = tools["ack_inbox"].schema["properties"]["items"]
    assert items["items"]["required"] == ["channel", "ack_id"]
    text = json.dumps(endpoint.tools.menu(PM).listing)
    assert not any(word in text for word in ('"title": "', "$ref", '"null"', "maxLength"))


ASKING = ("request_approval", "ask_human")


async def test_only_what_a_repeat_would_do_twice_takes_an_idem_key(endpoint: Endpoint) -> None:
    tools = endpoint.tools.menu(DEV).tools
    taking = {name for name, tool in tools.items() if "idem_key" in tool.takes}
    assert taking == {"send_message", "send_dm", "create_task", "pin_task", "claim_task", "upload_file", *ASKING}


async def test_annotations_tell_what_may_run_beside_each_other(endpoint: Endpoint) -> None:
    tools = endpoint.tools.menu(PM).tools
    reading = {name for name, tool in tools.items() if tool.listing["annotations"].get("readOnlyHint")}
    assert {"whoami", "check_in", "get_history", "get_inbox"} <= reading
    assert not reading & {"send_message", "ack_inbox", "create_channel"}
    assert tools["ack_inbox"].listing["annotations"]["idempotentHint"] is True
    assert tools["send_message"].listing["annotations"] == {"destructiveHint": False}
    stop = endpoint.tools.menu(Caller("ada", "human", "chairman")).tools["stop_agent"]
    assert stop.listing["annotations"] == {"idempotentHint": True}, "destructive is what is not said to be harmless"


async def test_the_worker_menu_stays_below_twelve_thousand_characters(endpoint: Endpoint) -> None:
    tools = Tools(Registry(FEATURES), endpoint.dispatch, clean=str)
    size = len(json.dumps(tools.menu(DEV).listing, ensure_ascii=False, separators=(",", ":")))
    assert size < 12_000
    for tool in tools.menu(Caller("ada", "human", "chairman")).tools.values():
        assert len(tool.operation.description.split()) <= 40, tool.name


def test_the_instructions_are_short() -> None:
    assert len(INSTRUCTIONS.split()) <= 120


async def test_no_tool_answers_with_a_secret(endpoint: Endpoint) -> None:
    minting = operation_of(members.create_token)
    assert minting.secret
    assert minting.tool is None
    registry = Registry([])
    registry.by_tool["create_token"] = _in_toolset(minting, "people")
    with pytest.raises(ValueError, match="secret"):
        Tools(registry, endpoint.dispatch, clean=str)


async def test_a_tool_in_an_unknown_toolset_is_found_at_the_start(endpoint: Endpoint) -> None:
    registry = Registry([])
    registry.by_tool["whoami"] = _in_toolset(endpoint.dispatch.registry["whoami"], "sesion")
    with pytest.raises(ValueError, match="sesion"):
        Tools(registry, endpoint.dispatch, clean=str)


def test_every_tool_is_in_a_toolset_and_describes_itself() -> None:
    for name, operation in Registry(FEATURES).by_tool.items():
        assert operation.toolset in TOOLSETS, name
        assert operation.description, name
        assert operation.arguments.model_config["extra"] == "forbid"


def test_a_wait_counts_as_reading_only_where_reading_is_all_it_takes() -> None:
    waiting = [operation for operation in Registry(FEATURES).by_tool.values() if operation.waits]
    assert waiting
    assert all(operation.allow is READ for operation in waiting)


def _in_toolset(operation: Operation, toolset: str) -> Operation:
    fields = {name: getattr(operation, name) for name in Operation.__dataclass_fields__}
    return Operation(**{**fields, "toolset": toolset})


async def test_a_member_with_another_role_gets_another_menu_at_once(endpoint: Endpoint) -> None:
    async with endpoint.modern("dev", "tools/list") as response:
        before = await _listed(response)
    await endpoint.dispatch.as_system("ensure_member", name="dev", kind="agent", role="lead")
    async with endpoint.modern("dev", "tools/list") as response:
        after = await _listed(response)
    assert len(after) > len(before)
