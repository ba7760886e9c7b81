"""The bot's beginnings and ends: how soon it is of use, what it weighs, what a kill costs."""

import asyncio
import signal
import time

from tests.benchmarks.figures import Figure, median, spread
from tests.benchmarks.harness import SHIPPED, Bench, Stage, until
from tests.standins.model import Json, Turn, hangs, says
from tests.world import shown

STARTS, LITELLM_STARTS = 5, 3
KILLS, LITELLM_KILLS = 5, 3
BUSY = 20  # threads
AT_REST = 5.0  # seconds after it is warm


def plain(_: Json) -> Turn:
    """A plain answer."""
    return says("All is well.")


def talks(_: Json) -> Turn:
    """An answer of about 2 kB that takes four seconds to be written."""
    return Turn(text="All is well. " * 160, chunk_delay=0.008)


async def start(bench: Bench) -> list[Figure]:
    """From the process's birth until it is ready, and until it has answered somebody."""
    ready, usable = await _starts(bench, STARTS, litellm=False)
    _, late = await _starts(bench, LITELLM_STARTS, litellm=True)
    how = "median of {} starts on a database that is up to date: {}"
    return [
        Figure(
            "start → ready (/readyz says 200)",
            median(ready),
            "s",
            how.format(len(ready), spread(ready, "s")),
            1.5,
        ),
        Figure(
            "start → agent usable",
            median(usable),
            "s",
            f"until a mention made when the first socket opens is answered: {spread(usable, 's')}",
            3,
        ),
        Figure(
            "start → agent usable, through LiteLLM",
            median(late),
            "s",
            f"the same, median of {len(late)}: {spread(late, 's')}",
        ),
    ]


async def _starts(bench: Bench, count: int, *, litellm: bool) -> tuple[list[float], list[float]]:
    ready, usable = [], []
    async with bench.stage(plain, litellm=litellm, command=SHIPPED) as stage:
        await stage.start()
        await stage.warm()  # the first one fills the file system's cache
        for _ in range(count):
            await stage.kill()
            await stage.start()
            waiting = asyncio.ensure_future(stage.ready())
            await stage.listening()
            thread = await stage.chat.ask("how is web?")
            await stage.message(thread, lambda m: "All is well" in shown(m), "an answer")
            usable.append(time.time() - stage.started)
            ready.append(await waiting)
    return ready, usable


async def weight(bench: Bench) -> list[Figure]:
    """Memory at rest and with twenty threads busy."""
    return [*await _weight(bench, litellm=False), *await _weight(bench, litellm=True)]


async def _weight(bench: Bench, *, litellm: bool) -> list[Figure]:
    name = " with LiteLLM loaded" if litellm else ""
    async with bench.warm_stage(talks, litellm=litellm, command=SHIPPED) as stage:
        thread = await stage.chat.ask("first")
        await stage.message(thread, lambda m: "All is well" in shown(m), "an answer")
        await stage.quiet()
        await asyncio.sleep(AT_REST)
        rss, pss = stage.memory()
        busy_rss, busy_pss = await _busiest(stage)
    how = f"RSS; PSS is {{}} MB; after a first answer and {AT_REST:g} s of rest"
    most = f"greatest RSS while {BUSY} threads stream answers; PSS {{}} MB"
    return [
        Figure(f"memory idle{name}", rss, "MB", how.format(round(pss)), 350 if litellm else 150),
        Figure(
            f"memory, {BUSY} threads busy{name}",
            busy_rss,
            "MB",
            most.format(round(busy_pss)),
            350 if litellm else 200,
        ),
    ]


async def _busiest(stage: Stage) -> tuple[float, float]:
    for _ in range(BUSY):
        await stage.chat.ask("and now?")
    found: list[tuple[float, float]] = []

    async def rested() -> bool:
        found.append(stage.memory())
        rows = await stage.rows("SELECT count(*) AS n FROM runs WHERE ended_at IS NOT NULL")
        return bool(rows[0]["n"] > BUSY)

    await until(rested, "all answers", 60, 0.1)
    return max(found)


async def kill(bench: Bench) -> list[Figure]:
    """SIGKILL while the model answers, with a new process right after it, or another one beside."""
    return [
        await _kills_beside(bench),
        await _kills(bench, KILLS, litellm=False),
        await _kills(bench, LITELLM_KILLS, litellm=True),
    ]


async def _kills_beside(bench: Bench) -> Figure:
    hanging = [False]

    def script(_: Json) -> Turn:
        return hangs(3) if hanging[0] else says("All is well.")

    extra = {"COUNTERSIGN_HTTP_PORT": "0"}  # there are two of them
    async with bench.stage(script, extra=extra, command=SHIPPED) as stage:
        await stage.start()
        await stage.warm()
        found = [await _kill_beside(stage, hanging) for _ in range(KILLS)]
    how = (
        "killed inside a model call while a second replica stands by; from the kill until the"
        f" thread's one answer; median of {KILLS}: {spread(found, 's')}"
    )
    return Figure(
        "kill -9 → the thread continues, with a second replica", median(found), "s", how, 5
    )


async def _kill_beside(stage: Stage, hanging: list[bool]) -> float:
    """Kill the one that asks the model; the other one is what runs from then on."""
    owner, hub = stage.chat.process, stage.chat.slack.hub
    thread = await _asked(stage, hanging)
    await stage.start()
    await stage.warm()

    async def both_listen() -> bool:
        return len(hub.sockets) >= 4

    await until(both_listen, "the sockets of both")
    hanging[0] = False
    if owner is None:
        raise RuntimeError("the bot does not run")
    killed = time.time()
    owner.send_signal(signal.SIGKILL)
    await owner.wait()
    await stage.message(thread, lambda m: "All is well" in shown(m), "the answer")
    seconds = time.time() - killed
    await _answered_once(stage, thread)
    return seconds


async def _kills(bench: Bench, count: int, *, litellm: bool) -> Figure:
    hanging = [False]

    def script(_: Json) -> Turn:
        return hangs(3) if hanging[0] else says("All is well.")

    name = ", LiteLLM" if litellm else ""
    found = []
    async with bench.stage(script, litellm=litellm, command=SHIPPED) as stage:
        await stage.start()
        for _ in range(count):
            await stage.warm()
            found.append(await _kill(stage, hanging))
        answers = await stage.rows("SELECT state, count(*) AS n FROM runs GROUP BY state")
    if [(row["state"], row["n"]) for row in answers] != [("done", count)]:
        raise AssertionError(f"not every run ended well: {answers}")
    how = (
        f"killed inside a model call; from the new process's birth until the thread's one answer;"
        f" median of {count}: {spread(found, 's')}"
    )
    return Figure(
        f"kill -9 → the thread continues{name}", median(found), "s", how, 10 if litellm else 5
    )


async def _asked(stage: Stage, hanging: list[bool]) -> str:
    """A thread for whose answer the model is asked, which hangs."""
    model = stage.chat.model
    if model is None:
        raise RuntimeError("there is no model")
    before = len(model.requests)
    hanging[0] = True
    thread = await stage.chat.ask("how is web?")

    async def asked() -> bool:
        return len(model.requests) > before

    await until(asked, "a request to the model")
    await asyncio.sleep(0.2)
    return thread


async def _kill(stage: Stage, hanging: list[bool]) -> float:
    thread = await _asked(stage, hanging)
    hanging[0] = False
    await stage.kill()
    await stage.start()
    await stage.message(thread, lambda m: "All is well" in shown(m), "the answer")
    seconds = time.time() - stage.started
    await _answered_once(stage, thread)
    return seconds


async def _answered_once(stage: Stage, thread: str) -> None:
    await stage.quiet()
    texts = [shown(m) for m in stage.chat.slack.app_messages("ops", thread)]
    if sum("All is well" in text for text in texts) != 1:
        raise AssertionError(f"not answered once: {texts}")
