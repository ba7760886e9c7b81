"""Progress messages of runs that are over and that nobody noted: whoever posted one died, or never
learned that Slack had taken it. They would say "working" for ever.
"""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import structlog

from bot.core.values import Thread
from bot.slack.api import Limited, Method, Refused, SlackApi, SlackProblem
from bot.slack.budget import Budget, Lane
from bot.slack.live import progress_key
from bot.store.database import Database, Row
from bot.store.outbox import say

log = structlog.get_logger()

_BACK = timedelta(days=2)
_REST = 60.0  # seconds after a run's end in which whoever posted it clears up by himself
_SKEW = 600.0  # seconds by which Slack's clock may be behind the database's
_AT_ONCE = 50


class Orphans:
    """Looks for them in their threads, once each, and has them folded to a line."""

    def __init__(
        self, database: Database, org: str, api: SlackApi, budget: Budget, rest: float = _REST
    ) -> None:
        self._database = database
        self._org = org
        self._api = api
        self._budget = budget
        self._rest = rest

    async def mend(self) -> None:
        """One round; what cannot be looked at now is for the next one."""
        since = UUID(int=int((datetime.now(UTC) - _BACK).timestamp() * 1000) << 80)
        given = {"org": self._org, "since": since, "rest": self._rest, "limit": _AT_ONCE}
        async with self._database.statement() as tx:
            rows = await tx.all("unsettled_progress", **given)
        for row in rows:
            try:
                ts = await self._find(row)
            except SlackProblem as problem:
                if isinstance(problem, Limited):
                    self._budget.heed(problem)
                log.info("orphans_not_looked_for", error=str(problem))
                return
            await self._settle(row, ts)

    async def _find(self, row: Row) -> str:
        await self._budget.take(Method.REPLIES, Lane.REST)
        since = row["progress_at"].timestamp() - _SKEW
        try:
            ours = await self._api.posted(row["channel"], row["thread_ts"], since=since)
        except Refused as refused:
            log.info("thread_not_readable", run=str(row["id"]), code=refused.code)
            return ""
        key = progress_key(row["id"])
        return next((one.ts for one in ours if one.key == key), "")

    async def _settle(self, row: Row, ts: str) -> None:
        async with self._database.transaction() as tx:
            await tx.run("settle_progress", id=row["id"], ts=ts or None)
            if ts:
                log.warning("orphan_found", run=str(row["id"]))
                # a place of its own in the order, as every fold has
                place = Thread(self._org, row["channel"], ts)
                data = {"run": str(row["id"])}
                key = f"fold:{row['id']}"
                await say(tx, place, "fold", data, key=key, run_id=row["id"])
