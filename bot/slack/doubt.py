"""Whether Slack may have a row of the outbox that the database takes for not said."""

from datetime import UTC, datetime

from bot.slack.sayings import Saying

_NONE = datetime.min.replace(tzinfo=UTC)


class Doubt:
    """At first, and after an outage: the database may have lost in it that something was begun.

    Only of what was stored before; for each such row its thread is read, which Slack allows 50
    times a minute.
    """

    def __init__(self) -> None:
        self.times = 1  # that it began
        self._until: datetime | None = None  # by the database's clock; None while nobody asked it

    def begin(self) -> None:
        """Everything that is stored by now is in doubt."""
        self.times += 1
        self._until = None

    def of(self, saying: Saying) -> bool:
        """Whether it may have been said."""
        return self._until is None or saying.created_at <= self._until

    def answered(self, times: int, at: datetime = _NONE) -> None:
        """The database answered at `at` what it was asked after doubt had begun so many `times`:
        what is stored later is new. Without `at`: there is nothing that waits.
        """
        if times == self.times and self._until is None:
            self._until = at
