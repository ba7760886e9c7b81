"""How much Postgres writes. Bytes are exact counts of the write-ahead log, not times; the first
writes to a page after a checkpoint are whole pages, so medians of several turns are compared.
"""

from collections.abc import Sequence

from bot.agent.prompts import SUMMARY_RULES
from tests.benchmarks.figures import Figure, calibrate, median, spread
from tests.benchmarks.harness import Bench, Stage, until
from tests.standins.model import Json, Turn, calls, says

TURNS = 200
NEAR = 5  # turns on each side of turn 10, and before turn 200
ASKED = "turn {}: " + "how does it look now? " * 20  # 0.5 kB
ANSWER = "All of it runs as it should. " * 70  # 2 kB
SUMMARY = "Somebody asked how it looks, and all of it ran as it should. " * 25  # 1.5 kB
RUNS = 12


def looks_once(request: Json) -> Turn:
    """One read of about 1 kB, then an answer; and what no longer fits is summarised."""
    if request["messages"][0]["content"] == SUMMARY_RULES:
        return says(SUMMARY)
    if request["messages"][-1]["role"] == "tool":
        return says(ANSWER)
    return calls(("k8s_get", {"kind": "deployments", "namespace": "shop"}))


async def turns(bench: Bench) -> list[Figure]:
    """Bytes and CPU per turn of one long thread."""
    written: list[float] = []
    cpu: list[float] = []
    stored: list[float] = []
    loops: list[float] = []
    async with bench.warm_stage(looks_once) as stage:
        thread = await stage.chat.ask("start")
        await _ended(stage, 1)
        for turn in range(1, TURNS + 1):
            wal, spent, size = await stage.wal(), stage.cpu(), await _stored(stage)
            await stage.chat.slack.post("dave", "ops", ASKED.format(turn), thread_ts=thread)
            await _ended(stage, turn + 1)
            written.append((await stage.wal() - wal) / 1000)
            cpu.append((stage.cpu() - spent) * 1000)
            stored.append((await _stored(stage) - size) / 1000)
            loops.append(calibrate(3))
    early, late = written[10 - NEAR : 10 + NEAR], written[-2 * NEAR :]
    about = "one read, 0.5 kB asked, 2 kB answered; median of 10 turns around it"
    return [
        Figure(
            "WAL per turn, at turn 10", median(early), "kB", f"{about}: {spread(early, 'kB')}", 50
        ),
        Figure(
            "WAL per turn, at turn 200", median(late), "kB", f"{about}: {spread(late, 'kB')}", 50
        ),
        _flat("WAL", written, "kB"),
        _flat("CPU", cpu, "ms", loops),
        _flat("bytes kept", stored, "kB"),
    ]


def _flat(what: str, values: list[float], unit: str, loops: Sequence[float] = ()) -> Figure:
    """How the last fifth compares with the second one: in the first the model is not yet told its
    fill of earlier turns. With `loops`, as if the machine had been as fast in both.
    """
    fifth = len(values) // 5
    early, late = median(values[fifth : 2 * fifth]), median(values[-fifth:])
    how = (
        f"medians of turns {len(values) - fifth + 1}–{len(values)} and {fifth + 1}–{2 * fifth}:"
        f" {late:.1f} and {early:.1f} {unit}"
    )
    slower = 1.0
    if loops:
        then, now = median(loops[fifth : 2 * fifth]), median(loops[-fifth:])
        slower = now / then
        how += f", while the loop took {now:.1f} and {then:.1f} ms"
    return Figure(f"{what} per turn, late / early", late / early / slower, "", how, 1.1)


async def _stored(stage: Stage) -> int:
    """Bytes of what stays of a thread: its rows, without what is swept."""
    (row,) = await stage.rows(
        "SELECT (SELECT coalesce(sum(pg_column_size(m.*)), 0) FROM messages m)"
        " + (SELECT coalesce(sum(pg_column_size(c.*)), 0) FROM tool_calls c)"
        " + (SELECT coalesce(sum(pg_column_size(r.*)), 0) FROM runs r) AS bytes"
    )
    return int(row["bytes"])


async def _ended(stage: Stage, runs: int) -> None:
    async def ended() -> bool:
        rows = await stage.rows("SELECT count(*) AS n FROM runs WHERE ended_at IS NOT NULL")
        return bool(rows[0]["n"] >= runs)

    await until(ended, f"the end of run {runs}")


async def full_run(bench: Bench) -> list[Figure]:
    """Bytes of a full run with approval, its sweep included."""
    async with bench.warm_stage(runs=RUNS) as stage:
        await stage.quiet(swept=True)
        before = await stage.wal()
        await stage.full_runs(RUNS)
        await stage.quiet(swept=True)
        each = (await stage.wal() - before) / 1000 / RUNS
    how = f"mean of {RUNS} runs after {RUNS}, until their checkpoints were swept"
    return [Figure("WAL of a full run with approval", each, "kB", how, 70)]
