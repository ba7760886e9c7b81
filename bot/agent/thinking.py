"""One reply of a run: the model's, or without one the command's own words."""

import asyncio
import json
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from hashlib import sha256
from typing import Literal, cast
from uuid import UUID

import structlog

from bot.agent.context import Aside, Context
from bot.agent.grammar import usage
from bot.agent.model import Message, Model, Reply, Retry, ToolCall, ToolSpec, Usage
from bot.agent.quoting import note
from bot.agent.spelling import advice
from bot.agent.streaming_model import SMALLER
from bot.agent.wishes import assistant_message
from bot.core.bus import Bus
from bot.core.errors import DatabaseAway
from bot.core.ids import uuid7
from bot.core.model_errors import ContextTooLong, ModelError
from bot.core.text import amount
from bot.core.values import Event
from bot.guard import masking
from bot.guard.budget import RunLimits, Spent, limit_tokens, spent
from bot.guard.house import House
from bot.guard.records import Run
from bot.guard.sources import Overheard
from bot.guard.toolset import Offered, clients, offered
from bot.store.notify import AWAY

log = structlog.get_logger()

_SEARCH_HINT = re.compile(r"; search them with artifact_search id=[0-9a-f-]{36}\]")

MOST_CALLS = 40  # of one reply; a model that wants more has lost its way
_REBUILDS = 2  # times that a conversation which was too long is made smaller
_LAST_WORD = 1.0  # seconds in which a stopped run notes what it spent
_SILENCE, _SILENT_AGAIN = 8.0, 5.0  # seconds without an answer until that is said; and anew
_CUT_OFF = {
    "length": "(The model stopped at its length limit; this may be incomplete.)",
    "repeating": "(The model began to repeat itself and was stopped; this may be incomplete.)",
}


class Thinking:
    """Gives the next reply of a run and stores what it cost."""

    def __init__(
        self, house: House, model: Model | None, context: Context, limits: RunLimits
    ) -> None:
        self._house = house
        self._model = model
        self._context = context
        self._limits = limits
        self._over: set[UUID] = set()  # runs that a limit has ended
        self.troubles: dict[str, str] = {}  # by model, what it failed of until it answers again
        self.tools: dict[str, Offered] = offered(house.catalog)
        self._specs = [
            ToolSpec.brief(tool.name, tool.summary, tool.schema) for tool in self.tools.values()
        ]

    @property
    def trouble(self) -> str | None:
        """Which models failed last, and why; None while all that were asked answer."""
        return "; ".join(f"{model}: {why}" for model, why in self.troubles.items()) or None

    async def reply(
        self,
        run: Run,
        own: Sequence[Message],
        replies: int,
        worked: float,
        aside: Aside | None = None,
    ) -> Message:
        """The next assistant message; without tool calls, it is the answer. Raises `ModelError`."""
        if run.wish is not None:
            return self._of_wish(run, own, replies)
        if self._model is None:
            return await self._without_model(run)
        if over := await self._over_limit(run, worked):
            self._over.add(run.id)
            return assistant_message(run.id, replies, _found_so_far(over, own), ())
        reply = await self._ask_model(run, self._model, own, aside or Aside())
        # a model can join or decode what no mask recognised where it stood; its calls are masked
        # where they become a message
        text, wanted = masking.safe(reply.text), len(reply.calls)
        if not wanted and (unread := self._context.unread(run)):
            text = f"{text}\n\n_{unread}_"
        if not wanted and (cut_off := _CUT_OFF.get(reply.finish)):
            text = f"{text}\n\n{cut_off}"
        if wanted > MOST_CALLS:
            most = f"(I asked for {wanted:,} tools at once: only the first {MOST_CALLS} are used.)"
            text = f"{text}\n\n{most}".lstrip()
        return assistant_message(run.id, replies, text, reply.calls[:MOST_CALLS])

    def overheard(self, run: Run) -> Overheard:
        """What others said around the request, as the model has read it."""
        return self._context.overheard(run)

    def is_over(self, run: Run) -> bool:
        """Whether a limit ended this run: no model call of it comes any more. Asked once."""
        if run.id not in self._over:
            return False
        self._over.discard(run.id)
        return True

    async def _ask_model(
        self, run: Run, model: Model, own: Sequence[Message], aside: Aside
    ) -> Reply:
        """Ask; a conversation that turns out to be too long is built again, smaller."""
        window = model.window
        specs = [*self._specs, *aside.specs]
        for _ in range(_REBUILDS):
            try:
                return await self._ask_once(
                    run, model, await self._built(run, own, window, aside), specs
                )
            except ContextTooLong:
                window = min(model.window, int(window * SMALLER))
                own = _shortened(own, window)
        return await self._ask_once(run, model, await self._built(run, own, window, aside), specs)

    async def _built(
        self, run: Run, own: Sequence[Message], window: int, aside: Aside
    ) -> list[Message]:
        messages = await self._context.build(run, clients(self._house.catalog), own, window)
        if aside.note:
            messages.append(note(aside.note))
        return messages

    async def _ask_once(
        self, run: Run, model: Model, messages: Sequence[Message], specs: Sequence[ToolSpec]
    ) -> Reply:
        clock = asyncio.get_running_loop()
        started = clock.time()
        listener = _Listener(run, self._house.bus, self.troubles)
        listener.tell("thinking")
        listener.wait()
        try:
            reply = await model.reply(
                messages,
                specs,
                listener.on_text,
                listener.on_retry,
                listener.on_waste,
                _cache_key(run),
            )
        except ModelError as error:
            took = int((clock.time() - started) * 1000)
            log.warning("model_failed", model=error.model, why=error.why, detail=error.detail)
            if not isinstance(error, ContextTooLong):  # which says nothing about its health
                self.troubles[error.model] = error.why
            await self._note_cost(run, error.model, listener.wasted, took, error.why)
            raise
        except asyncio.CancelledError:
            await self._note_stopped(run, listener, int((clock.time() - started) * 1000))
            raise
        finally:
            listener.rest()
        self.troubles.pop(reply.model, None)
        listener.over()
        usage = sum(listener.wasted, reply.usage)
        await self._note_cost(run, reply.model, [usage], reply.milliseconds, None, reply.instead_of)
        return reply

    async def _note_stopped(self, run: Run, listener: "_Listener", took: int) -> None:
        """What came until somebody stopped it was paid for."""
        if listener.wasted:
            with suppress(TimeoutError, DatabaseAway, *AWAY):
                async with asyncio.timeout(_LAST_WORD):
                    await self._note_cost(run, listener.model, listener.wasted, took, "stopped")

    async def _note_cost(
        self,
        run: Run,
        model: str,
        used: Sequence[Usage],
        took: int,
        error: str | None,
        instead_of: str = "",
    ) -> None:
        usage = sum(used, Usage(0, 0, 0, None))
        async with self._house.database.statement() as tx:
            await tx.run(
                "note_model_call",
                id=uuid7(),
                org=run.thread.org,
                run_id=run.id,
                attempt=run.attempt,
                model=model,
                input_tokens=usage.input_tokens,
                cached_tokens=usage.cached_tokens,
                output_tokens=usage.output_tokens,
                cost=usage.cost,
                milliseconds=took,
                error=error,
                instead_of=instead_of or None,
            )

    async def _over_limit(self, run: Run, worked: float) -> str | None:
        async with self._house.database.statement() as tx:
            row = await tx.one("spent", run_id=run.id) or {}
        used = Spent(
            model_calls=int(row.get("model_calls", 0)),
            seconds=run.worked + worked,
            tokens=int(row.get("tokens", 0)),
            cost=Decimal(row.get("cost", 0)),
        )
        return spent(used, self._limits)

    def _of_wish(self, run: Run, own: Sequence[Message], replies: int) -> Message:
        """A command is a run with one call: first its wish, then what came of it."""
        wish = cast("dict[str, object]", run.wish)
        if wish["tool"] == "help":
            return assistant_message(run.id, replies, _help(), ())
        if not own:
            call = ToolCall("", str(wish["tool"]), json.dumps(wish["arguments"]))
            return assistant_message(run.id, replies, "", [call])
        # a person has no artifact_search: he gets the whole of it as a file
        result = _SEARCH_HINT.sub("]", str(own[-1].get("content") or ""))
        kind = self.tools[str(wish["tool"])].kind if str(wish["tool"]) in self.tools else "change"
        text = fenced(result) if kind == "read" else result
        return assistant_message(run.id, replies, text, ())

    async def _without_model(self, run: Run) -> Message:
        """No model is configured: say so, with the nearest command."""
        async with self._house.database.statement() as tx:
            rows = await tx.all(
                "history",
                org=run.thread.org,
                channel=run.thread.channel,
                thread_ts=run.thread.ts,
                run_id=run.id,
                limit=1,
                most=1,
            )
        asked = str(rows[0]["body"]["content"]) if rows else ""
        text = advice(asked)
        return assistant_message(run.id, 0, text, ())


@dataclass
class _Listener:
    """What one call of the model tells while it answers, on its way to the progress message."""

    run: Run
    bus: Bus
    troubles: dict[str, str]
    wasted: list[Usage] = field(default_factory=list)
    model: str = ""  # whose answer was cut off last
    writes: bool = False
    noticed: bool = False
    asked_at: float = 0.0
    timer: asyncio.TimerHandle | None = None

    def tell(self, kind: Literal["thinking", "writing"], text: str = "", detail: str = "") -> None:
        """Show how the reply gets on; `detail` is the model that has to be asked again."""
        event = Event(self.run.thread, self.run.id, kind, key="model", text=text, detail=detail)
        self.bus.publish(event)

    def on_text(self, _: str) -> None:
        """The first piece of an answer: it is being written."""
        if not self.writes:
            self.writes = True
            self.rest()
            self.tell("writing")

    def on_retry(self, retry: Retry) -> None:
        """It is asked again, from the start; nobody waits without knowing why."""
        self.writes, self.noticed = False, True
        self.tell("thinking", _notice(retry), retry.model)
        self.wait(retry.wait)
        if retry.next_model != retry.model:
            self.troubles[retry.model] = retry.why

    def wait(self, pause: float = 0.0) -> None:
        """It is asked now, or after a pause: a silence that is long is said."""
        self.rest()
        clock = asyncio.get_running_loop()
        self.asked_at = clock.time() + pause
        self.timer = clock.call_at(self.asked_at + _SILENCE, self._is_silent)

    def rest(self) -> None:
        """Nothing is waited for."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None

    def _is_silent(self) -> None:
        clock = asyncio.get_running_loop()
        self.noticed = True
        silent = clock.time() - self.asked_at
        self.tell("thinking", f"the model has not answered for {silent:.0f} s")
        self.timer = clock.call_later(_SILENT_AGAIN, self._is_silent)

    def on_waste(self, model: str, usage: Usage) -> None:
        """An answer was cut off."""
        self.model = model
        self.wasted.append(usage)

    def over(self) -> None:
        """It answered: what was said about trying again no longer stands there."""
        if self.noticed and not self.writes:
            self.tell("thinking")


def _notice(retry: Retry) -> str:
    """Why there is a pause and what comes after it, as a line of the progress message."""
    match retry.why:
        case "overloaded":
            said = "the model is overloaded"
        case "rate limit":
            said = "the model's rate limit is reached"
        case why:
            said = f"the model failed ({why})"
    if retry.next_model != retry.model:
        return f"{said}; asking the next model"
    return f"{said}; trying again" + (f" in {retry.wait:.0f} s" if retry.wait >= 1 else "")


def _cache_key(run: Run) -> str:
    """The thread, in a form that tells a provider nothing about it."""
    return sha256(str(run.thread).encode()).hexdigest()[:32]


def _shortened(own: Sequence[Message], window: int) -> list[Message]:
    """This run's messages, with long results cut to what one may have in such a window."""
    most = limit_tokens(window) * 3  # characters; of logs and YAML a token is about three

    def cut(message: Message) -> Message:
        text = str(message.get("content") or "")
        if message["role"] != "tool" or len(text) <= most:
            return message
        head, tail = text[: most // 3], text[len(text) - most // 3 * 2 :]
        note = f"[{len(text) - len(head) - len(tail):,} characters left out: too long to read]"
        return {**message, "content": f"{head}\n{note}\n{tail}"}

    return [cut(message) for message in own]


def _help() -> str:
    lines = [f"- `{form}`: {what}" for form, what in usage()]
    closing = "Reads run at once. A change is shown as a card first and runs when it is approved."
    return "\n".join(["I take these commands:", "", *lines, "", closing])


def fenced(text: str) -> str:
    """Text as it is, in a fence longer than any inside it."""
    fence = "```"
    while fence in text:
        fence += "`"
    return f"{fence}\n{text}\n{fence}"


def _found_so_far(over: str, own: Sequence[Message]) -> str:
    """What a run that reached a limit can still say: why it stops, what it said, what it looked
    at.
    """
    said = [str(m["content"]) for m in own if m["role"] == "assistant" and m.get("content")]
    looked = sum(1 for m in own if m["role"] == "tool")
    parts = [f"I stopped here: {over}"]
    if said:
        parts.append(f"What I had found until then:\n\n{said[-1]}")
    parts.append(f"I had made {amount(looked, 'call')}. Ask a narrower question to go on.")
    return "\n\n".join(parts)
