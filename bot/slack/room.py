"""What Slack has room for now: a row of the outbox that would only wait is not taken, as it would
hold one of the few places in which anything is said.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from bot.slack.api import Method
from bot.slack.budget import Budget
from bot.slack.sayings import Saying

_LEAST_LOOK = 0.05  # seconds between two looks for what there is room for again


@dataclass(frozen=True)
class Openings:
    """Channels that take no post now, and whether a message can be edited."""

    busy: tuple[str, ...]
    edits: bool

    @property
    def of_all(self) -> bool:
        """Whether nothing has to be passed over."""
        return self.edits and not self.busy


class Room:
    """The budget, less what is in hand. `look` is called when there is room again for something
    that was passed over.
    """

    def __init__(self, budget: Budget, look: Callable[[], None]) -> None:
        self._budget = budget
        self._look = look
        self._posts: Counter[str] = Counter()  # in hand, by channel
        self._edits = 0
        self._due: asyncio.TimerHandle | None = None

    @property
    def is_awaited(self) -> bool:
        """Whether something may have been passed over."""
        return self._due is not None

    def took(self, saying: Saying) -> Saying:
        """It is in hand from now on."""
        if saying.posts:
            self._posts[saying.thread.channel] += 1
        else:
            self._edits += 1
        return saying

    @contextmanager
    def of(self, saying: Saying) -> Iterator[None]:
        """Afterwards it is not in hand any more, and the budget knows what it took."""
        try:
            yield
        finally:
            if saying.posts:
                self._posts -= Counter((saying.thread.channel,))
            else:
                self._edits -= 1

    def now(self) -> Openings:
        """What can be said at once."""
        waits = self._budget.busy(self._posts)
        edit = self._budget.wait(Method.UPDATE, self._edits)
        if seconds := min(filter(None, (*waits.values(), edit)), default=0.0):
            self._look_in(max(seconds, _LEAST_LOOK))
        return Openings(tuple(waits), edits=edit <= 0)

    def close(self) -> None:
        """Look no more."""
        if self._due is not None:
            self._due.cancel()

    def _look_in(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        if self._due is not None:
            if self._due.when() <= loop.time() + seconds:
                return
            self._due.cancel()
        self._due = loop.call_later(seconds, self._is_due)

    def _is_due(self) -> None:
        self._due = None
        self._look()
