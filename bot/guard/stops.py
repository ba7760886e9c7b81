"""Stop: whoever may ask may stop what runs in that channel.

The row is the truth; the bus only makes it fast.
"""

import asyncio
from dataclasses import dataclass
from functools import partial
from typing import Literal
from uuid import UUID

import structlog

from bot.core.values import Event, Thread
from bot.guard import audit, grants
from bot.guard.house import House
from bot.guard.people import why_not_ask
from bot.guard.unfinished import end_open
from bot.store.database import Row, Transaction

log = structlog.get_logger()


@dataclass(frozen=True)
class Stopped:
    """What came of a stop: how many runs end by it, or the reason's code."""

    code: Literal[
        "stopped",
        "nothing",  # no run is under way, or it was stopped already
        "no_grants",  # neither, but what was allowed in advance in the thread is over
        "duplicate",  # Slack repeated itself
        "shared_channel",
        "unknown_channel",
        "guest",
        "outsider",
        "unknown_person",
    ]
    runs: int = 0


class Stops:
    """Ends runs: no model call and no change of theirs begins any more. What is under way at the
    cluster is not cut: it is verified and told.
    """

    def __init__(self, house: House) -> None:
        self._house = house

    async def stop(
        self, thread: Thread, person: str, key: str, run_id: UUID | None = None
    ) -> Stopped:
        """Stop every run of a thread, or one. Raises `DatabaseAway`: see `lost.py`."""
        # at once: a click waits for both
        who, sharing = await asyncio.gather(
            self._house.directory.person(thread.org, person),
            self._house.directory.sharing(thread.org, thread.channel),
        )
        if code := why_not_ask(who, sharing):
            return Stopped(code)  # type: ignore[arg-type]
        async with self._house.database.transaction() as tx:
            event = {"org": thread.org, "key": key, "kind": "stop", "actor": person}
            if await tx.one("record_event", **event) is None:
                return Stopped("duplicate")
            place = {"org": thread.org, "channel": thread.channel, "thread_ts": thread.ts}
            await tx.one("lock_thread", **place)
            runs = await tx.all("stoppable_runs", **place, run_id=run_id)
            for run in runs:
                await self._end(tx, thread, run, person)
            ended = 0
            if runs or run_id is None:  # nothing begins there by itself any more
                first = runs[0]["id"] if runs else None
                ended = await grants.void_thread(tx, thread, first, "stopped")
        log.info("stop", thread=str(thread), actor=person, runs=len(runs), grants=ended)
        if runs:
            return Stopped("stopped", len(runs))
        return Stopped("no_grants" if ended else "nothing")

    async def _end(self, tx: Transaction, thread: Thread, run: Row, person: str) -> None:
        await tx.run("stop_run", id=run["id"], person=person)
        ended = await end_open(tx, thread, run["id"], "stopped", by=person)
        if run["state"] == "waiting":
            await self._house.jobs.defer(tx, "resume", thread, run["id"])
        data = {"calls": ended, "state": run["state"]}
        audit.append(tx, thread.org, "stopped", person, data, run_id=run["id"])
        stop = Event(thread, run["id"], "stop", text=person)
        tx.after_commit(partial(self._house.bus.publish, stop))
