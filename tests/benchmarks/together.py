"""Fifty threads over ten channels for a minute, with Slack's limits as Slack enforces them."""

import asyncio
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from random import Random

from bot.sandbox.slack import Settings as SlackSettings
from bot.store.database import Row
from tests.benchmarks.figures import Figure, percentile, spread
from tests.benchmarks.harness import SHIPPED, Bench, Stage, until
from tests.standins.model import Json, Turn, calls
from tests.world import buttons, shown

THREADS, READ_ONLY, CHANNELS = 50, 30, 10
MINUTE = 60.0
BEGIN = 15.0  # seconds over which the threads begin
THINKING = 5.0  # seconds of each of the model's replies
READS = 4
CAN_WAIT = ("redraw", "fold")
PATIENCE = 60.0  # seconds after the minute


def thinks(request: Json) -> Turn:
    """Four reads and an answer; or, where that was asked, a read, a change and an answer."""
    messages = request["messages"]
    last = max(n for n, m in enumerate(messages) if m["role"] == "user")
    said = sum(m["role"] == "assistant" for m in messages[last:])
    wanted = re.findall(r"scale (app-\d+) to (\d+)", str(messages[last]["content"]))
    if wanted and said == 1:
        name, replicas = wanted[-1]
        app = {"namespace": "shop", "kind": "deployment", "name": name}
        found = calls(("k8s_scale", {**app, "replicas": int(replicas)}))
    elif said < (2 if wanted else READS):
        found = calls(("k8s_get", {"kind": "pods", "namespace": "shop", "limit": 50 + said}))
    else:
        return Turn(text="All is well here. " * 20, latency=THINKING, chunk_delay=0.01)
    return Turn(calls=found.calls, latency=THINKING)


@dataclass(frozen=True)
class Said:
    """One row of the outbox: how long after it was ready it was said, and how much of that its
    channel's posting limit took.
    """

    kind: str
    seconds: float
    held: float


async def measure(bench: Bench) -> list[Figure]:
    """Everything of the minute, and what Slack refused."""
    slack = SlackSettings(delivery="round_robin", rate_limits=True)
    extra = {"COUNTERSIGN_JOBS": str(THREADS + 10)}
    async with bench.stage(thinks, slack=slack, extra=extra, command=SHIPPED) as stage:
        await stage.start()
        await stage.warm()
        names = [f"team-{number}" for number in range(CHANNELS)]
        for name in names:
            stage.chat.slack.add_channel(name, ["alice", "bob", "dave"])
        for number in range(READ_ONLY, THREADS):
            stage.deploy(f"app-{number}")
        missed = sum(
            await asyncio.gather(
                *(_thread(stage, number, names[number % CHANNELS]) for number in range(THREADS))
            )
        )
        await _said_all(stage)
        rows = await stage.rows(
            "SELECT kind, channel, created_at, sent_at, state FROM outbox ORDER BY sent_at"
        )
        posts = [
            (str(call.args["channel"]), call.at)
            for call in stage.chat.slack.calls_of("chat.postMessage")
            if call.ok
        ]
        refused = Counter(call.method for call in stage.chat.slack.calls if call.status == 429)
        edits = len(stage.chat.slack.calls_of("chat.update"))
    said = list(_said(rows, posts))
    waits = [row for row in rows if row["state"] != "sent"]
    unsaid = sum(row["kind"] not in CAN_WAIT for row in waits)
    return [
        *_figures(said, refused, edits),
        Figure("together: not answered", missed, "", f"of {THREADS} threads, in {PATIENCE:g} s", 0),
        Figure(
            "together: not said",
            unsaid,
            "",
            f"of {len(rows)} rows of the outbox; {len(waits) - unsaid} redraws and folds still wait"
            " for Slack's 50 edits a minute",
            0,
        ),
    ]


async def _said_all(stage: Stage) -> None:
    """Wait until no run is open and what people must hear was said; what cannot be is counted."""

    async def is_said() -> bool:
        return not await stage.rows(
            "SELECT 1 FROM runs WHERE ended_at IS NULL UNION ALL"
            " SELECT 1 FROM outbox WHERE is_open AND kind <> ALL(%s) LIMIT 1",
            list(CAN_WAIT),
        )

    with suppress(TimeoutError):
        await until(is_said, "all that must be heard", PATIENCE / 2, 0.1)


async def _thread(stage: Stage, number: int, where: str) -> int:
    """One thread's minute: questions after each other, or changes that somebody approves; how many
    were not answered.
    """
    chance = Random(number)
    loop = asyncio.get_running_loop()
    end = loop.time() + MINUTE
    await asyncio.sleep(chance.uniform(0, BEGIN))
    thread, turns = "", 0
    while not turns or loop.time() < end - THINKING * READS:
        turns += 1
        changes = number >= READ_ONLY
        text = f"scale app-{number} to {1 + turns % 2}" if changes else "how is it now?"
        if thread:
            await stage.chat.slack.post("dave", where, text, thread_ts=thread)
        else:
            thread = await stage.chat.ask(text, where=where)
        try:
            if changes:
                await _approved(stage, thread, where, chance.uniform(1, 4))
            await _answered(stage, thread, where, turns)
        except TimeoutError:
            return 1
        await asyncio.sleep(chance.uniform(1, 4))
    return 0


async def _approved(stage: Stage, thread: str, where: str, pause: float) -> None:
    def waits(message: Json) -> bool:
        return "Approve" in buttons(message)

    card = await stage.message(thread, waits, "a card", where, PATIENCE)
    await asyncio.sleep(pause)
    await stage.chat.slack.click("bob", where, card["ts"], text="Approve")


async def _answered(stage: Stage, thread: str, where: str, number: int) -> None:
    def is_there() -> bool:
        texts = [shown(m) for m in stage.chat.slack.app_messages(where, thread)]
        return sum("All is well here" in text for text in texts) >= number

    await stage.chat.slack.wait_for(is_there, PATIENCE, f"answer {number} in {where}")


def _said(rows: Iterable[Row], posts: Sequence[tuple[str, float]]) -> Iterable[Said]:
    """Of each answer and card. A channel takes three posts at once, and then one a second."""
    by_channel = defaultdict(list)
    for channel, at in posts:
        by_channel[channel].append(at)
    for row in rows:
        if row["kind"] not in {"answer", "card"} or row["sent_at"] is None:
            continue
        ready, sent = row["created_at"].timestamp(), row["sent_at"].timestamp()
        earliest = _free(by_channel[row["channel"]], ready, sent)
        yield Said(row["kind"], sent - ready, max(0.0, min(earliest, sent) - ready))


def _free(posts: Sequence[float], ready: float, sent: float, burst: float = 3.0) -> float:
    """From when on a channel would have taken one more post that was ready at `ready`."""
    level, before = burst, 0.0
    for at in sorted(posts):
        if at >= sent - 0.05:  # the one that is asked about
            break
        level = min(burst, level + at - before) - 1 if before else burst - 1
        before = at
    level_then = min(burst, level + max(0.0, ready - before))
    return ready if level_then >= 1 else max(ready, before) + (1 - level_then)


def _figures(said: Sequence[Said], refused: Counter[str], edits: int) -> list[Figure]:
    who = f"{THREADS} threads, {READ_ONLY} of them read-only, in {CHANNELS} channels for a minute"
    which = "".join(f"; {number} × {method}" for method, number in refused.items())
    answers = [one.seconds - one.held for one in said if one.kind == "answer"]
    cards = [one.seconds - one.held for one in said if one.kind == "card"]
    apart = "from ready to said, its channel's posting limit apart"
    longest = max((one.held for one in said), default=0.0)
    return [
        Figure(
            "together: calls refused for rate",
            refused.total(),
            "",
            f"{who}; {edits} edits{which}",
            0,
        ),
        Figure(
            "together: answer ready → said, longest",
            max(answers),
            "s",
            f"{len(answers)} answers: p50 {percentile(answers, 0.5):.2f} s; {apart}",
            3,
        ),
        Figure(
            "together: card ready → said, longest",
            max(cards),
            "s",
            f"{len(cards)} cards: {spread(cards, 's')}; {apart}: at most {longest:.1f} s",
            1,
        ),
    ]
