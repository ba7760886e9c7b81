"""Figures, the loop that calibrates them, and the table that `make bench` ends with."""

import hashlib
import json
import math
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """One measured value. `target` is the most that it may be, or with `least` the least."""

    name: str
    value: float
    unit: str
    how: str
    target: float | None = None
    least: bool = False
    loop: float = 0.0

    @property
    def ratio(self) -> float | None:
        """Measured / target; None without a target."""
        return self.value / self.target if self.target else None

    @property
    def verdict(self) -> str:
        """Whether the target is met; empty without one."""
        if self.target is None:
            return ""
        held = self.value >= self.target if self.least else self.value <= self.target
        return "met" if held else "NOT MET"

    def row(self) -> list[str]:
        """Its cells as text."""
        sign = "≥" if self.least else "≤"
        return [
            self.name,
            f"{amount(self.value)} {self.unit}",
            "" if self.target is None else f"{sign} {amount(self.target)} {self.unit}",
            "" if self.ratio is None else f"{self.ratio:.2f}",
            self.verdict,
            f"{self.loop:.1f}" if self.loop else "",
            self.how,
        ]


HEADS = ("figure", "measured", "target", "ratio", "", "loop", "how")


def amount(value: float) -> str:
    """A number with three digits that mean something."""
    return f"{value:.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which `share` (0 to 1) of them lie: the nearest rank, nothing made up.

    Raises `ValueError` when there are none.
    """
    if not values:
        raise ValueError("nothing was measured")
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def median(values: Sequence[float]) -> float:
    """The middle of them."""
    return statistics.median(values)


def spread(values: Sequence[float], unit: str) -> str:
    """How far they lie apart, for the column that says how it was measured."""
    return f"{amount(min(values))}–{amount(max(values))} {unit}"


def calibrate(rounds: int = 7) -> float:
    """CPU milliseconds of a fixed piece of Python: what the machine is worth at this moment."""
    found = []
    for _ in range(rounds):
        began = time.thread_time()
        _fixed_work()
        found.append((time.thread_time() - began) * 1000)
    return min(found)


def _fixed_work() -> None:
    rows = {
        f"key-{n}": {"name": f"web-{n}", "replicas": n, "labels": ["a", "b"]} for n in range(60)
    }
    for _ in range(25):
        text = json.dumps(rows, sort_keys=True)
        hashlib.sha256(text.encode()).hexdigest()
        rows = json.loads(text)
        sum(len(row["name"]) * row["replicas"] for row in rows.values())


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Aligned columns; the last is as wide as it is."""
    every = [list(heads), *map(list, rows)]
    widths = [max(len(row[n]) for row in every) for n in range(len(heads) - 1)]
    lines = [
        "  ".join([*(c.ljust(w) for c, w in zip(row, widths, strict=False)), row[-1]]).rstrip()
        for row in every
    ]
    return "\n".join([lines[0], "─" * max(map(len, lines)), *lines[1:]])
