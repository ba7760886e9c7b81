"""The slash command: what somebody typed there is done like a mention of it, from any channel that
we are in. Only this way in has no thread: it begins one.
"""

import asyncio
import json
from functools import partial
from typing import Final
from uuid import uuid4

import structlog
from slack_bolt import BoltResponse

from bot.agent.control import Word
from bot.agent.grammar import Command, parse
from bot.agent.spelling import advice, did_you_mean
from bot.core.errors import DatabaseAway, reply_for
from bot.core.text import one_line
from bot.core.values import Thread
from bot.guard.house import House
from bot.guard.lost import Became, became
from bot.guard.requests import Requests, cleaned
from bot.slack import speech
from bot.slack.api import Limited, Refused, SlackProblem, Uncertain
from bot.slack.commands import Commands, Heard
from bot.slack.incoming import Slashed
from bot.slack.live import Live
from bot.slack.underway import Underway
from bot.slack.views import notices
from bot.slack.views.data import Message
from bot.slack.views.help import asked_by
from bot.slack.voice import Voice
from bot.slack.wishes import wish_of
from bot.store.inbound import Request

log = structlog.get_logger()

_WAIT_SECONDS = 2.2  # Slack waits three for the ack
_DONE = BoltResponse(status=200)
_STILL_AT_IT: Final = (
    "This takes longer than usual; I am still at it, and say here what comes of it. "
    "If you hear nothing within a minute, I was cut off: look for its card or thread before you "
    "type it again."
)

_NOT_BEGUN: Final = (
    "Slack did not say whether it took my message, so nothing was begun. Should it appear after "
    "all, it gets no answer; try again"
)


class Slash:
    """What happens when somebody types the slash command. Slack never repeats it, so it is always
    acked, once it is recorded. Where that takes too long, the ack says so, and the work goes on;
    whoever typed it is told when it was lost.
    """

    def __init__(
        self, house: House, commands: Commands, live: Live, voice: Voice, *, model: bool
    ) -> None:
        """`commands` does the words, also those of a mention; `model`: whether one is set."""
        self.commands = commands
        self._house = house
        self._org = voice.identity.org
        self._live = live
        self.voice = voice
        self._tasks = voice.tasks
        self.model = model
        self._requests = Requests(house)
        self._underway = Underway(voice.tasks)

    async def typed(self, slashed: Slashed) -> BoltResponse:
        """Do it or begin it, then ack."""
        try:
            async with asyncio.timeout(_WAIT_SECONDS):
                await self._underway.join(slashed.key, partial(self._see_to_its_end, slashed))
        except TimeoutError:
            log.warning("command_slow", channel=slashed.channel)
            # in the ack itself: Slack may be what is slow
            return BoltResponse(
                status=200,
                body=json.dumps({"response_type": "ephemeral", "text": _STILL_AT_IT}),
                headers={"content-type": ["application/json"]},
            )
        return _DONE

    def stranger(self, slashed: Slashed) -> BoltResponse:
        """Somebody of another organisation: told so, and nothing else."""
        self._tell(slashed, speech.may_not_ask("outsider"))
        return _DONE

    async def _see_to_its_end(self, slashed: Slashed) -> None:
        """Do it or say that it was lost: whoever typed it may have been told to wait for that."""
        try:
            await self._take(slashed)
        except DatabaseAway as error:
            log.warning("command_not_recorded", channel=slashed.channel)
            self._tasks.start("lost command", self._lost(slashed, error), heard=True)
        except Exception as error:
            # past its ack nobody above hears of it, and the person was told to wait
            reference = uuid4().hex[:8]
            log.exception("command_broke", reference=reference)
            self._tell(slashed, notices.failure(reply_for(error, reference)))

    async def _take(self, slashed: Slashed) -> None:
        text = cleaned(slashed.text)
        word = self.commands.word(text) if text else Word("help")
        command = parse(text, alone=not self.model)
        if isinstance(command, Command) and command.tool == "help":
            word = Word("help")
        if word is not None:
            await self.commands.do(_heard(word, slashed))
            return
        if (refusal := await self._refusal(slashed)) is not None:
            self._tell(slashed, refusal)
        elif isinstance(command, Command):
            await self._begin(slashed, text, command)
        elif meant := did_you_mean(text):
            self._tell(slashed, notices.refused(speech.meant(f"/ops {meant}")))
        elif self.model:
            await self._begin(slashed, text, None)
        else:
            self._tell(slashed, notices.refused(advice(text)))

    async def _refusal(self, slashed: Slashed) -> Message | None:
        match await self._house.why_not_ask(self._org, slashed.channel, slashed.user):
            case None:
                return None
            case "shared_channel":
                # Slack knows no channel that we are not in, and that counts as shared
                return notices.refused(speech.NOT_IN_CHANNEL)
            case code:
                return speech.may_not_ask(code)

    async def _begin(self, slashed: Slashed, text: str, command: Command | None) -> None:
        """Post the root of a new thread and record the request there."""
        async with self._house.database.statement() as tx:
            # before the root is posted: a second delivery must not post another
            key = f"root:{slashed.key}"
            event = {"org": self._org, "key": key, "kind": "slash", "actor": slashed.user}
            if await tx.one("record_event", **event) is None:
                return
        ts = await self._root(slashed, text)
        if not ts:
            return
        recorded, lost = False, None
        try:
            asked = Request(
                thread=Thread(self._org, slashed.channel, ts),
                author=slashed.user,
                text=text,
                ts=ts,
                ours=True,
                kind="command" if command else "turn",
                wish=wish_of(command) if command else None,
            )
            run_id = await self._requests.take(slashed.key, "slash", asked)
            recorded = True
        except DatabaseAway as error:
            lost = error
            raise
        finally:
            if not recorded:
                self._tasks.start("take back", self._take_back(slashed, ts, lost), heard=True)
        if run_id is not None:
            log.info("request", run=str(run_id), actor=slashed.user, kind=asked.kind, slash=True)
            sign = self._live.first_sign(asked.thread, run_id, f"“{one_line(text, 80)}”")
            self._tasks.start("first sign", sign)

    async def _root(self, slashed: Slashed, text: str) -> str:
        """The first message of the thread; empty where Slack does not take it, which is told."""
        try:
            root = asked_by(slashed.user, text)
            return await self.voice.post(slashed.channel, root, key=f"slash:{slashed.key}")
        except Refused as refused:
            log.info("root_refused", channel=slashed.channel, code=refused.code)
            self._tell(slashed, notices.refused(speech.NOT_IN_CHANNEL))
        except Limited as problem:
            log.warning("root_not_posted", channel=slashed.channel, error=str(problem))
            self._tell(slashed, notices.failure("Slack did not take my message; try again"))
        except Uncertain as problem:
            log.warning("root_uncertain", channel=slashed.channel, error=str(problem))
            self._tell(slashed, notices.failure(_NOT_BEGUN))
        return ""

    async def _take_back(self, slashed: Slashed, ts: str, error: DatabaseAway | None) -> None:
        """Nothing will ever stand below it; unless only the answer of its recording was lost."""
        if await became(self._house.database, self._org, slashed.key, error) != Became.SHUT_OUT:
            return
        try:
            await self.voice.delete(slashed.channel, ts)
        except SlackProblem as problem:
            log.warning("root_left", channel=slashed.channel, error=str(problem))

    async def _lost(self, slashed: Slashed, error: DatabaseAway) -> None:
        """The connection may have been lost while it was being recorded: say only what is true."""
        came = await became(self._house.database, self._org, slashed.key, error)
        await self.voice.respond(slashed.response_url, notices.lost(came, "command"))

    def _tell(self, slashed: Slashed, message: Message) -> None:
        self.voice.tell(slashed, message)


def _heard(word: Word, slashed: Slashed) -> Heard:
    return Heard(
        word=word,
        key=slashed.key,
        person=slashed.user,
        channel=slashed.channel,
        response_url=slashed.response_url,
    )
