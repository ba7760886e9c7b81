"""Two thousand cards wait for people while the bot is started anew: does it begin as soon, and is
who clicks served as soon?
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

from tests.benchmarks.figures import Figure, median, percentile, spread
from tests.benchmarks.full_runs import PAUSE, on_mutation
from tests.benchmarks.harness import Bench, Stage
from tests.standins.model import Json

OPEN = 2_000
CLICKS = 13  # before there are so many, and after; the first of them while the graph is loaded
STARTS = 3

# All that one waiting run left, again, under other ids and in a thread of its own.
_ALIKE = """
CREATE FUNCTION pg_temp.other(one uuid, n int) RETURNS uuid LANGUAGE sql AS
$$ SELECT (left(one::text, 24) || lpad(to_hex(n), 12, '0'))::uuid $$;
CREATE TEMP TABLE model AS SELECT * FROM runs WHERE state = 'waiting' ORDER BY id LIMIT 1;
INSERT INTO threads SELECT made.*
  FROM threads t JOIN model m USING (org, channel, thread_ts), generate_series(1, {0}) n,
       jsonb_populate_record(t, jsonb_build_object('thread_ts', n || '.0')) made;
INSERT INTO runs SELECT made.*
  FROM runs t JOIN model m USING (id), generate_series(1, {0}) n,
       jsonb_populate_record(t, jsonb_build_object('id', pg_temp.other(m.id, n), 'thread_ts', n || '.0')) made;
INSERT INTO messages SELECT made.*
  FROM messages t JOIN model m ON m.id = t.run_id, generate_series(1, {0}) n,
       jsonb_populate_record(t, jsonb_build_object('run_id', pg_temp.other(m.id, n), 'thread_ts', n || '.0')) made;
INSERT INTO tool_calls SELECT made.*
  FROM tool_calls t JOIN model m ON m.id = t.run_id, generate_series(1, {0}) n,
       jsonb_populate_record(t, jsonb_build_object('id', pg_temp.other(t.id, n), 'run_id', pg_temp.other(m.id, n),
           'thread_ts', n || '.0', 'public_id', t.public_id || n, 'short_id', t.short_id || n)) made;
INSERT INTO cards SELECT made.*
  FROM cards t JOIN tool_calls c ON c.id = t.call_id JOIN model m ON m.id = c.run_id, generate_series(1, {0}) n,
       jsonb_populate_record(t, jsonb_build_object('call_id', pg_temp.other(c.id, n), 'ts', n || '.1')) made;
INSERT INTO checkpoints SELECT made.*
  FROM checkpoints t JOIN model m ON m.id::text = t.thread_id, generate_series(1, {0}) n,
       jsonb_populate_record(t, jsonb_build_object('thread_id', pg_temp.other(m.id, n))) made;
INSERT INTO checkpoint_blobs SELECT made.*
  FROM checkpoint_blobs t JOIN model m ON m.id::text = t.thread_id, generate_series(1, {0}) n,
       jsonb_populate_record(t, jsonb_build_object('thread_id', pg_temp.other(m.id, n))) made;
INSERT INTO checkpoint_writes SELECT made.*
  FROM checkpoint_writes t JOIN model m ON m.id::text = t.thread_id, generate_series(1, {0}) n,
       jsonb_populate_record(t, jsonb_build_object('thread_id', pg_temp.other(m.id, n))) made;
"""  # noqa: E501 -- as a table


@dataclass
class Times:
    """What was measured with so many cards open: seconds of starts, milliseconds of clicks.

    The `first` click comes half a second after the sockets are open and the model's client is
    loaded: the graph that carries it out may still be. That is part of "start → agent usable".
    """

    starts: list[float]
    first: float
    clicks: list[float]


async def measure(bench: Bench) -> list[Figure]:
    """Starts and clicks, first with the few cards that are clicked, then with all the others."""
    async with bench.warm_stage() as stage:
        cards = []
        for number in range(2 * CLICKS):
            stage.deploy(f"app-{number}")
            cards.append(await stage.card(f"app-{number}", 2))
        await stage.quiet_but_waiting()
        few = await _measured(stage, cards[:CLICKS])
        for statement in _ALIKE.split(";\n"):
            if statement.strip():
                await stage.database.execute(statement.format(OPEN).encode())
        (row,) = await stage.rows("SELECT count(*) AS n FROM tool_calls WHERE state = 'proposed'")
        many = await _measured(stage, cards[CLICKS:])
    return _figures(row["n"], few, many)


async def _measured(stage: Stage, cards: Sequence[Json]) -> Times:
    starts = []
    for _ in range(STARTS):
        await stage.kill()
        await stage.start()
        starts.append(await stage.ready())
    await stage.warm()
    await asyncio.sleep(PAUSE)
    arrivals: list[float] = []
    forget = on_mutation(stage, arrivals)
    clicks = []
    for card in cards:
        arrivals.clear()
        clicked = await stage.chat.slack.click("bob", "ops", card["ts"], text="Approve")
        deadline = time.monotonic() + 10
        while not arrivals:
            if time.monotonic() > deadline:
                raise TimeoutError("nothing came of a click")
            await asyncio.sleep(0.002)
        clicks.append((arrivals[0] - clicked.at) * 1000)
        await asyncio.sleep(PAUSE)
    forget()
    return Times(starts, clicks[0], clicks[1:])


def _figures(count: int, few: Times, many: Times) -> list[Figure]:
    how = f"{count} cards open; with {CLICKS} to {2 * CLICKS}"
    p50, p95 = percentile(many.clicks, 0.5), percentile(many.clicks, 0.95)
    return [
        Figure(
            "2,000 cards open: start → ready",
            median(many.starts),
            "s",
            f"median of {STARTS}: {spread(many.starts, 's')}; {how}: {median(few.starts):.2f} s",
            1.5,
        ),
        Figure(
            "2,000 cards open: click → mutating request, p50",
            p50,
            "ms",
            f"{len(many.clicks)} clicks: {spread(many.clicks, 'ms')};"
            f" {how}: {percentile(few.clicks, 0.5):.0f} ms",
            20,
        ),
        Figure(
            "2,000 cards open: click → mutating request, p95",
            p95,
            "ms",
            f"the same; {how}: {percentile(few.clicks, 0.95):.0f} ms",
            60,
        ),
        Figure(
            "2,000 cards open: first click after a start → mutating request",
            many.first,
            "ms",
            f"one click, {PAUSE} s after both sockets are open and the model's client is loaded,"
            f" while the graph is loaded; {how}: {few.first:.0f} ms",
            1000,
        ),
    ]
