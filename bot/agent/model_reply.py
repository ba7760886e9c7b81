"""From the pieces of a streamed answer to one whole reply."""

import json
import math
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from bot.agent.model_values import Finish, Message, ToolCall, ToolSpec

# An endpoint that never stops must not fill the memory; no real answer comes near this.
LONGEST = 2_000_000
# A model that repeats itself never stops by itself. So much of the same in a row is no answer; a
# long rule of `====` or a table with equal lines is far less.
_SAME = 8_192
_LONGEST_PERIOD = 1_024
_PROBE = 128


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
        self._looked = 0
        self._period = 0  # of what it repeats without end
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
    def repeats(self) -> bool:
        """Tell whether it says the same over and over."""
        return self._period > 0

    @property
    def text(self) -> str:
        """Return the text so far; of what is repeated without end, the first of it."""
        text = "".join(self._texts)
        if not self._period or self._slots:
            return text
        start = len(text) - self._period
        while start > 0 and text[start - 1] == text[start - 1 + self._period]:
            start -= 1
        return text[: start + self._period]

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
        if self._size - self._looked >= _SAME:
            self._looked = self._size
            self._period = _period(self._slots[-1].arguments if self._slots else self._newest())

    def _newest(self) -> str:
        """The end of the text; every piece of it is a character at least."""
        return "".join(self._texts[-_SAME:])

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
        if self._period:
            return "repeating"
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


def _period(text: str) -> int:
    """After how many characters the end of `text` repeats itself; 0 when it does not."""
    tail = text[-_SAME:]
    if len(tail) < _SAME:
        return 0
    end, at = tail[-_PROBE:], _SAME - _PROBE
    while (at := tail.rfind(end, 0, at + _PROBE - 1)) >= 0:
        period = _SAME - _PROBE - at
        if period > _LONGEST_PERIOD:
            return 0
        if tail[period:] == tail[:-period]:
            return period
    return 0
