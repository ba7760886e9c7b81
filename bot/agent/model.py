"""The language model: which client answers which id, and which model answers when one fails."""

from collections.abc import Callable, Sequence
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
    unseen,
)
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


class Fallback:
    """Several models in order: the next one is asked when one has not even begun to answer.

    What one of them began is never continued by another. Its window is the smallest, so that
    what fits the first fits the last.
    """

    def __init__(self, models: Sequence[Model]) -> None:
        self._models = tuple(models)
        self.name = ",".join(m.name for m in self._models)
        self.window = min(m.window for m in self._models)

    async def reply(
        self,
        messages: Sequence[Message],
        tools: Sequence[ToolSpec],
        on_text: Callable[[str], None],
        on_retry: Callable[[Retry], None] = unseen,
    ) -> Reply:
        """Answer; see `Model.reply`."""
        failed: list[ModelError] = []
        for model in self._models:
            if failed:
                last = failed[-1]
                on_retry(Retry(last.model, last.tries, last.why, 0.0, model.name))
            try:
                return await model.reply(messages, tools, on_text, on_retry)
            except ModelBroke:
                raise
            except ModelError as error:
                failed.append(error)
        # Only a conversation that is too long can be mended by whoever asks.
        told = next((e for e in failed if isinstance(e, ContextTooLong)), failed[-1])
        told.earlier = tuple(e for e in failed if e is not told)
        raise told

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
        load = partial(_load_openai, model_id.removeprefix("openai/"), spec)
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


# Both clients are imported where they are loaded: in a thread, because the SDK takes half a second
# and LiteLLM five, and LiteLLM only if an id needs it.
def _load_openai(model: str, spec: ModelSettings) -> Wire:
    from bot.agent.openai_model import load  # noqa: PLC0415 - see above

    return load(model, spec)


def _load_litellm(model: str, spec: ModelSettings) -> Wire:
    from bot.agent.litellm_model import load  # noqa: PLC0415 - see above

    return load(model, spec)


def _is_address(base: str) -> bool:
    try:
        parts = urlsplit(base)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
