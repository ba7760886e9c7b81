"""`make bench`: every figure of the architecture's table, in one table at the end.

A figure that misses its target is printed as such; only one that could not be measured makes the
command fail. `make bench ARGS="cpu click"` measures parts.
"""

import argparse
import asyncio
import logging
import os
import platform
import sys
import time
import traceback
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace

import structlog

from tests.benchmarks import (
    beside,
    breakdown,
    dependencies,
    full_runs,
    kubernetes,
    latency,
    masking,
    open_cards,
    page,
    policy,
    starts,
    together,
    wal,
)
from tests.benchmarks.figures import HEADS, Figure, calibrate, table
from tests.benchmarks.harness import Bench, bench

Part = Callable[[Bench], Awaitable[list[Figure]]]
PARTS: Mapping[str, Part] = {
    "cpu": full_runs.cpu_openai,
    "cpu-litellm": full_runs.cpu_litellm,
    "raw": beside.raw,
    "click": full_runs.click,
    "first-sign": latency.first_sign,
    "crowd": latency.crowd,
    "together": together.measure,
    "open-cards": open_cards.measure,
    "wal-turns": wal.turns,
    "wal-run": wal.full_run,
    "start": starts.start,
    "memory": starts.weight,
    "dependencies": dependencies.weigh,
    "kill": starts.kill,
    "masking": masking.measure,
    "page": page.measure,
    "policy": policy.decide,
    "kubernetes": kubernetes.tools,
    "diagnose": kubernetes.diagnose,
    "breakdown": breakdown.profile,
    "breakdown-litellm": breakdown.profile_litellm,
}
ASKED_FOR = frozenset({"breakdown-litellm", "dependencies"})  # only when they are named
LIMIT = 420.0  # seconds for one part, on a slow machine


async def measure(names: Sequence[str]) -> int:
    """Measure these parts and print what was found; how many could not be measured."""
    figures: list[Figure] = []
    failed: list[str] = []
    async with bench() as place:
        for name in names:
            print(f"{name} … ", end="", file=sys.stderr, flush=True)
            before, began = calibrate(), time.monotonic()
            try:
                async with asyncio.timeout(LIMIT):
                    found = await PARTS[name](place)
            except Exception:  # noqa: BLE001 - one part that breaks must not hide the others
                traceback.print_exc()
                failed.append(name)
                continue
            loop = (before + calibrate()) / 2
            figures += [replace(figure, loop=loop) for figure in found]
            print(f"{time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    print(f"\n{_conditions()}\n\n{table(HEADS, [figure.row() for figure in figures])}")
    missed = [figure.name for figure in figures if figure.verdict == "NOT MET"]
    print(f"\nTargets not met: {len(missed)} of {sum(f.target is not None for f in figures)}.")
    if failed:
        print(f"Could not be measured: {', '.join(failed)}.")
    return len(failed)


def _conditions() -> str:
    return (
        f"{os.cpu_count()} cores shared by the bot, PostgreSQL (fsync on) and the stand-ins;"
        f" Python {platform.python_version()}.\n"
        "CPU is user + system of the bot's process alone. `loop`: CPU ms of a fixed piece of"
        " Python, just before and after; compare figures of two runs by it.\n"
        "Where full runs follow each other, Slack's rates are lifted, or its 50 edits a minute"
        " would pace them."
    )


def main() -> None:
    """Read the command line, measure, and fail when something could not be measured."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    names = parser.parse_args().parts or [name for name in PARTS if name not in ASKED_FOR]
    if unknown := [name for name in names if name not in PARTS]:
        parser.error(f"no part is called {', '.join(unknown)}; there are: {', '.join(PARTS)}")
    quiet = structlog.make_filtering_bound_logger(logging.ERROR)
    structlog.configure(wrapper_class=quiet)  # what the harness itself logs; the bot has its file
    sys.exit(1 if asyncio.run(measure(names)) else 0)


if __name__ == "__main__":
    main()
