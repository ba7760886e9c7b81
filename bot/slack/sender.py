"""Says what the outbox holds: in order per thread, each once, whatever dies in between.

Whether Slack has a message whose outcome was lost, the thread itself says: every message of ours
carries its row's key in its metadata, and a second try looks for it first.
"""

import asyncio
import secrets
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Protocol
from uuid import UUID

import structlog

from bot.slack import speech
from bot.slack.api import TOKEN_REFUSED, Limited, Method, Posted, Refused, SlackApi, Uncertain
from bot.slack.budget import Budget, Lane
from bot.slack.cards import Drawn
from bot.slack.doubt import Doubt
from bot.slack.live import EDIT_SECONDS, Live, may_be_lost, progress_key
from bot.slack.room import Room
from bot.slack.sayings import LIMITED, WAITS, Saying
from bot.slack.unsaid import CANNOT_BE_READ, Undeliverable, Unsaid
from bot.slack.views import chronicle, notices, who
from bot.slack.views.answer import answer, footer
from bot.slack.views.data import AnswerData, CardData, Message, Plan
from bot.slack.views.outcome import to_settle
from bot.store.database import Database, Row
from bot.store.notify import AWAY, notifications
from bot.store.outbox import LATE

log = structlog.get_logger()

_CHANNEL = "countersign_outbox"
_THREADS = 4  # spoken in at once
_ROW_SECONDS = 10.0  # below `_ABANDONED`, or another sender would take it from under us
_ABANDONED = 12.0  # seconds; whoever waits for an answer waits as long after a crash
_LATE = _ABANDONED - _ROW_SECONDS  # who hears of his claim later than that may have lost it
_IN_PLACE = 2.0  # an answer this soon takes the progress message's place
_BEFORE_FIRST_EDIT = 1.4  # no process edits a progress message earlier: nothing can cross
_GONE = (
    3.0  # seconds that a sender's lock must stay free: more than a lost connection takes to return
)
_GIVE_UP = timedelta(days=1)  # a row that Slack never takes must not hold up its thread for ever
_LONGEST_WAIT = 30.0  # seconds between two tries
_REFUSED_TRIES = 10  # times the pause before a second try: between tries while our token is no good
_BUSY = (0.2, 1.0)  # seconds until it is noted once more that something was said
_LAST_WORDS = 5.0  # seconds after a stop for what is still to be said
_EARLIER = "an earlier change"  # how the reason begins for which the rest of a batch is held
_REFUSED, _REVISED = "refused: ", "revised"
_SKEW = 600.0  # seconds by which Slack's clock may be behind the database's


class CardsOf(Protocol):
    """What the sender needs to know of cards."""

    async def data(self, call_id: UUID, channel: str = "") -> CardData: ...
    async def draw(
        self, call_ids: Sequence[UUID], *, channel: str = "", first: bool = False
    ) -> Drawn: ...
    async def posted(
        self, call_ids: Sequence[UUID], channel: str, ts: str, drawn: Drawn | None
    ) -> None: ...
    async def announced(
        self, call_ids: Sequence[UUID], channel: str, ts: str, drawn: Drawn | None
    ) -> None: ...
    async def redraw(
        self, call_id: UUID, *, surely: bool = False, retried: bool = False
    ) -> None: ...
    async def reminder(
        self, call_ids: Sequence[UUID], groups: Sequence[str] = ()
    ) -> Message | None: ...
    async def may_show_in(self, channel: str) -> bool: ...


@dataclass(frozen=True)
class Pauses:
    """Seconds: between two looks for what dead senders left, and before a second try; and the
    least before one where Slack did not answer in time, and may say yet what we would say twice.

    Each further try waits twice as long.
    """

    patrol: float = 2.0
    retry: float = 1.0
    late: float = 10.0


class _Later(Exception):
    """It has to wait for `seconds`, without being wrong."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"waits for {seconds:.1f} s")
        self.seconds = seconds


class Sender:
    """One per worker process; several may run on the same outbox.

    `undeliverable(call, code)` is told of a card that Slack will never show.
    """

    def __init__(
        self,
        database: Database,
        api: SlackApi,
        budget: Budget,
        cards: CardsOf,
        live: Live,
        undeliverable: Undeliverable,
        pauses: Pauses | None = None,
    ) -> None:
        self._database = database
        self._api = api
        self._budget = budget
        self._cards = cards
        self._live = live
        self._undeliverable = undeliverable
        self._unsaid = Unsaid(database, undeliverable)
        self._pauses = pauses or Pauses()
        self._id = secrets.randbits(62)
        self._slots = asyncio.Semaphore(_THREADS)
        self._speaking: set[asyncio.Task[None]] = set()
        self._wake = asyncio.Event()
        self._alive = (
            asyncio.Event()
        )  # others can see that we live: before that, nothing is claimed
        self._hints = 0  # rows that may be waiting
        self._takes = 0  # looks for one so far
        self._draining = True  # take until there is none: at start, and when hints may be lost
        self._doubt = Doubt()
        self._in_hand: dict[int, asyncio.Lock] = {}  # rows that are being said here
        self._room = Room(budget, self._look_again)

    async def run(self, stop: asyncio.Event) -> None:
        """Say what is stored until `stop`, then what is left, for a few seconds."""
        async with asyncio.TaskGroup() as group:
            helpers = [
                group.create_task(self._listen(), name="outbox wake-ups"),
                group.create_task(self._patrol(), name="outbox patrol"),
                group.create_task(self._wake_at(stop), name="outbox stop"),
            ]
            try:
                while not stop.is_set():
                    await self._step(group)
                await self._last_words(group)
            finally:
                for task in (*helpers, *self._speaking):
                    task.cancel()
                self._room.close()

    # --- which row --------------------------------------------------------------------------

    async def _step(self, group: asyncio.TaskGroup) -> None:
        if not (self._alive.is_set() and (self._draining or self._hints)):
            self._wake.clear()
            await self._wake.wait()
            return
        if (pause := self._budget.pause(Method.POST)) > 0:
            # a row that is taken now would only have to be looked up in its thread later
            await asyncio.sleep(min(pause, 1.0))
            return
        if self._api.token_refused:
            # one try now and then, not one for every row
            await asyncio.sleep(_REFUSED_TRIES * self._pauses.retry)
        await self._slots.acquire()
        saying = None
        try:
            saying = await self._take()
        except AWAY as error:
            log.warning("outbox_database_away", error=type(error).__name__)
            self._doubt.begin()
            self._draining = True
            await asyncio.sleep(1.0)
        finally:
            if saying is None:
                self._slots.release()
        if saying is not None:
            task = group.create_task(self._speak(saying), name="saying")
            self._speaking.add(task)
            task.add_done_callback(self._spoken)

    async def _take(self) -> Saying | None:
        self._hints = max(0, self._hints - 1)
        self._takes += 1
        doubts, now = self._doubt.times, self._room.now()
        async with self._database.statement() as tx:
            asked = _clock()  # to wait for a connection makes no claim old
            row = await tx.one("take_saying", sender=self._id, busy=list(now.busy), edits=now.edits)
        if row is None:
            self._draining = False
            if now.of_all:
                self._doubt.answered(doubts)
            return None
        return self._claimed(row, doubts, asked)

    def _claimed(self, row: Row, doubts: int, asked: float) -> Saying:
        saying = Saying.of(row, late=_clock() - asked > _LATE)
        self._doubt.answered(doubts, saying.claimed_at)
        return self._room.took(saying)

    def _look_again(self) -> None:
        self._draining = True
        self._wake.set()

    def _spoken(self, task: asyncio.Task[None]) -> None:
        self._speaking.discard(task)
        self._slots.release()
        self._wake.set()

    def _hint(self) -> None:
        self._hints += 1
        self._wake.set()

    async def _listen(self) -> None:
        listening = notifications(self._database.dsn, _CHANNEL, self._id, self._alive.clear)
        async with aclosing(listening) as heard:
            async for connected in heard:
                if connected:
                    self._doubt.begin()
                    self._draining = True
                self._alive.set()
                self._hint()

    async def _patrol(self) -> None:
        suspects: dict[int, float] = {}
        while True:
            try:
                suspects = await self._hand_out(suspects)
            except AWAY as error:
                suspects = {}
                log.warning("outbox_database_away", error=type(error).__name__)
            self._draining = True
            self._wake.set()
            await asyncio.sleep(self._pauses.patrol)

    async def _hand_out(self, suspects: Mapping[int, float]) -> dict[int, float]:
        """Give back what dead senders left; the rows under suspicion, and since when.

        A sender that only lost its connection is back, and holds its lock, within `_GONE` seconds.
        """
        now = asyncio.get_running_loop().time()
        async with self._database.relaxed() as tx:
            rows = await tx.all("orphaned_sayings", sender=self._id)
            orphans = {row["id"]: suspects.get(row["id"], now) for row in rows}
            gone = [one for one, since in orphans.items() if now - since >= _GONE]
            given = await tx.all("abandoned_sayings", seconds=_ABANDONED, orphans=gone, late=LATE)
        if given:
            log.warning("outbox_abandoned", rows=[row["id"] for row in given])
        return orphans

    async def _wake_at(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self._wake.set()

    async def _last_words(self, group: asyncio.TaskGroup) -> None:
        self._draining = True
        try:
            async with asyncio.timeout(_LAST_WORDS):
                while self._draining or self._hints or self._speaking or self._room.is_awaited:
                    await self._step(group)
        except TimeoutError:
            log.warning("outbox_left", speaking=len(self._speaking))

    # --- one row ----------------------------------------------------------------------------

    async def _speak(self, saying: Saying) -> None:
        """Say this one, and then those that were taken with the end of the one before."""
        following: Saying | None = saying
        while following is not None:
            following = await self._speak_one(following)

    async def _speak_one(self, saying: Saying) -> Saying | None:
        """A row whose claim a crash of the database lost is taken again while it is being said:
        that comes to its end first.
        """
        lock = self._in_hand.setdefault(saying.id, asyncio.Lock())
        look = self._doubt.of(saying) or lock.locked()
        async with lock:
            try:
                return await self._say(saying, look=look)
            finally:
                self._in_hand.pop(saying.id, None)

    async def _say(self, saying: Saying, *, look: bool) -> Saying | None:
        try:
            try:
                with self._room.of(saying):
                    async with asyncio.timeout(_ROW_SECONDS):
                        ts, fold = await self._deliver(saying, look=look)
            except Limited as limited:
                self._budget.heed(limited)
                await self._later(saying, limited.seconds, LIMITED)
            except _Later as later:
                await self._later(saying, later.seconds, WAITS)
            except (Uncertain, TimeoutError) as error:
                await self._uncertain(saying, error)
            except Refused as refused:
                await self._refused(saying, refused)
            except CANNOT_BE_READ as error:
                # a row that cannot be rendered must not stop the others
                log.exception("saying_broken", saying=saying.id, kind=saying.kind)
                await self._unsayable(saying, f"unrenderable: {type(error).__name__}")
            else:
                return await self._surely_said(saying, ts, fold)
        except AWAY as error:
            # it stays claimed; the patrol hands it out again, and then the thread is looked at
            log.warning("outbox_database_away", saying=saying.id, error=type(error).__name__)
            self._doubt.begin()
        self._hint()  # the next one of its thread
        return None

    async def _refused(self, saying: Saying, refused: Refused) -> None:
        """It cannot be said, or only not until the bot has a token that Slack accepts."""
        if refused.code not in TOKEN_REFUSED:
            await self._unsayable(saying, refused.code)
            return
        if _long_tried(saying):
            await self._unsayable(saying, refused.code)
            return
        # certainly not said, so nothing has to be looked for before the next try
        wait = min(self._pauses.retry * 2.0 ** min(saying.tries - 1, 8), _LONGEST_WAIT)
        await self._later(saying, wait, WAITS)

    async def _uncertain(self, saying: Saying, error: Exception) -> None:
        if _long_tried(saying):
            await self._unsayable(saying, f"uncertain for a day: {error}")
            return
        wait = min(self._pauses.retry * 2.0 ** min(saying.tries - 1, 8), _LONGEST_WAIT)
        if isinstance(error, TimeoutError) or (isinstance(error, Uncertain) and error.may_come):
            wait = max(wait, self._pauses.late)
        await self._later(saying, wait, f"uncertain: {error}")

    async def _deliver(self, saying: Saying, *, look: bool) -> tuple[str, str]:
        """Say it. The first message's ts, and that of a progress message to fold, or empty."""
        if saying.late:
            # we stood still, or the network: where it is ours still, the next try looks
            raise _Later(0.0)
        doubted = look or saying.in_doubt
        look = look or saying.tries > 1
        match saying.kind:
            case "redraw":
                self._give_way(saying, 0.5)
                await self._cards.redraw(
                    UUID(saying.data["call"]), surely=saying.in_doubt, retried=True
                )
                return "", ""
            case "fold":
                await self._fold(saying)
                return "", ""
            case "card":
                return await self._card(saying, look=look), ""
            case "announce":
                return await self._announce(saying, look=doubted), ""
            case "reminder":
                return await self._remind(saying, look=look), ""
            case _:
                return await self._words(saying, look=look)

    async def _words(self, saying: Saying, *, look: bool) -> tuple[str, str]:
        run = saying.run
        plan = await self._plan(saying, run)
        ours = await self._ours(saying) if look else []
        progress_ts = await self._progress_ts(saying, run, ours) if run else ""
        begun = saying.tries > 1 or any(one.key == saying.key(0) for one in ours)
        place = await self._place(saying, run) if run and not (begun and ours) else ""
        if plan.file is not None:
            place = ""  # below its first message a file is of this row
        sent = await self._post_all(saying, plan.messages, ours, place)
        if plan.file is not None:
            await self._upload(saying, plan.file, ours, sent[0])
        return sent[0], "" if progress_ts in sent else progress_ts

    async def _card(self, saying: Saying, *, look: bool) -> str:
        calls = await self._readable(saying.calls)
        if not calls:
            return ""
        drawn = await self._cards.draw(calls, first=True)
        messages = [drawn.message]
        reason = str(saying.data.get("reason") or "")
        if reason and not reason.startswith(_REVISED):  # a revised card says by whom itself
            messages.insert(0, notices.instead(reason, rest=reason.startswith(_EARLIER)))
        if because := str(saying.data.get("because") or ""):
            needs = (await self._cards.data(calls[0])).needs
            messages.insert(0, notices.way_back(because, needs))
        ours = await self._ours(saying) if look else []
        sent = await self._post_all(saying, messages, ours)
        found = any(one.ts == sent[-1] for one in ours)
        # one that was found may have been drawn from an older state: its next redraw is not spared
        place = (saying.thread.channel, sent[-1])
        await self._cards.posted(calls, *place, None if found else drawn)
        if drawn.message.file is not None:
            await self._upload(saying, drawn.message.file, ours, sent[0])
        return sent[-1]

    async def _readable(self, calls: Sequence[UUID]) -> list[UUID]:
        """Without those that cannot be shown: they end, and the others keep their card."""
        if len(calls) < 2:
            return list(calls)
        good = []
        for call_id in calls:
            try:
                await self._cards.data(call_id)
            except CANNOT_BE_READ as error:
                log.exception("call_not_shown", call=str(call_id))
                await self._undeliverable(call_id, f"unrenderable: {type(error).__name__}")
            else:
                good.append(call_id)
        return good

    async def _announce(self, saying: Saying, *, look: bool) -> str:
        """The card once more, in the channel where approvals are watched."""
        channel = saying.thread.channel
        if saying.data.get("code") == "audit_head":
            return await self._head(saying, channel)
        if saying.data.get("code") == "broken_glass":
            return await self._glass(saying, channel)
        if not await self._cards.may_show_in(channel):
            log.warning("announcement_in_shared_channel", channel=channel)
            return ""
        if look and (there := await self._announced(saying)):
            await self._cards.announced(saying.calls, channel, there, None)
            return there
        drawn = await self._cards.draw(saying.calls, channel=channel, first=True)
        await self._budget.take(Method.POST, saying.lane, channel)
        ts = await self._api.post(channel, drawn.message, key=saying.key(0))
        await self._cards.announced(saying.calls, channel, ts, drawn)
        return ts

    async def _announced(self, saying: Saying) -> str:
        """Where it stands already; empty where it does not, or nobody lets us look: rather twice
        than a card there that nobody can press, or none.
        """
        await self._budget.take(Method.HISTORY, saying.lane)
        since = saying.created_at.timestamp() - _SKEW
        try:
            ours = await self._api.posted(saying.thread.channel, "", since=since)
        except Refused as refused:
            log.warning("channel_not_readable", saying=saying.id, code=refused.code)
            return ""
        return next((one.ts for one in ours if one.key == saying.key(0)), "")

    async def _head(self, saying: Saying, channel: str) -> str:
        """Where the audit ends. Rather twice than not at all."""
        if not await self._cards.may_show_in(channel):
            log.warning("announcement_in_shared_channel", channel=channel)
            return ""
        data = saying.data
        message = chronicle.head(str(data["day"]), int(data["seq"]), str(data["hash"]))
        await self._budget.take(Method.POST, saying.lane, channel)
        return await self._api.post(channel, message, key=saying.key(0))

    async def _glass(self, saying: Saying, channel: str) -> str:
        """Those who watch approvals hear of it too. Rather twice than not at all."""
        if not await self._cards.may_show_in(channel):
            log.warning("announcement_in_shared_channel", channel=channel)
            return ""
        card = await self._cards.data(UUID(saying.data["call"]), channel)
        message = notices.broken_glass(card, waits=bool(saying.data.get("waits")))
        await self._budget.take(Method.POST, saying.lane, channel)
        return await self._api.post(channel, message, key=saying.key(0))

    async def _remind(self, saying: Saying, *, look: bool) -> str:
        message = await self._cards.reminder(saying.calls, saying.data.get("whom") or ())
        if message is None:
            return ""
        ours = await self._ours(saying) if look else []
        return (await self._post_all(saying, [message], ours))[0]

    async def _fold(self, saying: Saying) -> None:
        if saying.run_id is None:
            return
        self._give_way(saying, 2.0)
        mine = await self._live.settle(saying.run_id)
        if not mine and (run := saying.run) and run["ended_at"]:
            # another process may have an edit under way that would come after ours
            ago = (saying.claimed_at - run["ended_at"]).total_seconds()
            if ago < EDIT_SECONDS + 1:
                raise _Later(EDIT_SECONDS + 1 - ago)
        try:
            late = await self._live.fold(saying.run_id, saying.thread.ts)
        except Refused as refused:
            if refused.code != "message_not_found":
                raise
        else:
            if late > 0:
                raise _Later(late)  # an earlier edit may come over it until then

    def _give_way(self, saying: Saying, seconds: float) -> None:
        """An edit that would wait for the budget must not hold one of the few places meanwhile."""
        if not self._budget.ready(Method.UPDATE):
            raise _Later(min(seconds * saying.tries, 10 * seconds))

    # --- messages ---------------------------------------------------------------------------

    async def _post_all(
        self, saying: Saying, messages: Sequence[Message], ours: Sequence[Posted], place: str = ""
    ) -> list[str]:
        """Post what the thread does not hold yet; the ts of each. The first one at `place`."""
        there = {one.key: one.ts for one in ours}
        sent: list[str] = []
        for number, message in enumerate(messages):
            key = saying.key(number)
            ts = there.get(key, "")
            if not ts and place and number == 0:
                ts = await self._put_at(place, saying, message, key)
            if not ts:
                await self._budget.take(Method.POST, saying.lane, saying.thread.channel)
                ts = await self._api.post(
                    saying.thread.channel, message, thread_ts=saying.thread.ts, key=key
                )
            sent.append(ts)
        return sent

    async def _put_at(self, ts: str, saying: Saying, message: Message, key: str) -> str:
        """Edit the message at `ts`; empty where that cannot be done and nothing happened."""
        try:
            await self._budget.take(Method.UPDATE, saying.lane)
            await self._api.update(saying.thread.channel, ts, message, key=key)
        except Limited as limited:
            self._budget.heed(limited)
            return ""
        except Refused as refused:
            log.info("progress_not_replaced", saying=saying.id, code=refused.code)
            return ""
        return ts

    async def _upload(
        self, saying: Saying, file: tuple[str, str], ours: Sequence[Posted], first: str
    ) -> None:
        """Below the `first` message of this row, unless it stands there: earlier ones have files of
        the same name, and may have the same size.
        """
        name, text = file
        size = len(text.encode("utf-8", "replace"))
        if any((name, size) in one.files for one in ours if one.ts > first):
            return
        await self._budget.take(Method.UPLOAD_URL, saying.lane)
        await self._budget.take(Method.UPLOAD_DONE, saying.lane)
        await self._api.upload(saying.thread.channel, name, text, thread_ts=saying.thread.ts)

    async def _ours(self, saying: Saying) -> list[Posted]:
        """What the thread holds of us since the row was made."""
        await self._budget.take(Method.REPLIES, saying.lane)
        since = saying.created_at.timestamp() - _SKEW
        try:
            return await self._api.posted(saying.thread.channel, saying.thread.ts, since=since)
        except Refused as refused:
            # a thread or channel that is gone refuses the message too
            log.warning("thread_not_readable", saying=saying.id, code=refused.code)
            return []

    # --- the run it ends --------------------------------------------------------------------

    async def _run(self, saying: Saying) -> Row | None:
        if saying.run_id is None:
            return None
        async with self._database.statement() as tx:
            return await tx.one("run", id=saying.run_id)

    async def _progress_ts(self, saying: Saying, run: Row, ours: Sequence[Posted]) -> str:
        """The progress message of the run that this ends; empty if there is none."""
        if not saying.ends_run:
            return ""
        # a crash of the database may have lost what was noted of it
        if known := run["progress_ts"] or self._live.place(run["id"]):
            return str(known)
        if ours or (may_be_lost(run) and not self._live.tends(run["id"])):
            # a process may have died between posting it and noting it
            key = progress_key(run["id"])
            ours = ours or await self._ours_since(saying, run["created_at"])
            return next((one.ts for one in ours if one.key == key), "")
        return ""

    async def _ours_since(self, saying: Saying, since: datetime) -> list[Posted]:
        await self._budget.take(Method.REPLIES, Lane.REST)
        try:
            return await self._api.posted(
                saying.thread.channel, saying.thread.ts, since=since.timestamp() - _SKEW
            )
        except Refused:
            return []

    async def _place(self, saying: Saying, run: Row) -> str:
        """The progress message's ts where the words may take its place: soon, and nothing between.

        A run that was claimed twice has waited for people, so cards stand below its progress.
        """
        if not saying.ends_run or not run["progress_ts"] or run["attempt"] != 1:
            return ""
        mine = await self._live.settle(run["id"])
        if self._live.in_doubt(run["id"]):
            return ""
        age = (saying.claimed_at - run["progress_at"]).total_seconds()
        if age >= (_IN_PLACE if mine else _BEFORE_FIRST_EDIT):
            return ""
        return str(run["progress_ts"]) if self._budget.ready(Method.UPDATE) else ""

    async def _plan(self, saying: Saying, run: Row | None) -> Plan:
        data = saying.data
        match saying.kind:
            case "answer" if "refused" in data:
                notice = notices.as_file(str(data["refused"]))
                return Plan((notice,), ("answer.md", str(data.get("markdown") or "")))
            case "answer":
                return answer(replace(_answer(data, run), whole=await self._whole(run)))
            case "failure":
                below = footer(_answer(data, run)) if data.get("tokens") else ""
                return Plan((notices.failure(str(data["sentence"]), below),))
            case "notice":
                return Plan((await self._notice(data),))
        raise ValueError(f"an outbox row of kind {saying.kind}")

    async def _whole(self, run: Row | None) -> str:
        """All of what a command read, when its answer is only a part of it."""
        if run is None or run["kind"] != "command":
            return ""
        async with self._database.statement() as tx:
            row = await tx.one("artifact_of_command", run_id=run["id"])
        return "" if row is None else str(row["content"])

    async def _notice(self, data: Mapping[str, Any]) -> Message:
        match data["code"]:
            case "unknown_outcome":
                card = await self._cards.data(UUID(data["call"]))
                settle = f"{who.mentions([card])} {said}" if (said := to_settle(card)) else ""
                reason = str(data.get("reason") or "")
                return notices.unknown_outcome(card.summary, reason, settle.strip())
            case "not_redrawn":
                card = await self._cards.data(UUID(data["call"]))
                return notices.not_redrawn(card, str(data["why"]))
            case "settled":
                return notices.settled(await self._cards.data(UUID(data["call"])))
            case "broken_glass":
                card = await self._cards.data(UUID(data["call"]))
                return notices.broken_glass(card, waits=bool(data.get("waits")))
            case "rolling_back":
                card = await self._cards.data(UUID(data["call"]))
                return notices.rolling_back(card.summary, card.verdict_reason)
            case "stopped":
                numbers = (int(data.get(name) or 0) for name in ("seconds", "reads", "changes"))
                return notices.stopped(str(data.get("person") or ""), *numbers)
            case "unreachable":
                return notices.unreachable(str(data["channel"]), str(data["why"]))
            case "declined":
                return notices.declined(str(data["sentence"]))
            case code:
                return speech.may_not_ask(str(code))

    # --- what became of it ------------------------------------------------------------------

    async def _surely_said(self, saying: Saying, ts: str, fold: str) -> Saying | None:
        """As `_said`; a database that is only busy is asked again, since the rest of its thread
        waits until a row that stays claimed is handed out again.
        """
        for pause in _BUSY:
            try:
                return await self._said(saying, ts, fold)
            except AWAY as error:
                log.warning("said_not_noted", saying=saying.id, error=type(error).__name__)
                self._doubt.begin()
                await asyncio.sleep(pause)
        return await self._said(saying, ts, fold)

    async def _said(self, saying: Saying, ts: str, fold: str) -> Saying | None:
        """Note that it is said, and take the next one in the same round trip, if there is one.

        The progress message at `fold` becomes a row that is claimed as it is stored.
        """
        more = self._budget.pause(Method.POST) <= 0
        takes, doubts, now = self._takes, self._doubt.times, self._room.now()
        async with self._database.statement() as tx:
            asked = _clock()
            row = await tx.one(
                "said",
                id=saying.id,
                tries=saying.tries,
                ts=ts or None,
                fold=fold,
                fold_lane=int(Lane.REST),
                more=more,
                busy=list(now.busy),
                edits=now.edits,
                sender=self._id,
            )
        following = self._claimed(row, doubts, asked) if row else None
        if not more or fold or self._takes != takes:
            # somebody who looked meanwhile may have seen neither its end nor what comes after it
            self._hint()
        return following

    async def _later(self, saying: Saying, seconds: float, why: str) -> None:
        if why != WAITS:
            log.info("saying_later", saying=saying.id, seconds=seconds, why=why, tries=saying.tries)
        async with self._database.statement() as tx:
            await tx.run(
                "say_later",
                id=saying.id,
                tries=saying.tries,
                seconds=seconds,
                error=why,
                waits=why in {WAITS, LIMITED},
            )
        asyncio.get_running_loop().call_later(seconds + 0.01, self._hint)

    async def _unsayable(self, saying: Saying, code: str) -> None:
        await self._unsaid.end(saying, code)


def _long_tried(saying: Saying) -> bool:
    """Whether it has to end. What only waited for a bot that was away is tried once more."""
    return saying.tries > 1 and datetime.now(UTC) - saying.created_at > _GIVE_UP


def _clock() -> float:
    return asyncio.get_running_loop().time()


def _answer(data: Mapping[str, Any], run: Row | None) -> AnswerData:
    took = 0.0
    if run is not None and run["ended_at"] is not None:
        took = (run["ended_at"] - run["created_at"]).total_seconds()
    # nothing spent: no model was asked, or its price is not known
    cost = Decimal(str(data.get("cost") or 0))
    said = str(data.get("markdown") or "")
    if run is not None and run["kind"] != "turn" and said.startswith(_REFUSED):
        said = said[0].upper() + said[1:]  # a tool result there, a sentence here
    return AnswerData(
        markdown=said,
        reads=int(data.get("reads") or 0),
        changes=int(data.get("changes") or 0),
        seconds=int(took),
        tokens=int(data.get("tokens") or 0),
        cost=cost if cost > 0 else None,
        model=str(data.get("answered_by") or ""),
        truncated=bool(data.get("truncated")),
    )
