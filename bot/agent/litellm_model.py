"""Every model that is not OpenAI-compatible, through LiteLLM. Loaded late: that takes seconds."""

import asyncio
import json
import logging
import os
import threading
import warnings
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import aclosing, contextmanager
from typing import Any

import httpx
import openai

from bot.agent import model_faults
from bot.agent.model_reply import CallPart, Delta, Tokens
from bot.agent.model_values import Message, ModelSettings, ToolSpec
from bot.agent.model_warmup import throwaway
from bot.agent.streaming_model import Fault
from bot.core.loading import uncollected
from bot.core.model_errors import ModelRefused

# LiteLLM reads these from the environment and nowhere else. Without them it fetches two files from
# the internet when it loads, and takes over a `.env` that happens to lie in the working directory.
ENVIRONMENT = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS": "True",
    "LITELLM_MODE": "PRODUCTION",
}
# Providers whose address can be given, so that their own code can be warmed by a call to nobody.
_ADDRESSABLE = frozenset({"anthropic", "deepseek", "groq", "hosted_vllm", "mistral", "openrouter"})
_LOOK = ToolSpec("look", "Look.", {"type": "object", "properties": {}})
_OWN = r"litellm\b"
_CACHED = {"type": "ephemeral"}


class _Malformed(Exception):
    """A part of an answer that has another shape than its type says."""


# Its own errors are subclasses of the openai SDK's.
FAILURES: tuple[type[Exception], ...] = (
    openai.OpenAIError,
    httpx.HTTPError,
    httpx.StreamError,
    httpx.InvalidURL,
    json.JSONDecodeError,
    _Malformed,
)
_WARM_FAILURES: tuple[type[Exception], ...] = (TimeoutError, *FAILURES)

_loading = threading.RLock()
_loaded: list[Any] = []


class LiteLLMWire:
    """Speaks to one model through LiteLLM. `address` replaces the provider's own."""

    failures = FAILURES

    def __init__(
        self, model: str, settings: ModelSettings, *, address: str | None = None, key: str = ""
    ) -> None:
        self._litellm = _module()
        self._model = model
        # Longer than our own limits, so that it never speaks first.
        self._timeout = max(settings.request_timeout, settings.idle_timeout) + 10.0
        self._place = {"api_base": address} if address else {}
        self._place |= {"api_key": key} if key else {}
        self._caches = "claude" in model.lower()

    async def deltas(
        self,
        messages: Sequence[Message],
        tools: Sequence[ToolSpec],
        cache_key: str = "",  # noqa: ARG002 - these providers are told by marks in the messages
    ) -> AsyncGenerator[Delta, None]:
        """Ask once; see `Wire.deltas`."""
        _hush()
        wishes = {"tools": [_tool(t) for t in tools]} if tools else {}
        stream = await self._litellm.acompletion(
            model=self._model,
            messages=_cacheable(messages) if self._caches else list(messages),
            stream=True,
            stream_options={"include_usage": True},
            timeout=self._timeout,
            num_retries=0,
            max_retries=0,
            # With tools it looks for its own MCP gateway first, and fails where `mcp` is missing.
            _skip_mcp_handler=True,
            **wishes,
            **self._place,
        )
        async with aclosing(stream):
            async for chunk in stream:
                yield _delta(chunk)

    def fault(self, error: Exception) -> Fault:
        """Say what went wrong."""
        # it wraps what ends a stream; the inner error says why
        inner = getattr(error, "original_exception", None)
        cause = inner if isinstance(inner, openai.OpenAIError) else error
        detail = model_faults.scrub(str(cause))
        if isinstance(cause, openai.APITimeoutError | httpx.TimeoutException):
            return model_faults.too_late(detail)
        if isinstance(cause, openai.APIConnectionError | httpx.TransportError):
            return model_faults.away(detail)
        status = getattr(cause, "status_code", None)  # on more classes than the SDK has it
        if isinstance(status, int):
            return model_faults.by_status(status, str(cause), _asked_wait(cause))
        if isinstance(cause, _Malformed | json.JSONDecodeError):
            return model_faults.unreadable(detail)
        if isinstance(cause, openai.APIError):
            return model_faults.in_stream(f"{cause.code} {cause.type} {cause}")
        return Fault(ModelRefused, "the request could not be made", detail=detail)

    async def close(self) -> None:
        """Close the connections; LiteLLM keeps them for all models together."""
        await self._litellm.close_litellm_async_clients()


def load(model: str, settings: ModelSettings, *, address: str | None = None) -> LiteLLMWire:
    """Import LiteLLM, let it make a call to nobody, and return the wire.

    Its first call imports as much again as the import itself, on whatever loop it runs: hence
    here, in the loading thread, on a loop of its own.
    """
    wire = LiteLLMWire(model, settings, address=address)
    with _loading, _contained():
        asyncio.run(_warm(model, settings))
    return wire


def _module() -> Any:  # LiteLLM ships no types
    with _loading:
        if not _loaded:
            _loaded.append(_import())
        return _loaded[0]


def _import() -> Any:
    os.environ.update(ENVIRONMENT)  # noqa: TID251 - see ENVIRONMENT
    with _contained():
        import litellm  # noqa: PLC0415 - three seconds and 120 MB that most installations never need
    for name in ("LiteLLM", "LiteLLM Router", "LiteLLM Proxy"):
        # Its log lines hold whole requests; what went wrong is in the errors it raises.
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    litellm.telemetry = False
    litellm.suppress_debug_info = True
    litellm.turn_off_message_logging = True
    litellm.disable_streaming_logging = True
    litellm.callbacks = []
    litellm.success_callback = []
    litellm.failure_callback = []
    litellm.drop_params = True  # not every provider knows every option
    litellm.modify_params = True  # some refuse tool results in a request that offers no tools
    litellm.REPEATED_STREAMING_CHUNK_LIMIT = 100_000  # a long rule of `====` is no fault
    return litellm


@contextmanager
def _contained() -> Iterator[None]:
    """Keep the loading's warnings to itself, and the garbage collector out of its way.

    The filters belong to the process, so other threads' warnings of these seconds are lost too.
    """
    with uncollected(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _hush() -> None:
    """Ignore what LiteLLM's own code is warned of while it works; nobody here can mend it."""
    if not any(e[0] == "ignore" and getattr(e[3], "pattern", "") == _OWN for e in warnings.filters):
        warnings.filterwarnings("ignore", module=_OWN)


async def _warm(model: str, settings: ModelSettings) -> None:
    provider = model.partition("/")[0]
    own = [model] if provider in _ADDRESSABLE else []
    async with throwaway() as address:
        for name in dict.fromkeys(["hosted_vllm/warm", *own]):
            wire = LiteLLMWire(name, settings, address=address, key="warm")
            try:
                async with asyncio.timeout(10):
                    async for _ in wire.deltas([{"role": "user", "content": "hi"}], [_LOOK]):
                        pass
            except _WARM_FAILURES:
                # Even a call that failed has loaded what it needed until then.
                continue
            finally:
                await wire.close()


def _asked_wait(error: Exception) -> str:
    """What `Retry-After` says; LiteLLM keeps the headers apart."""
    kept = getattr(error, "litellm_response_headers", None)
    for headers in (kept, getattr(getattr(error, "response", None), "headers", None)):
        if isinstance(headers, Mapping) and (
            value := httpx.Headers(dict(headers)).get("retry-after", "")
        ):
            return str(value)
    return ""


def _cacheable(messages: Sequence[Message]) -> list[Message]:
    """Mark the ends of what later requests will repeat; four marks are allowed.

    The rules (and the tools, which stand before them); the conversation before the newest words
    of a person, for the next turn, in which this turn's own messages look different; all of it,
    for the next call of this turn.
    """
    marked = list(messages)

    def last(role: str) -> int:
        return max((n for n, m in enumerate(marked) if m["role"] == role), default=-1)

    before = last("user") - 1
    for n in {last("system"), before, len(marked) - 1} - {-1, -2}:
        marked[n] = {**marked[n], "cache_control": dict(_CACHED)}
    return marked


def _tool(tool: ToolSpec) -> dict[str, object]:
    function = {
        "name": tool.name,
        "description": tool.description,
        "parameters": dict(tool.schema),
    }
    return {"type": "function", "function": function}


def _delta(chunk: Any) -> Delta:
    choices = getattr(chunk, "choices", None)
    tokens = _tokens(getattr(chunk, "usage", None))
    if not choices:
        return Delta(tokens=tokens)
    delta = choices[0].delta
    return Delta(
        text=_text(getattr(delta, "content", None)),
        parts=tuple(map(_part, getattr(delta, "tool_calls", None) or ())),
        finish=choices[0].finish_reason,
        tokens=tokens,
    )


def _part(wish: Any) -> CallPart:
    return CallPart(
        index=getattr(wish, "index", None),
        id=_text(wish.id),
        name=_text(wish.function.name),
        arguments=_text(wish.function.arguments),
    )


def _text(value: object) -> str:
    if not value:
        return ""
    if not isinstance(value, str):
        raise _Malformed(f"a {type(value).__name__} in place of a text")
    return value


def _tokens(usage: Any) -> Tokens | None:
    if usage is None:
        return None
    details = getattr(usage, "prompt_tokens_details", None)
    created = getattr(usage, "cache_creation_input_tokens", None)
    return Tokens(
        input=usage.prompt_tokens or 0,
        output=usage.completion_tokens or 0,
        cached=getattr(details, "cached_tokens", None) or 0,
        created=created or 0,
    )
