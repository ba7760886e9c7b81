"""What a run may spend, and how much of one result reaches the model."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

# --- how large a text is -----------------------------------------------------------------------

# Tokenizers differ by model and are slow, so this counts what they all do alike: a short word is
# one token, ids and hashes are cut every one or two characters, a run of blanks costs next to
# nothing, other scripts about a token a character, emoji several. Held against two tokenizers
# (cl100k and Anthropic's published one) it is between 0.75 and 1.6 times their count on code, JSON,
# YAML, logs, tables, hex, base64, prose, CJK, Russian, Hindi and emoji: see its test.
_PIECE = re.compile(
    r"(?P<word>[A-Za-z]+(?![A-Za-z0-9]))|(?P<number>[0-9]+(?![A-Za-z0-9]))|(?P<mixed>[A-Za-z0-9]+)"
    r"|(?P<blank>[ \t]{2,}|\n+)|(?P<space>[ \t])|(?P<alphabet>[\u00c0-\u052f]+)"
    r"|(?P<indic>[\u0900-\u0fff]+)|(?P<emoji>[\u2600-\u27bf\ufe0f\u200d\U00010000-\U0010ffff]+)"
    r"|(?P<other>[^\x00-\u052f\u0900-\u0fff\u2600-\u27bf\ufe0f\u200d\U00010000-\U0010ffff]+)"
)
_COST: dict[str | None, Callable[[int], float]] = {
    "word": lambda length: 1 + max(0, length - 6) / 5,
    "number": lambda length: max(1.0, length / 2.5),
    "mixed": lambda length: max(1.0, length / 1.5),
    "blank": lambda _: 0.9,
    "space": lambda _: 0.0,
    "alphabet": lambda length: max(1.0, length / 2.1),
    "indic": lambda length: length * 1.4,
    "emoji": lambda length: length * 2.1,
    "other": lambda length: length * 1.1,
}
_MARK = 0.8  # every other character: punctuation, controls


def estimate(text: str) -> int:
    """About how many tokens a text is; at most a quarter too few on what tools return."""
    return round(_tokens(text)) + 1


def _tokens(text: str) -> float:
    total, matched = 0.0, 0
    for match in _PIECE.finditer(text):
        length = match.end() - match.start()
        matched += length
        total += _COST[match.lastgroup](length)
    return total + _MARK * (len(text) - matched)


# --- cutting a result --------------------------------------------------------------------------

_WINDOW_SHARE, _MOST_TOKENS = 0.15, 25_000
_NOTE_TOKENS = 80  # room for the line that says what is left out
_HEAD_SHARE = 0.4  # the newest lines of a log are its last
_CHEAPEST = 60  # characters that one token can stand for in anything but blanks


def limit_tokens(window: int) -> int:
    """How many tokens of one result a model with a window of so many may get."""
    return min(int(window * _WINDOW_SHARE), _MOST_TOKENS)


@dataclass(frozen=True)
class Cut:
    """What of a result the model gets. Not `cut`, `text` is the whole result."""

    text: str
    cut: bool
    kept_lines: int  # whole lines
    total_lines: int


def cut(text: str, window: int, artifact: str) -> Cut:
    """The head and the tail of a result that is too large for a window of so many tokens.

    Between them one line says what exactly is left out and how to search it under `artifact`.
    """
    limit = limit_tokens(window)
    total_lines = text.count("\n") + (not text.endswith("\n") and bool(text))
    # A text of n characters is rarely more than n tokens; the estimate is not asked about most.
    if len(text) * 2 <= limit or _fits(text, limit):
        return Cut(text, cut=False, kept_lines=total_lines, total_lines=total_lines)
    room = max(0, limit - _NOTE_TOKENS)
    head = _head(text, int(room * _HEAD_SHARE))
    tail = len(text) - _tail(text[head:], room - int(room * _HEAD_SHARE))
    before, after = text[:head], text[tail:]
    first, last = before.count("\n") + 1, total_lines - _lines(after)
    whole_lines = (not before or before.endswith("\n")) and (tail == 0 or text[tail - 1] == "\n")
    if whole_lines:
        what = f"Lines {first:,}–{last:,} of {total_lines:,}" if last > first else f"Line {first:,}"
        kept = total_lines - (last - first + 1)
    else:
        what = f"Characters {head + 1:,}–{tail:,} of {len(text):,}"
        kept = before.count("\n") + max(0, _lines(after) - 1)
    note = f"[{what} left out; search them with artifact_search id={artifact}]"
    glue = "" if not before or before.endswith("\n") else "\n"
    return Cut(f"{before}{glue}{note}\n{after}", True, kept, total_lines)


def _lines(text: str) -> int:
    return text.count("\n") + (not text.endswith("\n") and bool(text))


def _fits(text: str, tokens: int) -> bool:
    used, at = 0.0, 0
    while at < len(text) and used <= tokens:
        # in pieces, so that of a huge text only as much is looked at as decides it
        used += _tokens(text[at : at + 20_000])
        at += 20_000
    return used + 1 <= tokens


def _head(text: str, tokens: int) -> int:
    """How many characters from the start fit: whole lines, of an overlong one a part."""
    used, at = 0.0, 0
    while at < len(text):
        end = text.find("\n", at) + 1 or len(text)
        cost = _cost(text, at, end, tokens)
        if used + cost > tokens:
            break
        used, at = used + cost, end
    if used >= tokens / 2 or at >= len(text):
        return at
    return at + _part(text[at : at + _CHEAPEST * tokens], tokens - used, from_end=False)


def _tail(text: str, tokens: int) -> int:
    """How many characters from the end fit: whole lines, of an overlong one a part."""
    used, at = 0.0, len(text)
    while at > 0:
        start = text.rfind("\n", 0, at - 1) + 1
        cost = _cost(text, start, at, tokens)
        if used + cost > tokens:
            break
        used, at = used + cost, start
    if used < tokens / 2 and at > 0:
        at -= _part(text[max(0, at - _CHEAPEST * tokens) : at], tokens - used, from_end=True)
    return len(text) - at


def _cost(text: str, start: int, end: int, tokens: int) -> float:
    if end - start > _CHEAPEST * tokens:
        return tokens + 1.0  # too much to be worth a look
    return _tokens(text[start:end])


def _part(text: str, tokens: float, *, from_end: bool) -> int:
    """How many characters of a line without a break fit into so many tokens."""
    length = min(len(text), int(tokens * 4))
    while length > 0:
        used = _tokens(text[-length:] if from_end else text[:length])
        if used <= tokens:
            return length
        length = int(length * min(0.95, tokens / used))
    return 0


# --- what a run may spend ----------------------------------------------------------------------


@dataclass(frozen=True)
class RunLimits:
    """Where a run ends with what it found. Seconds are its own work, not people's or waiting."""

    model_calls: int = 25
    seconds: float = 600.0
    tokens: int = 300_000
    cost: Decimal = Decimal(2)  # US dollars


@dataclass(frozen=True)
class Spent:
    """What a run has used so far, in the units of `RunLimits`."""

    model_calls: int = 0
    seconds: float = 0.0
    tokens: int = 0
    cost: Decimal = Decimal(0)


def spent(used: Spent, limits: RunLimits) -> str | None:
    """The sentence that names the limit which a run has reached; None while it may go on."""
    if used.model_calls >= limits.model_calls:
        times = "once" if limits.model_calls == 1 else f"{limits.model_calls:,} times"
        return f"one request may ask the model {times}, and this one has."
    if used.seconds >= limits.seconds:
        return f"one request may work for {_duration(limits.seconds)}, and this one has."
    if used.tokens >= limits.tokens:
        return f"one request may use {limits.tokens:,} tokens; this one used {used.tokens:,}."
    if used.cost >= limits.cost:
        return f"one request may cost ${limits.cost:.2f}; this one cost ${used.cost:.2f}."
    return None


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:g} seconds"
    return f"{seconds / 60:g} minutes"
