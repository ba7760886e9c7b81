"""Control words, said as a mention or typed behind the slash command: what each of them does."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from uuid import UUID

import structlog

from bot.agent.control import Word, nameless, parse_word
from bot.agent.grammar import usage
from bot.core.errors import DatabaseAway
from bot.core.values import Thread
from bot.guard import refusals, short_ids
from bot.guard.chronicle import Question, newest
from bot.guard.house import House
from bot.guard.people import why_not_ask
from bot.guard.records import Call
from bot.guard.requests import Requests, cleaned
from bot.guard.settling import How, Settling
from bot.guard.sight import Sight
from bot.guard.stops import Stops
from bot.guard.votes import Answer, Click, Typed, Vote, Votes
from bot.guard.wayback import WayBack
from bot.slack import speech
from bot.slack.api import SlackProblem
from bot.slack.chronicle import Chronicle
from bot.slack.status import Status
from bot.slack.underway import Underway
from bot.slack.views import notices
from bot.slack.views.chronicle import what_became
from bot.slack.views.data import Message
from bot.slack.views.help import help_text
from bot.slack.views.replies import linked
from bot.slack.views.status import RunLine, status, which
from bot.slack.views.why import why_of, why_refused
from bot.slack.voice import Voice

log = structlog.get_logger()

_SHOWS = frozenset({"status", "audit", "why"})  # what was asked and done here
_NAMES = frozenset({"stop", "undo"})  # the same, to who does not say in a thread which is meant

_UNDOABLE = 5  # changes that are named to who did not say which


@dataclass(frozen=True)
class Heard:
    """A control word as somebody said it. `thread_ts` is empty where it was not said in a thread:
    then it is about the whole channel. With a `response_url` it was typed behind the command.
    """

    word: Word
    key: str
    person: str
    channel: str
    thread_ts: str = ""
    ts: str = ""
    response_url: str = ""


class Commands:
    """Does what control words say. Authority comes from rows and the directory, as with clicks."""

    def __init__(
        self, house: House, votes: Votes, status: Status, voice: Voice, *, model: bool
    ) -> None:
        """`model`: whether anybody but commands answers."""
        self._house = house
        self._org = voice.identity.org
        self._votes = votes
        self._status = status
        self._voice = voice
        self._model = model
        self._chronicle = Chronicle(house, voice.identity)
        self._sight = Sight(house)
        self._stops = Stops(house)
        self._requests = Requests(house)
        self._way_back = WayBack(house)
        self._settling = Settling(house, votes)
        self._underway = Underway(voice.tasks)

    def word(self, text: str) -> Word | None:
        """The control word that a text is; where no model reads it, also one that names nothing
        known, whose author is told how it is said.
        """
        return parse_word(text) or (None if self._model else nameless(text))

    async def hear(self, heard: Heard) -> None:
        """Do it, each once however often Slack says it. Raises `DatabaseAway`: see `lost.py`.

        Who they are that a word is about, Slack is asked, and may be slow to say: whoever waits no
        longer does not end it, and finds it again when the same is said again.
        """
        await self._underway.join(heard.key, partial(self.do, heard))

    async def do(self, heard: Heard) -> None:
        """Do it; as `hear`, for who sees himself to its end."""
        word = heard.word.name
        log.info("word", word=word, channel=heard.channel, actor=heard.person)
        decides = {"approve": self._vote, "deny": self._vote, "settle": self._settle}
        if decide := decides.get(word):
            await decide(heard)
            return
        if (refusal := await self._refusal(heard)) is not None:
            await self._tell_once(heard, refusal)
            return
        shows = word in _SHOWS or (word in _NAMES and not heard.thread_ts)
        if shows and (unseen := await self._unseen(heard)) is not None:
            await self._tell_once(heard, unseen)
            return
        match word:
            case "stop":
                await self._stop(heard)
            case "undo":
                await self._undo(heard)
            case "status" | "audit":
                show = self._show_status if word == "status" else self._show_audit
                if await self._first(heard):
                    self._voice.tasks.start(word, show(heard), heard=True)
            case "why":
                await self._tell_once(heard, await self._why(heard))
            case "help":
                await self._tell_once(heard, help_text(usage(), model=self._model))

    async def _unseen(self, heard: Heard) -> Message | None:
        """A mention stands in the channel, so its author does; a slash command only names one."""
        code = await self._sight.why_not(
            self._org, heard.person, (heard.channel,), present=not heard.response_url
        )
        return notices.refused(speech.sentence(code, None)) if code else None

    async def _refusal(self, heard: Heard) -> Message | None:
        person = await self._house.directory.person(self._org, heard.person)
        sharing = await self._house.directory.sharing(self._org, heard.channel)
        code = why_not_ask(person, sharing)
        return speech.may_not_ask(code) if code else None

    # --- decisions --------------------------------------------------------------------------

    async def _vote(self, heard: Heard) -> None:
        word = heard.word
        vote: Vote = "deny" if word.name == "deny" else "approve"
        answer = await self._votes.vote_typed(self._typed(heard), vote)
        if answer.code == "duplicate":
            return
        if answer.call is None:
            refusal = await self._refusal(heard) or await self._unseen(heard)
            if refusal is not None:  # what is open here is named below
                await self._tell_once(heard, refusal)
                return
            cards = await self._status.cards(heard.channel)
            sentence = speech.no_such_proposal(word.name, word.short_id, cards)
            await self._tell_once(heard, notices.refused(sentence))
            return
        log.info("vote typed", code=answer.code, call=str(answer.call.id), actor=heard.person)
        await self._tell_surely(heard, await self._came_of(answer, answer.call))

    async def _settle(self, heard: Heard) -> None:
        word = heard.word
        if not word.about:
            await self._tell_once(heard, notices.refused(speech.to_settle(word.short_id)))
            return
        how: How = "failed" if word.about.lower() == "failed" else "done"
        answer = await self._settling.typed(self._typed(heard), how)
        if answer.code == "duplicate":
            return
        if answer.call is None:
            refusal = await self._refusal(heard) or await self._unseen(heard)
            nothing = notices.refused(speech.nothing_to_settle(word.short_id))
            await self._tell_once(heard, refusal or nothing)
            return
        log.info("settle typed", code=answer.code, call=str(answer.call.id), actor=heard.person)
        where = await self._card(answer.call)
        if answer.code == "settled":
            said = linked(f"Settled: {answer.call.preview.summary}", where)
        else:
            said = self._not_counted(answer, answer.call, where)
        await self._tell_surely(heard, said)

    def _typed(self, heard: Heard) -> Typed:
        return Typed(
            org=self._org,
            key=heard.key,
            person=heard.person,
            channel=heard.channel,
            short_id=heard.word.short_id,
            reason=cleaned(heard.word.reason)[:500],
        )

    async def _came_of(self, answer: Answer, call: Call) -> Message:
        where = await self._card(call)
        if answer.code in {"approved", "counted", "denied", "voted"}:
            return linked(speech.counted(answer, call), where)
        return self._not_counted(answer, call, where)

    def _not_counted(self, answer: Answer, call: Call, where: str) -> Message:
        whom = speech.whom(answer, self._house.rules.approvers)
        return linked(speech.typed(answer.code, call), where, refused=True, whom=whom)

    async def _card(self, call: Call) -> str:
        row = None
        with suppress(DatabaseAway):  # the thread is good enough
            async with self._house.database.statement() as tx:
                row = await tx.one("place_of_card", call_id=call.id, channel=call.thread.channel)
        ts = str(row["ts"]) if row else ""
        return self._voice.link(call.thread.channel, ts, "Its card", call.thread.ts)

    async def _why(self, heard: Heard) -> Message:
        """By the input that was stored with the call, or with what was refused, so that nothing is
        looked up anew.
        """
        wanted = short_ids.typed(heard.word.short_id)
        where = {"org": self._org, "channel": heard.channel, "short_id": wanted}
        async with self._house.database.statement() as tx:
            row = await tx.one("call_by_short_id", **where)
        if row is None or row["state"] != "proposed":  # of what is closed, the newest is meant
            refused = await refusals.newest(self._house.database, **where)
            if refused is not None and (row is None or refused[0] > row["created_at"]):
                return why_refused(refused[1], self._house.rules.book)
        if row is None:
            cards = await self._status.cards(heard.channel)
            sentence = speech.no_such_proposal("why", heard.word.short_id, cards)
            return notices.refused(sentence)
        call = Call.of(row)
        return why_of(call, self._house.rules.book, await self._since(call))

    async def _since(self, call: Call) -> str:
        """What became of it, and by which one it was replaced."""
        asked = Question(call=call.public_id, channel=call.thread.channel)
        told, _ = await newest(self._house.database, self._org, asked, 1)
        return "; ".join(what_became(story) for story in told)

    # --- stop -------------------------------------------------------------------------------

    async def _stop(self, heard: Heard) -> None:
        ts, asked = heard.thread_ts, ""
        if not ts:
            runs = [run for run in await self._status.runs(heard.channel) if not run.stopping]
            asked_there = {run.thread_ts: run.asked for run in reversed(runs)}
            threads = _threads(runs)
            if len(threads) > 1:
                shown = [next(run for run in runs if run.thread_ts == one) for one in threads]
                message = which(shown, self._voice.identity.url, heard.channel)
                await self._tell_once(heard, message)
                return
            # where nothing runs there is nothing to stop, and that is what is recorded
            ts = threads[0] if threads else heard.ts or heard.key
            asked = asked_there.get(ts, "")
        thread = Thread(self._org, heard.channel, ts)
        stopped = await self._stops.stop(thread, heard.person, heard.key)
        match stopped.code:
            case "stopped" if heard.thread_ts:
                return  # each run says in this thread that it ended
            case "stopped":
                there = self._voice.link(heard.channel, ts, "Its thread")
                await self._tell_surely(heard, linked(speech.stopping(asked), there))
            case "nothing" | "no_grants":
                in_thread, ended = bool(heard.thread_ts), stopped.code == "no_grants"
                nothing = speech.nothing_to_stop(in_thread=in_thread, grants_ended=ended)
                await self._tell_surely(heard, notices.notice(nothing))
            case "duplicate":
                return
            case code:
                await self._tell_once(heard, speech.may_not_ask(code))

    # --- undo -------------------------------------------------------------------------------

    async def _undo(self, heard: Heard) -> None:
        call = await self._to_undo(heard)
        if isinstance(call, str):
            await self._tell_once(heard, notices.refused(call))
            return
        click = Click(
            org=self._org,
            key=heard.key,
            person=heard.person,
            public_id=call.public_id,
            channel=heard.channel,
        )
        made = await self._way_back.press(click, call)
        if isinstance(made, UUID):
            log.info("undo", run=str(made), actor=heard.person, undoes=str(call.id))
            if heard.response_url or heard.thread_ts != call.thread.ts:
                root = call.thread.ts
                there = self._voice.link(heard.channel, root, "Its thread")
                await self._tell_surely(heard, linked(speech.proposing_back(call), there))
        elif made is not None:
            await self._tell_once(heard, notices.refused(speech.no_way_back(call, made)))

    async def _to_undo(self, heard: Heard) -> Call | str:
        """The change that is meant, or what to say where none is."""
        org, channel, wanted = self._org, heard.channel, heard.word.short_id
        async with self._house.database.relaxed() as tx:
            if wanted:
                where = {"org": org, "channel": channel, "short_id": wanted}
                row = await tx.one("call_by_short_id", **where)
                if row is not None:
                    return Call.of(row)
            rows = await tx.all(
                "changes_to_undo",
                org=org,
                channel=channel,
                thread_ts=heard.thread_ts or None,
                limit=_UNDOABLE,
            )
        calls = [Call.of(row) for row in rows]
        ways = {call.id: self._way_back.of(call) for call in calls}
        undoable = [call for call in calls if not isinstance(ways[call.id], str)]
        if undoable and not wanted and (heard.thread_ts or len(undoable) == 1):
            return undoable[0]
        if calls and not undoable and not wanted:
            return speech.no_way_back(calls[0], str(ways[calls[0].id]))
        return speech.which_to_undo(wanted, undoable, in_thread=bool(heard.thread_ts))

    # --- saying -----------------------------------------------------------------------------

    async def _show_status(self, heard: Heard) -> None:
        """To everybody in the thread of a mention, without calling anybody; else to one person."""
        public = not heard.response_url
        try:
            data = await self._status.of(heard.channel, heard.thread_ts, public=public)
        except DatabaseAway:
            away = "My database does not answer, so I cannot say what runs; ask again"
            await self._private(heard, notices.failure(away))
            return
        if not public:
            await self._private(heard, status(data))
            return
        try:
            root = heard.thread_ts or heard.ts
            key = f"word:{heard.key}"
            await self._voice.post(heard.channel, status(data), thread_ts=root, key=key)
        except SlackProblem as problem:
            log.warning("not_told", word="status", error=str(problem))

    async def _show_audit(self, heard: Heard) -> None:
        """Only to who asked: others of the channel may not have to read it."""
        now = datetime.now(UTC)
        try:
            found = await self._chronicle.about(heard.word, heard.person, heard.channel, now)
        except DatabaseAway:
            away = "My database does not answer, so I cannot look into the audit; ask again"
            found = notices.failure(away)
        await self._private(heard, found)

    async def _first(self, heard: Heard) -> bool:
        """Whether nobody was told of it yet: one mention comes as two events, and again in need."""
        async with self._house.database.statement() as tx:
            told = await tx.one(
                "record_event",
                org=self._org,
                key=f"told:{heard.key}",
                kind=f"word:{heard.word.name}",
                actor=heard.person,
            )
        return told is not None

    async def _tell_once(self, heard: Heard, message: Message) -> None:
        if await self._first(heard):
            self._tell(heard, message)

    async def _tell_surely(self, heard: Heard, message: Message) -> None:
        """What came of something that is recorded: told twice is better than never."""
        try:
            first = await self._first(heard)
        except DatabaseAway:
            first = True
        if first:
            self._tell(heard, message)

    def _tell(self, heard: Heard, message: Message) -> None:
        self._voice.tasks.start("tell", self._private(heard, message), heard=True)

    async def _private(self, heard: Heard, message: Message) -> None:
        """Only to who said it."""
        if heard.response_url:
            await self._voice.respond(heard.response_url, message)
        else:
            await self._voice.whisper(heard.channel, heard.person, message, heard.thread_ts)


def _threads(runs: Sequence[RunLine]) -> list[str]:
    """The threads with something to stop: those at work; where none is, those that wait."""
    working = [run for run in runs if run.state != "waiting"]
    return list(dict.fromkeys(run.thread_ts for run in working or runs))
