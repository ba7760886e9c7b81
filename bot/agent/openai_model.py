"""OpenAI-compatible endpoints, through the openai SDK. Loaded late: the SDK takes half a second."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import httpx
import openai
from openai.types.chat import ChatCompletionToolParam

from bot.agent.model_faults import FAILURES, Malformed, fault_of
from bot.agent.model_reply import CallPart, Delta, Tokens
from bot.agent.model_values import Message, ModelSettings, ToolSpec
from bot.agent.model_warmup import throwaway
from bot.agent.streaming_model import Fault
from bot.core.model_errors import ModelRefused

DEFAULT_BASE = "https://api.openai.com/v1"
CONNECT = 10.0  # seconds
LONGEST_LINE = 16 * 2**20  # bytes: a whole answer in one chunk, with every character escaped
MOST_TOKENS = 10**9  # of one call; a larger figure is none
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
        body: dict[str, object] = {"messages": list(messages)}
        if tools:
            body["tools"] = [_tool(tool) for tool in tools]
        # The raw response: the SDK's typed chunks cost five times the CPU, and fail on endpoints
        # that leave out a field. What is said and offered goes as it is, too: the SDK would look
        # for what to rename in each part of it, which takes longer than all else of a call.
        request = self._client.chat.completions.with_streaming_response.create(
            model=self._model,
            messages=[],
            extra_body=body,
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
    """Yield the chunks of a server-sent stream. Raises `Malformed`."""
    async for line in _lines(blocks):
        name, _, data = line.partition(b":")
        if name != b"data":
            continue
        if data.strip() == b"[DONE]":
            await _drain(blocks)
            return
        chunk = _json(data)
        if isinstance(chunk, dict):
            yield chunk


async def _lines(blocks: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    """Yield them as they end: at a line feed only, as JSON allows other line separators inside
    its strings.
    """
    rest = bytearray()
    async for block in blocks:
        rest += block
        if b"\n" in block:
            *lines, last = bytes(rest).split(b"\n")
            for line in lines:
                yield line
            rest = bytearray(last)
        if len(rest) > LONGEST_LINE:
            raise Malformed(f"a line of more than {LONGEST_LINE} bytes")


def _json(data: bytes) -> object:
    try:
        return json.loads(data.decode("utf-8", "replace"))
    # too deep, or a number of too many digits, is no syntax error
    except (ValueError, RecursionError) as error:
        raise Malformed(f"no JSON: {error}") from error


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
    choices = _list(chunk.get("choices"), "choices")
    choice = _object(choices[0], "choice") if choices else {}
    delta = _object(choice.get("delta"), "delta")
    return Delta(
        text=_text(delta.get("content"), "content") + _text(delta.get("refusal"), "refusal"),
        parts=tuple(map(_part, _list(delta.get("tool_calls"), "tool_calls"))),
        finish=_text(choice.get("finish_reason"), "finish_reason") or None,
        tokens=_tokens(chunk.get("usage")),
    )


def _part(given: object) -> CallPart:
    wish = _object(given, "tool call")
    function = _object(wish.get("function"), "function")
    index, arguments = wish.get("index"), function.get("arguments")
    if index is not None and not isinstance(index, int):
        raise Malformed("index is no number")
    return CallPart(
        index=index,
        id=_text(wish.get("id"), "id"),
        name=_text(function.get("name"), "name"),
        # Some endpoints send an object where the protocol has its text.
        arguments=arguments if isinstance(arguments, str) else json.dumps(arguments or {}),
    )


def _tokens(usage: object) -> Tokens | None:
    """Return what it counted; None where a figure is none: the answer is not worse for it."""
    if not usage or not isinstance(usage, dict):
        return None
    details = usage.get("prompt_tokens_details") or {}
    if not isinstance(details, dict):
        return None
    counted = (
        usage.get("prompt_tokens") or 0,
        usage.get("completion_tokens") or 0,
        details.get("cached_tokens") or 0,
        details.get("cache_creation_tokens") or 0,
    )
    if not all(isinstance(one, int) and 0 <= one <= MOST_TOKENS for one in counted):
        return None
    return Tokens(*counted)


# --- what an endpoint may have sent: nothing stands for an empty one, another shape for a fault ---


def _object(value: object, what: str) -> Mapping[str, Any]:
    if not value:
        return {}
    if not isinstance(value, dict):
        raise Malformed(f"{what} is no object")
    return value


def _list(value: object, what: str) -> Sequence[object]:
    if not value:
        return ()
    if not isinstance(value, list):
        raise Malformed(f"{what} is no list")
    return value


def _text(value: object, what: str) -> str:
    if not value:
        return ""
    if not isinstance(value, str):
        raise Malformed(f"{what} is no text")
    return value
