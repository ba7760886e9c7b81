"""One model asked over one wire: visible retries, time limits, and no half answers."""

import asyncio
import json
import random
import re
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Protocol

import structlog
from pydantic import JsonValue

from bot.agent.model_reply import Collector, Delta
from bot.agent.model_values import (
    Message,
    ModelSettings,
    Reply,
    Retry,
    ToolSpec,
    Usage,
    unseen,
)
from bot.agent.prices import ModelFacts
from bot.core.model_errors import (
    ModelBroke,
    ModelError,
    ModelRefused,
    ModelTimeout,
    ModelUnreachable,
)

log = structlog.get_logger(__name__)

LONGEST_PAUSE = 30.0  # seconds; who asks us to wait longer is overloaded for this run
TIMEOUT_TRIES = 2  # a third wait of a minute helps nobody


@dataclass(frozen=True, slots=True)
class Fault:
    """A provider's error in our words: what it is, whether to try again, and how long to wait.

    `wait` (seconds) is what the provider asked for. `detail` is scrubbed, for the log only.
    """

    kind: type[ModelError]
    why: str
    again: bool = False
    wait: float | None = None
    detail: str = ""


class Wire(Protocol):
    """How one provider is spoken to. `failures` are the exceptions it raises on purpose."""

    failures: tuple[type[Exception], ...]

    def deltas(
        self, messages: Sequence[Message], tools: Sequence[ToolSpec]
    ) -> AsyncGenerator[Delta, None]:
        """Ask once and yield what comes; closing the generator closes the connection."""

    def fault(self, error: Exception) -> Fault:
        """Say what one of `failures` means."""

    async def close(self) -> None:
        """Close the connections."""


class StreamingModel:
    """A `Model`. `load` makes its wire; it may take seconds and runs in a thread, once."""

    def __init__(
        self, name: str, settings: ModelSettings, facts: ModelFacts, load: Callable[[], Wire]
    ) -> None:
        self.name = name
        self.window = settings.windows.get(name, facts.window)
        self._settings = settings
        self._facts = facts
        self._load = load
        self._loading = asyncio.Lock()
        self._wire: Wire | None = None

    async def warm(self) -> None:
        """Load the client, off the loop."""
        await self._ready()

    async def close(self) -> None:
        """Close the connections, if there are any."""
        wire, self._wire = self._wire, None
        if wire is not None:
            await wire.close()

    async def _ready(self) -> Wire:
        async with self._loading:
            if self._wire is None:
                self._wire = await asyncio.to_thread(self._load)
            return self._wire

    async def reply(
        self,
        messages: Sequence[Message],
        tools: Sequence[ToolSpec],
        on_text: Callable[[str], None],
        on_retry: Callable[[Retry], None] = unseen,
    ) -> Reply:
        """Answer; see `Model.reply`."""
        wire = await self._ready()
        started = time.monotonic()
        sent = [_sendable(m) for m in messages]
        tries = 0
        while True:
            tries += 1
            collector = Collector()
            fault = await self._try(wire, sent, tools, collector, on_text)
            if fault is None:
                return self._whole(collector, sent, tools, tries, time.monotonic() - started)
            pause = self._pause(fault, tries)
            if collector.begun or pause is None:
                raise self._error(fault, collector.begun, tries, time.monotonic() - started)
            self._note(fault, tries, pause)
            on_retry(Retry(self.name, tries, fault.why, pause, self.name))
            await asyncio.sleep(pause)

    async def _try(
        self,
        wire: Wire,
        messages: Sequence[Message],
        tools: Sequence[ToolSpec],
        collector: Collector,
        on_text: Callable[[str], None],
    ) -> Fault | None:
        """Fill `collector` from one request; return what went wrong, if anything did."""
        clock = asyncio.get_running_loop()
        first, idle = self._settings.request_timeout, self._settings.idle_timeout
        try:
            async with asyncio.timeout(first) as limit, aclosing(wire.deltas(messages, tools)) as d:
                async for delta in d:
                    collector.add(delta)
                    if delta.text:
                        on_text(delta.text)
                    limit.reschedule(clock.time() + (idle if collector.begun else first))
                    if collector.too_long:
                        break
        except TimeoutError:
            silent = idle if collector.begun else first
            return Fault(ModelTimeout, f"nothing came for {silent:g} s", again=True)
        except wire.failures as error:
            return wire.fault(error)
        if collector.finish == "content_filter":
            return Fault(ModelRefused, "the provider's content filter stopped the answer")
        if not (collector.complete or collector.too_long):
            return Fault(ModelUnreachable, "the answer ended before it was complete", again=True)
        return None

    def _pause(self, fault: Fault, tries: int) -> float | None:
        """Return the seconds before the next try; None: no further try."""
        limit = self._settings.tries
        if issubclass(fault.kind, ModelTimeout):
            limit = min(limit, TIMEOUT_TRIES)
        if not fault.again or tries >= limit:
            return None
        if fault.wait is not None:
            return fault.wait if fault.wait <= LONGEST_PAUSE else None
        # Not all clients of an overloaded provider may come back in the same moment.
        jitter = random.uniform(0.8, 1.2)  # noqa: S311 - no secret
        return self._settings.backoff * 2.0 ** (tries - 1) * jitter

    def _note(self, fault: Fault, tries: int, pause: float) -> None:
        log.warning(
            "model_retry",
            model=self.name,
            tries=tries,
            why=fault.why,
            pause=round(pause, 2),
            detail=fault.detail,
        )

    def _error(self, fault: Fault, begun: bool, tries: int, seconds: float) -> ModelError:
        # A refusal stays one even after the first words; everything else is then a half answer.
        broke = begun and not issubclass(fault.kind, ModelRefused)
        kind = ModelBroke if broke else fault.kind
        return kind(fault.why, model=self.name, tries=tries, seconds=seconds, detail=fault.detail)

    def _whole(
        self,
        collector: Collector,
        messages: Sequence[Message],
        tools: Sequence[ToolSpec],
        tries: int,
        seconds: float,
    ) -> Reply:
        tokens = collector.counted(messages, tools)
        usage = Usage(
            input_tokens=tokens.input,
            cached_tokens=tokens.cached,
            output_tokens=tokens.output,
            cost=self._facts.cost(tokens),
            estimated=collector.tokens is None,
        )
        return Reply(
            text=collector.text,
            calls=collector.calls(),
            usage=usage,
            model=self.name,
            finish=collector.finished_as(),
            milliseconds=round(seconds * 1000),
            tries=tries,
        )


def _sendable(message: Message) -> Message:
    """Return `message` as every provider takes it.

    A model may have written arguments that are no JSON object or a name that is no name. Some
    providers then refuse the whole conversation, for ever; the tool's answer says what was wrong.
    """
    wishes = message.get("tool_calls")
    if not isinstance(wishes, list):
        return message
    content = (
        message.get("content") or None
    )  # an empty text is refused, or replaced by a made-up one
    return {**message, "content": content, "tool_calls": [_sendable_call(w) for w in wishes]}


def _sendable_call(wish: JsonValue) -> JsonValue:
    function = wish.get("function") if isinstance(wish, dict) else None
    if not isinstance(wish, dict) or not isinstance(function, dict):
        return wish
    arguments = function.get("arguments")
    name = re.sub(r"[^a-zA-Z0-9_-]", "_", str(function.get("name") or "unknown"))[:64]
    kept = arguments if isinstance(arguments, str) and _is_object(arguments) else "{}"
    return {**wish, "function": {**function, "name": name, "arguments": kept}}


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False
