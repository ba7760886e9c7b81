"""OpenAI-compatible endpoints: one request, and a stream of chunks.

Without the openai SDK: of it only the request was left, for 38 MB, half a second of each start, and
a tenth of a run's CPU. Its typed chunks fail on endpoints that leave out a field.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp

from bot.agent import model_faults
from bot.agent.model_reply import CallPart, Delta, Tokens
from bot.agent.model_values import Message, ModelSettings, ToolSpec
from bot.agent.streaming_model import Fault
from bot.core.http import Silent
from bot.core.model_errors import ModelRefused

DEFAULT_BASE = "https://api.openai.com/v1"
CONNECT = 10.0  # seconds
LONGEST_LINE = 16 * 2**20  # bytes: a whole answer in one chunk, with every character escaped
MOST_TOKENS = 10**9  # of one call; a larger figure is none
MOST_OF_AN_ERROR = 2**16  # bytes
LONGEST_HEADER = 2**16
LAST_WORD = 0.25  # seconds in which the end of a finished answer must come, to keep its connection


class _Said(Exception):
    """What an endpoint answered instead of a stream; `retry_after` as it wrote it."""

    def __init__(self, status: int, text: str, retry_after: str) -> None:
        super().__init__(f"HTTP {status}: {text}")
        self.status, self.retry_after = status, retry_after


class _Broke(Exception):
    """An error that it sent inside the stream."""


class _Malformed(Exception):
    """A part of an answer that has another shape than the protocol says; the text says which."""


class _Late(Exception):
    """Nothing came, for longer than our own limits are."""


class _NotMade(Exception):
    """The request cannot be written: nothing was sent."""


class _NoKey(Exception):
    """There is nothing to authenticate with, so nothing is sent."""


class OpenAIWire:
    """Speaks to one OpenAI-compatible endpoint about one model."""

    failures: tuple[type[Exception], ...] = (
        *(_Said, _Broke, _Malformed, _Late, _NotMade, _NoKey),
        aiohttp.ClientError,
    )

    def __init__(self, model: str, settings: ModelSettings) -> None:
        self._model = model
        base = settings.openai_api_base or DEFAULT_BASE
        self._url = f"{base.rstrip('/')}/chat/completions"
        self._keeps_beginnings = is_openai_itself(base)
        self._key = (settings.openai_api_key or "").strip() or (
            "" if base == DEFAULT_BASE else "none"
        )
        # who names a user in the address is known by that
        self._signed = (
            {} if "@" in urlsplit(base).netloc else {"Authorization": f"Bearer {self._key}"}
        )
        # Our own limits end a wait; these are longer, so that they never speak first.
        silence = max(settings.request_timeout, settings.idle_timeout) + CONNECT
        self._patience = aiohttp.ClientTimeout(sock_connect=CONNECT, sock_read=silence)
        self._proxy = _proxy_for(base)
        self._session: aiohttp.ClientSession | None = None

    async def deltas(
        self, messages: Sequence[Message], tools: Sequence[ToolSpec], cache_key: str = ""
    ) -> AsyncGenerator[Delta, None]:
        """Ask once; see `Wire.deltas`."""
        if not self._key:
            raise _NoKey
        body: dict[str, object] = {
            "model": self._model,
            "messages": list(messages),
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        if tools:
            body["tools"] = [_tool(tool) for tool in tools]
        if cache_key and self._keeps_beginnings:
            # the same beginning goes to the same machine, which still has it; others may refuse it
            body["prompt_cache_key"] = cache_key
        try:
            async with self._asked(json.dumps(body).encode()) as answer:
                if not 200 <= answer.status < 300:
                    text = await _start_of(answer.content.iter_any())
                    raise _Said(answer.status, text, answer.headers.get("Retry-After", ""))
                async for chunk in _events(answer.content.iter_any()):
                    yield _delta(chunk)
        except aiohttp.ServerTimeoutError as late:  # also a TimeoutError, as our own limit's is
            raise _Late(str(late)) from late
        except (ValueError, RuntimeError) as error:  # an address that is none; closed meanwhile
            raise _NotMade(str(error)) from error

    def _asked(self, body: bytes) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=Silent(),
                timeout=self._patience,
                trust_env=False,  # or somebody's ~/.netrc would sign in beside us
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={**self._signed, "User-Agent": "countersign"},
                max_line_size=LONGEST_HEADER,
                max_field_size=LONGEST_HEADER,
            )
        return self._session.post(
            self._url,
            data=body,
            headers={"Content-Type": "application/json", "Accept": "text/event-stream"},
            # a redirect would carry the conversation to an address nobody configured
            allow_redirects=False,
            proxy=self._proxy,
        )

    def fault(self, error: Exception) -> Fault:
        """Say what went wrong."""
        detail = model_faults.scrub(f"{type(error).__name__}: {error}")
        match error:
            case _NoKey():
                return Fault(ModelRefused, "OPENAI_API_KEY is not set")
            case _Said():
                return model_faults.by_status(error.status, str(error), error.retry_after)
            case _Broke():
                return model_faults.in_stream(str(error))
            case _Malformed():
                return model_faults.unreadable(detail)
            case _Late():
                return model_faults.too_late(detail)
            case _NotMade() | aiohttp.InvalidURL() | aiohttp.NonHttpUrlClientError():
                return Fault(ModelRefused, "the request could not be made", detail=detail)
            case _:
                return model_faults.away(detail)

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()


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


def _proxy_for(base: str) -> str | None:
    """The environment's, which cannot reach our own loopback."""
    parts = urlsplit(base)
    if is_loopback(base) or proxy_bypass(parts.netloc.rpartition("@")[2]):
        return None
    named = getproxies()
    found = named.get(parts.scheme) or named.get("all")
    return f"http://{found}" if found and "://" not in found else found


def _tool(tool: ToolSpec) -> dict[str, object]:
    return {
        "type": "function",
        "function": {
            "name": tool.name,
            "description": tool.description,
            "parameters": dict(tool.schema),
        },
    }


async def _events(blocks: AsyncIterator[bytes]) -> AsyncGenerator[Mapping[str, Any], None]:
    """Yield the chunks of a server-sent stream. Raises `_Malformed`."""
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
            raise _Malformed(f"a line of more than {LONGEST_LINE} bytes")


def _json(data: bytes) -> object:
    try:
        return json.loads(data.decode("utf-8", "replace"))
    # too deep, or a number of too many digits, is no syntax error
    except (ValueError, RecursionError) as error:
        raise _Malformed(f"no JSON: {error}") from error


async def _start_of(blocks: AsyncIterator[bytes]) -> str:
    """What came of an error's text: its status says the most."""
    found = bytearray()
    with suppress(aiohttp.ClientError, TimeoutError):
        async with asyncio.timeout(1.0):
            async for block in blocks:
                found += block
                if len(found) >= MOST_OF_AN_ERROR:
                    break
    return found.decode("utf-8", "replace")


async def _drain(blocks: AsyncIterator[bytes]) -> None:
    """Read the end of the response: a connection closed before it cannot be used again."""
    try:
        async with asyncio.timeout(LAST_WORD):
            async for _ in blocks:
                pass
    except (TimeoutError, aiohttp.ClientError):
        return  # the answer is whole


def _delta(chunk: Mapping[str, Any]) -> Delta:
    if error := chunk.get("error"):
        said = error if isinstance(error, dict) else {"message": error}
        parts = (said.get("code"), said.get("type"), said.get("message"))
        raise _Broke(" ".join(str(part) for part in parts if part))
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
        raise _Malformed("index is no number")
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
        raise _Malformed(f"{what} is no object")
    return value


def _list(value: object, what: str) -> Sequence[object]:
    if not value:
        return ()
    if not isinstance(value, list):
        raise _Malformed(f"{what} is no list")
    return value


def _text(value: object, what: str) -> str:
    if not value:
        return ""
    if not isinstance(value, str):
        raise _Malformed(f"{what} is no text")
    return value
