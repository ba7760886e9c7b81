"""What masking misses, what it hides for nothing, and how long it takes."""

import json
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from random import Random
from typing import NamedTuple

import yaml

from bot.guard.masking import mask_json, mask_text

from . import honest
from .cases import Case, cases

_WINDOW = 8  # characters in a row that may not survive of a secret this long or longer
_SIZE = 100_000  # characters


class Count(NamedTuple):
    """So many of so many."""

    found: int
    of: int


def survives(secret: str, text: str) -> bool:
    """Say whether enough of a secret to recognise it is left in a text."""
    if len(secret) < 2 * _WINDOW:
        return secret in text
    starts = range(len(secret) - _WINDOW + 1)
    return any(secret[at : at + _WINDOW] in text for at in starts)


def missed(case: Case) -> bool:
    """Say whether masking leaves a secret of the case, or hides the name beside it."""
    shown = mask_text(case.text).text
    return any(survives(s, shown) for s in case.secrets) or case.kept not in shown


def misses(*, held_out: bool) -> dict[str, Count]:
    """By class of credential, in one part of the corpus."""
    counts: dict[str, Count] = {}
    for case in cases():
        if case.held_out == held_out:
            found, of = counts.get(case.family, Count(0, 0))
            counts[case.family] = Count(found + missed(case), of + 1)
    return counts


def false_alarms(*, held_out: bool) -> dict[str, Count]:
    """By kind of honest text: masks, and lines."""
    counts: dict[str, Count] = {}
    for text in honest.texts():
        if text.held_out == held_out:
            found, of = counts.get(text.kind, Count(0, 0))
            masks = mask_text(text.text).count
            counts[text.kind] = Count(found + masks, of + text.text.count("\n") + 1)
    return counts


def total(counts: Iterable[Count]) -> Count:
    """All together."""
    every = list(counts)
    return Count(sum(c.found for c in every), sum(c.of for c in every))


def _filled(pieces: Sequence[str]) -> str:
    """So much text made of the pieces, each in turn, in an order that stays the same."""
    order = list(pieces)
    Random("order").shuffle(order)
    text = "\n".join(order)
    return ("\n".join([text] * (1 + _SIZE // len(text))))[:_SIZE]


def speed_texts() -> dict[str, str]:
    """What is timed: about 100 kB each."""
    every = honest.texts()
    logs = [t.text for t in every if t.kind.startswith("logs")]
    objects = honest.objects()
    secret = [case.text for case in cases()]
    return {
        "logs": _filled(logs),
        "plain logs": _filled([logs[0]]),
        "YAML": _filled([yaml.safe_dump(one, sort_keys=False) + "---" for one in objects]),
        "JSON, by the line": _filled([json.dumps(one) for one in objects]),
        "nothing but credentials": _filled(secret),
    }


def times(rounds: int = 15) -> dict[str, tuple[float, float]]:
    """Milliseconds of this thread's CPU for 100 kB: the median and the 95th percentile."""
    found = {
        name: _timed(lambda text=text: mask_text(text), len(text), rounds)  # type: ignore[misc]
        for name, text in speed_texts().items()
    }
    objects = honest.objects()
    size = len(json.dumps(objects))
    found["objects (mask_json)"] = _timed(lambda: mask_json(list(objects)), size, rounds)
    return found


def _timed(work: Callable[[], object], size: int, rounds: int) -> tuple[float, float]:
    took: list[float] = []
    work()
    for _ in range(rounds):
        began = time.thread_time()
        work()
        took.append((time.thread_time() - began) * 1000 * _SIZE / size)
    return statistics.median(took), statistics.quantiles(took, n=20)[-1]
