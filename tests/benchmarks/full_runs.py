"""What a full run costs: CPU of the bot's process, and how soon a click becomes a deed."""

import asyncio
from collections.abc import Callable
from time import time

from tests.benchmarks.figures import Figure, median, percentile, spread
from tests.benchmarks.harness import Bench, Stage

WARM_UP = 8
BATCHES, BATCH = 8, 4
CLICKS = 30
PAUSE = 0.6  # a person's, at least half a second


async def cpu_openai(bench: Bench) -> list[Figure]:
    """CPU of a full run with an OpenAI-compatible model."""
    return await _cpu(bench, "OpenAI-compatible", litellm=False, most=45, least=20)


async def cpu_litellm(bench: Bench) -> list[Figure]:
    """The same through LiteLLM."""
    return await _cpu(bench, "through LiteLLM", litellm=True, most=85, least=12)


async def _cpu(
    bench: Bench, name: str, *, litellm: bool, most: float, least: float
) -> list[Figure]:
    async with bench.warm_stage(litellm=litellm, runs=WARM_UP) as stage:
        calls = len(stage.chat.slack.calls)
        batches = await cpu_of_batches(stage, BATCHES, BATCH)
        calls = len(stage.chat.slack.calls) - calls
        await stage.quiet()
        rest = [await _idle_second(stage) for _ in range(5)]
    cpu = median(batches)
    count = BATCHES * BATCH
    how = (
        f"process clock, median of {BATCHES} batches of {BATCH} runs after {WARM_UP}:"
        f" {spread(batches, 'ms')}; {calls / count:.1f} Slack calls a run"
    )
    return [
        Figure(f"CPU per full run, {name}", cpu, "ms", how, most),
        Figure(
            f"full runs per second and core, {name}",
            1000 / cpu,
            "/s",
            "1 / CPU per full run",
            least,
            least=True,
        ),
        Figure(
            f"CPU at rest, {name}",
            median(rest),
            "ms/s",
            f"median of 5 × 1 s: {spread(rest, 'ms/s')}; part of every run's CPU",
        ),
    ]


async def cpu_of_batches(stage: Stage, batches: int, batch: int) -> list[float]:
    """CPU milliseconds a run, for each batch of runs one after the other."""
    found = []
    for _ in range(batches):
        before = stage.cpu()
        await stage.full_runs(batch)
        found.append((stage.cpu() - before) * 1000 / batch)
    return found


async def _idle_second(stage: Stage) -> float:
    before, began = stage.cpu(), time()
    await asyncio.sleep(1)
    return (stage.cpu() - before) * 1000 / (time() - began)


async def click(bench: Bench) -> list[Figure]:
    """From the click's frame on the socket until the mutating request is at the cluster."""
    found: list[float] = []
    async with bench.warm_stage(runs=WARM_UP) as stage:
        arrivals: list[float] = []
        forget = on_mutation(stage, arrivals)
        for _ in range(CLICKS):
            arrivals.clear()
            clicked = await stage.full_run(pause=PAUSE)
            found.append((arrivals[0] - clicked) * 1000)
        forget()
    how = f"{CLICKS} clicks, {PAUSE:g} s after their cards: {spread(found, 'ms')}"
    return [
        Figure("click → mutating request, p50", percentile(found, 0.5), "ms", how, 20),
        Figure("click → mutating request, p95", percentile(found, 0.95), "ms", "the same", 60),
    ]


def on_mutation(stage: Stage, arrivals: list[float]) -> Callable[[], None]:
    """Note the moment in which each mutating request has arrived; returns what ends it."""
    api = stage.chat.cluster._api

    def note() -> None:
        if api.requests[-1].mutates:
            arrivals.append(time())

    api.listeners.append(note)
    return lambda: api.listeners.remove(note)
