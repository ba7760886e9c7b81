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
    uncounted,
    unseen,
)
from bot.agent.prices import ModelFacts
from bot.core.model_errors import (
    ContextTooLong,
    ModelBroke,
    ModelError,
    ModelOverloaded,
    ModelRefused,
    ModelTimeout,
    ModelUnreachable,
)
from bot.guard.budget import estimate

log = structlog.get_logger(__name__)

LONGEST_PAUSE = 30.0  # seconds; who asks us to wait longer is overloaded for this run
TIMEOUT_TRIES = 2  # a third wait of a minute helps nobody
SMALLER = 0.6  # of a window that turned out to be too large
SMALLEST_WINDOW = 1_000  # tokens; a model that reads less cannot even read its tools
_PATIENCE = 4.0  # an overload lasts longer than other trouble


@dataclass(frozen=True, slots=True)
class Fault:
    """A provider's error in our words: what it is, whether to try again, and how long to wait.

    `wait` (seconds) is what the provider asked for. `detail` is scrubbed, for the log only.
    `limit` is how many tokens it reads, where it said so.
    """

    kind: type[ModelError]
    why: str
    again: bool = False
    wait: float | None = None
    detail: str = ""
    limit: int | None = None


class Wire(Protocol):
    """How one provider is spoken to. `failures` are the exceptions it raises on purpose."""

    failures: tuple[type[Exception], ...]

    def deltas(
        self, messages: Sequence[Message], tools: Sequence[ToolSpec], cache_key: str = ""
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

    def shrink(self, most: int) -> None:
        """Remember that it reads no more than `most` tokens at once."""
        self.window = max(SMALLEST_WINDOW, min(self.window, most))

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
        on_waste: Callable[[str, Usage], None] = uncounted,
        cache_key: str = "",
    ) -> Reply:
        """Answer; see `Model.reply`."""
        wire = await self._ready()
        started = time.monotonic()
        window = self.window
        question = _Question([_sendable(m) for m in messages], tools, cache_key)
        tries, late, begun = 0, 0, False
        while True:
            tries += 1
            collector = Collector()
            try:
                fault = await self._try(wire, question, collector, on_text)
            except asyncio.CancelledError:
                if collector.begun:
                    on_waste(self.name, self._usage(collector, question))
                raise
            if fault is None:
                return self._whole(collector, question, tries, time.monotonic() - started)
            if collector.begun:
                begun = True
                on_waste(self.name, self._usage(collector, question))
            late += issubclass(fault.kind, ModelTimeout)
            pause = self._pause(fault, tries, late)
            if pause is None:
                if fault.kind is ContextTooLong:
                    self._learn(fault, question, window)
                raise self._error(fault, begun, tries, time.monotonic() - started)
            self._note(fault, tries, pause)
            on_retry(Retry(self.name, tries, fault.why, pause, self.name))
            await asyncio.sleep(pause)

    async def _try(
        self,
        wire: Wire,
        question: "_Question",
        collector: Collector,
        on_text: Callable[[str], None],
    ) -> Fault | None:
        """Fill `collector` from one request; return what went wrong, if anything did."""
        clock = asyncio.get_running_loop()
        first, idle = self._settings.request_timeout, self._settings.idle_timeout
        whole = self._settings.whole_timeout
        end = clock.time() + whole
        deltas = wire.deltas(question.messages, question.tools, question.cache_key)
        try:
            async with asyncio.timeout(min(first, whole)) as limit, aclosing(deltas) as coming:
                async for delta in coming:
                    collector.add(delta)
                    if delta.text:
                        on_text(delta.text)
                    silent = idle if collector.begun else first
                    limit.reschedule(min(end, clock.time() + silent))
                    if collector.too_long or collector.repeats:
                        break
        except TimeoutError:
            return self._late(collector, over=clock.time() >= end)
        except wire.failures as error:
            return wire.fault(error)
        if collector.finish == "content_filter":
            return Fault(ModelRefused, "the provider's content filter stopped the answer")
        if not (collector.complete or collector.too_long or collector.repeats):
            return Fault(ModelUnreachable, "the answer ended before it was complete", again=True)
        return None

    def _late(self, collector: Collector, *, over: bool) -> Fault:
        if over:
            why = f"the answer took longer than {self._settings.whole_timeout:g} s"
            return Fault(ModelTimeout, why)
        limits = self._settings
        silent = limits.idle_timeout if collector.begun else limits.request_timeout
        return Fault(ModelTimeout, f"nothing came for {silent:g} s", again=True)

    def _learn(self, fault: Fault, question: "_Question", window: int) -> None:
        """It could not read what was made for `window`: keep less for it from now on.

        Unless what was sent could not be made that small: this says nothing about the window.
        """
        if fault.limit is not None and fault.limit < window:
            self.shrink(fault.limit)
        elif question.tokens() <= window:
            self.shrink(int(window * SMALLER))
        log.warning("window_learned", model=self.name, before=window, window=self.window)

    def _pause(self, fault: Fault, tries: int, late: int) -> float | None:
        """Return the seconds before the next try; None: no further try. `late`: time-outs."""
        if not fault.again or tries >= self._settings.tries or late >= TIMEOUT_TRIES:
            return None
        if fault.wait is not None:
            return fault.wait if fault.wait <= LONGEST_PAUSE else None
        # Not all clients of an overloaded provider may come back in the same moment.
        jitter = random.uniform(0.8, 1.2)  # noqa: S311 - no secret
        longer = _PATIENCE if fault.kind is ModelOverloaded else 1.0
        return self._settings.backoff * longer * 2.0 ** (tries - 1) * jitter

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
        self, collector: Collector, question: "_Question", tries: int, seconds: float
    ) -> Reply:
        return Reply(
            text=collector.text,
            calls=collector.calls(),
            usage=self._usage(collector, question),
            model=self.name,
            finish=collector.finished_as(),
            milliseconds=round(seconds * 1000),
            tries=tries,
        )

    def _usage(self, collector: Collector, question: "_Question") -> Usage:
        tokens = collector.counted(question.messages, question.tools)
        return Usage(
            input_tokens=tokens.input,
            cached_tokens=tokens.cached,
            output_tokens=tokens.output,
            cost=self._facts.cost(tokens),
            estimated=collector.tokens is None,
        )


@dataclass(frozen=True, slots=True)
class _Question:
    """What is sent, as often as it is tried."""

    messages: Sequence[Message]
    tools: Sequence[ToolSpec]
    cache_key: str

    def tokens(self) -> int:
        """About how many tokens it is."""
        tools = [[tool.name, tool.description, dict(tool.schema)] for tool in self.tools]
        return estimate(json.dumps([*self.messages, *tools], ensure_ascii=False))


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
