"""Requests at the door: masked, recorded in one transaction with their audit row."""

from datetime import UTC, datetime
from uuid import UUID

from pydantic import JsonValue

from bot.core.text import visible
from bot.core.values import Event
from bot.guard import audit, masking
from bot.guard.house import House
from bot.guard.records import Call
from bot.guard.votes import Click
from bot.store.inbound import AuditRow, Request, record
from tools import NoWayBack, ToolError, sha256_of


class Requests:
    """Takes what people ask. Raises `DatabaseAway` when nothing was recorded."""

    def __init__(self, house: House) -> None:
        self._house = house

    async def take(self, key: str, kind: str, asked: Request) -> UUID | None:
        """Record a request; the run that answers it, or None when Slack only repeated itself.

        That run is a new one, or the one that works in this thread: then it hears this next.
        """
        at = datetime.now(UTC)
        row, fed_row = (_row(asked, at, what) for what in (asked.kind, "fed"))
        async with self._house.database.durable_statement() as tx:
            taken = await record(tx, key, kind, asked, at=at, row=row, fed_row=fed_row)
        if taken is None:
            return None
        if taken.fed:
            waits = "a message came in; I read it before my next step"
            event = Event(asked.thread, taken.run_id, "heard", key=f"heard:{asked.ts}", text=waits)
            self._house.bus.publish(event)
        return taken.run_id

    def way_back(self, call: Call) -> tuple[str, dict[str, object]] | str:
        """The wish that takes a call back, or why there is none."""
        try:
            back = self._house.catalog.change(call.tool, call.arguments).undo(call.preview)
        except ToolError as error:
            return str(error)
        if isinstance(back, NoWayBack):
            return back.reason
        if not call.preview.way_back:
            # the masker hid a part of what it would have to restore
            return "what was there before holds a secret that I do not keep"
        return back.tool, dict(back.arguments)

    async def undo(self, click: Click, call: Call) -> UUID | str | None:
        """A run that proposes the way back; its clicker is the requester. A sentence when there
        is none.
        """
        if call.state != "done":
            return f"it is {call.state}"
        back = self.way_back(call)
        if isinstance(back, str):
            return back
        tool, arguments = back
        asked = Request(
            thread=call.thread,
            author=click.person,
            text="(pressed Undo on a change of this thread)",
            ts="",
            ours=False,
            kind="undo",
            wish={"tool": tool, "arguments": arguments, "undoes": str(call.id)},
        )
        return await self.take(click.key, "undo", asked)


def _row(asked: Request, at: datetime, what: str) -> AuditRow:
    # not the words: they can be forgotten, and the chain cannot
    data: dict[str, JsonValue] = {"kind": what, "text_sha256": sha256_of({"text": asked.text})}
    until_prev = audit.until_prev(asked.thread.org, at, "request", asked.author, data)
    return AuditRow(data, until_prev)


def cleaned(text: str) -> str:
    """A person's words as they may be stored: nothing invisible, no credential."""
    return masking.mask_text(visible(text)).text
