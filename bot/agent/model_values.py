"""What goes to a language model and what comes back: plain values and the one protocol."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal, Protocol

from pydantic import JsonValue

# OpenAI's chat format: role system|user|assistant|tool, content, tool_calls, tool_call_id.
Message = dict[str, JsonValue]

Finish = Literal["stop", "tool_calls", "length", "repeating"]


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """One tool as the model sees it; `schema` is the JSON schema of its arguments."""

    name: str
    description: str
    schema: Mapping[str, JsonValue]

    @classmethod
    def brief(cls, name: str, description: str, schema: Mapping[str, JsonValue]) -> "ToolSpec":
        """One whose schema says only what helps to call it: it is sent with every request.

        Patterns, lengths and defaults that mean "not given" are left out, as is an argument with
        one choice that is its default; the tool itself still checks all of it.
        """
        properties = schema.get("properties")
        if not isinstance(properties, Mapping):
            return cls(name, description, schema)
        kept = {key: _brief(one) for key, one in properties.items() if not _is_given(one)}
        return cls(name, description, {**schema, "properties": kept})


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One wish of the model; `arguments` is the text it wrote, which may be broken JSON."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one call; `cached_tokens` are part of `input_tokens`; `cost` is in USD.

    `cost` is None when no price is known. `estimated`: the endpoint gave no figures, so the
    tokens are counted as a quarter of the characters.
    """

    input_tokens: int
    cached_tokens: int
    output_tokens: int
    cost: Decimal | None
    estimated: bool = False

    def __add__(self, other: "Usage") -> "Usage":
        """Both together; what has a price is not hidden by what has none."""
        costs = [one.cost for one in (self, other) if one.cost is not None]
        return Usage(
            self.input_tokens + other.input_tokens,
            self.cached_tokens + other.cached_tokens,
            self.output_tokens + other.output_tokens,
            sum(costs, Decimal(0)) if costs else None,
            self.estimated or other.estimated,
        )


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer. `model` is the id that answered, `tries` how often that one was asked.

    `instead_of` is the id that should have answered, where another one did.
    """

    text: str
    calls: tuple[ToolCall, ...]
    usage: Usage
    model: str
    finish: Finish
    milliseconds: int
    tries: int = 1
    instead_of: str = ""


@dataclass(frozen=True, slots=True)
class Retry:
    """Said before a call is made again: which model failed, how often, why, and the pause.

    `wait` is in seconds; `next_model` is the id asked next, the same one unless it is given up.
    """

    model: str
    tries: int
    why: str
    wait: float
    next_model: str


def unseen(_retry: Retry) -> None:
    """Take note of no retry."""


def uncounted(_model: str, _usage: Usage) -> None:
    """Count nothing of what was in vain."""


class Model(Protocol):
    """A language model that can be asked. `window` is what it can read at once, in tokens."""

    @property
    def name(self) -> str:
        """Return the configured id."""

    @property
    def window(self) -> int:
        """Return how many tokens it can read at once, as far as is known now."""

    def shrink(self, most: int) -> None:
        """Remember that it reads no more than `most` tokens at once."""

    async def reply(
        self,
        messages: Sequence[Message],
        tools: Sequence[ToolSpec],
        on_text: Callable[[str], None],
        on_retry: Callable[[Retry], None] = unseen,
        on_waste: Callable[[str, Usage], None] = uncounted,
        cache_key: str = "",
    ) -> Reply:
        """Answer; `on_text` gets each new piece of text as it comes.

        After an `on_retry` the text begins anew: what came before counts for nothing. `on_waste`
        gets who answered and what it cost when an answer is cut off, also by cancelling, which
        closes the stream. `cache_key` names the conversation to providers that keep its beginning.
        Raises a `ModelError`; after `ContextTooLong`, `window` is what has been learned.
        """

    async def warm(self) -> None:
        """Load what is heavy, off the loop, so that the first answer does not wait for it."""

    async def close(self) -> None:
        """Close the connections."""


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """Which models answer, in the order of `ids`, and how long each may take (seconds).

    `windows` gives a window in tokens for ids that the price table lacks or gets wrong.
    `request_timeout` ends at the first piece of an answer, `idle_timeout` lies between two,
    `whole_timeout` ends the answer. `backoff` is the first pause before a new try, four times that
    after an overload; it doubles, and `Retry-After` replaces it.
    Keys of providers other than OpenAI are read by LiteLLM from the environment itself.
    """

    ids: tuple[str, ...]
    openai_api_base: str | None = None
    openai_api_key: str | None = field(default=None, repr=False)
    windows: Mapping[str, int] = field(default_factory=dict)
    request_timeout: float = 60.0
    idle_timeout: float = 30.0
    whole_timeout: float = 300.0
    tries: int = 3
    backoff: float = 0.5


_ONLY_CHECKED = frozenset({"pattern", "minLength", "maxLength", "additionalProperties"})


def _is_given(schema: JsonValue) -> bool:
    """Whether there is no choice: one value, which is meant when it is left out."""
    if not isinstance(schema, Mapping):
        return False
    choices = schema.get("enum")
    return isinstance(choices, list) and choices == [schema.get("default")]


def _brief(schema: JsonValue) -> JsonValue:
    if not isinstance(schema, Mapping):
        return schema
    return {
        key: _brief(value) if key == "items" else value
        for key, value in schema.items()
        if key not in _ONLY_CHECKED and not (key == "default" and value in ("", False, None, []))
    }
