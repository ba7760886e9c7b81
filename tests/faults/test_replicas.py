"""Several processes on one database: one run a thread, each signal where it belongs, nothing twice,
whether they have a Redis or not.
"""

import asyncio
import re
from pathlib import Path
from time import monotonic

import pytest
from redis.asyncio import Redis

from tests.faults.scene import WEB, Case, Other, Scene, scene, until
from tests.faults.steps import HOLDS, LAST_WORDS, Step, is_patch, walks
from tests.faults.test_kills import copy_of
from tests.faults.test_matrix import approves, it_ends
from tests.plugins.redis import RedisServer
from tests.standins.model import Json, Turn, calls, hangs, held, says, slowly
from tests.world import World, buttons, shown

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
    """Talk, two commands and a decision are due at once in each thread, and two processes have
    room for them all.
    """
    decided = asyncio.Event()
    together: list[str] = []

    def script(request: Json) -> Turn:
        name = app_of(request)
        together.extend(name for other in model.answering if app_of(other) == name)
        if request["messages"][-1]["role"] == "tool":
            return slowly(says(f"{LAST_WORDS}."), latency=2)
        if "what else" in asked(request):
            return held(slowly(says("Nothing else."), latency=3), decided)
        return calls(("k8s_scale", {**WEB, "name": name, "replicas": 2}))

    def during_talk(line: str, body: str) -> bool:
        """Holds nothing: it notes a change while the model is asked for the same thread."""
        apps = [app_of(request) for request in model.answering] if is_patch(line, body) else []
        together.extend(name for name in apps if name in line)
        return False

    extra = {"REDIS_URL": redis.url} if with_redis else {}
    async with scene(dsn, tmp_path, case, script, extra) as at:
        await at.another()
        chat = at.chat
        assert chat.model is not None
        model = chat.model
        teams = [team(at, n) for n in range(4)]
        threads = {
            where: await chat.ask(f"scale web-{n} to 2", where=where)
            for n, where in enumerate(teams)
        }
        cards = {where: await chat.card(ts, where=where) for where, ts in threads.items()}
        await at.quiet_outbox()
        chat.cluster.delay("list", "/pods", 0.7)
        at.cluster.hold_request(during_talk)
        for text in ("what else?", "get pods -n shop", "get pods -n shop"):
            for where, thread in threads.items():
                await chat.slack.mention("dave", where, text, thread_ts=thread)
            await until(lambda: len(model.answering) == 4, "talk everywhere", log=at.log)
        for where, card in cards.items():
            await chat.press("Approve", card, "bob", where)
        await asyncio.sleep(1)  # in which nobody begins who should not
        decided.set()
        for where, thread in threads.items():
            await chat.reads(thread, LAST_WORDS, where)
            await chat.reads(thread, "Nothing else", where)
        await at.quiet(threads["team-0"], "team-0", timeout=60)
        assert together == []
        commands = await at.rows(
            "SELECT thread_ts, started_at, ended_at FROM runs WHERE kind = 'command'"
            " ORDER BY thread_ts, started_at"
        )
        assert len(commands) == 8
        for one, next_ in zip(commands[::2], commands[1::2], strict=True):
            assert one["thread_ts"] == next_["thread_ts"]
            assert one["ended_at"] < next_["started_at"]
        case.executions = len(chat.cluster.mutations)
        assert case.executions == 4
        case.answers = len(await at.rows("SELECT 1 FROM outbox WHERE key LIKE 'end:%%'"))
        assert case.answers == len(await at.rows("SELECT 1 FROM runs")) == 16
        assert len(await at.rows("SELECT 1 FROM procrastinate_workers")) == 2
        case.end = "16 runs in 4 threads"
        await at.nothing_is_left()


def app_of(request: Json) -> str:
    """The deployment that the thread of a request is about."""
    found = re.search(r"web-\d+", asked(request))
    assert found is not None
    return found[0]


@crash
async def test_two_processes_keep_one_channels_limit(
    dsn: str, tmp_path: Path, case: Case, redis: RedisServer
) -> None:
    extra = {"REDIS_URL": redis.url}
    async with scene(dsn, tmp_path, case, lambda _: says("All is well."), extra) as at:
        await at.another()
        chat = at.chat
        chat.slack.faults.rate_limits = True
        threads = [await chat.ask("how is web?") for _ in range(10)]
        for thread in threads:
            await chat.reads(thread, "All is well")
        await at.quiet(threads[0], timeout=60)
        senders = await at.rows("SELECT claimed_by FROM outbox GROUP BY 1")
        assert len(senders) == 2
        assert [call.method for call in chat.slack.calls if call.status == 429] == []
        case.answers = len(threads)
        await at.nothing_is_left()


@crash
async def test_a_pause_that_one_was_told_of_holds_for_the_other(
    dsn: str, tmp_path: Path, case: Case, redis: RedisServer
) -> None:
    seconds = 8
    known = asyncio.Event()

    def script(_: Json) -> Turn:
        return held(says("All is well."), known)

    extra = {"REDIS_URL": redis.url}
    async with scene(dsn, tmp_path, case, script, extra) as at:
        await at.another()
        chat = at.chat
        chat.slack.faults.fail("chat.postMessage", "ratelimited", seconds=seconds)
        threads = {"ops": await chat.ask("how is web?")}
        await pause_is_known(redis)
        known.set()
        for n in range(4):
            where = team(at, n)
            threads[where] = await chat.ask("how is web?", where=where)
        for where, thread in threads.items():
            await chat.reads(thread, "All is well", where)
        refused, *later = chat.slack.calls_of("chat.postMessage")
        assert refused.status == 429
        assert later[0].at >= refused.at + seconds
        await at.quiet(threads["ops"])
        case.answers = len(threads)
        await at.nothing_is_left()


async def pause_is_known(redis: RedisServer) -> None:
    """Wait until Redis holds that Slack wants no posts."""
    async with Redis.from_url(redis.url, decode_responses=True) as looking, asyncio.timeout(15):
        while True:
            for bucket in await looking.keys("*:chat.postMessage"):
                if float(await looking.hget(bucket, "until") or 0) > 0:
                    return
            await asyncio.sleep(0.02)


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
@pytest.mark.timeout(300)
@pytest.mark.parametrize("apart", [False, True])
async def test_rolling_restarts_under_load(
    dsn: str, tmp_path: Path, case: Case, redis: RedisServer, apart: bool
) -> None:
    """Three times a new process comes and the oldest one goes, while people ask and approve; or a
    new listener and then a new worker, which share a Redis.
    """

    def script(_: Json) -> Turn:
        return slowly(says("All is well."), latency=2)

    kinds = [("--role", "listener"), ("--role", "worker")] if apart else [()]
    extra = {"REDIS_URL": redis.url} if apart else {}
    async with scene(dsn, tmp_path, case, script, extra, options=kinds[0]) as at:
        old: list[World | Other] = [at.chat, *[await at.another(*kind) for kind in kinds[1:]]]
        crowd = Crowd(at)
        began = monotonic()
        async with asyncio.TaskGroup() as group:
            approving = group.create_task(crowd.approves())
            for kind in kinds * 3:
                old.append(await at.another(*kind))
                await crowd.asks(3)
                asking = group.create_task(crowd.asks(3))
                drains = monotonic()
                await old.pop(0).terminate()
                assert monotonic() - drains < _LONGEST_DRAIN
                await asking
            await crowd.is_served()
            approving.cancel()
        at.goes_on(began)
        await at.nothing_is_left()


def team(at: Scene, number: int) -> str:
    """A channel of people with a deployment of their own, `web-` and the number."""
    web = at.chat.cluster.get("Deployment", "shop", "web")
    assert web is not None
    at.chat.cluster.apply(copy_of(web, f"web-{number}"))
    at.chat.slack.add_channel(f"team-{number}", ["dave", "bob"])
    return f"team-{number}"


class Crowd:
    """People in more and more channels: every other one asks, the others want a change, which
    somebody approves.
    """

    def __init__(self, at: Scene) -> None:
        self._at = at
        self._threads: dict[int, str] = {}

    async def asks(self, count: int) -> None:
        """So many more, five a second."""
        for n in range(len(self._threads), len(self._threads) + count):
            change = f"scale deployment/web-{n} --replicas 2 -n shop"
            text = change if n % 2 else "how is web?"
            self._threads[n] = await self._at.chat.ask(text, where=team(self._at, n))
            await asyncio.sleep(0.2)

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
        await at.quiet(self._threads[0], "team-0", timeout=120)
        case.executions = len(at.chat.cluster.mutations)
        case.answers = len(await at.rows("SELECT 1 FROM outbox WHERE key LIKE 'end:%%'"))
        count = len(self._threads)
        case.end = f"{count} threads over three restarts"
        assert case.executions == count // 2
        assert case.answers == count == len(await at.rows("SELECT 1 FROM runs"))
        for n, thread in self._threads.items():
            texts = [shown(m) for m in at.chat.slack.app_messages(f"team-{n}", thread)]
            ends = "done and verified" if n % 2 else "All is well"
            assert sum(ends in text for text in texts) == 1, texts
            assert "⏳" not in "".join(texts)
