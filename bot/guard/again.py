"""Ask again: what expired is proposed anew by whoever presses the button, previewed now."""

from typing import Any, Literal
from uuid import UUID

from bot.guard.house import House, lock_thread
from bot.guard.records import Call
from bot.guard.requests import Requests
from bot.guard.votes import Click, is_fresh
from bot.store.database import Transaction
from bot.store.inbound import Request


class Again:
    """Makes a run without a model out of a card whose time is over."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._requests = Requests(house)

    async def ask(self, click: Click, call: Call) -> UUID | str | None:
        """A run that proposes the same once more; its clicker is the requester.

        A sentence when there is nothing to ask again, None when it was asked already.
        """
        if not can_be_asked_again(call):
            return f"It is {call.state}; there is nothing to ask again"
        wish: dict[str, Any] = {
            "tool": call.tool,
            "arguments": call.arguments,
            "again_of": str(call.id),
        }
        kind: Literal["command", "undo"] = "command"
        if call.undoes is not None:
            kind = "undo"
            wish["undoes"] = str(call.undoes)
        asked = Request(
            thread=call.thread,
            author=click.person,
            text="(pressed Ask again on a change of this thread)",
            ts="",
            ours=False,
            kind=kind,
            wish=wish,
        )
        async with self._house.database.transaction() as tx:
            if not await is_fresh(tx, click, "click:ask again"):
                return None
            await lock_thread(tx, call.thread)
            await tx.run("forget_asking", **_place(call))
            taken = await self._requests.take_in(tx, _key(call), "again", asked)
        return taken.run_id if taken else None


def can_be_asked_again(call: Call) -> bool:
    """Whether it ended because nobody decided, or nothing could start, in time."""
    if call.superseded_by is not None:
        return False
    too_old = call.state == "superseded" and call.approved_at is not None
    return call.state == "expired" or too_old


def _key(call: Call) -> str:
    """The event's: whoever presses first asks, and nobody asks the same twice."""
    return f"again:{call.public_id}"


async def was_asked_again(tx: Transaction, call: Call) -> bool:
    """Whether somebody has pressed the button already, and it came to something or still may."""
    found = await tx.one("asked_again", **_place(call))
    return found is not None and bool(found["yes"])


def _place(call: Call) -> dict[str, str]:
    return {
        "org": call.thread.org,
        "channel": call.thread.channel,
        "thread_ts": call.thread.ts,
        "key": _key(call),
        "id": str(call.id),
    }
