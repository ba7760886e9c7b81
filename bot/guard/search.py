"""Regular-expression search in large texts, in linear time and within a time limit."""

import asyncio
import time
from dataclasses import dataclass

import re2

from bot.core.text import amount

DEFAULT_SECONDS = 0.2
LONGEST_PATTERN = 1000  # characters
_LONGEST_LINE = 400  # bytes of one line that are shown
_LEAD = 120  # of them before the hit
_MOST_CONTEXT, _MOST_HITS = 20, 500
# Bytes searched between two looks at the clock. Most patterns run at a gigabyte a second, a few at
# 0.2 MB (too many states for the memory): so steps begin small and grow while they are quick.
_FIRST_STEP, _LONGEST_STEP, _STEP_SECONDS = 1 << 12, 1 << 20, 0.01
# A step ends with a line, if one ends this soon; else inside it, and the next begins a bit earlier.
_SLACK, _OVERLAP = 1 << 14, 1 << 10
_LARGEST_PROGRAM = 2000  # instructions of RE2: about 8 µs a byte at worst


class BadPattern(ValueError):
    """The pattern cannot be searched for; the message is one sentence for whoever wrote it."""


@dataclass(frozen=True)
class Hits:
    """What a search found, as `grep -n -C` shows it: `120:hit`, `121-context`, `--` between groups.

    text: the shown lines. count: hits shown. lines: the numbers of their lines, counted from 1.
    more: there are hits that are not shown. searched_all: False when the time was up first.
    """

    text: str
    count: int
    lines: tuple[int, ...]
    more: bool
    searched_all: bool

    def __str__(self) -> str:
        """The shown lines with the note below them."""
        return f"{self.text}\n({self.note()})" if self.text else f"({self.note()})"

    def note(self) -> str:
        """One sentence on what was found and what was not looked at."""
        found = amount(self.count, "matching line") if self.count else "No line matches"
        if self.more:
            found += " shown, there are more: narrow the pattern or raise the limit"
        if not self.searched_all:
            found += "; the time was up before the whole text was searched"
        return found + "."


async def search_artifact(
    text: bytes | str,
    pattern: str,
    *,
    context: int = 2,
    limit: int = 50,
    seconds: float = DEFAULT_SECONDS,
) -> Hits:
    """`search` in a thread; RE2 holds no interpreter lock, so the event loop runs meanwhile."""
    return await asyncio.to_thread(
        search, text, pattern, context=context, limit=limit, seconds=seconds
    )


def search(
    text: bytes | str,
    pattern: str,
    *,
    context: int = 2,
    limit: int = 50,
    seconds: float = DEFAULT_SECONDS,
) -> Hits:
    """Find the lines that match an RE2 pattern, each with lines of context before and after.

    A line counts once however often it matches. `context` is capped at 20 and `limit` at 500.
    After `seconds`, overrun by a fifth of a second at the very worst, what was found is returned.
    In a line longer than 16 kB a match longer than 1 kB can be missed. Raises BadPattern.
    """
    deadline = time.monotonic() + seconds
    regexp = _compiled(pattern)
    data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    context, limit = max(0, min(context, _MOST_CONTEXT)), max(1, min(limit, _MOST_HITS))
    spans: list[tuple[int, int]] = []
    at, step, searched_all = 0, _FIRST_STEP, True
    while at < len(data) and len(spans) <= limit:
        started = time.monotonic()
        if started >= deadline:
            searched_all = False
            break
        at = _search_step(regexp, data, at, _step_end(data, at + step), spans, limit)
        quick = time.monotonic() - started < _STEP_SECONDS
        step = min(step * 2, _LONGEST_STEP) if quick else max(step // 2, _FIRST_STEP)
    more = len(spans) > limit
    del spans[limit:]
    shown, numbers = _rendered(data, spans, context)
    return Hits(shown, len(spans), numbers, more, searched_all)


def _compiled(pattern: str) -> "re2._Regexp":
    if not pattern:
        raise BadPattern("The pattern is empty.")
    if len(pattern) > LONGEST_PATTERN:
        raise BadPattern(f"The pattern is longer than {LONGEST_PATTERN:,} characters.")
    if "\n" in pattern or r"\n" in pattern.replace(r"\\", ""):
        raise BadPattern("The search goes line by line, so a pattern cannot hold a line break.")
    options = re2.Options()
    options.log_errors = False
    options.never_nl = True  # [^x] and \s stay inside a line
    try:
        encoded = f"(?m){pattern}".encode()
        compiled = re2.compile(encoded, options=options)
    except UnicodeEncodeError as error:
        raise BadPattern("The pattern is not valid text.") from error
    except re2.error as error:
        cause = error.args[0] if error.args else ""
        reason = cause.decode("utf-8", "replace") if isinstance(cause, bytes) else str(cause)
        raise BadPattern(
            f"The pattern is not a regular expression (RE2 syntax): {reason}."
        ) from error
    if compiled.programsize > _LARGEST_PROGRAM:
        raise BadPattern("The pattern repeats too much: use smaller counts, or `+` and `*`.")
    return compiled


def _step_end(data: bytes, at: int) -> int:
    """Where to end a step: with a line, or inside an overlong one."""
    if at >= len(data):
        return len(data)
    found = data.find(b"\n", at - 1, at + _SLACK)
    return found + 1 if found >= 0 else min(at + _SLACK, len(data))


def _search_step(
    regexp: "re2._Regexp",
    data: bytes,
    at: int,
    stop: int,
    spans: list[tuple[int, int]],
    limit: int,
) -> int:
    """Append the first match of each matching line; where the next step begins."""
    while at < stop and len(spans) <= limit:
        match = regexp.search(data, at, stop)
        if match is None:
            ends = stop == len(data) or data[stop - 1 : stop] == b"\n"
            return stop if ends else max(stop - _OVERLAP, at + 1)
        start = match.start()
        if start == len(data) and data.endswith(b"\n"):
            return stop  # the empty match behind the last line
        spans.append((start, match.end()))
        at = _line_end(data, start)
    return at


def _line_end(data: bytes, at: int) -> int:
    """Behind the line break of the line that holds this byte."""
    found = data.find(b"\n", at)
    return len(data) if found < 0 else found + 1


def _line_start(data: bytes, at: int) -> int:
    return data.rfind(b"\n", 0, at) + 1


def _rendered(
    data: bytes, spans: list[tuple[int, int]], context: int
) -> tuple[str, tuple[int, ...]]:
    out: list[str] = []
    numbers: list[int] = []
    counted, number = 0, 1  # `number` is that of the line which begins at `counted`
    shown = 0  # up to this byte everything is printed or passed over
    for index, (start, end) in enumerate(spans):
        first = _line_start(data, start)
        begin = _back(data, first, context, shown)
        if out and begin > shown:
            out.append("--")
        number += data.count(b"\n", counted, begin)
        at = counted = begin
        following = spans[index + 1][0] if index + 1 < len(spans) else len(data)
        hit_number, last = None, 0
        while at < len(data) and last <= context:
            stop = _line_end(data, at)
            if at == first:
                hit_number = number
                numbers.append(number)
                out.append(f"{number}:{_shown(data, at, stop, start, end)}")
            else:
                out.append(f"{number}-{_shown(data, at, stop, at, at)}")
            number, at = number + 1, stop
            if hit_number is not None:
                last = number - hit_number
            if at <= following < _line_end(data, at):
                break  # the next hit prints its own line
        counted = shown = at
    return "\n".join(out), tuple(numbers)


def _back(data: bytes, first: int, lines: int, floor: int) -> int:
    """The start of the line so many lines above, but not above `floor`."""
    at = first
    for _ in range(lines):
        if at <= floor:
            break
        at = _line_start(data, at - 1)
    return max(at, floor)


def _shown(data: bytes, start: int, stop: int, hit: int, hit_end: int) -> str:
    """A line without its break; of an overlong one the part around the hit, its ends marked."""
    stop = start + len(data[start:stop].rstrip(b"\r\n")) if stop - start < 1 << 16 else stop
    if stop - start <= _LONGEST_LINE:
        return data[start:stop].decode("utf-8", "replace")
    begin = max(start, min(hit - _LEAD, stop - _LONGEST_LINE))
    end = min(stop, max(begin + _LONGEST_LINE, min(hit_end, begin + 2 * _LONGEST_LINE)))
    # A cut in the middle of a character leaves bytes that are none.
    part = data[begin:end].decode("utf-8", "ignore").rstrip("\r\n")
    return ("…" if begin > start else "") + part + ("…" if end < stop else "")
