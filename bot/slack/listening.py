"""The door: one Bolt middleware that records what is meant for us, then acks.

A message is stored and acked, or not acked, and Slack sends it again. A click is never repeated by
Slack: it is always acked, and when it could not be recorded the person is told so.
"""

import asyncio
import json
from collections import deque
from collections.abc import Mapping
from typing import Any
from uuid import UUID, uuid4

import structlog
from slack_bolt import BoltResponse

from bot.agent.control import Word
from bot.agent.grammar import Command, parse
from bot.core.errors import DatabaseAway, reply_for
from bot.core.tasks import Tasks
from bot.core.values import Thread
from bot.guard.house import House
from bot.guard.requests import Requests, cleaned
from bot.slack.api import Identity
from bot.slack.clicks import Clicks
from bot.slack.commands import Heard
from bot.slack.directory import SlackDirectory
from bot.slack.incoming import (
    Changed,
    Deleted,
    Incoming,
    Malformed,
    Pressed,
    Said,
    Slashed,
    Submitted,
    understand,
)
from bot.slack.live import Live, quoted
from bot.slack.lost_cards import show_again
from bot.slack.slash import Slash
from bot.slack.views import modals, notices
from bot.slack.wishes import wish_of
from bot.store.inbound import Request, speaks_with_us

log = structlog.get_logger()

_RECORD_SECONDS = 1.5  # Slack waits three for the ack
_NOT_ACKED = BoltResponse(status=503)  # Slack sends it again


class Listening:
    """Decides whether we are addressed, and records it."""

    def __init__(
        self,
        house: House,
        identity: Identity,
        directory: SlackDirectory,
        clicks: Clicks,
        live: Live,
        tasks: Tasks,
        slash: Slash,
    ) -> None:
        self._house = house
        self._identity = identity
        self._directory = directory
        self._requests = Requests(house)
        self._clicks = clicks
        self._live = live
        self._tasks = tasks
        self._slash = slash
        self._broken: deque[tuple[str, str]] = deque(maxlen=100)  # messages that were told to be
        self._recording: dict[str, asyncio.Future[BoltResponse]] = {}

    async def middleware(self, body: dict[str, Any]) -> BoltResponse:
        """Answer every payload here: Bolt's own listeners would poll for the ack."""
        try:
            incoming = understand(body, self._identity.bot_user_id)
        except Malformed as error:
            log.warning("payload_malformed", error=str(error))
            return BoltResponse(status=200)
        try:
            return await self._answer(incoming, body)
        except Exception as error:
            # not acked, Slack would send it again and again, and it would break each time
            reference = uuid4().hex[:8]
            log.exception("payload_broke", kind=type(incoming).__name__, reference=reference)
            return self._broke(incoming, reply_for(error, reference))

    async def _answer(self, incoming: Incoming, body: Mapping[str, Any]) -> BoltResponse:
        match incoming:
            case Said() | Slashed():
                return await self._typed(incoming, body)
            case Pressed() | Submitted() if not self._is_our_apps(body):
                log.warning("payload_foreign", kind=body.get("type"))
                return BoltResponse(status=200)
            case Pressed() if not self._is_our_teams(body):
                return self._clicks.stranger(incoming)
            case Submitted() if not self._is_our_teams(body):
                return BoltResponse(status=200)
            case Pressed():
                return await self._clicks.pressed(incoming)
            case Submitted():
                return _view_response(await self._clicks.submitted(incoming))
            case Changed():
                self._directory.forget(incoming.what, incoming.id)
                return BoltResponse(status=200)
            case Deleted():
                return await self._deleted(incoming)
            case None:
                return BoltResponse(status=200)

    async def _deleted(self, deleted: Deleted) -> BoltResponse:
        org, database = self._identity.org, self._house.database
        try:
            async with asyncio.timeout(_RECORD_SECONDS):
                await show_again(database, org, deleted.channel, deleted.ts)
        except (DatabaseAway, TimeoutError):
            return _NOT_ACKED
        return BoltResponse(status=200)

    def _broke(self, incoming: Incoming, sentence: str) -> BoltResponse:
        """Tell whoever waits for an answer."""
        match incoming:
            case Submitted():
                seen = f"{sentence} Its card shows whether your decision counted."
                told = modals.told("Something broke", seen)
                return _view_response({"response_action": "update", "view": told})
            case Pressed() | Slashed():
                self._slash.voice.tell(incoming, notices.failure(sentence))
            case Said() if incoming.direct or incoming.ours:
                place = (incoming.channel, incoming.ts)
                if place not in self._broken:  # a mention comes as two events
                    self._broken.append(place)
                    self._slash.voice.tell(incoming, notices.failure(sentence))
        return BoltResponse(status=200)

    def _is_our_apps(self, body: Mapping[str, Any]) -> bool:
        app = self._identity.app_id
        return not app or body.get("api_app_id") == app

    def _is_our_teams(self, body: Mapping[str, Any]) -> bool:
        """Whether it comes from our team, as far as the payload says; who somebody is, Slack is
        asked.
        """
        team = body.get("team")
        if team is None:
            return True  # an organisation-wide installation names none
        ours = {self._identity.team_id, self._identity.enterprise_id} - {""}
        named = team.get("id") if isinstance(team, Mapping) else None
        return isinstance(named, str) and named in ours

    async def _typed(self, typed: Said | Slashed, body: Mapping[str, Any]) -> BoltResponse:
        if isinstance(typed, Said):
            return await self._said(typed)
        if not self._is_our_apps(body):
            log.warning("command_foreign", app=body.get("api_app_id"))
            return BoltResponse(status=200)
        ours = {self._identity.team_id, self._identity.enterprise_id} - {""}
        if typed.teams and not typed.teams & ours:
            return self._slash.stranger(typed)
        return await self._slash.typed(typed)

    async def _said(self, said: Said) -> BoltResponse:
        """Slack may say it twice, as a message and as a mention: the later waits for the other."""
        key = _key(said)
        if twin := self._recording.get(key):
            return await asyncio.shield(twin)
        twin = self._recording[key] = asyncio.get_running_loop().create_future()
        response = _NOT_ACKED
        try:
            with self._house.jobs.ahead():
                response = await self._said_once(said)
        finally:
            twin.set_result(response)
            del self._recording[key]
        return response

    async def _said_once(self, said: Said) -> BoltResponse:
        try:
            async with asyncio.timeout(_RECORD_SECONDS):
                await self._record(said)
        except (DatabaseAway, TimeoutError):
            log.warning("message_not_recorded", channel=said.channel)
            return _NOT_ACKED
        return BoltResponse(status=200)

    async def _record(self, said: Said) -> None:
        thread = Thread(self._identity.org, said.channel, said.thread_ts)
        if not await self._is_addressed(said, thread):
            return
        text = cleaned(said.text)
        word = self._slash.commands.word(text)
        if word is not None and word.name != "help":
            await self._slash.commands.hear(_heard(word, said))
            return
        command = parse(text, alone=not self._slash.model)
        asked = Request(
            thread=thread,
            author=said.user,
            text=text,
            ts=said.ts,
            ours=said.direct or (said.ours and said.is_root),
            kind="command" if isinstance(command, Command) else "turn",
            wish=wish_of(command) if isinstance(command, Command) else None,
        )
        run_id = await self._requests.take(_key(said), "message", asked)
        if run_id is None:
            return
        log.info("request", run=str(run_id), thread=str(thread), actor=said.user, kind=asked.kind)
        self._tasks.start("first sign", self._first_sign(thread, said.user, run_id, text))

    async def _first_sign(self, thread: Thread, user: str, run_id: UUID, text: str) -> None:
        """Who may not ask gets only the refusal, which the run says."""
        await self._house.jobs.nothing_ahead()
        if await self._house.why_not_ask(thread.org, thread.channel, user) is None:
            await self._live.first_sign(thread, run_id, quoted(text))

    async def _is_addressed(self, said: Said, thread: Thread) -> bool:
        """From text and place, never from the event's type."""
        if said.direct or said.ours:
            return True
        if said.is_root or said.mentions_others:
            return False
        async with self._house.database.relaxed() as tx:
            return await speaks_with_us(tx, thread, said.user)


def _key(said: Said) -> str:
    return f"{said.channel}:{said.ts}"


def _heard(word: Word, said: Said) -> Heard:
    return Heard(
        word=word,
        key=_key(said),
        person=said.user,
        channel=said.channel,
        thread_ts="" if said.is_root else said.thread_ts,
        ts=said.ts,
    )


def _view_response(payload: Mapping[str, Any] | None) -> BoltResponse:
    if payload is None:
        return BoltResponse(status=200)
    return BoltResponse(
        status=200, body=json.dumps(payload), headers={"content-type": ["application/json"]}
    )
