"""Several processes on one database: one run a thread, each signal where it belongs, nothing twice,
whether they have a Redis or not.
"""

import asyncio
from pathlib import Path
from time import monotonic

import pytest

from tests.faults.scene import Case, Scene, scene, until
from tests.faults.steps import HOLDS, LAST_WORDS, Step, walks
from tests.faults.test_kills import copy_of
from tests.faults.test_matrix import approves, it_ends
from tests.plugins.redis import RedisServer
from tests.standins.model import Json, Turn, hangs, held, says, slowly
from tests.world import buttons, shown

pytestmark = pytest.mark.timeout(150)
crash = pytest.mark.crash
_LONGEST_DRAIN = 25.0
_AT_ONCE = 5.0  # seconds; it takes a tenth of that, but the machine may be busy


def asked(request: Json) -> str:
    """What people said, as the model reads it."""
    return "\n".join(str(m["content"]) for m in request["messages"] if m["role"] == "user")


@pytest.mark.long
@pytest.mark.parametrize("with_redis", [False, pytest.param(True, marks=crash)])
async def test_roles_apart(
    dsn: str, tmp_path: Path, case: Case, redis: RedisServer, with_redis: bool
) -> None:
    """One process hears, another works: words, decisions and stops reach the run all the same."""
    latency = 1.5
    first = [slowly(says("Web is fine."), latency=latency)]
    aside = [hangs(3) if with_redis else slowly(says("Nothing else."), latency=latency)]

    def script(request: Json) -> Turn:
        said = asked(request)
        if "story" in said:
            # without Redis a stop is found in the row, at the next step
            return hangs(3) if with_redis else slowly(says("Once upon a time."), latency=1.5)
        if "how is web" in said:
            return first.pop() if first else says(f"Both: {'and api' in said}.")
        if "what else" in said and request["messages"][-1]["role"] != "tool":
            return aside.pop() if aside else says("Nothing else.")
        return walks(request)

    extra = {"REDIS_URL": redis.url} if with_redis else {}
    options = ("--role", "listener")
    async with scene(dsn, tmp_path, case, script, extra, options=options) as at:
        chat, model = at.chat, at.chat.model
        assert model is not None
        await at.another("--role", "worker")
        await at.another("--role", "web")
        assert len(chat.slack.hub.sockets) == 2
        # words
        steered = await chat.ask("how is web?")
        await until(lambda: len(model.requests) == 1, "a request", log=at.log)
        await chat.slack.mention("dave", "ops", "and api?", thread_ts=steered)
        await chat.reads(steered, "Both: True", timeout=latency + _AT_ONCE)
        assert len(await at.rows("SELECT 1 FROM runs")) == 1  # they were heard in what ran
        assert len(await at.rows("SELECT 1 FROM procrastinate_workers")) == 1
        # a stop
        asked_for = len(model.requests)
        stopped = await chat.ask("tell me a story", where="general")
        await until(lambda: len(model.requests) > asked_for, "a request", log=at.log)
        await chat.slack.mention("bob", "general", "stop", thread_ts=stopped)
        clicked = monotonic()
        await chat.reads(stopped, "Stopped by", "general", timeout=10)
        at.goes_on(clicked)
        assert "Once upon" not in chat.thread(stopped, "general")
        # a decision, before talk
        thread = await chat.ask("is web fine? then scale it to 5")
        card = await chat.card(thread)
        asked_for = len(model.requests)
        await chat.slack.mention("dave", "ops", "what else?", thread_ts=thread)
        await until(lambda: len(model.requests) > asked_for, "a request", log=at.log)
        await chat.press("Approve", card, by="bob")
        await at.mutated(_AT_ONCE)
        await chat.reads(thread, "Nothing else")
        await at.ends(thread, LAST_WORDS, executions=1, card="✅ verified")


@crash
@pytest.mark.parametrize("with_redis", [False, True])
async def test_one_run_a_thread(
    dsn: str, tmp_path: Path, case: Case, redis: RedisServer, with_redis: bool
) -> None:
    """Many threads, two messages each, two processes: nobody carries what another one carries."""

    def script(_: Json) -> Turn:
        return slowly(says("All is well."), latency=1)

    extra = {"REDIS_URL": redis.url} if with_redis else {}
    async with scene(dsn, tmp_path, case, script, extra) as at:
        await at.another()
        chat = at.chat
        places = [f"team-{n}" for n in range(8)]
        for where in places:
            chat.slack.add_channel(where, ["dave"])
        threads = [await chat.ask("how is web?", where=where) for where in places]
        for where, thread in zip(places, threads, strict=True):
            await chat.slack.mention("dave", where, "and api?", thread_ts=thread)
        for where, thread in zip(places, threads, strict=True):
            await chat.reads(thread, "All is well", where)
            assert await together(at) == []
        await at.quiet(threads[0], places[0], timeout=60)
        runs = await at.rows("SELECT attempt, state FROM runs")
        assert {(run["attempt"], run["state"]) for run in runs} == {(1, "done")}
        case.answers = len(await at.rows("SELECT 1 FROM outbox WHERE key LIKE 'end:%%'"))
        assert case.answers == len(runs)
        workers = await at.rows("SELECT 1 FROM procrastinate_workers")
        assert len(workers) == 2
        case.end = f"{len(runs)} runs in {len(threads)} threads"
        await at.nothing_is_left()


async def together(at: Scene) -> list[Json]:
    """Threads of which more than one job runs now."""
    return await at.rows(
        "SELECT lock FROM procrastinate_jobs WHERE status = 'doing' GROUP BY lock"
        " HAVING count(*) > 1"
    )


@crash
async def test_a_worker_frozen_while_the_model_answers(
    dsn: str, tmp_path: Path, case: Case
) -> None:
    """Beyond its lease another one answers; thawed, it writes nothing and says nothing."""
    gate = asyncio.Event()
    turns = [held(says("Said too late."), gate)]

    def script(_: Json) -> Turn:
        return turns.pop() if turns else says("All is well.")

    async with scene(dsn, tmp_path, case, script) as at:
        model = at.chat.model
        assert model is not None
        thread = await at.chat.ask("how is web?")
        await until(lambda: len(model.requests) == 1, "a request to the model")
        await at.another()
        frozen = monotonic()
        at.freeze()
        await at.chat.reads(thread, "All is well")
        at.goes_on(frozen)
        await at.quiet(thread)
        gate.set()
        at.thaw()
        await until(lambda: "claim_lost" in at.chat.log(), "its loss", log=at.chat.log)
        await at.ends(thread, "All is well", executions=0)
        assert "too late" not in at.chat.thread(thread)
        stored = await at.rows("SELECT body FROM messages WHERE role = 'assistant'")
        assert [row["body"]["content"] for row in stored] == ["All is well."]
        (run,) = await at.rows("SELECT attempt FROM runs")
        assert run["attempt"] == 2


@crash
@pytest.mark.parametrize("step", [Step.EXECUTING, Step.DONE_WRITTEN, Step.VERIFIED])
async def test_a_worker_frozen_in_a_change(
    dsn: str, tmp_path: Path, case: Case, step: Step
) -> None:
    """What was said of the change by who took over stays true when the first one is thawed."""
    async with scene(dsn, tmp_path, case, walks, door=True) as at:
        stopped_at = HOLDS[step](at)
        thread = await at.chat.ask("is web fine? then scale it to 5")
        async with asyncio.TaskGroup() as group:
            person = group.create_task(approves(at, thread))
            await stopped_at.arrives(30)
            at.freeze()
            stopped_at.release()
            await at.another()
            await it_ends(at, thread)
            person.cancel()
        said = at.chat.thread(thread)
        at.thaw()
        await asyncio.sleep(3)
        await it_ends(at, thread)
        assert at.chat.thread(thread) == said


@crash
@pytest.mark.parametrize(
    "step", [Step.RUN_CLAIMED, Step.MODEL_ANSWERED, Step.READS_DONE, Step.CALL_INSERTED]
)
async def test_a_worker_frozen_before_the_card(
    dsn: str, tmp_path: Path, case: Case, step: Step
) -> None:
    """Thawed while people decide on the card of who took over, it changes nothing of that."""
    async with scene(dsn, tmp_path, case, walks, door=True) as at:
        stopped_at = HOLDS[step](at)
        thread = await at.chat.ask("is web fine? then scale it to 5")
        await stopped_at.arrives(30)
        frozen = monotonic()
        at.freeze()
        stopped_at.release()
        await at.another()
        await at.chat.card(thread)
        await at.state_is(thread, "waiting")
        at.goes_on(frozen)
        steps = await at.rows("SELECT checkpoint_id FROM checkpoints ORDER BY 1")
        at.thaw()
        await asyncio.sleep(3)
        assert await at.rows("SELECT checkpoint_id FROM checkpoints ORDER BY 1") == steps
        async with asyncio.TaskGroup() as group:
            person = group.create_task(approves(at, thread))
            await it_ends(at, thread)
            person.cancel()


@crash
async def test_a_sender_that_hears_of_its_claim_too_late(
    dsn: str, tmp_path: Path, case: Case
) -> None:
    """Another one has said it by then: once is enough."""
    async with scene(dsn, tmp_path, case, lambda _: says("All is well."), door=True) as at:
        claim = at.door.hold("take_saying", after="close_run", answer=True)
        thread = await at.chat.ask("how is web?")
        await claim.arrives(30)
        late = monotonic()
        await at.another()
        await at.chat.reads(thread, "All is well", timeout=60)
        at.goes_on(late)
        await at.quiet(thread)
        claim.release()
        await asyncio.sleep(3)
        await at.ends(thread, "All is well", executions=0)


@crash
async def test_rolling_restarts_under_load(dsn: str, tmp_path: Path, case: Case) -> None:
    """Three times a new process comes and the oldest one goes, while people ask and approve."""

    def script(_: Json) -> Turn:
        return slowly(says("All is well."), latency=1)

    async with scene(dsn, tmp_path, case, script) as at:
        crowd = Crowd(at, 12)
        began = monotonic()
        async with asyncio.TaskGroup() as group:
            asking = group.create_task(crowd.asks())
            approving = group.create_task(crowd.approves())
            for number in range(3):
                await at.another()
                drains = monotonic()
                if number == 0:
                    await at.chat.terminate()
                else:
                    await at.others[number - 1].terminate()
                assert monotonic() - drains < _LONGEST_DRAIN
                await asyncio.sleep(1)
            await asking
            await crowd.is_served()
            approving.cancel()
        at.goes_on(began)
        await at.nothing_is_left()


class Crowd:
    """People in so many channels: every other one asks, the others want a change, which somebody
    approves.
    """

    def __init__(self, at: Scene, count: int) -> None:
        self._at = at
        self._threads: dict[int, str] = {}
        self._count = count
        web = at.chat.cluster.get("Deployment", "shop", "web")
        assert web is not None
        for n in range(count):
            at.chat.slack.add_channel(f"team-{n}", ["dave", "bob"])
            at.chat.cluster.apply(copy_of(web, f"web-{n}"))

    async def asks(self) -> None:
        """One a second."""
        for n in range(self._count):
            change = f"scale deployment/web-{n} --replicas 2 -n shop"
            text = change if n % 2 else "how is web?"
            self._threads[n] = await self._at.chat.ask(text, where=f"team-{n}")
            await asyncio.sleep(1)

    async def approves(self) -> None:
        """Whatever waits, and again while nothing comes of it."""
        chat = self._at.chat
        while True:
            for n, thread in list(self._threads.items()):
                for card in chat.cards(thread, f"team-{n}"):
                    if "Approve" in buttons(card) and chat.slack.hub.sockets:
                        await chat.press("Approve", card, "bob", f"team-{n}")
            await asyncio.sleep(0.5)

    async def is_served(self) -> None:
        """Each was answered once, and each change ran once."""
        at, case = self._at, self._at.case
        for n, thread in self._threads.items():
            ends = "done and verified" if n % 2 else "All is well"
            await at.chat.reads(thread, ends, f"team-{n}", timeout=60)
        await at.quiet(self._threads[0], "team-0", timeout=60)
        case.executions = len(at.chat.cluster.mutations)
        case.answers = len(await at.rows("SELECT 1 FROM outbox WHERE key LIKE 'end:%%'"))
        case.end = f"{self._count} threads over three restarts"
        assert case.executions == self._count // 2
        assert case.answers == self._count == len(await at.rows("SELECT 1 FROM runs"))
        for n, thread in self._threads.items():
            texts = [shown(m) for m in at.chat.slack.app_messages(f"team-{n}", thread)]
            ends = "done and verified" if n % 2 else "All is well"
            assert sum(ends in text for text in texts) == 1, texts
            assert "⏳" not in "".join(texts)
