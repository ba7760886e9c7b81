"""Requests at the door: masked, recorded in one transaction with their audit row."""

from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

from pydantic import JsonValue

from bot.core.text import visible
from bot.core.values import Event
from bot.guard import audit, masking
from bot.guard.house import House
from bot.store.database import Transaction
from bot.store.inbound import AuditRow, Request, Taken, record


class Requests:
    """Takes what people ask. Raises `DatabaseAway`: see `lost.py`."""

    def __init__(self, house: House) -> None:
        self._house = house

    async def take(self, key: str, kind: str, asked: Request) -> UUID | None:
        """Record a request; the run that answers it, or None when Slack only repeated itself.

        That run is a new one, or the one that works in this thread: then it hears this next.
        """
        async with self._house.database.durable_statement() as tx:
            taken = await self.take_in(tx, key, kind, asked)
        if taken is None:
            return None
        if taken.fed:
            waits = "a message came in; I read it before my next step"
            event = Event(asked.thread, taken.run_id, "heard", key=f"heard:{asked.ts}", text=waits)
            self._house.bus.publish(event)
        return taken.run_id

    async def take_in(self, tx: Transaction, key: str, kind: str, asked: Request) -> Taken | None:
        """The same in the caller's transaction, which must lock the thread's row first."""
        await tx.come_to_last()  # the row of this is written at once: those before it stand first
        at = datetime.now(UTC)
        # with a map a run has the rights of who started it: nobody else speaks into it
        apart = self._house.rules.identities is not None
        asked = replace(asked, apart=apart, salt=audit.salt())
        row, fed_row = (_row(asked, at, what) for what in (asked.kind, "fed"))
        return await record(tx, key, kind, asked, at=at, row=row, fed_row=fed_row)


def _row(asked: Request, at: datetime, what: str) -> AuditRow:
    # not the words: they can be forgotten, and the chain cannot
    of = audit.hashed(asked.text, asked.salt)
    data: dict[str, JsonValue] = {"kind": what, "text_sha256": of}
    until_prev = audit.until_prev(asked.thread.org, at, "request", asked.author, data)
    return AuditRow(data, until_prev)


def cleaned(text: str) -> str:
    """A person's words as they may be stored: nothing invisible, no credential."""
    return masking.mask_text(visible(text)).text
