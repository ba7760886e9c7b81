"""Cards: views of calls. Drawn from the row as it is at that moment, so a later drawing never
shows an earlier state.
"""

import asyncio
import hashlib
import json
from collections import OrderedDict
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from uuid import UUID

import structlog
from pydantic import JsonValue

from bot.core.bus import Bus
from bot.core.tasks import Tasks
from bot.core.values import Event, Sharing, Thread
from bot.guard.again import can_be_asked_again, was_asked_again
from bot.guard.grants import can_be_given
from bot.guard.house import House
from bot.guard.policy import Effect
from bot.guard.quorum import no_more, too_few
from bot.guard.records import Call
from bot.guard.wayback import WayBack
from bot.slack import limits
from bot.slack.api import Limited, Method, Refused, SlackApi, SlackProblem, Uncertain
from bot.slack.budget import Budget, Lane
from bot.slack.lost_cards import show_again
from bot.slack.views import notices, who, words
from bot.slack.views.batch import batch
from bot.slack.views.card import card
from bot.slack.views.changes import as_text
from bot.slack.views.data import CardData, GrantData, Message, VerdictWord
from bot.store.database import Row, Transaction
from bot.store.outbox import LATE, redrawing, say

log = structlog.get_logger()

_LIVE_SECONDS = 1.5  # between two drawings of a card that only shows progress
_SOON = 0.3  # seconds that it waits for more to show: a quick change is drawn once, when it is over
_LOCKS = 2_000


@dataclass(frozen=True)
class Drawn:
    """A card as a message, and what tells whether a place shows it: a hash, and whose part is cut.

    The notification of the first posting is no part of the hash: it calls people, once.
    """

    message: Message
    hash: str
    cut: tuple[UUID, ...] = ()


@dataclass(frozen=True)
class _Shown:
    """A call as a row of `calls_as_shown`."""

    row: Row

    @property
    def id(self) -> UUID:
        return cast("UUID", self.row["id"])


@dataclass(frozen=True)
class _Place:
    """A message, its calls in their order, and the hash of what it shows: by each of its calls,
    which is one unless it was drawn by halves. It may not be `believed`.
    """

    channel: str
    ts: str
    calls: tuple[_Shown, ...]
    drawn: frozenset[str]
    read_at: datetime  # by the database's clock
    believed: bool = True

    def shows(self, drawn: Drawn) -> bool:
        """Whether that stands there, as far as is known."""
        return self.believed and self.drawn == {drawn.hash}


class Cards:
    """Reads what a card shows, draws it, and knows where it is shown."""

    def __init__(self, house: House, org: str, api: SlackApi, budget: Budget, tasks: Tasks) -> None:
        self.org = org
        self._house = house
        self._way_back = WayBack(house)
        self._api = api
        self._budget = budget
        self._tasks = tasks
        self._locks: OrderedDict[UUID, asyncio.Lock] = OrderedDict()
        self._live: dict[UUID, bool] = {}  # drawn live now; whether it changed meanwhile

    def listen(self, bus: Bus) -> None:
        """Draw cards anew while their calls change."""
        bus.listen(self._heard, own=True)

    async def call(self, call_id: UUID) -> Call | None:
        """The call as it is now."""
        async with self._house.database.statement() as tx:
            row = await tx.one("call", id=call_id)
        return Call.of(row) if row else None

    async def first_of(self, run_id: UUID) -> UUID | None:
        """The first call that a run proposed, if it has."""
        async with self._house.database.statement() as tx:
            row = await tx.one("call_of_wish", run_id=run_id, reply=0, ordinal=0)
        return row["id"] if row and row["kind"] == "change" else None

    async def data(self, call_id: UUID, channel: str = "") -> CardData:
        """All that one call's card shows, in `channel` where that is another than its own.

        Raises `LookupError` for no such call.
        """
        call, data = (await self._datas(await self._these([call_id])))[0]
        return self._there(call, data, channel)

    async def all_data(self, call_ids: Sequence[UUID]) -> list[CardData]:
        """The same for the calls of one card, in the order in which they run."""
        return [data for _, data in await self._datas(await self._these(call_ids))]

    async def draw(
        self, call_ids: Sequence[UUID], *, channel: str = "", first: bool = False
    ) -> Drawn:
        """The card of these calls as it is now, for a message in `channel`.

        The `first` one mentions those who may decide in its notification. Raises `LookupError`.
        """
        return await self._drawn(await self._these(call_ids), channel, first=first)

    async def _drawn(
        self, shown: Sequence["_Shown"], channel: str, *, first: bool = False
    ) -> Drawn:
        loaded = await self._datas(shown)
        datas = [self._there(call, data, channel) for call, data in loaded]
        message = card(datas[0]) if len(datas) == 1 else batch(datas)
        cut = tuple(call.id for call, data in loaded if data.public_id in message.cut)
        return Drawn(_calling(message, datas) if first else message, drawing(message), cut)

    def _there(self, call: Call, data: CardData, channel: str) -> CardData:
        if channel in {"", call.thread.channel}:
            return data
        return replace(data, thread_link=self._link(call.thread))

    async def reminder(
        self, call_ids: Sequence[UUID], groups: Sequence[str] = ()
    ) -> Message | None:
        """What is said at half-time, or to `groups` that are called later; None when nothing waits
        for people any more.
        """
        loaded = await self._datas(await self._these(call_ids))
        waiting = [data for call, data in loaded if call.state == "proposed"]
        if not waiting:
            return None
        until = min(data.expires_at for data in waiting)
        ids = [data.short_id for data in waiting if data.short_id]
        whom = " ".join(map(words.group, groups)) or who.called(waiting)
        return notices.reminder([data.summary for data in waiting], until, whom, ids)

    async def may_show_in(self, channel: str) -> bool:
        """Whether only our organisation reads this channel."""
        return await self._house.directory.sharing(self.org, channel) is Sharing.OURS

    async def posted(
        self, call_ids: Sequence[UUID], channel: str, ts: str, drawn: Drawn | None
    ) -> None:
        """They are shown there: from now on a click on them counts.

        `drawn` is None where it is not known which state is shown.
        """
        async with self._house.database.statement() as tx:
            await self._insert(tx, call_ids, channel, ts, drawn)

    async def announced(
        self, call_ids: Sequence[UUID], channel: str, ts: str, drawn: Drawn | None
    ) -> None:
        """They are shown there, away from their thread, whose redraws did not wait for this: one
        may have passed that did not see it, so there is another.
        """
        calls = [Call.of(shown.row) for shown in await self._these(call_ids)]
        async with self._house.database.relaxed() as tx:
            await self._insert(tx, call_ids, channel, ts, drawn)
            for call in calls:
                data: dict[str, JsonValue] = {"call": str(call.id)}
                await say(tx, call.thread, "redraw", data, run_id=call.run_id, call_id=call.id)

    async def _insert(
        self,
        tx: Transaction,
        call_ids: Sequence[UUID],
        channel: str,
        ts: str,
        drawn: Drawn | None,
    ) -> None:
        await tx.run(
            "insert_cards",
            org=self.org,
            calls=list(call_ids),
            channel=channel,
            ts=ts,
            drawn=drawn.hash if drawn else "",
            cut=list(drawn.cut) if drawn else [],
        )

    async def shown_in_modal(self, call_id: UUID, view_id: str, person: str) -> None:
        """It is shown to one person: from now on his submission counts."""
        async with self._house.database.statement() as tx:
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
        self,
        call_id: UUID,
        response_url: str = "",
        *,
        clicked: tuple[str, str] = ("", ""),
        lane: Lane = Lane.CARD,
        surely: bool = False,
        retried: bool = False,
    ) -> None:
        """Draw every message anew that does not show what is true now; `surely`, those too of which
        we believe that they do. Raises `SlackProblem`. What comes to nothing is left to a redraw
        in the outbox, unless it is `retried` by whoever asks.

        With a `response_url` only the message that was `clicked` (channel, ts), through it.
        """
        first = call_id
        while True:
            # locked before it is read: whoever came first, as a click does, draws first, and who
            # waited sees what was drawn
            async with self._lock(first):
                if not response_url and call_id in self._live:
                    self._live[call_id] = False  # what happened before this is in what is read now
                shown = await self._shown_with(call_id)
                if not shown or shown[0].id == first:
                    places = _places(shown)
                    if surely:
                        places = [replace(place, believed=False) for place in places]
                    return await self._draw_places(
                        places, response_url, clicked, lane, retried=retried
                    )
            first = shown[0].id  # the calls of one message have one lock

    async def _draw_places(
        self,
        places: Sequence["_Place"],
        response_url: str,
        clicked: tuple[str, str],
        lane: Lane,
        *,
        retried: bool,
    ) -> None:
        problem: SlackProblem | None = None
        for place in places:
            try:
                if not response_url:
                    await self._draw_at(place, lane, retried=retried)
                elif (place.channel, place.ts) == clicked:
                    await self._draw_through(place, response_url)
            except SlackProblem as one:  # the other places are drawn all the same
                problem = one
        if problem is not None:
            raise problem

    async def _draw_at(self, place: "_Place", lane: Lane, *, retried: bool) -> None:
        drawn = await self._drawn(place.calls, place.channel)
        if place.shows(drawn):
            return
        await self._budget.take(Method.UPDATE, lane)
        try:
            editing = self._api.update(place.channel, place.ts, drawn.message)
            await self._or_doubt(place, editing, retried=retried)
        except Refused as refused:
            if refused.code != "message_not_found":
                raise
            database = self._house.database
            await show_again(database, self.org, place.channel, place.ts, verdict=True)
            return
        await self._mark(place, drawn)

    async def _draw_through(self, place: "_Place", response_url: str) -> None:
        drawn = await self._drawn(place.calls, place.channel)
        if place.shows(drawn):
            return
        try:
            answering = self._api.respond(response_url, drawn.message, replace=True)
            await self._or_doubt(place, answering)
        except SlackProblem as problem:
            # the outbox holds a redraw that goes the ordinary way
            log.info("response_url_failed", error=str(problem))
            return
        await self._mark(place, drawn)

    async def _or_doubt(
        self, place: "_Place", drawing: Awaitable[None], *, retried: bool = False
    ) -> None:
        """Slack may take later, and over later ones, what it does not answer, or we do not wait for
        any more: until then nothing is known of what is shown there, and a redraw waits for then.
        """
        try:
            await drawing
        except (Uncertain, asyncio.CancelledError):
            await self._doubt(place, retried=retried)
            raise

    async def _mark(self, place: "_Place", drawn: Drawn) -> None:
        """Note what is shown. Where another process has drawn there since ours began, or an earlier
        drawing may still come, the outbox gets a redraw.
        """
        call_id = place.calls[0].id
        async with self._house.database.statement() as tx:
            await tx.all(
                "mark_drawn",
                org=self.org,
                channel=place.channel,
                ts=place.ts,
                began=list(place.drawn),
                read_at=place.read_at,
                drawn=drawn.hash,
                cut=list(drawn.cut),
                call_id=call_id,
                **redrawing(call_id),
            )

    async def _doubt(self, place: "_Place", *, retried: bool) -> None:
        call_id = place.calls[0].id
        async with self._house.database.statement() as tx:
            await tx.all(
                "doubt_drawn",
                org=self.org,
                channel=place.channel,
                ts=place.ts,
                call_id=call_id,
                after=LATE,
                retried=retried,
                **redrawing(call_id),
            )

    def _heard(self, event: Event) -> None:
        if event.kind != "call" or event.call_id is None:
            return
        idle = event.call_id not in self._live
        self._live[event.call_id] = True
        if idle:
            self._tasks.start("live card", self._draw_live(event.call_id))

    async def _draw_live(self, call_id: UUID) -> None:
        """Progress only: it gives way when the budget is short, and changes in between are skipped,
        but not the last one.
        """
        try:
            await asyncio.sleep(_SOON)
            while self._live[call_id]:
                if self._budget.spare(Method.UPDATE):
                    self._live[call_id] = False
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
                self._live[call_id] = True  # it is drawn when there is room again
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

    async def _these(self, call_ids: Sequence[UUID]) -> list["_Shown"]:
        shown = await self._read(list(call_ids), None)
        if len(shown) < len(set(call_ids)):
            raise LookupError(f"not all there: {', '.join(map(str, call_ids))}")
        return shown

    async def _shown_with(self, call_id: UUID) -> list["_Shown"]:
        """The calls of the messages that show this one; none where it is not shown."""
        return await self._read([], call_id)

    async def _read(self, ids: list[UUID], shown_with: UUID | None) -> list["_Shown"]:
        async with self._house.database.statement() as tx:
            rows = await tx.all("calls_as_shown", ids=ids, shown_with=shown_with)
        return [_Shown(row) for row in rows]

    async def _datas(self, shown: Sequence["_Shown"]) -> list[tuple[Call, CardData]]:
        loaded = [await self._load(one.row) for one in shown]
        places = {call.id: number for number, (call, _) in enumerate(loaded, 1)}
        return [
            (call, replace(data, after=places.get(call.depends_on, 0)) if call.depends_on else data)
            for call, data in loaded
        ]

    async def _load(self, row: Row) -> tuple[Call, CardData]:
        call = Call.of(row)
        data = self._data(call, row)
        if (short := await too_few(self._house, call)) is not None:
            data = replace(data, too_few=short.people, another_may_ask=short.if_another_asked)
        if data.approvals and (fallen := await no_more(self._house, call, dict(data.approvals))):
            valid = tuple(one for one in data.approvals if one[0] not in fallen)
            data = replace(data, approvals=valid, fallen=tuple(sorted(fallen)))
        if can_be_asked_again(call):
            async with self._house.database.statement() as tx:
                data = replace(data, can_ask_again=not await was_asked_again(tx, call))
        if call.ruling.rollback:
            data = replace(
                data,
                rollback=await self._rollback(call),
                rollback_minutes=round(call.ruling.rollback / 60),
            )
        return call, data

    async def _rollback(self, call: Call) -> CardData | None:
        async with self._house.database.statement() as tx:
            row = await tx.one("rollback_of", id=call.id)
        if row is None:
            return None
        [shown] = await self._read([row["id"]], None)
        return self._data(Call.of(shown.row), shown.row)

    def _link(self, thread: Thread) -> str:
        us = self._api.identity
        base = (us.url if us else "") or "https://slack.com/"
        message = thread.ts.replace(".", "")
        return f"{base.rstrip('/')}/archives/{thread.channel}/p{message}"

    def _data(self, call: Call, row: Row) -> CardData:
        approvers = self._house.rules.approvers.asked(call.ruling)
        votes: list[dict[str, str]] = row["votes"]
        denial = next((vote for vote in votes if vote["vote"] == "deny"), None)
        broken = next((vote for vote in votes if vote["vote"] == "break glass"), None)
        settled = next((vote for vote in votes if vote["vote"].startswith("settle ")), None)
        back = self._way_back.of(call)
        return CardData(
            public_id=call.public_id,
            tool=call.tool,
            arguments=call.arguments,
            acting="" if call.identity is None else call.acting,
            target=call.target,
            risk=call.risk,
            state=call.state,
            summary=call.preview.summary,
            requester=call.requester,
            asked_by=call.asked_by,
            expires_at=call.expires_at,
            effect=call.preview.effect,
            changes=tuple(
                (one.path, as_text(one.before), as_text(one.after)) for one in call.preview.changes
            ),
            diff=call.preview.diff,
            warnings=call.preview.heads_up,
            origins=call.provenance,
            notes=call.preview.notes,
            locked=call.preview.locked,
            way_back=call.preview.way_back,
            no_way_back=back if isinstance(back, str) else "",
            needs=call.quorum,
            is_allowed=call.ruling.effect is Effect.ALLOW,
            rule=call.ruling.rule,
            is_default=call.ruling.is_default,
            approver_users=approvers.users,
            approver_groups=approvers.groups,
            anyone=approvers.everybody,
            not_contributors=not call.ruling.contributors_may,
            contributors=call.contributors,
            nobody_may_approve=approvers.nobody,
            approvals=tuple(
                (vote["person"], datetime.fromisoformat(vote["at"]))
                for vote in votes
                if vote["vote"] == "approve"
            ),
            grant=_grant(call, row["granted"]),
            grant_use=call.grant_use,
            can_grant=can_be_given(call),
            glass_groups=call.ruling.break_glass,
            broken_by=broken["person"] if broken else "",
            broken_at=datetime.fromisoformat(broken["at"]) if broken else None,
            broken_because=broken["reason"] if broken else "",
            denied_by=denial["person"] if denial else "",
            deny_reason=denial["reason"] if denial else "",
            settled_by=settled["person"] if settled else "",
            settled_at=datetime.fromisoformat(settled["at"]) if settled else None,
            settled_because=settled["reason"] if settled else "",
            decided_at=_decided(call, votes),
            started_at=call.started_at,
            finished_at=call.judged_at or call.ended_at,
            progress=call.progress,
            verdict=cast("VerdictWord", call.outcome),
            verdict_reason=call.verdict["reason"] if call.verdict else "",
            error=call.error if call.state != "proposed" else "",
            can_undo=(call.outcome in {"holds", "failed"} or settled is not None)
            and not isinstance(back, str)
            and not row["undone"],
            undoes=row["undoes_public_id"] or "",
            unasked=row["unasked"],
            superseded_by=row["new_public_id"] or "",
            superseded_reason=_superseded(call, row["new_edited_by"] or ""),
            model_says=call.model_says,
            short_id=(row["undoes_short_id"] or "") if call.rolls_back else call.short_id,
            edited_by=call.edited_by,
            withdrawn_by=call.withdrawn_by,
        )


def _grant(call: Call, granted: dict[str, Any] | None) -> GrantData | None:
    """What was given; of an open call that it could be given on, what that would be."""
    if granted is None:
        if call.state != "proposed" or not can_be_given(call):
            return None
        ruling = call.ruling
        until = datetime.now(UTC) + timedelta(seconds=ruling.grant_within)
        vary = {name: (least, most) for name, (least, most) in ruling.grant_vary.items()}
        return GrantData("", ruling.grant_times, 0, until, vary, is_open=False)
    return GrantData(
        approver=granted["approver"],
        times=granted["times"],
        used=granted["used"],
        until=datetime.fromisoformat(granted["until"]),
        vary={name: (one[0], one[1]) for name, one in granted["vary"].items()},
        at=datetime.fromisoformat(granted["at"]),
        is_open=granted["open"],
        ended=granted["why"],
        ended_by=granted["by"] or "",
    )


def _places(shown: Sequence[_Shown]) -> list[_Place]:
    """The messages of these calls."""
    found: dict[tuple[str, str], _Place] = {}
    for one in shown:
        for at in one.row["places"]:
            key = (at["channel"], at["ts"])
            calls = found[key].calls if key in found else ()
            drawn = found[key].drawn if key in found else frozenset()
            found[key] = _Place(*key, (*calls, one), drawn | {at["drawn"]}, one.row["read_at"])
    return list(found.values())


def _superseded(call: Call, edited_by: str) -> str:
    if call.state != "superseded":
        return ""
    if call.error == "revised" and edited_by:
        return f"edited by <@{edited_by}>"
    return call.error


def _calling(message: Message, calls: Sequence[CardData]) -> Message:
    """The same with mentions of those who may decide in its notification."""
    whom = who.called(calls)
    if not whom:
        return message
    room = limits.FALLBACK - words.size(whom) - 1
    if words.size(message.text) > room:
        return message  # its blocks mention them too
    return replace(message, text=f"{message.text}\n{whom}")


def _decided(call: Call, votes: Sequence[Mapping[str, str]]) -> datetime | None:
    if call.approved_at:
        return call.approved_at
    denied = votes and call.state == "denied"
    return datetime.fromisoformat(votes[-1]["at"]) if denied else None


def drawing(message: Message) -> str:
    """A hash of what would be drawn, to know what a place shows."""
    shown: dict[str, Any] = {"text": message.text, "blocks": cast("JsonValue", message.blocks)}
    return hashlib.sha256(json.dumps(shown, sort_keys=True).encode()).hexdigest()[:16]
