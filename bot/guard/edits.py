"""Edit: somebody wants a proposal's arguments otherwise; that is a request of his own."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import JsonValue

from bot.guard import masking
from bot.guard.house import House
from bot.guard.records import Call
from bot.guard.requests import Requests, cleaned
from bot.store.inbound import Request
from tools import ChangeCall, ToolError

_WHAT_IT_IS_ABOUT = ("namespace", "kind", "name")
_NAMED = re.compile(r"`(\w+)`")


@dataclass(frozen=True)
class Editable:
    """What can be filled in: the tool's schema, and the arguments that stay as they are."""

    schema: Mapping[str, JsonValue]
    fixed: frozenset[str]


class Edits:
    """Takes what was filled in: a run that revises the proposal, as words in its thread would."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._requests = Requests(house)

    async def why_not_ask(self, call: Call, person_id: str) -> str | None:
        """The code of the reason why this person may not ask for anything there, or None."""
        return await self._house.why_not_ask(call.thread.org, call.thread.channel, person_id)

    def of(self, call: Call) -> Editable | str:
        """What of it can be edited, or why nothing can."""
        if call.undoes is not None:
            return "A way back is taken as it is, or not at all. For the other, ask in the thread."
        try:
            change = self._house.catalog.change(call.tool, call.arguments)
        except ToolError as error:
            return masking.safe(str(error))
        return Editable(change.tool.schema, _fixed(change))

    async def ask(
        self, key: str, person: str, call: Call, wanted: Mapping[str, JsonValue]
    ) -> dict[str, str]:
        """Record the request; or what is wrong with it, by argument, "" for all of it.

        Raises `DatabaseAway`: see `lost.py`.
        """
        if not wanted:
            return {"": "Nothing differs from what is proposed."}
        if errors := self._wrong(call, wanted):
            return errors
        await self._requests.take(key, "edit", _asking(person, call, wanted))
        return {}

    def _wrong(self, call: Call, wanted: Mapping[str, JsonValue]) -> dict[str, str]:
        try:
            change = self._house.catalog.change(call.tool, {**call.arguments, **wanted})
        except ToolError as error:
            return _placed(masking.safe(str(error)))
        if change.target != call.target or _fixed(change) & wanted.keys():
            return {"": "What it is about stays as it is. For another object, ask anew."}
        hidden = masking.would_alter(dict(change.arguments))
        return dict.fromkeys(hidden, masking.no_credential(["This"]))


def _fixed(change: ChangeCall) -> frozenset[str]:
    return frozenset({*_WHAT_IT_IS_ABOUT, change.client_argument})


def _placed(sentence: str) -> dict[str, str]:
    """The tool's words about its arguments, by the argument that each is about."""
    found: dict[str, str] = {}
    for part in sentence.removesuffix(".").split("; "):
        named = _NAMED.search(part)
        found.setdefault(named[1] if named else "", f"{part}.")
    return found


def _asking(person: str, call: Call, wanted: Mapping[str, JsonValue]) -> Request:
    """His words are what he filled in: it is he who says these values."""
    said = ", ".join(f"{name} = {_shown(value)}" for name, value in wanted.items())
    wish: dict[str, Any] = {
        "tool": "revise",
        "arguments": {"id": call.short_id, "arguments": dict(wanted)},
    }
    return Request(
        thread=call.thread,
        author=person,
        text=cleaned(f"(edited the proposal {call.short_id}: {said})"),
        ts="",
        ours=False,
        kind="command",
        wish=wish,
    )


def _shown(value: JsonValue) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
