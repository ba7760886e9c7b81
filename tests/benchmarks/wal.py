"""How much Postgres writes. Bytes are exact counts of the write-ahead log, not times; the first
writes to a page after a checkpoint are whole pages, so medians of several turns are compared.
"""

from tests.benchmarks.figures import Figure, median, spread
from tests.benchmarks.harness import Bench, Stage, until
from tests.standins.model import Json, Turn, calls, says

TURNS = 200
NEAR = 5  # turns on each side of turn 10, and before turn 200
ASKED = "turn {}: " + "how does it look now? " * 20  # 0.5 kB
ANSWER = "All of it runs as it should. " * 70  # 2 kB
RUNS = 12


def looks_once(request: Json) -> Turn:
    """One read of about 1 kB, then an answer."""
    if request["messages"][-1]["role"] == "tool":
        return says(ANSWER)
    return calls(("k8s_get", {"kind": "deployments", "namespace": "shop"}))


async def turns(bench: Bench) -> list[Figure]:
    """Bytes per turn of one long thread."""
    written: list[float] = []
    async with bench.warm_stage(looks_once) as stage:
        thread = await stage.chat.ask("start")
        await _ended(stage, 1)
        for turn in range(1, TURNS + 1):
            before = await stage.wal()
            await stage.chat.slack.post("dave", "ops", ASKED.format(turn), thread_ts=thread)
            await _ended(stage, turn + 1)
            written.append((await stage.wal() - before) / 1000)
    early, late = written[10 - NEAR : 10 + NEAR], written[-2 * NEAR :]
    about = "one read, 0.5 kB asked, 2 kB answered; median of 10 turns around it"
    return [
        Figure(
            "WAL per turn, at turn 10", median(early), "kB", f"{about}: {spread(early, 'kB')}", 50
        ),
        Figure(
            "WAL per turn, at turn 200", median(late), "kB", f"{about}: {spread(late, 'kB')}", 50
        ),
    ]


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
