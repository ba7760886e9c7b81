"""The language model: which client answers which id, and which model answers when one fails."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from urllib.parse import urlsplit

from bot.agent.model_values import (
    Finish,
    Message,
    Model,
    ModelSettings,
    Reply,
    Retry,
    ToolCall,
    ToolSpec,
    Usage,
    uncounted,
    unseen,
)
from bot.agent.openai_model import OpenAIWire
from bot.agent.prices import ModelFacts, PriceTable, read_prices
from bot.agent.streaming_model import StreamingModel, Wire
from bot.core.model_errors import ContextTooLong, ModelBroke, ModelError

__all__ = [
    "Fallback",
    "Finish",
    "Message",
    "Model",
    "ModelSettings",
    "Reply",
    "Retry",
    "ToolCall",
    "ToolSpec",
    "Usage",
    "model_for",
]


_RESTS = 30.0  # seconds in which the others are asked before one that was given up


class Fallback:
    """Several models in order: the next one is asked when one has not even begun to answer.

    What one of them began is never continued by another. Its window is the smallest, so that
    what fits the first fits the last. Who was given up is asked last for half a minute: nobody
    waits for the same time-out again and again.
    """

    def __init__(
        self, models: Sequence[Model], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._models = tuple(models)
        self._clock = clock
        self._rests: dict[str, float] = {}
        self.name = ",".join(m.name for m in self._models)

    @property
    def window(self) -> int:
        """Return how many tokens every one of them can read at once."""
        return min(m.window for m in self._models)

    def shrink(self, most: int) -> None:
        """Remember that none reads more than `most` tokens at once."""
        for model in self._models:
            model.shrink(most)

    async def reply(
        self,
        messages: Sequence[Message],
        tools: Sequence[ToolSpec],
        on_text: Callable[[str], None],
        on_retry: Callable[[Retry], None] = unseen,
        on_waste: Callable[[str, Usage], None] = uncounted,
        cache_key: str = "",
    ) -> Reply:
        """Answer; see `Model.reply`."""
        failed: list[ModelError] = []
        for model in self._in_order():
            if failed:
                last = failed[-1]
                on_retry(Retry(last.model, last.tries, last.why, 0.0, model.name))
            try:
                reply = await model.reply(messages, tools, on_text, on_retry, on_waste, cache_key)
            except ModelBroke:
                raise
            except ContextTooLong as error:  # the next one may read more, and this one is well
                failed.append(error)
            except ModelError as error:
                self._rests[model.name] = self._clock() + _RESTS
                failed.append(error)
            else:
                self._rests.pop(model.name, None)
                first = self._models[0].name
                return reply if model.name == first else replace(reply, instead_of=first)
        # Only a conversation that is too long can be mended by whoever asks.
        told = next((e for e in failed if isinstance(e, ContextTooLong)), failed[-1])
        told.earlier = tuple(e for e in failed if e is not told)
        raise told

    def _in_order(self) -> list[Model]:
        now = self._clock()
        return sorted(self._models, key=lambda m: self._rests.get(m.name, 0.0) > now)

    async def warm(self) -> None:
        """Load what each needs, one after the other: loading side by side stalls the loop."""
        for model in self._models:
            await model.warm()

    async def close(self) -> None:
        """Close the connections."""
        for model in self._models:
            await model.close()


def model_for(spec: ModelSettings) -> Model | None:
    """Return the model that `spec` names; None when it names none: commands only.

    Raises `ValueError` for an address that is none.
    """
    base = spec.openai_api_base
    if base is not None and not _is_address(base):
        raise ValueError("OPENAI_API_BASE: expected an address such as https://host/v1.")
    ids = tuple(dict.fromkeys(spec.ids))
    if not ids:
        return None
    prices = read_prices()
    models = [_model(model_id, spec, prices) for model_id in ids]
    return models[0] if len(models) == 1 else Fallback(models)


def _model(model_id: str, spec: ModelSettings, prices: PriceTable) -> Model:
    facts = prices.facts(model_id)
    load: Callable[[], Wire]
    if is_openai(model_id, spec, facts, prices.providers):
        load = partial(OpenAIWire, model_id.removeprefix("openai/"), spec)
    else:
        load = partial(_load_litellm, model_id, spec)
    return StreamingModel(model_id, spec, facts, load)


def is_openai(
    model_id: str, spec: ModelSettings, facts: ModelFacts, providers: frozenset[str]
) -> bool:
    """Tell whether the id is for an OpenAI-compatible endpoint.

    It is when it says so, when an endpoint is configured and the id names no other provider
    (`qwen3:8b` and `meta-llama/Llama-3.3-70B` are names at that endpoint), or when OpenAI itself
    has a model of that name.
    """
    prefix, slash, _ = model_id.partition("/")
    if slash and prefix == "openai":
        return True
    if spec.openai_api_base is not None:
        return not (slash and prefix in providers)
    return not slash and facts.provider == "openai"


# Imported where it is loaded: in a thread, as it takes seconds, and only if an id needs it.
def _load_litellm(model: str, spec: ModelSettings) -> Wire:
    from bot.agent.litellm_model import load  # noqa: PLC0415 - see above

    return load(model, spec)


def _is_address(base: str) -> bool:
    try:
        parts = urlsplit(base)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
