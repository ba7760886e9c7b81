"""The form in which somebody edits a proposal: an input for each argument, made of its schema."""

import json
from collections.abc import Collection, Mapping
from typing import Any, cast

import yaml
from pydantic import JsonValue

from bot.core.text import visible
from bot.slack import limits
from bot.slack.views import words
from bot.slack.views.blocks import context, plain, section
from bot.slack.views.data import Block, CardData, View

EDIT = "edit"
"""The callback id of the form; `private_metadata` is the call's public id."""

_BLOCK = "argument:"
_OPTIONS = 100  # of one select, Slack's most
_WORDS = "plain_text_input.max_length"
Schema = Mapping[str, JsonValue]


def edit(call: CardData, schema: Schema, fixed: Collection[str]) -> View:
    """All arguments but those that are `fixed`, as they are now."""
    required = cast("list[str]", schema.get("required", []))
    inputs: list[Block] = []
    too_long: list[str] = []
    for name, one in _properties(schema).items():
        if name in fixed:
            continue
        element = _element(one, call.arguments.get(name))
        if element is None:
            too_long.append(name)
            continue
        inputs.append(_input(name, one, element, optional=name not in required))
    return {
        "type": "modal",
        "title": plain("Edit this change"),
        "close": plain("Cancel"),
        "submit": plain("Propose"),
        "callback_id": EDIT,
        "private_metadata": call.public_id,
        "blocks": [_opening(call), *inputs, *_closing(too_long)],
    }


def changed(
    schema: Schema, now: Mapping[str, JsonValue], given: Mapping[str, str | None]
) -> dict[str, JsonValue]:
    """What somebody filled in otherwise than it is now, by argument; None is one left empty.

    What is no number where one is meant stays text: whoever checks the arguments says so.
    """
    found: dict[str, JsonValue] = {}
    for name, one in _properties(schema).items():
        if block_of(name) in given:
            value = _value(one, given[block_of(name)])
            if value is None and now.get(name) in (None, one.get("default")):
                continue
            if value != now.get(name):
                found[name] = value
    return found


def block_of(name: str) -> str:
    """The id of an argument's block: where its error stands."""
    return f"{_BLOCK}{name}"


def _properties(schema: Schema) -> dict[str, dict[str, JsonValue]]:
    return cast("dict[str, dict[str, JsonValue]]", schema["properties"])


def _opening(call: CardData) -> Block:
    named = words.line(call.summary, 400) or words.line(call.tool, 100)
    target, _ = words.code(call.target, 300)
    return section(f"*{named}*\n{target}")


def _closing(too_long: list[str]) -> list[JsonValue]:
    what = (
        "It is previewed anew, on a new card. Who edits it has a part in it: somebody else's "
        "approval counts. What it is about stays; for another object, ask anew."
    )
    lines = [what]
    if too_long:
        names = words.either([words.code(name, 60)[0] for name in too_long], last="and")
        lines.append(f"Too long to be edited here: {names}. Say in the thread what it should be.")
    return [context(line) for line in lines]


def _input(name: str, one: Schema, element: Block, *, optional: bool) -> Block:
    block: Block = {
        "type": "input",
        "block_id": block_of(name),
        "label": plain(words.fit(name.replace("_", " ").capitalize(), 200)[0]),
        "element": element,
        "optional": optional,
    }
    if isinstance(hint := one.get("description"), str):
        block["hint"] = plain(words.fit(hint, 500)[0])
    return block


def _kind(one: Schema) -> tuple[str, Schema]:
    """The type that a value of it has, and the schema that says more about that one."""
    options = one.get("anyOf")
    if isinstance(options, list):
        of = [option for option in options if option != {"type": "null"}]
        if len(of) == 1 and isinstance(of[0], dict):
            return _kind(of[0])
        return "object", one
    choices = one.get("enum")
    if isinstance(choices, list) and all(isinstance(choice, str) for choice in choices):
        return "enum", one
    return str(one.get("type", "object")), one


def _element(one: Schema, value: JsonValue) -> Block | None:
    """The input, with `value` in it; None where Slack's inputs are too short for that."""
    kind, of = _kind(one)
    match kind:
        case "boolean":
            return _select(["true", "false"], None if value is None else str(value).lower())
        case "enum" if len(choices := cast("list[str]", of["enum"])) <= _OPTIONS:
            return _select(choices, value if isinstance(value, str) else None)
        case "integer" | "number":
            return _number(kind, of, value)
        case "string":
            return _text(of, "" if value is None else str(value))
        case _:
            return _text({}, "" if value is None else _yaml(value), lines=True)


def _select(choices: list[str], chosen: str | None) -> Block:
    options = {choice: _option(choice) for choice in choices}
    element: Block = {
        "type": "static_select",
        "action_id": "value",
        "options": list[JsonValue](options.values()),
    }
    return element | ({"initial_option": options[chosen]} if chosen in options else {})


def _option(choice: str) -> Block:
    return {"text": plain(words.fit(choice, 75)[0]), "value": choice}


def _number(kind: str, of: Schema, value: JsonValue) -> Block:
    element: Block = {
        "type": "number_input",
        "action_id": "value",
        "is_decimal_allowed": kind == "number",
    }
    for ours, slacks in (("minimum", "min_value"), ("maximum", "max_value")):
        if isinstance(bound := of.get(ours), int | float):
            element[slacks] = str(bound)
    return element | ({"initial_value": str(value)} if isinstance(value, int | float) else {})


def _text(of: Schema, value: str, *, lines: bool = False) -> Block | None:
    most = limits.MOST[_WORDS]
    if words.size(value) > most or visible(value) != value:
        return None  # it would come back cut, or otherwise than it is
    longest = of.get("maxLength")
    element: Block = {
        "type": "plain_text_input",
        "action_id": "value",
        "multiline": lines or "\n" in value,
        "max_length": min(longest, most) if isinstance(longest, int) and longest > 0 else most,
    }
    return element | ({"initial_value": value} if value else {})


def _yaml(value: JsonValue) -> str:
    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True).strip()


def _value(one: Schema, given: str | None) -> JsonValue:
    if given is None or given == "":
        return None
    kind, _ = _kind(one)
    match kind:
        case "boolean":
            return given == "true"
        case "integer" | "number":
            return _numeric(given, kind)
        case "string" | "enum":
            return given
        case _:
            return _structure(given)


def _numeric(given: str, kind: str) -> JsonValue:
    try:
        return int(given) if kind == "integer" else float(given)
    except ValueError:
        return given


def _structure(given: str) -> JsonValue:
    try:
        value: Any = yaml.safe_load(given)
        json.dumps(value, allow_nan=False)
    except (yaml.YAMLError, TypeError, ValueError, RecursionError):
        return given  # no structure: the tool says what it expects
    return cast("JsonValue", value)
