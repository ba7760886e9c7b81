"""The Slack client and the sender, counted: what came of each call and of each message."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from bot.slack.api import Limited, Method, Refused, SlackApi, SlackProblem
from bot.slack.sayings import Saying
from bot.slack.sender import Sender
from bot.slack.views.data import Message


class Counts(Protocol):
    """Who counts."""

    def slack_call(self, method: str, outcome: str) -> None: ...
    def saying(self, kind: str, *, sent: bool) -> None: ...


class _Nobody:
    def slack_call(self, method: str, outcome: str) -> None:
        """Count nothing."""

    def saying(self, kind: str, *, sent: bool) -> None:
        """Count nothing."""


class MeasuredSlackApi(SlackApi):
    """Tells `counts` how each call ended; until that is set, nobody."""

    counts: Counts = _Nobody()

    async def _call(self, method: Method, **request: Any) -> Mapping[str, Any]:
        with _Outcome(self._tell, method.value):
            return await super()._call(method, **request)

    async def respond(
        self, response_url: str, message: Message, *, replace: bool = True, ephemeral: bool = False
    ) -> None:
        """As `SlackApi.respond`."""
        with _Outcome(self._tell, "response_url"):
            await super().respond(response_url, message, replace=replace, ephemeral=ephemeral)

    def _tell(self, method: str, outcome: str) -> None:
        self.counts.slack_call(method, outcome)


class MeasuredSender(Sender):
    """Tells `counts` what was said and what never will be."""

    counts: Counts = _Nobody()

    async def _said(self, saying: Saying, ts: str, fold: str) -> Saying | None:
        following = await super()._said(saying, ts, fold)
        self.counts.saying(saying.kind, sent=True)
        return following

    async def _unsayable(self, saying: Saying, code: str) -> None:
        await super()._unsayable(saying, code)
        self.counts.saying(saying.kind, sent=False)


class _Outcome:
    """How a block ended, in one word."""

    def __init__(self, tell: Callable[[str, str], None], method: str) -> None:
        self._tell = tell
        self._method = method

    def __enter__(self) -> None:
        return

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            outcome = "ok"
        elif issubclass(kind, Limited):
            outcome = "limited"
        elif issubclass(kind, Refused):
            outcome = "refused"
        elif issubclass(kind, SlackProblem):
            outcome = "uncertain"
        else:
            return  # cancelled: whoever did it knows
        self._tell(self._method, outcome)
