"""What a model asked for in one reply: parsed, told apart, and never repaired by guessing."""

import difflib
import json
from collections.abc import Mapping, Sequence
from typing import Literal, TypedDict, cast
from uuid import UUID

from pydantic import JsonValue

from bot.agent.model import Message, ToolCall
from bot.core.text import visible
from bot.guard import masking
from bot.guard.toolset import Offered

_CREDENTIAL = (
    "{} looks like a credential, or has the mask of one. It was masked and is not kept; no tool "
    "takes one. Nothing was done."
)


class Wish(TypedDict):
    """One tool call of a reply, as it travels through the graph: plain JSON."""

    reply: int
    ordinal: int
    id: str
    tool: str
    arguments: dict[str, JsonValue]
    kind: Literal["read", "change", "steer", "broken"]
    error: str  # of a broken one: what the model is told


class _Broken(Exception):
    """Why a call cannot be understood: what the model is told."""


def assistant_message(run_id: UUID, reply: int, text: str, calls: Sequence[ToolCall]) -> Message:
    """A reply as a message, as it may be stored: what looks like a credential in a call is masked.
    Calls get ids of ours: some models repeat theirs, and an id must name one call.
    """
    message: Message = {"role": "assistant", "content": visible(text)}
    if calls:
        message["tool_calls"] = [
            {
                "id": f"call_{run_id.hex[-8:]}_{reply}_{ordinal}",
                "type": "function",
                "function": {
                    "name": masking.safe(call.name),
                    "arguments": _masked(visible(call.arguments)),
                },
            }
            for ordinal, call in enumerate(calls)
        ]
    return message


def _masked(arguments: str) -> str:
    """The arguments by name and by text; as they are where nothing is to be hidden."""
    try:
        value = json.loads(arguments)
    except (ValueError, RecursionError):
        return masking.mask_text(arguments).text
    if isinstance(value, dict) and masking.would_alter(value):
        arguments = json.dumps(masking.mask_arguments(value), ensure_ascii=False)
    return masking.mask_text(arguments).text


def wishes_of(message: Message, reply: int, tools: Mapping[str, Offered]) -> list[Wish]:
    """The calls of an assistant message, in order."""
    found: list[Wish] = []
    for ordinal, raw in enumerate(
        cast("list[dict[str, JsonValue]]", message.get("tool_calls") or [])
    ):
        function = cast("dict[str, str]", raw["function"])
        wish = Wish(
            reply=reply,
            ordinal=ordinal,
            id=str(raw["id"]),
            tool=function["name"],
            arguments={},
            kind="broken",
            error="",
        )
        try:
            wish["arguments"] = _arguments(function["arguments"])
            wish["kind"] = _tool(function["name"], tools).kind
        except _Broken as broken:
            wish["error"] = str(broken)
        found.append(wish)
    return found


def _tool(name: str, tools: Mapping[str, Offered]) -> Offered:
    if name in tools:
        return tools[name]
    if masking.IS_MASK.search(name):
        raise _Broken(_CREDENTIAL.format("The tool's name"))
    near = difflib.get_close_matches(name, tools, n=3, cutoff=0.4)
    hint = f" Nearest: {', '.join(near)}." if near else ""
    raise _Broken(f"There is no tool called {name!r}.{hint} Nothing was done.")


def _arguments(text: str) -> dict[str, JsonValue]:
    try:
        value = json.loads(text or "{}")
    except (ValueError, RecursionError) as error:
        if masking.IS_MASK.search(text):
            raise _Broken(_CREDENTIAL.format("What was asked for")) from error
        raise _Broken(f"The arguments are not valid JSON ({error}). Nothing was done.") from error
    if not isinstance(value, dict):
        raise _Broken("The arguments must be one JSON object. Nothing was done.")
    masks = masking.IS_MASK.search
    if hidden := [name for name, one in value.items() if masks(name) or masks(_text(one))]:
        raise _Broken(_CREDENTIAL.format(", ".join(hidden)))
    if _hides(value):
        raise _Broken("The arguments hold invisible or control characters. Nothing was done.")
    return value


def _text(value: JsonValue) -> str:
    return json.dumps(value, ensure_ascii=False)


def _hides(value: JsonValue) -> bool:
    """Whether a string somewhere in it holds what a reader could not see."""
    match value:
        case str():
            return visible(value) != value
        case list():
            return any(_hides(item) for item in value)
        case dict():
            return any(_hides(key) or _hides(item) for key, item in value.items())
        case _:
            return False
