"""When a cron schedule is due: five fields, as CronJob takes them, in UTC."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Final

_FIELDS: Final = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
_YEARS: Final = 5 * 366  # days: past the next 29th of February
_NAMED: Final = {
    "@yearly": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@hourly": "0 * * * *",
}


@dataclass(frozen=True)
class Schedule:
    """The minutes, hours, days, months and weekdays (0 is Sunday) at which something is due."""

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    either: bool  # days and weekdays are both restricted: one of them is enough

    @classmethod
    def parse(cls, text: str) -> "Schedule":
        """Read a schedule. Raises ValueError for one that cannot be read."""
        words = _NAMED.get(text.strip(), text).split()
        if len(words) != len(_FIELDS):
            raise ValueError(f"expected exactly 5 fields, found {len(words)}: [{text}]")
        found = [_field(word, *bounds) for word, bounds in zip(words, _FIELDS, strict=True)]
        return cls(
            tuple(sorted(found[0])),
            tuple(sorted(found[1])),
            found[2],
            found[3],
            frozenset(day % 7 for day in found[4]),
            not words[2].startswith("*") and not words[4].startswith("*"),
        )

    def after(self, moment: datetime) -> datetime | None:
        """Return the first due moment after `moment`, or None where there is none."""
        for ahead in range(_YEARS):
            for due in self._of(moment.date() + timedelta(days=ahead), moment):
                if due > moment:
                    return due
        return None

    def latest(self, since: datetime, until: datetime) -> datetime | None:
        """Return the last due moment after `since` and not after `until`, or None."""
        day = until.date()
        while day >= since.date():
            due = [moment for moment in self._of(day, until) if since < moment <= until]
            if due:
                return due[-1]
            day -= timedelta(days=1)
        return None

    def _of(self, day: date, like: datetime) -> Iterator[datetime]:
        if not self._on(day):
            return
        for hour in self.hours:
            for minute in self.minutes:
                yield datetime.combine(day, time(hour, minute), like.tzinfo)

    def _on(self, day: date) -> bool:
        if day.month not in self.months:
            return False
        by_day, by_weekday = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        return by_day or by_weekday if self.either else by_day and by_weekday


def _field(text: str, low: int, high: int) -> frozenset[int]:
    found: set[int] = set()
    for part in text.split(","):
        span, _, step = part.partition("/")
        first, _, last = span.partition("-")
        if span == "*":
            begin, end = low, high
        else:
            begin = int(first)
            end = int(last) if last else high if step else begin
        if not low <= begin <= end <= high or (step and int(step) < 1):
            raise ValueError(f"{part} is not within {low}-{high}")
        found.update(range(begin, end + 1, int(step) if step else 1))
    return frozenset(found)
