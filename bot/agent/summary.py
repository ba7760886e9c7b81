"""What of a thread no longer fits is summarised once by the model, and stored with the thread."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from bot.agent.model import Message, Model, Reply, Usage
from bot.agent.prompts import SUMMARY_RULES
from bot.core.ids import uuid7
from bot.core.model_errors import ModelError
from bot.core.text import one_line
from bot.guard.budget import estimate
from bot.guard.masking import safe
from bot.guard.records import Run
from bot.store.database import Database, Row

log = structlog.get_logger()

_SECONDS = 20.0  # of all calls for one request: the answer waits for them
_PARTS = 3  # calls for one request at most; what is left is left to the next
_ROWS = 500  # of a record looked at in one call
_WINDOW_SHARE = 0.5  # of the window, for the record given to one call
_MOST_RECORD = 30_000  # tokens of a record in one call, whatever the window
_MOST = 4_000  # characters of a summary that are kept
_SAID, _ANSWERED, _RESULT = 1_000, 1_500, 300  # characters of a message by its role


@dataclass(frozen=True)
class Summary:
    """What is known of a thread's messages up to `to` (their `seq`); empty before the first."""

    text: str = ""
    to: int = 0


class Summaries:
    """Makes summaries longer. A failure costs nothing but the summary: the next run tries again."""

    def __init__(self, database: Database, model: Model | None, *, apart: bool = False) -> None:
        """With `apart` what was read stays out of them: each reads with his own rights."""
        self._database = database
        self._model = model
        self._apart = apart

    async def extend(self, run: Run, now: Summary, to: int) -> Summary:
        """The summary up to `to`, or as far as it came. Its calls count as the run's own."""
        if self._model is None:
            return now
        try:
            async with asyncio.timeout(_SECONDS):
                for _ in range(_PARTS):
                    longer = await self._one_part(self._model, run, now, to)
                    if longer is None:
                        break
                    now = longer
        except TimeoutError:
            log.warning("summary_slow", seconds=_SECONDS)
        return now

    async def _one_part(self, model: Model, run: Run, now: Summary, to: int) -> Summary | None:
        rows = await self._rows(run, now, to)
        room = min(int(model.window * _WINDOW_SHARE), _MOST_RECORD) - estimate(now.text)
        record, reached = _record(rows, room)
        if not record:
            return None
        reply = await self._ask(model, run, now.text, record)
        text = safe(reply.text.strip())[:_MOST] if reply is not None else ""
        if not text:
            return None
        return await self._store(run, now, Summary(text, reached))

    async def _rows(self, run: Run, now: Summary, to: int) -> list[Row]:
        async with self._database.statement() as tx:
            return await tx.all(
                "to_summarise",
                org=run.thread.org,
                channel=run.thread.channel,
                thread_ts=run.thread.ts,
                run_id=run.id,
                after=now.to,
                to=to,
                limit=_ROWS,
                apart=self._apart,
            )

    async def _ask(self, model: Model, run: Run, before: str, record: str) -> Reply | None:
        told = (
            f"Summary so far:\n{before or '(none yet)'}\n\nThe next part of the record:\n{record}"
        )
        messages: list[Message] = [
            {"role": "system", "content": SUMMARY_RULES},
            {"role": "user", "content": told},
        ]
        loop = asyncio.get_running_loop()
        started, reply, failed = loop.time(), None, ("", "")
        wasted: list[Usage] = []
        try:
            reply = await model.reply(
                messages, (), _unheard, on_waste=lambda _, usage: wasted.append(usage)
            )
        except ModelError as error:
            failed = error.model, error.why
            log.warning("summary_failed", model=error.model, why=error.why)
        except asyncio.CancelledError:
            # it took too long, or the run was stopped
            failed = model.name, "cut short"
            raise
        finally:
            took = int((loop.time() - started) * 1000)
            used = sum([*wasted, *([reply.usage] if reply else [])], Usage(0, 0, 0, None))
            await asyncio.shield(self._note(run, reply, used, failed, took))
        return reply

    async def _note(
        self, run: Run, reply: Reply | None, used: Usage, failed: tuple[str, str], took: int
    ) -> None:
        async with self._database.statement() as tx:
            await tx.run(
                "note_model_call",
                id=uuid7(),
                org=run.thread.org,
                run_id=run.id,
                attempt=run.attempt,
                model=reply.model if reply else failed[0],
                input_tokens=used.input_tokens,
                cached_tokens=used.cached_tokens,
                output_tokens=used.output_tokens,
                cost=used.cost,
                milliseconds=took,
                error=None if reply else failed[1],
                instead_of=(reply.instead_of or None) if reply else None,
            )

    async def _store(self, run: Run, now: Summary, longer: Summary) -> Summary | None:
        async with self._database.statement() as tx:
            stored = await tx.one(
                "store_summary",
                org=run.thread.org,
                channel=run.thread.channel,
                thread_ts=run.thread.ts,
                summary=longer.text,
                to=longer.to,
                after=now.to,
            )
        return longer if stored is not None else None


def _record(rows: Sequence[Row], room: int) -> tuple[str, int]:
    """As many messages as fit, oldest first, and the `seq` of the last of them."""
    lines: list[str] = []
    reached = 0
    for row in rows:
        line = _line(row)
        room -= estimate(line)
        if room < 0 and lines:
            break
        lines.append(line)
        reached = int(row["seq"])
    return "\n".join(lines), reached


def _line(row: Row) -> str:
    body: dict[str, Any] = row["body"]
    text = str(body.get("content") or "")
    match row["role"]:
        case "user":
            verb = "asked" if row["asked"] else "said, and may not ask here"
            return f"<@{row['author']}> {verb}: {one_line(text, _SAID)}"
        case "tool":
            return f"  result of a tool: {one_line(text, _RESULT)}"
    called = [
        f"  called {call['function']['name']} {one_line(str(call['function']['arguments']), 200)}"
        for call in body.get("tool_calls") or ()
    ]
    said = [f"you said: {one_line(text, _ANSWERED)}"] if text.strip() else []
    return "\n".join([*said, *called]) or "you said nothing"


def _unheard(_: str) -> None:
    """Nobody sees a summary being written."""
