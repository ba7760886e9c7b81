"""How soon people hear from the bot: first signs, and acknowledgements when all come at once."""

import asyncio
import re

from tests.benchmarks.figures import Figure, median, percentile, spread
from tests.benchmarks.harness import Bench, Stage, until
from tests.standins.model import Json, Turn
from tests.world import shown

SIGNS = 25
SLOTS = 20  # COUNTERSIGN_JOBS as it is when nobody sets it
HOLD = 6.0  # seconds for which every slot is taken
CROWD, ROUNDS = 100, 3
PATIENCE = 20.0  # seconds after which a mention that was not answered counts as lost


def slow(request: Json) -> Turn:
    """Long enough that the first sign is not overtaken by the answer; or as long as asked."""
    last = str([m for m in request["messages"] if m["role"] == "user"][-1]["content"])
    return Turn(text="All is well.", latency=HOLD if "take a slot" in last else 0.2)


def at_once(_: Json) -> Turn:
    """A plain answer."""
    return Turn(text="All is well.")


async def first_sign(bench: Bench) -> list[Figure]:
    """From a mention until its first sign arrives at Slack, idle and with no free job slot."""
    async with bench.warm_stage(slow) as stage:
        for _ in range(5):
            await _sign(stage)
        await stage.quiet()
        idle = [await _sign(stage, pause=0.3) for _ in range(SIGNS)]
        await stage.quiet()
        taken = await _signs_with_no_slot(stage)
    return [
        Figure(
            "mention → first sign, p50, idle",
            percentile(idle, 0.5),
            "ms",
            f"{SIGNS} mentions: {spread(idle, 'ms')}",
            30,
        ),
        Figure(
            "mention → first sign, p50, every job slot taken",
            percentile(taken, 0.5),
            "ms",
            f"{len(taken)} mentions while {SLOTS} runs wait for the model: {spread(taken, 'ms')}",
            200,
        ),
    ]


async def _sign(stage: Stage, pause: float = 0.0) -> float:
    """Milliseconds from the message's envelope to the call that posts into its thread."""
    slack = stage.chat.slack
    calls, envelopes = len(slack.calls), len(slack.envelopes)
    thread = await stage.chat.ask("how is web?")

    def posted() -> float | None:
        posts = slack.calls[calls:]
        return next((c.at for c in posts if c.args.get("thread_ts") == thread), None)

    at = await slack.wait_for(posted, 15, "a first sign")
    began = min(e.at for e in slack.envelopes[envelopes:] if e.event.get("ts") == thread)
    await asyncio.sleep(pause)
    return ((at or began) - began) * 1000


async def _signs_with_no_slot(stage: Stage) -> list[float]:
    model = stage.chat.model
    if model is None:
        raise RuntimeError("there is no model")
    before = len(model.requests)
    for _ in range(SLOTS):
        await stage.chat.ask("take a slot", where="general")

    async def full() -> bool:
        return len(model.requests) - before >= SLOTS

    await until(full, "a run in every slot")
    found = []
    for _ in range(SIGNS):
        found.append(await _sign(stage, pause=0.05))
        if len(model.requests) - before > SLOTS:
            raise TimeoutError("a slot became free during the measurement")
    return found


async def crowd(bench: Bench) -> list[Figure]:
    """A hundred mentions in the same moment: how soon each envelope is acknowledged, and whether
    each is answered.
    """
    acks: list[float] = []
    answered: list[float] = []
    lost = 0
    for _ in range(ROUNDS):
        async with bench.warm_stage(at_once) as stage:
            thread = await stage.chat.ask("warm up")  # the graph is loaded once that is answered
            await stage.message(thread, lambda m: "All is well" in shown(m), "an answer")
            await stage.quiet()
            seconds, times, missing = await _crowd(stage)
            acks.append(percentile(times, 0.99))
            answered.append(seconds)
            lost += missing
    how = (
        f"every envelope of {CROWD} mentions, first delivery; median of {ROUNDS} rounds,"
        f" each with a bot of its own: {spread(acks, 'ms')}"
    )
    return [
        Figure("envelope → ack, p99, 100 mentions at once", median(acks), "ms", how, 200),
        Figure(
            "mentions lost of them",
            lost,
            "",
            f"of {ROUNDS} × {CROWD}: not answered exactly once within {PATIENCE:g} s",
            0,
        ),
        Figure("100 mentions at once, all answered", median(answered), "s", "the same rounds"),
    ]


async def _crowd(stage: Stage) -> tuple[float, list[float], int]:
    """Seconds until the last answer, each ack's milliseconds, and how many were lost."""
    slack = stage.chat.slack
    first = len(slack.envelopes)
    loop = asyncio.get_running_loop()
    began = loop.time()
    threads = [await stage.chat.ask(f"how is web, {n}?") for n in range(CROWD)]
    await slack.settled(30)
    sent = [e for e in slack.envelopes[first:] if e.event.get("ts") in set(threads)]

    # what was not acknowledged comes again 0.5 s after Slack gave up on it, and then once a minute
    answered: set[str] = set()
    while len(answered) < CROWD and loop.time() - began < PATIENCE:
        await asyncio.sleep(0.05)
        answered = {thread for thread in threads if _answered(stage, thread)}
    seconds = loop.time() - began
    await stage.quiet()
    lost = sum(not _answered(stage, thread) for thread in threads)
    # one that was not acknowledged in time counts as long as Slack waited
    longest = slack.state.settings.ack_seconds
    times = [(longest if e.ack_seconds is None else e.ack_seconds) * 1000 for e in sent]
    return seconds, times, lost


def _answered(stage: Stage, thread: str) -> bool:
    texts = [shown(m) for m in stage.chat.slack.app_messages("ops", thread)]
    return sum(bool(re.search("All is well", text)) for text in texts) == 1
