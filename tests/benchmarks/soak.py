"""`make soak`: people ask, approve and talk for some minutes, and nothing of the bot may grow.

`make soak ARGS=30` goes on for 30 minutes. It prints a table of ten moments; then the middle third
is compared with the last one, once everything is loaded and each cache has its fill.
"""

import argparse
import asyncio
import logging
import sys
import time
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from itertools import count
from pathlib import Path

import structlog

from tests.benchmarks.figures import HEADS, Figure, amount, median, table
from tests.benchmarks.harness import DONE, Bench, Stage, bench, three_calls
from tests.standins.model import Json, Turn, says
from tests.world import buttons, shown

MINUTES = 3.0
THREADS = 6  # people who ask at once
PAUSE = 0.5  # seconds between two requests of one of them
SAMPLES = 60
ROWS = 10  # of the table
_PER_THOUSAND = 2.0  # MB: a task or a message that stays of each run would be more
_ENOUGH = 500  # runs that tell a gain of each from noise


@dataclass(frozen=True)
class Moment:
    """The bot as it is: minutes since the beginning, runs that have ended, MB, and numbers."""

    minutes: float
    runs: int
    memory: float
    connections: int
    files: int
    threads: int
    checkpoints: int  # rows of runs that are not swept yet
    database: float  # MB


NAMES = (
    "min",
    "runs",
    "RSS MB",
    "connections",
    "files",
    "OS threads",
    "checkpoints",
    "database MB",
)


def talks(request: Json) -> Turn:
    """A full run where a change was asked for; otherwise a plain answer."""
    last = [m for m in request["messages"] if m["role"] == "user"][-1]
    return three_calls(request) if "scale" in str(last["content"]) else says(f"All {DONE}.")


async def soak(place: Bench, minutes: float) -> list[Moment]:
    """Samples of a bot that many people talk to."""
    async with place.warm_stage(talks) as stage:
        end = time.monotonic() + minutes * 60
        people = [asyncio.create_task(_person(stage, n, end)) for n in range(THREADS)]
        moments, began = [], time.monotonic()
        for number in range(1, SAMPLES + 1):
            await asyncio.sleep(
                max(0.0, began + number * minutes * 60 / SAMPLES - time.monotonic())
            )
            moments.append(await _look(stage, began))
            if number % (SAMPLES // ROWS) == 0:
                print(_line(moments[-1]), file=sys.stderr, flush=True)
        await asyncio.gather(*people)
        await stage.quiet(swept=True)
    return moments


async def _person(stage: Stage, number: int, end: float) -> None:
    """Asks for changes, approves them, talks on in the same thread, and uses a command."""
    name = f"app-{number}"
    stage.deploy(name)
    for turn in count():
        if time.monotonic() > end:
            return
        wanted = 1 + (turn + 1) % 2
        thread = await stage.chat.ask(f"scale {name} to {wanted}")
        card = await stage.message(thread, lambda m: "Approve" in buttons(m), "a card")
        await asyncio.sleep(PAUSE)
        await stage.chat.slack.click("bob", "ops", card["ts"], text="Approve")
        await _answers(stage, thread, 1)
        await stage.chat.slack.post("dave", "ops", "and now?", thread_ts=thread)
        await _answers(stage, thread, 2)
        asked = await stage.chat.ask(f"get deployment {name} -n shop")
        await stage.message(asked, lambda m: name in shown(m), "what a command found")
        await asyncio.sleep(PAUSE)


async def _answers(stage: Stage, thread: str, number: int) -> None:
    def are_there() -> bool:
        said = [shown(m) for m in stage.chat.slack.app_messages("ops", thread)]
        return sum(DONE in text for text in said) >= number

    await stage.chat.slack.wait_for(are_there, 60, f"answer {number} in {thread}")


async def _look(stage: Stage, began: float) -> Moment:
    (row,) = await stage.rows(
        "SELECT (SELECT count(*) FROM runs WHERE ended_at IS NOT NULL) AS runs,"
        " (SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        "   AND application_name LIKE 'countersign %%') AS connections,"
        " (SELECT count(*) FROM checkpoints) AS checkpoints,"
        " pg_database_size(current_database()) AS bytes"
    )
    process = Path(f"/proc/{stage.pid}")
    files, threads = await asyncio.to_thread(
        lambda: [len(list((process / what).iterdir())) for what in ("fd", "task")]
    )
    return Moment(
        minutes=(time.monotonic() - began) / 60,
        runs=row["runs"],
        memory=stage.memory()[0],
        connections=row["connections"],
        files=files,
        threads=threads,
        checkpoints=row["checkpoints"],
        database=row["bytes"] / 1e6,
    )


def _line(moment: Moment) -> str:
    return "  ".join(amount(value) for value in astuple(moment))


def verdict(moments: Sequence[Moment]) -> list[Figure]:
    """The last third against the middle one."""
    third = len(moments) // 3
    middle, last = moments[third : 2 * third], moments[-third:]
    how = f"medians of {third} samples of the last third and of the middle one"

    def compared(name: str, before: float, after: float, most: float, unit: str) -> Figure:
        return Figure(
            f"{name} gained", after - before, unit, f"{how}: {before:.0f} → {after:.0f}", most
        )

    memory, now = (median([m.memory for m in part]) for part in (middle, last))
    runs = median([m.runs for m in last]) - median([m.runs for m in middle])
    return [
        compared("memory", memory, now, memory * 0.05, "MB"),
        Figure(
            "memory gained per 1,000 runs",
            (now - memory) / max(runs, 1) * 1_000,
            "MB",
            f"the same over the {runs:,.0f} runs between them: what is remembered has its bounds",
            _PER_THOUSAND if runs >= _ENOUGH else None,
        ),
        compared(
            "connections",
            median([m.connections for m in middle]),
            median([m.connections for m in last]),
            2,
            "",
        ),
        compared(
            "files", median([m.files for m in middle]), median([m.files for m in last]), 4, ""
        ),
        compared(
            "OS threads",
            median([m.threads for m in middle]),
            median([m.threads for m in last]),
            4,
            "",
        ),
        compared(
            "checkpoints",
            median([m.checkpoints for m in middle]),
            median([m.checkpoints for m in last]),
            max(100.0, 0.25 * median([m.checkpoints for m in middle])),
            "rows",
        ),
    ]


async def _measure(minutes: float) -> int:
    async with bench() as place:
        moments = await soak(place, minutes)
    figures = verdict(moments)
    step = len(moments) // ROWS
    print(table(NAMES, [[amount(v) for v in astuple(m)] for m in moments[step - 1 :: step]]))
    print(f"\n{table(HEADS, [figure.row() for figure in figures])}")
    return sum(figure.verdict == "NOT MET" for figure in figures)


def main() -> None:
    """Read the command line, and fail when something grew."""
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("minutes", nargs="?", type=float, default=MINUTES)
    minutes = parser.parse_args().minutes
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    sys.exit(1 if asyncio.run(_measure(minutes)) else 0)


if __name__ == "__main__":
    main()
