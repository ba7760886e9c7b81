"""Tools tried on the terminal: what they find and what they would do, masked; nothing is done.

Whoever runs this holds the clusters' credentials himself: no policy is asked, and nothing is kept.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import cast

from pydantic import JsonValue

from bot.core.text import visible
from bot.guard import masking
from bot.guard.masking import MASK_NOTE, mask_finding, mask_preview
from bot.guard.rendering import render
from tools import (
    Catalog,
    ChangeCall,
    ChangedPath,
    Finding,
    JsonObject,
    Lines,
    Malformed,
    Manifests,
    NotFound,
    NoWayBack,
    Preview,
    ReadCall,
    Refused,
    Report,
    Several,
    Table,
    Tool,
    ToolError,
    gathered,
    open_providers,
)

_SECONDS = 60.0
_NONE = "No way back."
_WORDS = {"true": True, "yes": True, "false": False, "no": False}


class CannotTry(Exception):
    """Why a tool was not tried. `is_usage`: it was called wrongly, whatever is there."""

    def __init__(self, message: str, *, is_usage: bool) -> None:
        super().__init__(masking.safe(message))
        self.is_usage = is_usage


@dataclass(frozen=True)
class Tried:
    """What a tool gave: for people, and as data; `note` says which window and limit it has."""

    text: str
    data: JsonValue
    note: str


class Terminal:
    """The tools of every provider that is configured."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def listed(self) -> Tried:
        """Every tool in a line."""
        tools = self._catalog.tools.values()
        rows = tuple((t.name, t.kind, t.risk.value, t.summary.splitlines()[0]) for t in tools)
        return _found(Table(("NAME", "KIND", "RISK", "SUMMARY"), rows))

    def described(self, name: str) -> Tried:
        """One tool with its arguments, as the model sees it. Raises `CannotTry`."""
        tool = self._tool(name)
        properties = cast("Mapping[str, Mapping[str, JsonValue]]", tool.schema["properties"])
        required = cast("Sequence[str]", tool.schema["required"])
        rows = tuple(
            (argument, _type(about), _default(argument, about, required), _description(about))
            for argument, about in properties.items()
        )
        table = render(Table(("ARGUMENT", "TYPE", "DEFAULT", "DESCRIPTION"), rows))
        head = f"{tool.name}: {tool.kind}, risk {tool.risk.value}\n{tool.summary}"
        data: dict[str, JsonValue] = {
            "name": tool.name,
            "kind": tool.kind,
            "risk": tool.risk.value,
            "summary": tool.summary,
            "schema": dict(tool.schema),
        }
        return Tried(f"{head}\n\n{table}", data, "")

    async def tried(self, name: str, words: Sequence[tuple[str, str]]) -> Tried:
        """What a read finds, or what a change would do, with arguments as they were typed.

        Raises `CannotTry`.
        """
        tool = self._tool(name)
        calls: Sequence[ReadCall | ChangeCall]
        try:
            arguments = _arguments(tool, words)
            if tool.kind == "read":
                calls = self._catalog.reads(name, arguments)
            else:
                calls = [_without_credential(self._catalog.change(name, arguments))]
        except Refused as error:
            raise CannotTry(str(error), is_usage=True) from error
        try:
            async with asyncio.timeout(_SECONDS):
                if isinstance(call := calls[0], ChangeCall):
                    return _foreseen(call, await call.preview())
                looks = [one for one in calls if isinstance(one, ReadCall)]
                return _found(await (call.run() if len(looks) == 1 else _across(looks)))
        except ToolError as error:
            raise CannotTry(str(error), is_usage=isinstance(error, Malformed)) from error
        except TimeoutError as error:
            why = f"{name} did not answer within {_SECONDS:.0f} s."
            raise CannotTry(why, is_usage=False) from error

    def _tool(self, name: str) -> Tool:
        try:
            return self._catalog.find(name)
        except NotFound as error:
            raise CannotTry(str(error), is_usage=True) from error


@asynccontextmanager
async def terminal(configured: Mapping[str, JsonObject]) -> AsyncIterator[Terminal]:
    """The tools of these providers, for as long as one looks. Raises `CannotTry`."""
    async with AsyncExitStack() as stack:
        try:
            catalog = await stack.enter_async_context(open_providers(configured))
        except ValueError as error:  # a mistake in their configuration
            raise CannotTry(str(error), is_usage=False) from error
        yield Terminal(catalog)


async def _across(calls: Sequence[ReadCall]) -> Finding:
    async def look(call: ReadCall) -> tuple[str, tuple[str, Finding | str]]:
        try:
            return call.part, (call.client, await call.run())
        except Malformed:
            raise  # it is so for all of them
        except ToolError as error:
            return call.part, (call.client, str(error))

    answers = await asyncio.gather(*(look(call) for call in calls))
    return gathered(answers, calls[0].client_argument)


# --- what was typed -----------------------------------------------------------------------------


def _arguments(tool: Tool, words: Sequence[tuple[str, str]]) -> dict[str, JsonValue]:
    """Texts as the values that the tool's schema asks for; what fits none is for it to refuse."""
    properties = cast("Mapping[str, JsonValue]", tool.schema["properties"])
    found: dict[str, JsonValue] = {}
    for name, text in words:
        if name in found:
            raise Refused(f"`{name}` is given twice.")
        found[name] = _value(properties.get(name), text)
    return found


def _value(schema: JsonValue, text: str) -> JsonValue:
    wanted = schema.get("type") if isinstance(schema, Mapping) else None
    match wanted:
        case "boolean":
            return _WORDS.get(text.lower(), text)
        case "integer" | "number":
            return _json(text, int | float)
        case "array":
            given = _json(text, list)
            return given if isinstance(given, list) else cast("JsonValue", text.split(","))
        case "object":
            return _json(text, dict)
        case _:
            return text


def _json(text: str, kind: type | object) -> JsonValue:
    """What the text says in JSON if that is of this kind; else the text."""
    try:
        found: JsonValue = json.loads(text)
    except ValueError:
        return text
    fits = isinstance(found, kind) and not isinstance(found, bool)  # type: ignore[arg-type]
    return found if fits else text


def _without_credential(change: ChangeCall) -> ChangeCall:
    """Refused as it is where people would approve it. Raises `Refused`."""
    if hidden := masking.would_alter(dict(change.arguments)):
        raise Refused(masking.no_credential(hidden))
    return change


# --- what is printed ----------------------------------------------------------------------------


def _found(finding: Finding) -> Tried:
    masked, count = mask_finding(finding)
    text = visible(render(masked))
    note = visible(masked.note)
    return Tried(f"{text}\n({MASK_NOTE})" if count else text, _data(masked), note)


def _data(finding: Finding) -> JsonValue:
    match finding:
        case Report(_, data):
            return dict(data)
        case Lines(lines):
            return list(lines)
        case Manifests(objects, written=written) if written is not None:
            text = written(objects)
            found = _json(text, dict)
            return _json(text, list) if found == text else found
        case Manifests(objects):
            return [dict(one) for one in objects]
        case Several(parts):
            return {kind: _data(part) for kind, part in parts.items()}
        case Table(columns, rows):
            keys = [column.lower().replace(" ", "_") for column in columns]
            return [dict(zip(keys, row, strict=False)) for row in rows]


def _foreseen(call: ChangeCall, preview: Preview) -> Tried:
    masked, secret = mask_preview(preview)
    risk = max(call.risk, masked.risk or call.risk, key=lambda one: one.level)
    lines = [
        masked.summary,
        *([masked.effect] if masked.effect else []),
        f"target {call.target}, risk {risk.value}",
        *(f"Heads-up: {line}" for line in masked.heads_up),
        *masked.notes,
        _way_back(call, preview, masked),
        *([masked.diff] if masked.diff else map(_changed, masked.changes)),
        "(only a preview: nothing was changed)",
    ]
    data: dict[str, JsonValue] = {
        "target": call.target,
        "risk": risk.value,
        "arguments": masking.mask_json(dict(call.arguments))[0],
        **masked.model_dump(mode="json", exclude={"risk", "before"}),
    }
    if secret:
        lines.append("(a secret is among it: it could not be undone)")
    return Tried(visible("\n".join(lines)), data, "")


def _way_back(call: ChangeCall, preview: Preview, masked: Preview) -> str:
    """What Undo will do, or why there is none."""
    if masked.way_back:
        return f"Way back: {masked.way_back}."
    back = call.undo(preview)  # a wish: what it would write is masked, which is said below
    return f"No way back: {masking.safe(back.reason)}" if isinstance(back, NoWayBack) else _NONE


def _changed(change: ChangedPath) -> str:
    """One path where there is no diff that shows it: of a drain, the pods."""
    return f"  {change.path}: {_written(change.before)} → {_written(change.after)}"


def _written(value: JsonValue) -> str:
    if value is None:
        return "nothing"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _type(about: Mapping[str, JsonValue]) -> str:
    choices = about.get("enum")
    if isinstance(choices, list):
        return "|".join(map(str, choices))
    return str(about.get("const") or about.get("type") or "any")


def _default(argument: str, about: Mapping[str, JsonValue], required: Sequence[str]) -> str:
    if argument in required:
        return "required"
    default = about.get("default")
    return "" if default is None else json.dumps(default, ensure_ascii=False)


def _description(about: Mapping[str, JsonValue]) -> str:
    low, high = about.get("minimum"), about.get("maximum")
    bounds = f"{low} to {high}" if low is not None and high is not None else ""
    return " ".join(part for part in (str(about.get("description", "")), bounds) if part)
