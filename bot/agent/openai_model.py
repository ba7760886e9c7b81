"""OpenAI-compatible endpoints, through the openai SDK. Loaded late: the SDK takes half a second."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence
from ipaddress import ip_address
from typing import Any, cast
from urllib.parse import urlsplit

import httpx
import openai
from openai.types.chat import ChatCompletionMessageParam, ChatCompletionToolParam

from bot.agent.model_faults import FAILURES, fault_of
from bot.agent.model_reply import CallPart, Delta, Tokens
from bot.agent.model_values import Message, ModelSettings, ToolSpec
from bot.agent.model_warmup import throwaway
from bot.agent.streaming_model import Fault
from bot.core.model_errors import ModelRefused

DEFAULT_BASE = "https://api.openai.com/v1"
CONNECT = 10.0  # seconds
LAST_WORD = 0.25  # seconds in which the end of a finished answer must come, to keep its connection


class OpenAIWire:
    """Speaks to one OpenAI-compatible endpoint about one model."""

    failures = FAILURES

    def __init__(self, model: str, settings: ModelSettings) -> None:
        self._model = model
        base = settings.openai_api_base or DEFAULT_BASE
        self._keeps_beginnings = is_openai_itself(base)
        self._keyless = settings.openai_api_key is None and base == DEFAULT_BASE
        # Our own limits end a wait; the SDK's are longer, so that they never speak first.
        silence = max(settings.request_timeout, settings.idle_timeout) + CONNECT
        self._client = openai.AsyncOpenAI(
            api_key=settings.openai_api_key or "none",
            base_url=base,
            max_retries=0,
            http_client=openai.DefaultAsyncHttpxClient(
                # A proxy named in the environment cannot reach our own loopback.
                trust_env=not is_loopback(base),
                # A redirect would carry the conversation to an address nobody configured.
                follow_redirects=False,
                timeout=httpx.Timeout(silence, connect=CONNECT),
            ),
        )

    async def deltas(
        self, messages: Sequence[Message], tools: Sequence[ToolSpec], cache_key: str = ""
    ) -> AsyncGenerator[Delta, None]:
        """Ask once; see `Wire.deltas`."""
        if self._keyless:
            raise _NoKey
        # The raw response: the SDK's typed chunks cost five times the CPU, and fail on endpoints
        # that leave out a field.
        request = self._client.chat.completions.with_streaming_response.create(
            model=self._model,
            messages=cast("list[ChatCompletionMessageParam]", list(messages)),
            tools=[_tool(t) for t in tools] or openai.omit,
            stream=True,
            stream_options={"include_usage": True},
            # The same beginning goes to the same machine, which still has it; others may refuse it.
            prompt_cache_key=cache_key if cache_key and self._keeps_beginnings else openai.omit,
        )
        async with request as response:
            async for chunk in _events(response.iter_bytes()):
                yield _delta(chunk, response.http_request)

    def fault(self, error: Exception) -> Fault:
        """Say what went wrong."""
        if isinstance(error, _NoKey):
            return Fault(ModelRefused, "OPENAI_API_KEY is not set")
        return fault_of(error)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()


class _NoKey(openai.OpenAIError):
    """There is nothing to authenticate with, so nothing is sent."""


def load(model: str, settings: ModelSettings) -> OpenAIWire:
    """Make the wire and one call to nobody, which loads what the SDK loads on first use."""
    asyncio.run(_warm())
    return OpenAIWire(model, settings)


async def _warm() -> None:
    async with throwaway() as address:
        wire = OpenAIWire("warm", ModelSettings(("warm",), openai_api_base=f"{address}/v1"))
        async for _ in wire.deltas([{"role": "user", "content": "hi"}], []):
            pass
        await wire.close()


def is_openai_itself(base: str) -> bool:
    """Tell whether `base` is OpenAI's own service, in any of its regions."""
    host = urlsplit(base).hostname or ""
    return host == "api.openai.com" or host.endswith(".api.openai.com")


def is_loopback(base: str) -> bool:
    """Tell whether `base` is on this machine."""
    host = urlsplit(base).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _tool(tool: ToolSpec) -> ChatCompletionToolParam:
    return {
        "type": "function",
        "function": {
            "name": tool.name,
            "description": tool.description,
            "parameters": dict(tool.schema),
        },
    }


async def _events(blocks: AsyncIterator[bytes]) -> AsyncGenerator[Mapping[str, Any], None]:
    """Yield the chunks of a server-sent stream; lines end at a line feed only, as JSON allows
    other line separators inside its strings."""
    rest = b""
    async for block in blocks:
        *lines, rest = (rest + block).split(b"\n")
        for line in lines:
            name, _, data = line.partition(b":")
            if name != b"data":
                continue
            if data.strip() == b"[DONE]":
                await _drain(blocks)
                return
            chunk = json.loads(data)
            if isinstance(chunk, dict):
                yield chunk


async def _drain(blocks: AsyncIterator[bytes]) -> None:
    """Read the end of the response: a connection closed before it cannot be used again."""
    try:
        async with asyncio.timeout(LAST_WORD):
            async for _ in blocks:
                pass
    except TimeoutError:
        return


def _delta(chunk: Mapping[str, Any], request: httpx.Request) -> Delta:
    if error := chunk.get("error"):
        text = error.get("message") if isinstance(error, dict) else error
        raise openai.APIError(str(text), request, body=error)
    choices = chunk.get("choices") or [{}]
    choice = choices[0] or {}
    delta = choice.get("delta") or {}
    return Delta(
        text=(delta.get("content") or "") + (delta.get("refusal") or ""),
        parts=tuple(_parts(delta.get("tool_calls") or [])),
        finish=choice.get("finish_reason"),
        tokens=_tokens(chunk.get("usage")),
    )


def _parts(wishes: Sequence[Mapping[str, Any]]) -> Iterator[CallPart]:
    for wish in wishes:
        function = wish.get("function") or {}
        arguments = function.get("arguments")
        yield CallPart(
            index=wish.get("index"),
            id=wish.get("id") or "",
            name=function.get("name") or "",
            # Some endpoints send an object where the protocol has its text.
            arguments=arguments if isinstance(arguments, str) else json.dumps(arguments or {}),
        )


def _tokens(usage: Mapping[str, Any] | None) -> Tokens | None:
    if not usage:
        return None
    details = usage.get("prompt_tokens_details") or {}
    return Tokens(
        input=usage.get("prompt_tokens") or 0,
        output=usage.get("completion_tokens") or 0,
        cached=details.get("cached_tokens") or 0,
        created=details.get("cache_creation_tokens") or 0,
    )
