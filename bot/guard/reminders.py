"""Those who may decide are told once more that a card waits for them; later, those whom its rule
names for that.
"""

from itertools import groupby
from operator import itemgetter

from pydantic import JsonValue

from bot.core.values import Thread
from bot.guard.house import House
from bot.store.outbox import say


class Reminders:
    """Reminds once for each card, however many workers look, and whatever restarts meanwhile."""

    def __init__(self, house: House) -> None:
        self._house = house

    async def remind(self) -> int:
        """Store a reminder for every card whose half-time is over, or when its rule says; how many
        calls they name.
        """
        return await self._call("due_reminders", "reminder")

    async def escalate(self) -> int:
        """The same for those who are called when nobody has decided for as long as a rule says."""
        return await self._call("due_escalations", "escalation")

    async def _call(self, due: str, what: str) -> int:
        async with self._house.database.transaction() as tx:
            rows = await tx.all(due)
            rows.sort(key=itemgetter("run_id", "reply", "ordinal"))
            for _, group in groupby(rows, key=itemgetter("run_id", "reply")):
                of_reply = list(group)
                first = of_reply[0]
                ids: list[JsonValue] = [str(row["id"]) for row in of_reply]
                named = {group for row in of_reply for group in row.get("whom") or ()}
                whom: list[JsonValue] = [*sorted(named)]
                await say(
                    tx,
                    Thread(first["org"], first["channel"], first["thread_ts"]),
                    "reminder",
                    {"call": ids[0], "calls": ids, "whom": whom},
                    key=f"{what}:{first['id']}",
                    call_id=first["id"],
                )
        return len(rows)
