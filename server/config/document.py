"""YAML read with places: every value knows its file, line and column. Knows no key of the team file."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import yaml

_DEEPEST = 40


@dataclass(frozen=True, order=True)
class Place:
    """Where something stands: a file with line and column, or the name of a flag or variable (line 0)."""

    source: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.source}:{self.line}:{self.column}" if self.line else self.source


@dataclass(frozen=True, order=True)
class Problem:
    """One thing that is wrong, where, and what would be right."""

    place: Place
    message: str
    hint: str = ""

    def __str__(self) -> str:
        return f"{self.place}: {self.message}" + (f" {self.hint}" if self.hint else "")


class ConfigError(Exception):
    """The configuration cannot be used. Every problem found is named, in the order of the file."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        # What is wrong in a role is found again in each agent that has it: the first finding of a place stands.
        first = {(problem.place if problem.place.line else problem): problem for problem in reversed(list(problems))}
        self.problems = tuple(sorted(first.values()))
        super().__init__("\n".join(str(problem) for problem in self.problems))


@dataclass(frozen=True)
class Value:
    """One YAML value. A mapping's data is a dict of Values, a list's a list of Values, otherwise a plain scalar."""

    place: Place
    data: "str | int | float | bool | list[Value] | dict[str, Value] | None"
    key_places: Mapping[str, Place] = field(default_factory=dict)

    def plain(self) -> object:
        """Return the data without places."""
        if isinstance(self.data, dict):
            return {key: value.plain() for key, value in self.data.items()}
        if isinstance(self.data, list):
            return [value.plain() for value in self.data]
        return self.data


def read_document(text: str, source: str) -> Value:
    """Parse one YAML document. Raises ConfigError."""
    loader = yaml.SafeLoader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return Value(Place(source, 1, 1), {})
        return _value(loader, node, source, 0)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = Place(source, mark.line + 1, mark.column + 1) if mark else Place(source)
        raise ConfigError([Problem(place, f"this is not YAML: {error.problem or error.context}.")]) from None
    except yaml.YAMLError as error:
        raise ConfigError([Problem(Place(source), f"this is not YAML: {str(error).splitlines()[0]}.")]) from None
    finally:
        loader.dispose()


def _value(loader: yaml.SafeLoader, node: yaml.Node, source: str, depth: int) -> Value:
    place = _place(node, source)
    if depth > _DEEPEST:
        raise ConfigError([Problem(place, "this is nested too deeply.")])
    if isinstance(node, yaml.SequenceNode):
        return Value(place, [_value(loader, item, source, depth + 1) for item in node.value])
    if isinstance(node, yaml.MappingNode):
        return _mapping(loader, node, source, depth)
    if node.tag == "tag:yaml.org,2002:timestamp":
        return Value(place, str(node.value))
    return Value(place, loader.construct_object(node))


def _mapping(loader: yaml.SafeLoader, node: yaml.MappingNode, source: str, depth: int) -> Value:
    seen: set[str] = set()
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode):
            raise ConfigError([Problem(_place(key, source), "a key is plain text.")])
        if key.value in seen:
            raise ConfigError([Problem(_place(key, source), f"the key “{key.value}” stands here twice.")])
        seen.add(key.value)
    loader.flatten_mapping(node)  # resolves `<<`; later pairs win
    data: dict[str, Value] = {}
    key_places: dict[str, Place] = {}
    for key, item in node.value:
        data[key.value] = _value(loader, item, source, depth + 1)
        key_places[key.value] = _place(key, source)
    return Value(_place(node, source), data, key_places)


def _place(node: yaml.Node, source: str) -> Place:
    return Place(source, node.start_mark.line + 1, node.start_mark.column + 1)


def merge(under: Value, over: Value) -> Value:
    """Lay one mapping over another: maps merge, everything else replaces."""
    if not isinstance(under.data, dict) or not isinstance(over.data, dict):
        return under if over.data is None else over
    merged = dict(under.data)
    for key, value in over.data.items():
        merged[key] = merge(merged[key], value) if key in merged else value
    return Value(over.place, merged, {**under.key_places, **over.key_places})


def read_file(path: Path) -> Value:
    """Read and parse a team file. Raises ConfigError, also if it is missing or not readable."""
    source = _shown(path)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError([Problem(Place(source), "there is no such file.", "Write one: bullpen init")]) from None
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigError([Problem(Place(source), f"cannot be read: {reason}.")]) from None
    return read_document(text, source)


def _shown(path: Path) -> str:
    """Name the file as the person would: relative where that is shorter."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
