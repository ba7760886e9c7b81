"""Whether Slack is heard: by this process, by the others, and since when; and what to do about
messages that Slack had nobody to give to, for longer than it tries again.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog
from slack_bolt import BoltResponse

from bot.core.errors import DatabaseAway
from bot.slack.api import Limited, Method, Refused, SlackApi, SlackProblem
from bot.slack.budget import Budget, Lane
from bot.slack.sockets import Sockets
from bot.store.database import Database, Row

log = structlog.get_logger()

_SLACK_TRIES = 600.0  # seconds after which Slack certainly does not send a message again
_GONE = 35.0  # seconds without a sign of life after which a process holds no sockets any more
_MOST_THREADS = 500
_PAGES = 20  # of one thread, at most

Deliver = Callable[[dict[str, Any]], Awaitable[BoltResponse]]


@dataclass(frozen=True)
class Rhythm:
    """Seconds: between two signs of life; between two looks whether it is time for one; of silence
    that Slack's own tries may leave unmended; between two looks whether our token is good.
    """

    beat: float = 10.0
    look: float = 0.5
    patience: float = 60.0
    token: float = 60.0


class _Unfinished(Exception):
    """Not everything could be read or recorded: it is tried again."""


class Hearing:
    """Keeps this process's row among the listeners, and reads again what nobody could hear.

    `deliver` takes a payload as Slack sends it: what is found goes the way of all others.
    """

    def __init__(
        self,
        database: Database,
        org: str,
        api: SlackApi,
        budget: Budget,
        sockets: Sockets,
        deliver: Deliver,
        rhythm: Rhythm | None = None,
    ) -> None:
        self._database = database
        self._org = org
        self._api = api
        self._budget = budget
        self._sockets = sockets
        self._deliver = deliver
        self._rhythm = rhythm or Rhythm()
        self._process = secrets.randbits(62)
        self._tidied = False
        self._read: set[tuple[str, str]] = set()  # threads of a silence that is not over yet
        self._deaf_since: float | None = None
        self._silences = 0  # longer than Slack's own tries mend

    async def run(self, stop: asyncio.Event) -> None:
        """Say until `stop` that we listen, then that we do not."""
        said, at = -1, float("-inf")
        clock = asyncio.get_running_loop().time
        reading: asyncio.Task[None] | None = None
        async with asyncio.TaskGroup() as group:
            while not stop.is_set():
                held = self._sockets.held
                self._note_silence(held, clock())
                if held != said or clock() - at >= self._rhythm.beat:
                    since = await self._beat(held)
                    said, at = held, clock()
                    # beside the beats: it may take minutes
                    if since is not None and (reading is None or reading.done()):
                        reading = group.create_task(self._read_missed(since), name="missed")
                await _wait(stop, self._rhythm.look)
            if reading is not None:
                reading.cancel()
        try:
            await self._note(0)
        except DatabaseAway:
            log.info("listener_not_signed_off")

    async def watch_token(self, stop: asyncio.Event) -> None:
        """Ask now and then whether Slack still takes our token: one that is revoked while nothing
        is to be said would be noticed by whoever asks something next.
        """
        while not await _wait(stop, self._rhythm.token):
            try:
                await self._api.auth_test()
            except SlackProblem as problem:
                log.info("bot_token_not_taken", error=str(problem))

    def _note_silence(self, held: int, now: float) -> None:
        """After one longer than Slack's own tries mend, what was read before it is read again."""
        if not held:
            self._deaf_since = now if self._deaf_since is None else self._deaf_since
        elif self._deaf_since is not None:
            if now - self._deaf_since >= self._rhythm.patience:
                self._silences += 1
                self._read.clear()
            self._deaf_since = None

    # --- one beat ---------------------------------------------------------------------------

    async def _beat(self, held: int) -> datetime | None:
        """Say that we are here; since when nobody has heard Slack, where that is too long."""
        try:
            row = await self._note(held)
            self._sockets.elsewhere = row["elsewhere"]
            if not row["missed"]:
                await self._tidy()
        except DatabaseAway as away:
            log.warning("listener_not_noted", error=str(away))
            return None
        since: datetime = row["since"]
        return since if row["missed"] else None

    async def _tidy(self) -> None:
        """Those that are long gone leave no row; once a start, or after an outage, is enough."""
        if not self._tidied:
            async with self._database.statement() as tx:
                await tx.run("forget_listeners", org=self._org)
            self._tidied = True

    async def _note(self, held: int) -> Row:
        async with self._database.statement() as tx:
            row = await tx.one(
                "note_listener",
                org=self._org,
                process=self._process,
                sockets=held,
                patience=self._rhythm.patience,
                gone=_GONE,
            )
        assert row is not None  # noqa: S101 -- an INSERT that cannot come to nothing
        return row

    # --- what nobody heard ------------------------------------------------------------------

    async def _read_missed(self, since: datetime) -> None:
        """Then that silence is over, unless nobody heard Slack while we read; or the next beat
        finds it again, and what is left of it.
        """
        silences = self._silences
        try:
            await self._catch_up(since)
            self._heard_throughout(silences)
            async with self._database.statement() as tx:
                await tx.run("note_all_heard", org=self._org, process=self._process)
            self._tidied = False
            await self._tidy()
        except (SlackProblem, _Unfinished, DatabaseAway) as problem:
            if isinstance(problem, Limited):
                self._budget.heed(problem)
            log.warning("missed_messages_not_read", error=str(problem))
            return
        self._read.clear()

    def _heard_throughout(self, silences: int) -> None:
        """Raise where this process was deaf meanwhile: what was read may have gone on since."""
        if self._silences != silences or not self._sockets.held:
            self._read.clear()
            raise _Unfinished("Slack was not heard while the threads were read")

    async def _catch_up(self, since: datetime) -> None:
        """Read the threads in which somebody may wait for us to have heard him."""
        given = {"org": self._org, "since": since, "since_ts": f"{since.timestamp():.6f}"}
        async with self._database.statement() as tx:
            threads = await tx.all("threads_listened_to", **given, limit=_MOST_THREADS)
        log.warning("slack_was_not_heard", since=since.isoformat(), threads=len(threads))
        earliest = since.timestamp() - _SLACK_TRIES
        found, silences = 0, self._silences
        for thread in threads:
            place = (str(thread["channel"]), str(thread["thread_ts"]))
            if place in self._read:
                continue
            try:
                after = max(float(thread["newest"] or 0), earliest)
                for message in await self._since(*place, after):
                    await self._hear(place[0], message)
                    found += 1
            except Refused as refused:
                log.warning("thread_not_readable", channel=place[0], code=refused.code)
            if self._silences == silences and self._sockets.held:
                self._read.add(place)
        log.info("missed_messages_read", threads=len(threads), messages=found)

    async def _since(self, channel: str, ts: str, after: float) -> list[Mapping[str, Any]]:
        found: list[Mapping[str, Any]] = []
        cursor = ""
        for _ in range(_PAGES):
            await self._budget.take(Method.REPLIES, Lane.REST)
            page = await self._api.replies(channel, ts, cursor=cursor, after=after)
            found += page.messages
            cursor = page.cursor
            if not cursor:
                break
        return list(_later(found, after))

    async def _hear(self, channel: str, message: Mapping[str, Any]) -> None:
        event = {**message, "type": "message", "channel": channel}
        answer = await self._deliver({"type": "event_callback", "event": event})
        if answer.status != 200:
            raise _Unfinished("a message that was missed could not be recorded")


def _later(messages: list[Mapping[str, Any]], after: float) -> Iterator[Mapping[str, Any]]:
    """Those after a time, oldest first; a thread's root is in every answer of Slack's."""
    timed = [(str(one.get("ts") or ""), one) for one in messages]
    for ts, message in sorted(timed, key=lambda one: one[0]):
        try:
            if float(ts) > after:
                yield message
        except ValueError:
            continue


async def _wait(stop: asyncio.Event, seconds: float) -> bool:
    """Wait for a stop, at most so long; whether it came."""
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return False
    return True
