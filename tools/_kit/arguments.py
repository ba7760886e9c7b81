"""Arguments: the closed JSON schema that a model sees, and what it sent as typed values."""

import difflib
import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, cast, get_type_hints

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError, create_model
from pydantic_core import ErrorDetails

from tools._kit.errors import Refused
from tools._kit.values import DURATION, MAYBE_NAME, MAYBE_NAMESPACE, NAME, NAMESPACE, JsonObject

_WORDS = {
    NAMESPACE: "a namespace (lower-case letters, digits and -, at most 63)",
    MAYBE_NAMESPACE: "a namespace (lower-case letters, digits and -, at most 63)",
    MAYBE_NAME: "a name (lower-case letters, digits, - and ., at most 253)",
    NAME: "a name (lower-case letters, digits, - and ., at most 253)",
    DURATION: 'a duration such as "90s", "15m", "6h" or "7d"',
}
_TYPES = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "an object",
}

_ALL = "*"


@dataclass(frozen=True)
class ClientChoice:
    """Which client a call means: optional with one client or a default, required otherwise."""

    argument: str
    names: tuple[str, ...]
    default: str | None

    @property
    def implied(self) -> str | None:
        """The client meant when none is named."""
        return self.names[0] if len(self.names) == 1 else self.default

    def schema(self, *, spreads: bool) -> dict[str, JsonValue]:
        """The argument as a JSON schema property; `spreads`: it may be all of them."""
        several = spreads and len(self.names) > 1
        found: dict[str, JsonValue] = {
            "type": "string",
            "enum": [*self.names, *([_ALL] if several else [])],
            "description": f"Which {self.argument}" + (f'; "{_ALL}": each.' if several else "."),
        }
        return found if self.implied is None else {**found, "default": self.implied}

    def several(self, given: JsonValue) -> tuple[str, ...]:
        """The clients that are meant where more than one is: "*", or names with commas between.

        Raises `Refused`, naming the choice.
        """
        if given == _ALL:
            return self.names
        if not isinstance(given, str) or "," not in given or given in self.names:
            return ()
        named = [part.strip() for part in given.split(",") if part.strip()]
        return tuple(dict.fromkeys(self.resolve(one) for one in named))

    def resolve(self, given: JsonValue) -> str:
        """The name of the client that is meant. Raises `Refused`, naming the choice."""
        known = ", ".join(self.names)
        if given is None:
            if self.implied is None:
                raise Refused(f"`{self.argument}` is missing: it must be one of {known}.")
            return self.implied
        if isinstance(given, str) and given in self.names:
            return given
        near = difflib.get_close_matches(given, self.names, n=1) if isinstance(given, str) else []
        hint = f" Did you mean {near[0]}?" if near else ""
        raise Refused(f"`{self.argument}` must be one of {known}, not {shown(given)}.{hint}")


@cache
def model_of_method(name: str, method: Callable[..., Any]) -> type[BaseModel]:
    """The arguments of a read as a model, from its signature without self and the client."""
    hints = get_type_hints(method, include_extras=True)
    parameters = list(inspect.signature(method).parameters.values())[2:]
    fields: dict[str, Any] = {}
    for parameter in parameters:
        if parameter.name not in hints:
            raise TypeError(f"{method.__qualname__}: `{parameter.name}` needs a type")
        default = ... if parameter.default is inspect.Parameter.empty else parameter.default
        fields[parameter.name] = (hints[parameter.name], default)
    config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)
    return create_model(name, __config__=config, **fields)


def schema_of(model: type[BaseModel], choice: ClientChoice, *, spreads: bool = False) -> JsonObject:
    """The closed schema of a tool's arguments, the client's among them.

    Raises `TypeError` for arguments that are not flat or that take the client's name.
    """
    properties, required = _own(model)
    if choice.argument in properties:
        raise TypeError(f"{model.__qualname__}: `{choice.argument}` is the kit's argument")
    return {
        "type": "object",
        "properties": {**properties, choice.argument: choice.schema(spreads=spreads)},
        "required": [*required, *([choice.argument] if choice.implied is None else [])],
        "additionalProperties": False,
    }


@cache  # it takes a millisecond, and each catalog asks for it anew
def _own(model: type[BaseModel]) -> tuple[Mapping[str, JsonValue], tuple[str, ...]]:
    """A model's properties as JSON schema, and which of them are required."""
    raw = model.model_json_schema()
    if "$defs" in raw:
        raise TypeError(f"{model.__qualname__}: arguments are flat, without models or enums")
    properties = {name: _untitled(schema) for name, schema in raw.get("properties", {}).items()}
    return properties, tuple(raw.get("required", ()))


def parse(
    tool: str, model: type[BaseModel], schema: JsonObject, arguments: JsonObject
) -> BaseModel:
    """The typed arguments, without the client's. Raises `Refused` with one sentence.

    `null` counts as absent: models write it for an argument that they do not want to give.
    """
    given = {name: value for name, value in arguments.items() if value is not None}
    properties = cast("dict[str, JsonValue]", schema["properties"])
    wrong = [_unknown(tool, name, tuple(properties)) for name in given if name not in properties]
    wrong += [
        _mismatch(name, properties[name], value)
        for name, value in given.items()
        if isinstance(value, bool) and _takes_number(properties.get(name))
    ]
    if wrong:
        raise Refused("; ".join(wrong[:4]) + ".")
    try:
        return model.model_validate(given)
    except ValidationError as error:
        details = error.errors(include_url=False)
        said = dict.fromkeys(_sentence(detail, properties, given) for detail in details)
        raise Refused("; ".join(list(said)[:4]) + ".") from None


def shown(value: object, limit: int = 60) -> str:
    """A value as it may stand in a sentence: one line, ASCII, cut."""
    text = json.dumps(value, ensure_ascii=True, default=str)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def snake_case(name: str) -> str:
    """RolloutUndo → rollout_undo."""
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")


def _untitled(schema: Mapping[str, Any]) -> JsonValue:
    """Without the titles that pydantic makes of names: they tell the model nothing."""
    found: dict[str, JsonValue] = {}
    for key, value in schema.items():
        if key == "title":
            continue
        if isinstance(value, Mapping):
            found[key] = _untitled(value)
        elif isinstance(value, list):
            found[key] = [_untitled(v) if isinstance(v, Mapping) else v for v in value]
        else:
            found[key] = value
    return found


def _takes_number(schema: JsonValue) -> bool:
    return isinstance(schema, Mapping) and schema.get("type") in ("integer", "number")


def _unknown(tool: str, name: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    hint = f" (did you mean `{near[0]}`?)" if near else ""
    return f"{shown(name)} is not an argument of {tool}, which takes {', '.join(known)}{hint}"


def _sentence(
    detail: ErrorDetails, properties: Mapping[str, JsonValue], given: Mapping[str, JsonValue]
) -> str:
    name = str(detail["loc"][0]) if detail["loc"] else ""
    if not name:
        return _own_words(detail)
    if detail["type"] == "missing":
        return f"`{name}` is missing: it must be {_expected(properties.get(name))}"
    if detail["type"] == "value_error":
        return f"`{name}` {_own_words(detail)}"
    return _mismatch(name, properties.get(name), given.get(name))


def _own_words(detail: ErrorDetails) -> str:
    """The words of a validator of ours."""
    return str(detail.get("ctx", {}).get("error", detail["msg"])).rstrip(".")


def _mismatch(name: str, schema: JsonValue, value: JsonValue) -> str:
    secret = isinstance(schema, Mapping) and schema.get("writeOnly") is True
    got = "" if secret else f", not {shown(value)}"
    return f"`{name}` must be {_expected(schema)}{got}"


def _described(what: str, schema: Mapping[str, JsonValue]) -> str:
    """By its own description: nobody reads the pattern that it must match."""
    words = str(schema.get("description") or "").rstrip(".")
    return f"{what} as described ({words})" if words else f"{what} of another form"


def _expected(schema: JsonValue) -> str:
    """What an argument takes, in words."""
    if not isinstance(schema, Mapping):
        return "another value"
    if isinstance(options := schema.get("anyOf"), list):
        return " or ".join(_expected(option) for option in options if option != {"type": "null"})
    if isinstance(choices := schema.get("enum"), list):
        return "one of " + ", ".join(str(choice) for choice in choices)
    if "const" in schema:
        return str(schema["const"])
    if isinstance(pattern := schema.get("pattern"), str):
        return _WORDS.get(pattern) or _described("text", schema)
    items = schema.get("items")
    if isinstance(items, Mapping) and "pattern" in items:
        return _described("a list of texts", schema)
    words = _TYPES.get(str(schema.get("type")), "another value")
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and high is not None:
        return f"{words} from {low} to {high}"
    if low is not None:
        return f"{words}, at least {low}"
    if (longest := schema.get("maxLength")) is not None:
        return f"{words} of at most {longest} characters"
    return words
