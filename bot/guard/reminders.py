"""At half-time, those who may decide are told once more that a card waits for them."""

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
        """Store a reminder for every card whose half-time is over; how many calls they name."""
        async with self._house.database.transaction() as tx:
            rows = await tx.all("due_reminders")
            rows.sort(key=itemgetter("run_id", "reply", "ordinal"))
            for _, group in groupby(rows, key=itemgetter("run_id", "reply")):
                of_reply = list(group)
                first = of_reply[0]
                ids: list[JsonValue] = [str(row["id"]) for row in of_reply]
                # no run is named: a reference to its row would wait for whoever is voting now
                await say(
                    tx,
                    Thread(first["org"], first["channel"], first["thread_ts"]),
                    "reminder",
                    {"call": ids[0], "calls": ids},
                    key=f"reminder:{first['id']}",
                    call_id=first["id"],
                )
        return len(rows)
