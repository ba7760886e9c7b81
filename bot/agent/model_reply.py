"""From the pieces of a streamed answer to one whole reply."""

import json
import math
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from bot.agent.model_values import Finish, Message, ToolCall, ToolSpec

# An endpoint that never stops must not fill the memory; no real answer comes near this.
LONGEST = 2_000_000


@dataclass(frozen=True, slots=True)
class CallPart:
    """A piece of a tool call. `index` says which call it belongs to, where the endpoint does."""

    index: int | None
    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Tokens:
    """What the provider counted; `cached` and `created` (written to its cache) are in `input`."""

    input: int
    output: int
    cached: int = 0
    created: int = 0


@dataclass(frozen=True, slots=True)
class Delta:
    """One chunk of an answer, in no provider's words."""

    text: str = ""
    parts: tuple[CallPart, ...] = ()
    finish: str | None = None
    tokens: Tokens | None = None


@dataclass(slots=True)
class _Slot:
    index: int | None
    id: str = ""
    name: str = ""
    arguments: str = ""

    def is_other(self, part: CallPart) -> bool:
        """Tell whether `part` opens a new call although it has this one's index."""
        return bool(part.id and self.id and part.id != self.id and part.name)

    def add(self, part: CallPart) -> None:
        self.id = self.id or part.id
        if part.name != self.name and not self.arguments:
            self.name += part.name
        self.arguments += part.arguments


class Collector:
    """Adds up deltas. `begun`: something of the answer has come, so nobody else may give it."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._slots: list[_Slot] = []
        self._size = 0
        self.finish: str | None = None
        self.tokens: Tokens | None = None

    @property
    def begun(self) -> bool:
        """Tell whether any text or tool call has come."""
        return bool(self._texts or self._slots)

    @property
    def complete(self) -> bool:
        """Tell whether the endpoint said that this was the end."""
        return self.finish is not None or (self.tokens is not None and self.begun)

    @property
    def too_long(self) -> bool:
        """Tell whether more has come than any answer needs."""
        return self._size > LONGEST

    @property
    def text(self) -> str:
        """Return the text so far."""
        return "".join(self._texts)

    def add(self, delta: Delta) -> None:
        """Take in the next chunk."""
        if delta.text:
            self._texts.append(delta.text)
            self._size += len(delta.text)
        for part in delta.parts:
            self._slot_for(part).add(part)
            self._size += len(part.arguments) + len(part.name)
        self.finish = delta.finish or self.finish
        self.tokens = delta.tokens or self.tokens

    def _slot_for(self, part: CallPart) -> _Slot:
        if part.index is None:
            last = self._slots[-1] if self._slots else None
            if last is not None and (not part.id or part.id == last.id):
                return last
        else:
            for slot in reversed(self._slots):
                if slot.index == part.index and not slot.is_other(part):
                    return slot
        self._slots.append(_Slot(part.index))
        return self._slots[-1]

    def calls(self) -> tuple[ToolCall, ...]:
        """Return the tool calls; each id is there and is there once, empty arguments are `{}`."""
        seen: set[str] = set()
        found = []
        for slot in self._slots:
            fresh = slot.id and slot.id not in seen
            call_id = slot.id if fresh else f"call_{secrets.token_hex(8)}"
            seen.add(call_id)
            found.append(
                ToolCall(call_id, slot.name, slot.arguments if slot.arguments.strip() else "{}")
            )
        return tuple(found)

    def finished_as(self) -> Finish:
        """Return how the answer ended, in our three words."""
        if self.finish in {"length", "max_tokens"} or self.too_long:
            return "length"
        return "tool_calls" if self._slots else "stop"

    def counted(self, messages: Sequence[Message], tools: Sequence[ToolSpec]) -> Tokens:
        """Return the provider's count, or a quarter of the characters where it gave none."""
        if self.tokens is not None:
            return self.tokens
        sent = len(json.dumps(list(messages))) + sum(
            len(t.name) + len(t.description) + len(json.dumps(dict(t.schema))) for t in tools
        )
        return Tokens(math.ceil(sent / 4), math.ceil(self._size / 4))
