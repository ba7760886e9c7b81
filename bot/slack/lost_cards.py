"""Cards that somebody deleted: what is not over is shown again, since nobody could decide it."""

import structlog
from pydantic import JsonValue

from bot.core.values import Thread
from bot.store.database import Database
from bot.store.outbox import say

log = structlog.get_logger()

_DECIDABLE = ("proposed", "approved", "executing", "unknown")
_TOLD = (*_DECIDABLE, "done", "failed")


async def show_again(
    database: Database, org: str, channel: str, ts: str, *, verdict: bool = False
) -> None:
    """The message at `ts` is gone. Its calls have their card again, unless another message shows
    them, or they are over; with `verdict`, also to say how one ended.
    """
    states = _TOLD if verdict else _DECIDABLE
    where = {"org": org, "channel": channel, "ts": ts}
    async with database.transaction() as tx:
        rows = await tx.all("calls_of_lost_message", **where, states=list(states))
        if rows or verdict:  # else its next redraw finds it gone
            await tx.run("lose_cards", **where)
        if not rows:
            return
        ids: list[JsonValue] = [str(row["id"]) for row in rows]
        first = rows[0]
        await say(
            tx,
            Thread(org, first["channel"], first["thread_ts"]),
            "card",
            {"call": ids[0], "calls": ids},
            key=f"card:{first['id']}:after:{ts}",
            run_id=first["run_id"],
            call_id=first["id"],
        )
    log.warning("card_deleted", channel=channel, calls=ids)
