"""Words that no outbox keeps: said now, to one person or in a thread, or not at all."""

import asyncio

import structlog

from bot.core.tasks import Tasks
from bot.slack.api import Identity, Limited, Method, SlackApi, SlackProblem
from bot.slack.budget import Budget, Lane
from bot.slack.incoming import Pressed, Said, Slashed
from bot.slack.links import link
from bot.slack.views.data import Message

log = structlog.get_logger()

_PATIENCE = 10.0  # seconds for which somebody still wonders why nothing happened


class Voice:
    """Speaks at once. Who waits for it hears nothing where Slack does not take it."""

    def __init__(self, identity: Identity, api: SlackApi, budget: Budget, tasks: Tasks) -> None:
        self.identity = identity
        self.tasks = tasks
        self._api = api
        self._budget = budget

    def link(self, channel: str, ts: str, label: str, thread_ts: str = "") -> str:
        """A link to a message of this workspace."""
        return link(self.identity.url, channel, ts, label, thread_ts)

    async def post(self, channel: str, message: Message, *, thread_ts: str = "", key: str) -> str:
        """Post a message that everybody reads; its ts. Raises `SlackProblem`."""
        await self._budget.take(Method.POST, Lane.ANSWER, channel)
        return await self._api.post(channel, message, thread_ts=thread_ts, key=key)

    async def delete(self, channel: str, ts: str) -> None:
        """Take a message of ours away. Raises `SlackProblem`."""
        await self._budget.take(Method.DELETE, Lane.REST)
        await self._api.delete(channel, ts)

    def tell(self, whom: Said | Pressed | Slashed, message: Message) -> None:
        """Say it soon, only to who said, pressed or typed that."""
        if isinstance(whom, Slashed):
            told = self.respond(whom.response_url, message)
        else:
            thread_ts = "" if whom.thread_ts == whom.ts else whom.thread_ts
            told = self.whisper(whom.channel, whom.user, message, thread_ts)
        self.tasks.start("tell", told, heard=True)

    async def whisper(self, channel: str, person: str, message: Message, thread_ts: str) -> None:
        """Say it to one person only, in a thread if one is named."""
        for last in (False, True):
            try:
                await self._budget.take(Method.EPHEMERAL, Lane.ANSWER)
                await self._api.ephemeral(channel, person, message, thread_ts=thread_ts)
            except SlackProblem as problem:
                if isinstance(problem, Limited):
                    self._budget.heed(problem)
                if last or not isinstance(problem, Limited):
                    log.warning("not_told", channel=channel, actor=person, error=str(problem))
                    return
                await asyncio.sleep(min(problem.seconds, _PATIENCE))
            else:
                return

    async def respond(self, response_url: str, message: Message) -> None:
        """Say it to who typed the slash command only; works where we are no member."""
        try:
            await self._api.respond(response_url, message, replace=False, ephemeral=True)
        except SlackProblem as problem:
            log.warning("not_told", way="response_url", error=str(problem))
