"""The way back: what takes a change back, asked for by a person or proposed by ourselves."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from bot.guard import masking
from bot.guard.foresight import HIDDEN
from bot.guard.house import House
from bot.guard.records import Call
from bot.guard.requests import Requests
from bot.guard.votes import Click
from bot.store.database import Transaction
from bot.store.inbound import Request
from tools import NoWayBack, ToolError


class WayBack:
    """Makes runs without a model that propose to take a change back. Nothing here changes the
    world.
    """

    def __init__(self, house: House) -> None:
        self._house = house
        self._requests = Requests(house)

    def of(self, call: Call) -> tuple[str, dict[str, object]] | str:
        """The wish that takes a call back, or why there is none."""
        try:
            back = self._house.catalog.change(call.tool, call.arguments).undo(call.preview)
        except ToolError as error:
            return str(error)
        if isinstance(back, NoWayBack):
            return back.reason
        if not call.preview.way_back:
            return HIDDEN
        return back.tool, dict(back.arguments)

    async def press(self, click: Click, call: Call) -> UUID | str | None:
        """A run that proposes the way back; its clicker is the requester. A sentence when there
        is none.
        """
        if call.state != "done":
            return f"it is {call.state}"
        back = self.of(call)
        if isinstance(back, str):
            return back
        asked = _asking(call, back, click.person, "(pressed Undo on a change of this thread)")
        return await self._requests.take(click.key, "undo", asked)

    async def propose_left(self, tx: Transaction, run_id: UUID, broke: str) -> None:
        """The way back of each change of a run that does not work and that nothing rolls back any
        more, because the run ends before. Like `propose`, and the last in its transaction.
        """
        for row in await tx.all("left_without_rollback", run_id=run_id):
            call = Call.of(row)
            await self.propose(tx, call, not_rolled_back(call, broke))

    async def propose_broken(self, tx: Transaction, call_ids: Sequence[UUID]) -> None:
        """The way back of those that somebody ran alone, of which nobody will say whether they
        work. Like `propose`, and the last in its transaction.
        """
        for call_id in call_ids:
            row = await tx.one("call", id=call_id)
            if row is not None and (because := await why_broken(tx, call := Call.of(row))):
                await self.propose(tx, call, because)

    async def propose(self, tx: Transaction, call: Call, because: str) -> bool:
        """In the caller's transaction, once: the way back of a change, unless somebody asked for it
        before us. Whether there will be a card.

        Who asked for the change asks for this, so that those may decide it who might decide that.
        This transaction must already have locked the thread's row.
        """
        if await tx.one("undone_by", id=call.id) is not None:
            return False
        back = self.of(call)
        if isinstance(back, str):
            return False
        # nobody's words, and nothing of the world's: it is read as what people said
        asked = _asking(
            call,
            back,
            call.requester,
            "(the way back of a change of this thread is proposed)",
            because=masking.safe(because),
        )
        taken = await self._requests.take_in(tx, f"back:{call.id}", "undo", asked)
        if taken is not None:  # whoever had a part in the change has one in this
            people = list(call.contributors)
            await tx.run("set_contributors", id=taken.run_id, contributors=people)
        return True


async def why_broken(tx: Transaction, call: Call) -> str:
    """Why the way back of what somebody ran alone is proposed; empty where nobody did."""
    votes = await tx.all("decisions_of_call", call_id=call.id)
    broken = any(vote["vote"] == "break glass" for vote in votes)
    return f"{call.preview.summary} was not approved by those whom it needs" if broken else ""


def not_rolled_back(call: Call, why: str) -> str:
    """Why the way back of a change is proposed that was approved with a rollback."""
    failed = call.verdict["reason"].rstrip(".") if call.verdict else ""
    return (
        f"{call.preview.summary} does not work: {failed}. It was not rolled back by itself: {why}"
    )


def _asking(
    call: Call, back: tuple[str, dict[str, object]], person: str, text: str, **more: str
) -> Request:
    tool, arguments = back
    wish: dict[str, Any] = {"tool": tool, "arguments": arguments, "undoes": str(call.id), **more}
    return Request(
        thread=call.thread, author=person, text=text, ts="", ours=False, kind="undo", wish=wish
    )
