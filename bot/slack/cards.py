"""Cards: views of calls. Drawn from the row as it is at that moment, so a later drawing never
shows an earlier state.
"""

import asyncio
import hashlib
import json
from collections import OrderedDict
from datetime import datetime
from typing import Any, cast
from uuid import UUID

import structlog
from pydantic import JsonValue

from bot.core.bus import Bus
from bot.core.tasks import Tasks
from bot.core.values import Event
from bot.guard.house import House
from bot.guard.records import Call
from bot.guard.requests import Requests
from bot.slack.api import Limited, Method, SlackApi, SlackProblem
from bot.slack.budget import Budget, Lane
from bot.slack.views.card import card
from bot.slack.views.changes import as_text
from bot.slack.views.data import CardData, Message, VerdictWord
from bot.store.database import Row

log = structlog.get_logger()

_LIVE_SECONDS = 1.5  # between two drawings of a card that only shows progress
_LOCKS = 2_000


class Cards:
    """Reads what a card shows, draws it, and knows where it is shown."""

    def __init__(self, house: House, org: str, api: SlackApi, budget: Budget, tasks: Tasks) -> None:
        self.org = org
        self._house = house
        self._requests = Requests(house)
        self._api = api
        self._budget = budget
        self._tasks = tasks
        self._locks: OrderedDict[UUID, asyncio.Lock] = OrderedDict()
        self._live: dict[UUID, bool] = {}  # drawn live now; whether it changed meanwhile

    def listen(self, bus: Bus) -> None:
        """Draw cards anew while their calls change."""
        bus.listen(self._heard)

    async def call(self, call_id: UUID) -> Call | None:
        """The call as it is now."""
        async with self._house.database.relaxed() as tx:
            row = await tx.one("call", id=call_id)
        return Call.of(row) if row else None

    async def first_of(self, run_id: UUID) -> UUID | None:
        """The first call that a run proposed, if it has."""
        async with self._house.database.relaxed() as tx:
            row = await tx.one("call_of_wish", run_id=run_id, reply=0, ordinal=0)
        return row["id"] if row and row["kind"] == "change" else None

    async def data(self, call_id: UUID) -> CardData:
        """All that a card shows. Raises `LookupError` for no such call."""
        async with self._house.database.relaxed() as tx:
            row = await tx.one("call", id=call_id)
            votes = await tx.all("decisions_of_call", call_id=call_id)
            undo = await tx.one("undo_of", id=call_id)
            old = await tx.one("call", id=row["undoes"]) if row and row["undoes"] else None
            new = (
                await tx.one("call", id=row["superseded_by"])
                if row and row["superseded_by"]
                else None
            )
        if row is None:
            raise LookupError(f"no call {call_id}")
        return self._data(Call.of(row), votes, undo, old, new)

    async def message(self, call_id: UUID) -> Message:
        """The card as it is now."""
        return card(await self.data(call_id))

    async def posted(self, call_id: UUID, channel: str, ts: str, drawn: str) -> None:
        """It is shown there: from now on a click on it counts."""
        async with self._house.database.relaxed() as tx:
            await tx.run(
                "insert_card",
                org=self.org,
                call_id=call_id,
                channel=channel,
                ts=ts,
                view_id="",
                person="",
            )
            await tx.run("mark_drawn", call_id=call_id, channel=channel, ts=ts, drawn=drawn)

    async def shown_in_modal(self, call_id: UUID, view_id: str, person: str) -> None:
        """It is shown to one person: from now on his submission counts."""
        async with self._house.database.relaxed() as tx:
            await tx.run(
                "insert_card",
                org=self.org,
                call_id=call_id,
                channel="",
                ts="",
                view_id=view_id,
                person=person,
            )

    async def redraw(
        self, call_id: UUID, response_url: str = "", *, lane: Lane = Lane.CARD
    ) -> None:
        """Draw every place anew that does not show what is true now. Raises `SlackProblem`
        without a `response_url`.
        """
        async with self._lock(call_id):
            async with self._house.database.relaxed() as tx:
                places = await tx.all("cards_of_call", call_id=call_id)
            message = await self.message(call_id)
            wanted = drawing(message)
            for place in places:
                if place["ts"] and place["drawn"] != wanted:
                    await self._draw(call_id, place, message, wanted, response_url, lane)

    async def _draw(
        self,
        call_id: UUID,
        place: Row,
        message: Message,
        wanted: str,
        response_url: str,
        lane: Lane,
    ) -> None:
        if response_url:
            try:
                await self._api.respond(response_url, message, replace=True)
            except SlackProblem as problem:
                # the outbox holds a redraw that goes the ordinary way
                log.info("response_url_failed", error=str(problem))
                return
        else:
            await self._budget.take(Method.UPDATE, lane)
            await self._api.update(place["channel"], place["ts"], message)
        async with self._house.database.relaxed() as tx:
            await tx.run(
                "mark_drawn",
                call_id=call_id,
                channel=place["channel"],
                ts=place["ts"],
                drawn=wanted,
            )

    def _heard(self, event: Event) -> None:
        if event.kind != "call" or event.call_id is None:
            return
        idle = event.call_id not in self._live
        self._live[event.call_id] = True
        if idle:
            self._tasks.start("live card", self._draw_live(event.call_id))

    async def _draw_live(self, call_id: UUID) -> None:
        """Progress only: it gives way when the budget is short, and changes in between are
        skipped.
        """
        try:
            while self._live[call_id]:
                self._live[call_id] = False
                if self._budget.spare(Method.UPDATE):
                    await self._try_live(call_id)
                await asyncio.sleep(_LIVE_SECONDS)
        finally:
            del self._live[call_id]

    async def _try_live(self, call_id: UUID) -> None:
        try:
            await self.redraw(call_id, lane=Lane.PROGRESS)
        except SlackProblem as problem:
            if isinstance(problem, Limited):
                self._budget.heed(problem)
            log.info("live_card_skipped", error=str(problem))

    def _lock(self, call_id: UUID) -> asyncio.Lock:
        lock = self._locks.setdefault(call_id, asyncio.Lock())
        self._locks.move_to_end(call_id)
        while len(self._locks) > _LOCKS:
            oldest, old = next(iter(self._locks.items()))
            if old.locked():
                break
            del self._locks[oldest]
        return lock

    def _data(
        self, call: Call, votes: list[Row], undo: Row | None, old: Row | None, new: Row | None
    ) -> CardData:
        approvers = self._house.rules.approvers
        denial = next((vote for vote in votes if vote["vote"] == "deny"), None)
        back = self._requests.way_back(call)
        undone = undo is not None and undo["state"] in {
            "proposed",
            "approved",
            "executing",
            "done",
            "unknown",
        }
        return CardData(
            public_id=call.public_id,
            tool=call.tool,
            arguments=call.arguments,
            target=call.target,
            risk=call.risk,
            state=call.state,
            summary=call.preview.summary,
            requester=call.requester,
            expires_at=call.expires_at,
            effect=call.preview.effect,
            changes=tuple(
                (one.path, as_text(one.before), as_text(one.after)) for one in call.preview.changes
            ),
            diff=call.preview.diff,
            warnings=call.preview.warnings,
            notes=call.preview.notes,
            locked=call.preview.locked,
            way_back=call.preview.way_back,
            no_way_back=back if isinstance(back, str) else "",
            needs=call.quorum,
            approver_users=approvers.users,
            approver_groups=approvers.groups,
            anyone=approvers.everybody,
            not_contributors=not call.ruling.contributors_may,
            contributors=call.contributors,
            nobody_may_approve=approvers.nobody,
            approvals=tuple(
                (vote["person"], vote["at"]) for vote in votes if vote["vote"] == "approve"
            ),
            denied_by=denial["person"] if denial else "",
            deny_reason=denial["reason"] if denial else "",
            decided_at=_decided(call, votes),
            started_at=call.started_at,
            finished_at=call.judged_at or call.ended_at,
            progress=call.progress,
            verdict=cast("VerdictWord", call.outcome),
            verdict_reason=call.verdict["reason"] if call.verdict else "",
            error=call.error if call.state != "proposed" else "",
            can_undo=call.outcome in {"holds", "failed"}
            and not isinstance(back, str)
            and not undone,
            undoes=old["public_id"] if old else "",
            superseded_by=new["public_id"] if new else "",
            superseded_reason=call.error if call.state == "superseded" else "",
            model_says=call.model_says,
        )


def _decided(call: Call, votes: list[Row]) -> datetime | None:
    if call.approved_at:
        return call.approved_at
    return votes[-1]["at"] if votes and call.state == "denied" else None


def drawing(message: Message) -> str:
    """A hash of what would be drawn, to know what a place shows."""
    shown: dict[str, Any] = {"text": message.text, "blocks": cast("JsonValue", message.blocks)}
    return hashlib.sha256(json.dumps(shown, sort_keys=True).encode()).hexdigest()[:16]
