"""Registry → tool catalogue and tool calls. Knows nothing of MCP's wire but the shape of a tool and of a result.

A caller's menu follows from its role alone: its profile says which toolsets it holds, its permissions which of their
tools it may use. Listing and calling are both checked.
"""

import base64
import difflib
import hashlib
import logging
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any

import orjson
from pydantic import BaseModel, ValidationError

from server.core.call import Caller
from server.core.errors import BadArgument, BullpenError, NotAllowed, NotFound
from server.core.operation import Operation, Registry
from server.core.permission import HUMAN_ROLES, READ
from server.core.picture import Picture
from server.dispatch import Dispatch
from server.web.tool_schema import IDEM_KEY, input_schema, takes_idem_key
from server.web.tool_text import badge_text, error_text, result_text

logger = logging.getLogger(__name__)

TOOLSETS = (
    "session", "chat", "inbox", "tasks", "human", "people", "curate", "state", "knowledge", "files", "locks",
    "schedule", "audit", "lead", "process", "meta",
)  # fmt: skip
"""Every toolset there is, in the order in which tools are listed."""

_MINIMAL = frozenset({"session", "chat"})
_WORKER = _MINIMAL | {"inbox", "tasks", "human", "files"}
PROFILES: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "minimal": _MINIMAL,
        "worker": _WORKER,
        "reviewer": _WORKER | {"curate", "locks"},
        "lead": _WORKER | {"people", "curate", "state", "schedule", "lead", "process"},
        "all": frozenset(TOOLSETS),
    }
)
"""Toolsets by profile."""

LONGEST_KEY = 255
_META = {"anthropic/alwaysLoad": True}
"""Claude Code defers MCP tools to a search; ours are few, and what waits behind a search is not used."""
_SHOWN_VALUE = 60
_BADGE_EVERY_S = 60.0
_LOOK_EVERY_S = 1.0
_WITHOUT_BADGE = frozenset({"check_in", "get_inbox", "ack_inbox"})


def profile_of(role: str) -> str:
    """Return the profile that a role works with."""
    if role in HUMAN_ROLES:
        return "all"
    return "lead" if role == "lead" else "worker"


@dataclass(frozen=True)
class Tool:
    """One operation as a tool."""

    name: str
    operation: Operation
    toolset: str
    schema: Mapping[str, Any]

    @cached_property
    def listing(self) -> dict[str, Any]:
        """The tool as `tools/list` shows it."""
        return {
            "name": self.name,
            "description": " ".join(self.operation.description.split()),
            "inputSchema": self.schema,
            "annotations": self._annotations(),
            "_meta": _META,
        }

    @property
    def takes(self) -> Mapping[str, Any]:
        """The arguments it shows, `idem_key` among them."""
        properties: Mapping[str, Any] = self.schema["properties"]
        return properties

    @cached_property
    def signature(self) -> str:
        required = self.schema.get("required", ())
        return f"{self.name}({', '.join(name if name in required else f'{name}?' for name in self.takes)})"

    def _annotations(self) -> dict[str, bool]:
        operation = self.operation
        # What waits and takes no more than the right to read moves the caller's own marks at most. Claude Code runs
        # only tools that say so beside each other: a wait would otherwise hold back every call after it.
        if not operation.changes or (operation.waits and operation.allow is READ):
            return {"readOnlyHint": True}
        # What is not said is as the protocol has it: not read-only, destructive, not idempotent.
        destructive = {} if operation.destructive else {"destructiveHint": False}
        return {**destructive, **({"idempotentHint": True} if operation.repeatable else {})}


@dataclass(frozen=True)
class Menu:
    """The tools of one role, always in the same order."""

    tools: Mapping[str, Tool]

    @cached_property
    def listing(self) -> list[dict[str, Any]]:
        return [tool.listing for tool in self.tools.values()]

    @cached_property
    def version(self) -> str:
        """Changes whenever anything in the list does."""
        return hashlib.sha256(orjson.dumps(self.listing)).hexdigest()[:12]


class Tools:
    """The catalogue of one registry, and the way to call it."""

    def __init__(
        self,
        registry: Registry,
        dispatch: Dispatch,
        *,
        clean: Callable[[str], str],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take `clean` for what others wrote, before it enters a model's context.

        Raises ValueError for a tool in a toolset that does not exist, or whose answer holds a secret.
        """
        self._dispatch = dispatch
        self._clean = clean
        self._monotonic = monotonic
        self._badge_due: dict[str, float] = {}
        """Member → when to look again whether something waits for it."""
        self._menus: dict[str, Menu] = {}
        found = [_tool(name, operation) for name, operation in registry.by_tool.items()]
        found.sort(key=lambda tool: TOOLSETS.index(tool.toolset))
        self._tools = {tool.name: tool for tool in found}
        self.called: Callable[[Caller, str], None] = lambda caller, name: None
        """Told of each call of a tool that the caller has."""

    def menu(self, caller: Caller) -> Menu:
        """Return the tools that a caller holds."""
        menu = self._menus.get(caller.role)
        if menu is None:
            toolsets = PROFILES[profile_of(caller.role)]
            menu = Menu(
                {
                    name: tool
                    for name, tool in self._tools.items()
                    if tool.toolset in toolsets and tool.operation.allow.admits(caller.role)
                }
            )
            self._menus[caller.role] = menu
        return menu

    def menu_version(self, caller: Caller) -> str:
        """Return what changes whenever the caller's tool list does."""
        return self.menu(caller).version

    def schema(self, name: str) -> Mapping[str, Any] | None:
        """Return a tool's input schema, whoever may call it, or None."""
        tool = self._tools.get(name)
        return None if tool is None else tool.schema

    def waits(self, name: str) -> bool:
        """Tell whether a tool may answer later than at once."""
        tool = self._tools.get(name)
        return tool is not None and tool.operation.waits

    async def call(self, caller: Caller, name: str, arguments: Mapping[str, Any], key: str | None) -> dict[str, Any]:
        """Call a tool and return its result as MCP has it; whatever goes wrong is in it, for the model to read.

        `key` is the idempotency key of the request; an `idem_key` among the arguments goes before it.
        """
        try:
            tool = self._find(caller, name)
            self.called(caller, name)
            own_key, checked = _validated(tool, arguments)
            operation = tool.operation
            answer = await self._dispatch.run(
                operation, caller, checked, door="mcp", idempotency_key=_checked_key(own_key or key)
            )
            result = _result(self._clean(result_text(operation, answer.value, tool.takes)))
            if isinstance(answer.value, Picture):
                data = base64.b64encode(answer.value.png).decode()
                result["content"].append({"type": "image", "data": data, "mimeType": "image/png"})
                return result
            if getattr(checked, "format", None) == "json":
                # Claude Code shows the model this instead of the text, so it is sent only where it is asked for.
                result["structuredContent"] = orjson.loads(orjson.dumps(answer.value))
            if name not in _WITHOUT_BADGE and caller.kind in ("agent", "bot"):
                result["content"] += await self._badge(caller)
        except BullpenError as failure:
            return _failed(failure.code, self._clean(error_text(failure)))
        except Exception:
            incident = uuid.uuid4().hex[:12]
            logger.exception("incident %s in tool %s", incident, name)
            return _failed("failed", f"failed: Something went wrong inside. Tell your operator: incident {incident}.")
        return result

    async def _badge(self, caller: Caller) -> list[dict[str, str]]:
        """Say, now and then, that something waits for the caller: an agent at work would not look by itself."""
        now = self._monotonic()
        if now < self._badge_due.get(caller.name, now):
            return []
        operation = self._dispatch.registry["get_badge"]
        badge = (await self._dispatch.run(operation, caller, {}, door="mcp")).value
        self._badge_due[caller.name] = now + (_BADGE_EVERY_S if badge.new else _LOOK_EVERY_S)
        return (
            [{"type": "text", "text": badge_text(badge.new, badge.mentions, badge.mentioned_by)}] if badge.new else []
        )

    def _find(self, caller: Caller, name: str) -> Tool:
        menu = self.menu(caller).tools
        tool = menu.get(name)
        if tool is not None:
            return tool
        hidden = self._tools.get(name)
        if hidden is None:
            raise NotFound.among("tool", name, menu)
        raise NotAllowed(
            f"{name} (toolset {hidden.toolset}) is not among your tools; your role is {caller.role}.",
            hint="Ask your lead or a human to do it.",
        )


def _tool(name: str, operation: Operation) -> Tool:
    if operation.toolset not in TOOLSETS:
        raise ValueError(f"tool {name}: there is no toolset {operation.toolset!r}")
    if operation.secret:
        raise ValueError(f"tool {name}: its answer holds a secret, which must not enter a model's context")
    return Tool(name, operation, operation.toolset, input_schema(operation))


def _validated(tool: Tool, arguments: Mapping[str, Any]) -> tuple[object, BaseModel]:
    """Return the call's own idempotency key and its checked arguments. Raises BadArgument."""
    aliases = tool.operation.aliases
    given = {aliases.get(name, name): value for name, value in arguments.items()}
    for name in given:
        if name not in tool.takes:
            near = difflib.get_close_matches(name, tool.takes, n=1)
            hint = f"Did you mean {near[0]}? " if near else ""
            raise BadArgument(f"There is no argument “{name}”.", hint=f"{hint}Call {tool.signature}.", field=name)
    for name in tool.operation.required_in_tool:
        if name not in given:
            raise BadArgument(f"“{name}” is missing.", hint=f"Call {tool.signature}.", field=name)
    key = given.pop(IDEM_KEY, None) if takes_idem_key(tool.operation) else None
    try:
        return key, tool.operation.arguments.model_validate(given)
    except ValidationError as failure:
        raise _bad_argument(tool, failure) from None


def _bad_argument(tool: Tool, failure: ValidationError) -> BadArgument:
    first = failure.errors(include_url=False, include_context=False)[0]
    field = ".".join(str(part) for part in first["loc"])
    hint = f"Call {tool.signature}."
    if first["type"] == "missing":
        return BadArgument(f"“{field}” is missing.", hint=hint, field=field)
    given = repr(first["input"])
    shown = given if len(given) <= _SHOWN_VALUE else f"{given[:_SHOWN_VALUE]}…"
    return BadArgument(
        f"“{field}” = {shown}: {first['msg'].removeprefix('Value error, ')}.", hint=hint, field=field or None
    )


def _checked_key(key: object) -> str | None:
    if key is None or (isinstance(key, str) and 1 <= len(key) <= LONGEST_KEY):
        return key
    raise BadArgument(f"An idempotency key is a text of 1 to {LONGEST_KEY} characters.", field=IDEM_KEY)


def _result(text: str) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": text}], "isError": False}


def _failed(code: str, text: str) -> dict[str, Any]:
    return {**_result(text), "isError": True, "_meta": {"bullpen/error": code}}
