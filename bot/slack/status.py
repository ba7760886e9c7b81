"""What runs and what waits in a thread or channel, read from the rows as they are now."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Literal
from uuid import UUID

from bot.core.text import one_line
from bot.guard.house import House, load_call
from bot.guard.quorum import no_more
from bot.slack.api import Identity
from bot.slack.views.status import CardLine, Facts, RunLine, StatusData
from bot.store.database import Row

FactsNow = Callable[[], Awaitable[Facts]]
"""How the bot is now; whoever makes it bounds how long that takes."""

_NAMES_SECONDS = 3.0  # of looking up those who are named
_MOST = 50  # rows that are counted; the view shows fewer


class Status:
    """Answers `status`."""

    def __init__(self, house: House, identity: Identity, facts: FactsNow) -> None:
        self._house = house
        self._identity = identity
        self._facts = facts

    async def of(self, channel: str, thread_ts: str = "", *, public: bool = False) -> StatusData:
        """What a thread, or without one a channel, has under way. `public`: everybody reads it."""
        facts = await self._facts()
        runs, cards = await self.runs(channel, thread_ts), await self.cards(channel, thread_ts)
        scope: Literal["thread", "channel"] = "thread" if thread_ts else "channel"
        names = await self._names(runs, cards) if public else None
        workspace = self._identity.url
        return StatusData(facts, runs, cards, workspace, channel, scope, names)

    async def runs(self, channel: str, thread_ts: str = "") -> Sequence[RunLine]:
        """The runs that have not ended."""
        async with self._house.database.statement() as tx:
            rows = await tx.all(
                "runs_under_way",
                org=self._identity.org,
                channel=channel,
                thread_ts=thread_ts or None,
                limit=_MOST,
            )
        return [_run(row) for row in rows]

    async def cards(self, channel: str, thread_ts: str = "") -> Sequence[CardLine]:
        """The proposals that people may still decide."""
        async with self._house.database.statement() as tx:
            rows = await tx.all(
                "cards_open",
                org=self._identity.org,
                channel=channel,
                thread_ts=thread_ts or None,
                limit=_MOST,
            )
        given = await self._given([row for row in rows if row["approved_by"]])
        return [_card(row, given.get(row["id"], len(row["approved_by"]))) for row in rows]

    async def _given(self, rows: Sequence[Row]) -> Mapping[UUID, int]:
        """How many approvals of each count now; of which Slack does not say it in time, nothing."""
        given: dict[UUID, int] = {}

        async def count(row: Row) -> None:
            try:
                call = await load_call(self._house.database, row["id"])
            except (LookupError, ValueError, TypeError):  # one that this version cannot read
                return
            fallen = await no_more(self._house, call, row["approved_by"])
            given[call.id] = len(set(row["approved_by"]) - fallen)

        with suppress(TimeoutError):
            async with asyncio.timeout(_NAMES_SECONDS):
                await asyncio.gather(*(count(row) for row in rows))
        return given

    async def _names(self, runs: Sequence[RunLine], cards: Sequence[CardLine]) -> dict[str, str]:
        ids = dict.fromkeys([run.requester for run in runs])
        for card in cards:
            ids |= dict.fromkeys([card.requester, *card.users[:5], *card.barred[:5]])
        names: dict[str, str] = {}

        async def look(one: str) -> None:
            person = await self._house.directory.person(self._identity.org, one)
            names[one] = person.name

        # whoever Slack does not tell us in time is "somebody"
        with suppress(TimeoutError):
            async with asyncio.timeout(_NAMES_SECONDS):
                await asyncio.gather(*(look(one) for one in list(ids)[:30]))
        return names


def _run(row: Row) -> RunLine:
    return RunLine(
        thread_ts=row["thread_ts"],
        state=row["state"],
        requester=(row["contributors"] or [row["requester"]])[0],
        unasked=row["unasked"],
        asked=one_line(row["asked"] or "", 200),
        since=row["created_at"],
        stopping=row["stopped_by"] is not None,
    )


def _card(row: Row, given: int) -> CardLine:
    asked, ruling = row["policy_input"], row["policy"]
    named = tuple(ruling.get("groups") or ())  # by its rule, instead of whoever approves in general
    return CardLine(
        short_id=row["short_id"] or "",
        summary=row["summary"] or "",
        requester=(row["contributors"] or [row["requester"]])[0],
        unasked=row["unasked"],
        thread_ts=row["thread_ts"],
        card_ts=row["card_ts"] or "",
        expires_at=row["expires_at"],
        needs=row["quorum"],
        given=given,
        users=() if named else tuple(asked.get("approver_users") or ()),
        groups=named or tuple(asked.get("approver_groups") or ()),
        anyone=not named and bool(asked.get("approver_everybody")),
        barred=() if ruling.get("contributors_may") else tuple(row["contributors"]),
    )
