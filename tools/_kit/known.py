"""Every tool that there is, told before anything is opened: rules about tools are checked by it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Annotated, Any, Literal

from pydantic import BaseModel, JsonValue, TypeAdapter, ValidationError

from tools._kit.arguments import model_of_method, snake_case
from tools._kit.catalog import load, provider_names
from tools._kit.provider import Change, Provider
from tools._kit.values import Risk

_CLIENTS = frozenset({"cluster", "server"})  # the kit's own argument


@dataclass(frozen=True)
class KnownTool:
    """A tool by what its code says of it, whether or not its provider is configured."""

    name: str
    kind: Literal["read", "change"]
    risk: Risk  # the floor
    objects: tuple[str, ...]  # what its provider calls its kinds of objects
    _model: type[BaseModel] = field(repr=False, compare=False)

    @property
    def has_rollback(self) -> bool:
        """Whether what would take it back can be told before it has run."""
        made = self._model
        if not issubclass(made, Change):
            return False
        return made.has_way_back and made.foresee is not Change.foresee

    @property
    def arguments(self) -> frozenset[str]:
        """The names of all that it takes."""
        return _CLIENTS.union(self._model.model_fields)

    def is_number(self, argument: str) -> bool:
        """Whether that argument is a number."""
        schema = self._schema(argument)
        options = schema.get("anyOf", [schema])
        return any(one.get("type") in ("integer", "number") for one in options)

    def choices(self, argument: str) -> tuple[str, ...]:
        """What that argument can only be one of; none where it is free."""
        schema = self._schema(argument)
        return tuple(map(str, schema.get("enum", [schema["const"]] if "const" in schema else ())))

    def canonical(self, argument: str, value: JsonValue) -> JsonValue:
        """That value of an argument as calls hold it; None where it does not take it."""
        found = self._model.model_fields.get(argument)
        if found is None:
            return None
        typed: Any = found.annotation
        if found.metadata:
            typed = Annotated[(typed, *found.metadata)]
        try:
            held: JsonValue = TypeAdapter(typed).validate_python(value)
            return held
        except ValidationError:
            return None

    def default(self, argument: str) -> JsonValue:
        """What that argument is where it is left out; None: it may not be, or is nothing then."""
        value: JsonValue = self._schema(argument).get("default")
        return value

    def example(self, argument: str) -> JsonValue:
        """A value of its type; None where it takes several, or that is not told."""
        return _example(self._schema(argument))

    def _schema(self, argument: str) -> Mapping[str, Any]:
        found: Mapping[str, Any] = _properties(self._model).get(argument, {})
        return found


@cache
def _properties(model: type[BaseModel]) -> Mapping[str, Any]:
    """Its schema costs milliseconds, and rules ask for it by argument."""
    found: Mapping[str, Any] = model.model_json_schema().get("properties", {})
    return found


def _example(schema: Mapping[str, Any]) -> JsonValue:
    options = [one for one in schema.get("anyOf", [schema]) if one.get("type") != "null"]
    if len(options) != 1:
        return None
    [only] = options
    if only.get("enum") or "const" in only:
        found: JsonValue = only["const"] if "const" in only else only["enum"][0]
        return found
    match only.get("type"):
        case "integer":
            return 3
        case "boolean":
            return True
        case "string":
            return "web"
        case "array":
            inner = _example(only.get("items", {}))
            return None if inner is None else [inner]
        case "object":
            inner = _example(only.get("additionalProperties") or {})
            return None if inner is None else {"web": inner}
        case _:
            return None


def known_tools() -> dict[str, KnownTool]:
    """The tools of every provider that is installed, by name."""
    found: dict[str, KnownTool] = {}
    for provider in provider_names():
        try:
            module = load(provider)
        except LookupError:  # its package is not installed: it cannot be configured either
            continue
        found |= {tool.name: tool for tool in _tools(module)}
    return found


def _tools(module: Provider) -> list[KnownTool]:
    objects = tuple(module.OBJECTS)
    reads = [
        KnownTool(name, "read", Risk.READ, objects, model_of_method(name, function))
        for box in module.READS
        for verb, function in type(box).reads().items()
        for name in (f"{module.PREFIX}_{verb}",)
    ]
    return reads + [_change(module.PREFIX, change, objects) for change in module.CHANGES]


def _change(prefix: str, change: type[Change], objects: tuple[str, ...]) -> KnownTool:
    name = f"{prefix}_{snake_case(change.__name__)}"
    return KnownTool(name, "change", change.risk, objects, change)
