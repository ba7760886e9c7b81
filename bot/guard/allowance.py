"""What people, channels and the whole workspace may spend on models in a day, from 00:00 UTC."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from bot.guard.records import Run
from bot.store.database import Database

_COMMANDS = "Commands still work and cost nothing: `get pods -n shop`."


@dataclass(frozen=True)
class Daily:
    """How much in one day; None is no limit. Calls whose price is unknown count no dollars."""

    tokens: int | None = None
    cost: Decimal | None = None  # US dollars

    def used_up(self, tokens: int, cost: Decimal) -> str:
        """What is used up, in words; empty while something is left."""
        if self.tokens is not None and tokens >= self.tokens:
            return f"{_short(self.tokens)} tokens"
        if self.cost is not None and cost >= self.cost:
            return f"${self.cost:,.2f}"
        return ""


@dataclass(frozen=True)
class DailyLimits:
    """For each person, for each channel, and for all together."""

    person: Daily = Daily()
    channel: Daily = Daily()
    workspace: Daily = Daily()


class Allowance:
    """Says before a run's first model call whether today's limits leave room for it.

    A run that has begun is held by its own limits only, so a day may end above its limit by what
    the runs under way still use.
    """

    def __init__(
        self,
        database: Database,
        limits: DailyLimits,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._database = database
        self._limits = limits
        self._now = now

    async def why_not(self, run: Run) -> str | None:
        """The sentence for who asked, when a limit is used up; None while there is room.

        Commands ask no model: they are never counted nor refused.
        """
        if run.wish is not None or self._limits == DailyLimits():
            return None
        now = self._now()
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
        async with self._database.statement() as tx:
            row = await tx.one(
                "used_since",
                org=run.thread.org,
                person=run.requester,
                channel=run.thread.channel,
                first=UUID(int=int(midnight.timestamp() * 1000) << 80),
            )
        used = row or {}
        limits = self._limits
        for who, daily, scope in (
            ("You have", limits.person, "person"),
            ("This channel has", limits.channel, "channel"),
            ("This workspace has", limits.workspace, "workspace"),
        ):
            spent = int(used[f"{scope}_tokens"]), Decimal(used[f"{scope}_cost"])
            if what := daily.used_up(*spent):
                left = _duration(midnight + timedelta(days=1) - now)
                return (
                    f"{who} used today's {what}; it starts again at 00:00 UTC, in {left}. "
                    f"{_COMMANDS}"
                )
        return None


def _short(number: int) -> str:
    """`200k`, `1.5M`, and in full what is no round number."""
    for size, unit in ((1_000_000, "M"), (1_000, "k")):
        if number >= size and number % (size // 10) == 0:
            return f"{number / size:,.1f}".removesuffix(".0") + unit
    return f"{number:,}"


def _duration(left: timedelta) -> str:
    minutes = max(1, round(left.total_seconds() / 60))
    if minutes < 60:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min" if minutes % 60 else f"{minutes // 60} h"
