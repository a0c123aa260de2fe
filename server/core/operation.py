"""Operations: typed functions under `@command` or `@query`, and the registry that all else is derived from."""

import inspect
import re
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import ModuleType
from typing import Any, ParamSpec, TypeVar

from pydantic import BaseModel, ConfigDict, TypeAdapter, create_model
from pydantic.fields import FieldInfo

from server.core.errors import BullpenError
from server.core.event import Event
from server.core.permission import Permission

P = ParamSpec("P")
R = TypeVar("R")

_ROUTE = re.compile(r"^(GET|POST|PUT|PATCH|DELETE) (/\S+)$")
_RAISES = re.compile(r"\n\s*Raises (?P<names>[^\n]+(?:\n(?!\s*\n)[^\n]+)*)")


@dataclass(frozen=True)
class Operation:
    """All that is known of one operation. Everything derived (route, tool, schema, permission, audit) reads this."""

    name: str
    function: Callable[..., Any]
    changes: bool
    """A command: it gets a write transaction and must emit unless nothing changed."""
    method: str | None
    path: str | None
    tool: str | None
    toolset: str | None
    allow: Permission
    emits: tuple[type[Event], ...]
    status: int
    arguments: type[BaseModel]
    result: Any
    describe: Callable[..., str] | None
    """Result → compact text for a model."""
    destructive: bool
    waits: bool
    """It may answer later: `wait_s` of its arguments says how long at most."""
    aliases: Mapping[str, str]
    raises: tuple[type[BullpenError], ...]
    secret: bool = False
    """The answer holds a secret: it is never stored, not even for a repeat."""
    hidden: frozenset[str] = frozenset()
    """Arguments that the tool does not show."""
    required_in_tool: tuple[str, ...] = ()
    """Arguments that a tool must be given, for what could replace them is hidden."""
    repeatable: bool = False
    """A command that may be repeated with the same arguments to the same effect (MCP's idempotentHint)."""
    streamed: bool = False
    """Its route takes in, or gives out, bytes: the web floor has a handler of its own for it. Arguments that are hidden
    are the server's to fill in."""
    timed: bool = False
    """The clockwork runs it: it does what is due, and returns when the next is due (UTC ms), or None."""
    opening: str | None = None
    """An operation that goes before this one, by itself, if any argument that only it takes is given: what it does is
    done, once, before this one waits."""

    @cached_property
    def description(self) -> str:
        """The docstring without its `Raises` part."""
        return _RAISES.sub("", inspect.getdoc(self.function) or "").strip()

    @property
    def summary(self) -> str:
        return self.description.split("\n\n")[0].replace("\n", " ")

    @cached_property
    def result_adapter(self) -> TypeAdapter[Any]:
        return TypeAdapter(self.result)


def command(
    route: str | None = None,
    *,
    allow: Permission,
    emits: Sequence[type[Event]],
    tool: str | None = None,
    toolset: str | None = None,
    status: int = 200,
    describe: Callable[..., str] | None = None,
    destructive: bool = False,
    repeatable: bool = False,
    secret: bool = False,
    waits: bool = False,
    timed: bool = False,
    streamed: bool = False,
    opening: str | None = None,
    aliases: Mapping[str, str] | None = None,
    hidden: Iterable[str] = (),
    required_in_tool: tuple[str, ...] = (),
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Declare a function that changes something: the Call first, then keyword-only arguments."""
    return _declare(
        route, changes=True, allow=allow, emits=tuple(emits), tool=tool, toolset=toolset, status=status,
        describe=describe, destructive=destructive, repeatable=repeatable, secret=secret, waits=waits, timed=timed,
        streamed=streamed, opening=opening, aliases=aliases or {}, hidden=frozenset(hidden),
        required_in_tool=required_in_tool,
    )  # fmt: skip


def query(
    route: str | None = None,
    *,
    allow: Permission,
    tool: str | None = None,
    toolset: str | None = None,
    describe: Callable[..., str] | None = None,
    waits: bool = False,
    streamed: bool = False,
    aliases: Mapping[str, str] | None = None,
    hidden: Iterable[str] = (),
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Declare a function that only reads."""
    return _declare(
        route, changes=False, allow=allow, emits=(), tool=tool, toolset=toolset, status=200,
        describe=describe, destructive=False, repeatable=True, secret=False, waits=waits, streamed=streamed,
        aliases=aliases or {}, hidden=frozenset(hidden),
    )  # fmt: skip


def _declare(route: str | None, *, changes: bool, **declared: Any) -> Callable[[Callable[P, R]], Callable[P, R]]:
    def declare(function: Callable[P, R]) -> Callable[P, R]:
        method = path = None
        if route is not None:
            match = _ROUTE.match(route)
            if match is None:
                raise ValueError(f"{function.__name__}: “{route}” is not a route such as “POST /api/send”")
            method, path = match.groups()
        hints = typing.get_type_hints(function, include_extras=True)
        function.__operation__ = Operation(  # type: ignore[attr-defined]
            name=function.__name__,
            function=function,
            changes=changes,
            method=method,
            path=path,
            arguments=_arguments_model(function, hints, declared["aliases"]),
            result=hints.get("return", type(None)),
            raises=_raised(function),
            **declared,
        )
        return function

    return declare


def _arguments_model(
    function: Callable[..., Any], hints: Mapping[str, Any], aliases: Mapping[str, str]
) -> type[BaseModel]:
    parameters = list(inspect.signature(function).parameters.values())[1:]
    definitions: dict[str, Any] = {}
    for parameter in parameters:
        if parameter.kind is not inspect.Parameter.KEYWORD_ONLY:
            raise TypeError(f"{function.__name__}: {parameter.name} must be keyword-only")
        default = ... if parameter.default is inspect.Parameter.empty else parameter.default
        definitions[parameter.name] = (hints[parameter.name], FieldInfo(default=default))
    forbid = ConfigDict(extra="forbid", frozen=True)
    return create_model(_model_name(function.__name__), __config__=forbid, **definitions)


def _model_name(name: str) -> str:
    return "".join(part.title() for part in name.split("_"))


def _raised(function: Callable[..., Any]) -> tuple[type[BullpenError], ...]:
    match = _RAISES.search(inspect.getdoc(function) or "")
    if match is None:
        return ()
    known = {error.__name__: error for error in _error_tree(BullpenError)}
    return tuple(known[name] for name in re.findall(r"\b[A-Z]\w+", match["names"]) if name in known)


def _error_tree(root: type[BullpenError]) -> Iterable[type[BullpenError]]:
    for child in root.__subclasses__():
        yield child
        yield from _error_tree(child)


class Registry:
    """Every operation of an explicit list of modules, by name, by tool and by route."""

    def __init__(self, modules: Iterable[ModuleType]) -> None:
        self.operations: dict[str, Operation] = {}
        for module in modules:
            for value in vars(module).values():
                operation = getattr(value, "__operation__", None)
                if isinstance(operation, Operation) and operation.function.__module__ == module.__name__:
                    self._add(operation)
        self.by_tool = {operation.tool: operation for operation in self if operation.tool is not None}

    def __iter__(self) -> typing.Iterator[Operation]:
        return iter(self.operations.values())

    def __getitem__(self, name: str) -> Operation:
        return self.operations[name]

    def _add(self, operation: Operation) -> None:
        for other in self.operations.values():
            same_route = operation.path is not None and (operation.method, operation.path) == (other.method, other.path)
            if operation.name == other.name or same_route or (operation.tool and operation.tool == other.tool):
                raise ValueError(f"{operation.name} and {other.name} share a name, a route or a tool")
        self.operations[operation.name] = operation


def operation_of(function: Callable[..., Any]) -> Operation:
    """Return the operation declared on a function."""
    operation = getattr(function, "__operation__", None)
    if not isinstance(operation, Operation):
        raise TypeError(f"{function!r} is not under @command or @query")
    return operation
