"""One reply of a run: the model's, or without one the command's own words."""

import asyncio
import json
import re
from collections.abc import Sequence
from decimal import Decimal
from typing import cast

import structlog

from bot.agent.context import Context
from bot.agent.grammar import Miss, nearest, parse, usage
from bot.agent.model import Message, Model, Reply, Retry, ToolCall, ToolSpec
from bot.agent.wishes import assistant_message
from bot.core.ids import uuid7
from bot.core.model_errors import ModelError
from bot.core.values import Event
from bot.guard.budget import RunLimits, Spent, spent
from bot.guard.house import House
from bot.guard.records import Run
from bot.guard.toolset import Offered, clients, offered

log = structlog.get_logger()

_SEARCH_HINT = re.compile(r"; search them with artifact_search id=[0-9a-f-]{36}\]")


class Thinking:
    """Gives the next reply of a run and stores what it cost."""

    def __init__(
        self, house: House, model: Model | None, context: Context, limits: RunLimits
    ) -> None:
        self._house = house
        self._model = model
        self._context = context
        self._limits = limits
        self.trouble: str | None = None  # what the model failed of last, until it answers again
        self.tools: dict[str, Offered] = offered(house.catalog)
        self._specs = [
            ToolSpec(tool.name, tool.summary, tool.schema) for tool in self.tools.values()
        ]

    async def reply(self, run: Run, own: Sequence[Message], replies: int, worked: float) -> Message:
        """The next assistant message; without tool calls, it is the answer. Raises `ModelError`."""
        if run.wish is not None:
            return self._of_wish(run, own, replies)
        if self._model is None:
            return await self._without_model(run)
        if over := await self._over_limit(run, worked):
            return assistant_message(run.id, replies, _found_so_far(over, own), ())
        reply = await self._ask_model(run, self._model, own)
        if reply.finish == "length" and not reply.calls:
            note = "(The model stopped at its length limit; this may be incomplete.)"
            return assistant_message(run.id, replies, f"{reply.text}\n\n{note}", ())
        return assistant_message(run.id, replies, reply.text, reply.calls)

    async def _ask_model(self, run: Run, model: Model, own: Sequence[Message]) -> Reply:
        messages = await self._context.build(run, clients(self._house.catalog), own, model.window)
        self._house.bus.publish(Event(run.thread, run.id, "thinking", key="model"))
        wrote = False

        def on_text(_: str) -> None:
            nonlocal wrote
            if not wrote:
                wrote = True
                self._house.bus.publish(Event(run.thread, run.id, "writing", key="model"))

        def on_retry(retry: Retry) -> None:
            text = f"the model ({retry.model}): {retry.why}; asking again in {retry.wait:.0f} s"
            self._house.bus.publish(Event(run.thread, run.id, "thinking", key="model", text=text))

        started = asyncio.get_running_loop().time()
        try:
            reply = await model.reply(messages, self._specs, on_text, on_retry)
        except ModelError as error:
            took = int((asyncio.get_running_loop().time() - started) * 1000)
            log.warning("model_failed", model=error.model, why=error.why, detail=error.detail)
            self.trouble = f"{error.model}: {error.why}"
            await self._note_cost(run, None, error.model, took, error.why)
            raise
        self.trouble = None
        await self._note_cost(run, reply, reply.model, reply.milliseconds, None)
        return reply

    async def _note_cost(
        self, run: Run, reply: Reply | None, model: str, took: int, error: str | None
    ) -> None:
        usage = reply.usage if reply else None
        async with self._house.database.relaxed() as tx:
            await tx.run(
                "insert_model_call",
                id=uuid7(),
                org=run.thread.org,
                run_id=run.id,
                attempt=run.attempt,
                model=model,
                input_tokens=usage.input_tokens if usage else 0,
                cached_tokens=usage.cached_tokens if usage else 0,
                output_tokens=usage.output_tokens if usage else 0,
                cost=usage.cost if usage else None,
                milliseconds=took,
                error=error,
            )

    async def _over_limit(self, run: Run, worked: float) -> str | None:
        async with self._house.database.relaxed() as tx:
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
        async with self._house.database.relaxed() as tx:
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
        missed = parse(asked)
        if isinstance(missed, Miss):
            text = f"I could not do that: {missed.wrong}. Usage: `{missed.usage}`"
        else:
            text = (
                "No model is configured here, so I understand commands only. "
                f"Nearest: `{nearest(asked)}`. `help` lists them."
            )
        return assistant_message(run.id, 0, text, ())


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
    parts.append(f"I had made {looked} calls. Ask a narrower question to go on.")
    return "\n\n".join(parts)
