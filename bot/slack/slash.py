"""The slash command: what somebody typed there is done like a mention of it, from any channel that
we are in. Only this way in has no thread: it begins one.
"""

import asyncio

import structlog
from slack_bolt import BoltResponse

from bot.agent.control import Word, parse_word
from bot.agent.grammar import Command, parse
from bot.agent.spelling import advice, did_you_mean
from bot.core.errors import DatabaseAway
from bot.core.text import one_line
from bot.core.values import Thread
from bot.guard.house import House
from bot.guard.people import why_not_ask
from bot.guard.requests import Requests, cleaned
from bot.slack import speech
from bot.slack.api import Limited, Refused, SlackProblem, Uncertain
from bot.slack.commands import Commands, Heard
from bot.slack.incoming import Slashed
from bot.slack.live import Live
from bot.slack.views import notices
from bot.slack.views.data import Message
from bot.slack.views.help import asked_by
from bot.slack.voice import Voice
from bot.slack.wishes import wish_of
from bot.store.inbound import Request

log = structlog.get_logger()

_RECORD_SECONDS = 2.2  # Slack waits three for the ack
_LOOK_SECONDS = 2.0
_DONE = BoltResponse(status=200)


class Slash:
    """What happens when somebody types the slash command. It is always acked: Slack never repeats
    it, so whoever typed it is told when it was lost.
    """

    def __init__(
        self, house: House, commands: Commands, live: Live, voice: Voice, *, model: bool
    ) -> None:
        """`commands` does the words, also those of a mention; `model`: whether one is set."""
        self.commands = commands
        self._house = house
        self._org = voice.identity.org
        self._live = live
        self._voice = voice
        self._tasks = voice.tasks
        self._model = model
        self._requests = Requests(house)

    async def typed(self, slashed: Slashed) -> BoltResponse:
        """Do it or begin it, then ack."""
        try:
            async with asyncio.timeout(_RECORD_SECONDS):
                await self._take(slashed)
        except (DatabaseAway, TimeoutError):
            log.warning("command_not_recorded", channel=slashed.channel)
            self._tasks.start("lost command", self._lost(slashed), heard=True)
        return _DONE

    def stranger(self, slashed: Slashed) -> BoltResponse:
        """Somebody of another organisation: told so, and nothing else."""
        self._tell(slashed, speech.may_not_ask("outsider"))
        return _DONE

    async def _take(self, slashed: Slashed) -> None:
        text = cleaned(slashed.text)
        word = parse_word(text) if text else Word("help")
        command = parse(text)
        if isinstance(command, Command) and command.tool == "help":
            word = Word("help")
        if word is not None:
            await self.commands.hear(_heard(word, slashed))
            return
        if (refusal := await self._refusal(slashed)) is not None:
            self._tell(slashed, refusal)
        elif isinstance(command, Command):
            await self._begin(slashed, text, command)
        elif meant := did_you_mean(text):
            self._tell(slashed, notices.refused(speech.meant(f"/ops {meant}")))
        elif self._model:
            await self._begin(slashed, text, None)
        else:
            self._tell(slashed, notices.refused(advice(text)))

    async def _refusal(self, slashed: Slashed) -> Message | None:
        person = await self._house.directory.person(self._org, slashed.user)
        sharing = await self._house.directory.sharing(self._org, slashed.channel)
        match why_not_ask(person, sharing):
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
        recorded = False
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
        finally:
            if not recorded:
                self._tasks.start("take back", self._take_back(slashed, ts), heard=True)
        if run_id is not None:
            log.info("request", run=str(run_id), actor=slashed.user, kind=asked.kind, slash=True)
            sign = self._live.first_sign(asked.thread, run_id, f"“{one_line(text, 80)}”")
            self._tasks.start("first sign", sign)

    async def _root(self, slashed: Slashed, text: str) -> str:
        """The first message of the thread; empty where Slack does not take it, which is told."""
        try:
            root = asked_by(slashed.user, text)
            return await self._voice.post(slashed.channel, root, key=f"slash:{slashed.key}")
        except Refused as refused:
            log.info("root_refused", channel=slashed.channel, code=refused.code)
            self._tell(slashed, notices.refused(speech.NOT_IN_CHANNEL))
        except (Limited, Uncertain) as problem:
            log.warning("root_not_posted", channel=slashed.channel, error=str(problem))
            self._tell(slashed, notices.failure("Slack did not take my message; try again"))
        return ""

    async def _take_back(self, slashed: Slashed, ts: str) -> None:
        """Nothing will ever stand below it; unless only the answer of its recording was lost."""
        if await self._was_recorded(slashed.key):
            return
        try:
            await self._voice.delete(slashed.channel, ts)
        except SlackProblem as problem:
            log.warning("root_left", channel=slashed.channel, error=str(problem))

    async def _lost(self, slashed: Slashed) -> None:
        """The connection may have been lost while it was being recorded: say only what is true."""
        if await self._was_recorded(slashed.key, f"told:{slashed.key}"):
            return
        await self._voice.respond(slashed.response_url, notices.not_recorded("command"))

    async def _was_recorded(self, *keys: str) -> bool:
        try:
            async with (
                asyncio.timeout(_LOOK_SECONDS),
                self._house.database.statement() as tx,
            ):
                found = [await tx.one("event", org=self._org, key=key) for key in keys]
                return any(found)
        except (DatabaseAway, TimeoutError):
            return False

    def _tell(self, slashed: Slashed, message: Message) -> None:
        told = self._voice.respond(slashed.response_url, message)
        self._tasks.start("tell", told, heard=True)


def _heard(word: Word, slashed: Slashed) -> Heard:
    return Heard(
        word=word,
        key=slashed.key,
        person=slashed.user,
        channel=slashed.channel,
        response_url=slashed.response_url,
    )
