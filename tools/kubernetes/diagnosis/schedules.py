"""When a cron schedule was due last."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_SPANS: Final = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
_MONTHS: Final = (
    "jan",
    "feb",
    "mar",
    "apr",
    "may",
    "jun",
    "jul",
    "aug",
    "sep",
    "oct",
    "nov",
    "dec",
)
_DAYS: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_NAMED: Final = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_MOST_DAYS: Final = 40  # to look back: what is due less often is not said to be late


def due_before(schedule: str, moment: datetime, zone: str = "") -> datetime | None:
    """The last time it was due until `moment`; None for one that is not understood, or long ago."""
    try:
        place = ZoneInfo(zone) if zone else UTC
        minutes, hours, days, months, weekdays = _fields(_NAMED.get(schedule.strip(), schedule))
    except (ValueError, ZoneInfoNotFoundError):
        return None
    local = moment.astimezone(place)
    any_day, any_weekday = len(days) == 31, weekdays >= set(range(7))
    for back in range(_MOST_DAYS):
        day = (local - timedelta(days=back)).date()
        weekday = (day.weekday() + 1) % 7
        by_day, by_weekday = day.day in days, weekday in weekdays
        either = by_day and by_weekday if any_day or any_weekday else by_day or by_weekday
        if day.month not in months or not either:
            continue
        for hour in sorted(hours, reverse=True):
            for minute in sorted(minutes, reverse=True):
                at = datetime(day.year, day.month, day.day, hour, minute, tzinfo=place)
                if at <= local:
                    return at.astimezone(UTC)
    return None


def _fields(schedule: str) -> tuple[set[int], ...]:
    """Raises `ValueError` for what is no schedule of five fields."""
    parts = schedule.split()
    if len(parts) != 5:
        raise ValueError("no schedule")
    found = tuple(set(_values(part, *span)) for part, span in zip(parts, _SPANS, strict=True))
    days = found[4]
    if 7 in days:
        days.add(0)
    return found


def _values(part: str, low: int, high: int) -> Iterator[int]:
    for one in part.split(","):
        span, _, step = one.partition("/")
        first, _, last = span.partition("-")
        if span in ("*", "?"):
            begin, end = low, high
        else:
            begin = _number(first, high)
            end = _number(last, high) if last else (high if step else begin)
        if not low <= begin <= end <= high:
            raise ValueError("out of range")
        yield from range(begin, end + 1, int(step) if step else 1)


def _number(text: str, high: int) -> int:
    words = _MONTHS if high == 12 else _DAYS
    if text.lower()[:3] in words and not text.isdecimal():
        return words.index(text.lower()[:3]) + (1 if high == 12 else 0)
    return int(text)
