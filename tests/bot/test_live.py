"""One progress message a run: edited now and then, never twice, never left saying "working"."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from random import Random
from uuid import UUID

import pytest

from bot.core.bus import Bus
from bot.core.ids import uuid7
from bot.core.tasks import Tasks
from bot.core.values import Event, Thread
from bot.sandbox.slack import EXAMPLE_MANIFEST, Settings, Workspace, shown_text
from bot.sandbox.slack.limits import PER_MINUTE, Limits
from bot.sandbox.slack.methods import find
from bot.slack.api import Limited, Method, Refused, SlackApi
from bot.slack.budget import Budget, Lane
from bot.slack.live import Live, Pace, progress_key
from bot.slack.views.data import Message, ProgressData
from bot.slack.views.progress import progress
from bot.store.database import Database, Row

ORG = "T1"
INSERT_THREAD = b"INSERT INTO threads (org, channel, thread_ts, ours) VALUES (%s, %s, %s, true)"
INSERT_RUN = (
    b"INSERT INTO runs (id, org, channel, thread_ts, kind, requester, contributors, attempt, state)"
    b" VALUES (%s, %s, %s, %s, 'turn', 'U1', '{U1}', 1, 'working')"
)


class World:
    """A workspace and the live progress of one process."""

    def __init__(self, slack: Workspace, database: Database, api: SlackApi, tasks: Tasks) -> None:
        self.slack = slack
        self.database = database
        self.api = api
        self.tasks = tasks
        self.bus = Bus()
        self.budget = Budget()
        self.live = self.process(self.bus)

    def process(self, bus: Bus, interval: float = 0.1) -> Live:
        """Another process's, when given another bus."""
        return Live(bus, self.database, self.api, self.budget, self.tasks, pace=Pace(interval))

    async def begin(self) -> tuple[Thread, UUID]:
        ts = await self.slack.post("alice", "ops", "what is wrong?")
        thread, run_id = Thread(ORG, self.slack.channel_id("ops"), ts), uuid7()
        await self.execute(INSERT_THREAD, thread.org, thread.channel, thread.ts)
        await self.execute(INSERT_RUN, run_id, thread.org, thread.channel, thread.ts)
        return thread, run_id

    async def execute(self, statement: bytes, *values: object) -> None:
        async with self.database.transaction() as tx:
            await tx.connection.execute(statement, values)

    async def run(self, run_id: UUID) -> Row:
        async with self.database.relaxed() as tx:
            row = await tx.one("run", id=run_id)
        assert row is not None
        return row

    async def end(self, thread: Thread, run_id: UUID) -> None:
        await self.execute(
            b"UPDATE runs SET state = 'done', ended_at = now() WHERE id = %s", run_id
        )
        self.bus.publish(Event(thread, run_id, "ended"))

    def edits(self) -> int:
        return len(self.slack.calls_of("chat.update"))

    def shown(self, thread: Thread) -> list[str]:
        return [shown_text(one) for one in self.slack.app_messages("ops", thread_ts=thread.ts)]


@pytest.fixture
async def world(database: Database) -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        slack = await stack.enter_async_context(Workspace(EXAMPLE_MANIFEST, Settings()))
        api = await stack.enter_async_context(SlackApi.open(slack.bot_token, slack.api_url))
        await api.auth_test()
        tasks = await stack.enter_async_context(Tasks())
        made = World(slack, database, api, tasks)
        yield made
        assert not slack.violations


async def until(true: Callable[[], bool], seconds: float = 5.0) -> None:
    """Wait until something is so; `TimeoutError` if it does not come."""
    for _ in range(int(seconds / 0.01)):
        if true():
            return
        await asyncio.sleep(0.01)
    raise TimeoutError


async def test_the_first_sign_is_noted(world: World) -> None:
    thread, run_id = await world.begin()
    await world.live.first_sign(thread, run_id, "Looking into `checkout`")
    [message] = world.slack.app_messages("ops", thread_ts=thread.ts)
    assert message["text"].startswith("⏳ Looking into `checkout`")
    row = await world.run(run_id)
    assert row["progress_ts"] == message["ts"]
    assert row["progress_at"] is not None


async def test_steps_are_drawn_together_and_not_more_often_than_allowed(world: World) -> None:
    thread, run_id = await world.begin()
    await world.live.first_sign(thread, run_id)
    began = time.monotonic()
    for number in range(50):
        world.bus.publish(Event(thread, run_id, "looking", f"c{number}", f"read {number}"))
        await asyncio.sleep(0.01)
        world.bus.publish(Event(thread, run_id, "looked", f"c{number}", "", "14 × BackOff"))
    await until(lambda: "read 49: 14 × BackOff" in world.shown(thread)[0])
    assert 1 <= world.edits() <= (time.monotonic() - began) / 0.1 + 1
    await asyncio.sleep(0.3)
    quiet = world.edits()
    await asyncio.sleep(0.3)
    assert world.edits() == quiet  # nothing new, nothing drawn


@pytest.mark.parametrize("has_ended", [False, True])
async def test_a_sign_that_slack_posts_after_it_was_given_up_is_the_runs_or_goes(
    world: World, has_ended: bool
) -> None:
    live = Live(
        world.bus, world.database, world.api, world.budget, world.tasks, pace=Pace(0.1, (0.1, 0.4))
    )
    thread, run_id = await world.begin()
    world.slack.faults.fail("chat.postMessage", "drop_before")
    await live.first_sign(thread, run_id)
    if has_ended:
        await world.end(thread, run_id)
    await asyncio.sleep(0.2)  # one look was too early
    late = progress(ProgressData(steps=(), state="working", seconds=0, headline="", run_id="r"))
    await world.api.post(thread.channel, late, thread_ts=thread.ts, key=progress_key(run_id))
    if has_ended:
        await until(lambda: not world.shown(thread))
        return
    await until(lambda: live.place(run_id) != "")
    [message] = world.slack.app_messages("ops", thread_ts=thread.ts)
    assert (await world.run(run_id))["progress_ts"] == message["ts"]


async def test_many_runs_share_the_pace(world: World) -> None:
    runs = [await world.begin() for _ in range(5)]
    for thread, run_id in runs:
        await world.live.first_sign(thread, run_id)
    until_then = time.monotonic() + 1.0
    number = 0
    while time.monotonic() < until_then:
        number += 1
        for thread, run_id in runs:
            world.bus.publish(Event(thread, run_id, "looking", "c", f"read {number}"))
        await asyncio.sleep(0.02)
    assert 1 <= world.edits() <= 1.0 / 0.1 + 2  # as many as one run alone would make


async def test_runs_that_have_ended_hold_up_no_other_and_leave_nothing_behind(
    world: World,
) -> None:
    """Many short ones would keep each other's followers asleep, longer and longer."""
    bus, budget = Bus(), Budget(factor=1000)
    live = Live(bus, world.database, world.api, budget, world.tasks, pace=Pace(0.1))

    async def signed() -> tuple[Thread, UUID]:
        thread, run_id = await world.begin()
        await live.first_sign(thread, run_id)
        return thread, run_id

    *ended, (thread, run_id) = await asyncio.gather(*(signed() for _ in range(31)))
    for one in ended:
        bus.publish(Event(*one, "looking", "c", "events"))
    await asyncio.sleep(0)  # each is followed now
    for one in ended:
        bus.publish(Event(*one, "ended"))
    bus.publish(Event(thread, run_id, "looking", "c", "events"))
    await until(lambda: "events" in world.shown(thread)[0], 1.5)
    bus.publish(Event(thread, run_id, "ended"))
    await until(lambda: not any("progress of" in one.get_name() for one in asyncio.all_tasks()), 1)


async def test_a_run_that_waits_says_so(world: World) -> None:
    thread, run_id = await world.begin()
    await world.live.first_sign(thread, run_id, "Scale `web`")
    world.bus.publish(Event(thread, run_id, "proposed", "k", "Scale web to 5"))
    await world.execute(b"UPDATE runs SET state = 'waiting' WHERE id = %s", run_id)
    world.bus.publish(Event(thread, run_id, "waiting"))
    await until(lambda: "waiting for a decision" in world.shown(thread)[0])
    world.bus.publish(Event(thread, run_id, "thinking", "model"))
    await until(lambda: "⏳ Scale `web`" in world.shown(thread)[0])


@pytest.mark.parametrize("why", ["waited", "stood still"])
async def test_what_another_process_has_ended_is_not_drawn_over(world: World, why: str) -> None:
    """Nobody tells this one: there is no Redis."""
    ahead = 0.0
    bus = Bus()
    live = Live(
        bus,
        world.database,
        world.api,
        world.budget,
        world.tasks,
        pace=Pace(0.1),
        clock=lambda: time.monotonic() + ahead,
    )
    thread, run_id = await world.begin()
    await live.first_sign(thread, run_id)
    bus.publish(Event(thread, run_id, "looking", "c", "events"))
    await until(lambda: world.edits() == 1)
    await world.execute(b"UPDATE runs SET state = 'done', ended_at = now() WHERE id = %s", run_id)
    if why == "stood still":
        ahead = 4.0
        bus.publish(Event(thread, run_id, "writing", "c"))
    else:
        bus.publish(Event(thread, run_id, "waiting"))
    await asyncio.sleep(0.5)
    assert world.edits() == 1


async def test_nothing_is_edited_after_the_end(world: World) -> None:
    thread, run_id = await world.begin()
    await world.live.first_sign(thread, run_id)
    world.bus.publish(Event(thread, run_id, "looking", "c", "events"))
    await world.end(thread, run_id)
    world.bus.publish(Event(thread, run_id, "looking", "d", "logs"))
    await asyncio.sleep(0.3)
    assert world.edits() == 0


async def test_settling_waits_for_an_edit_under_way(world: World) -> None:
    thread, run_id = await world.begin()
    await world.live.first_sign(thread, run_id)
    world.slack.faults.fail("chat.update", "slow", seconds=0.4)
    world.bus.publish(Event(thread, run_id, "looking", "c", "events"))
    await until(lambda: world.edits() == 1)
    await world.end(thread, run_id)
    began = time.monotonic()
    assert await world.live.settle(run_id)
    assert time.monotonic() - began > 0.2
    # whatever is edited now comes last
    await world.live.fold(run_id)
    assert world.shown(thread)[0].startswith("Worked on this · 1 step · 0 s")


async def test_a_run_that_ended_meanwhile_leaves_no_orphan(world: World) -> None:
    thread, run_id = await world.begin()
    world.slack.faults.fail("chat.postMessage", "slow", seconds=0.2)
    posting = asyncio.ensure_future(world.live.first_sign(thread, run_id))
    await until(lambda: len(world.slack.calls_of("chat.postMessage")) == 1)
    await world.end(thread, run_id)
    await posting
    assert world.shown(thread) == []
    assert (await world.run(run_id))["progress_ts"] is None


async def test_a_first_sign_after_the_end_is_not_posted(world: World) -> None:
    thread, run_id = await world.begin()
    await world.end(thread, run_id)
    await world.live.first_sign(thread, run_id)
    assert not world.slack.calls_of("chat.postMessage")


async def test_two_processes_post_one(world: World) -> None:
    thread, run_id = await world.begin()
    other = world.process(Bus())
    await asyncio.gather(
        world.live.first_sign(thread, run_id),
        world.live.first_sign(thread, run_id),
        other.first_sign(thread, run_id),
    )
    [message] = world.slack.app_messages("ops", thread_ts=thread.ts)
    assert (await world.run(run_id))["progress_ts"] == message["ts"]


async def test_a_worker_finds_the_message_that_a_listener_posted(world: World) -> None:
    thread, run_id = await world.begin()
    await world.live.first_sign(thread, run_id)
    bus = Bus()
    world.process(bus)
    bus.publish(Event(thread, run_id, "looking", "c", "events"))
    await until(lambda: "events" in world.shown(thread)[0])
    assert len(world.shown(thread)) == 1


async def test_a_worker_finds_what_a_listener_posted_and_did_not_live_to_note(
    world: World,
) -> None:
    thread, run_id = await world.begin()
    await world.process(Bus()).first_sign(thread, run_id)
    await world.execute(b"UPDATE runs SET progress_ts = NULL")
    world.bus.publish(Event(thread, run_id, "looking", "c", "events"))
    await until(lambda: "events" in world.shown(thread)[0])
    assert len(world.shown(thread)) == 1


async def test_whoever_takes_up_a_run_draws_once_more_what_may_be_painted_over(
    world: World,
) -> None:
    """The one before may have died with an edit under way, and people take their time."""
    thread, run_id = await world.begin()
    await world.live.first_sign(thread, run_id)
    await world.execute(
        b"UPDATE runs SET state = 'waiting', late_until = now() + interval '1.5 seconds'"
        b" WHERE id = %s",
        run_id,
    )
    bus = Bus()
    process = world.process(bus)
    bus.publish(Event(thread, run_id, "waiting"))
    await until(lambda: "waiting for a decision" in world.shown(thread)[0])
    drawn = world.slack.app_messages("ops", thread_ts=thread.ts)[0]
    await world.api.update(
        thread.channel, drawn["ts"], Message("⏳ Thinking", [])
    )  # the dead one's
    await until(lambda: "waiting for a decision" in world.shown(thread)[0])
    assert process.place(run_id) == drawn["ts"]
    made = world.edits()
    await asyncio.sleep(0.5)
    assert world.edits() == made  # once


async def test_a_worker_posts_what_no_listener_could(world: World) -> None:
    thread, run_id = await world.begin()
    world.bus.publish(Event(thread, run_id, "looking", "c", "events"))
    await until(lambda: len(world.shown(thread)) == 1)
    for _ in range(100):  # Slack shows it before we note where it stands
        if (await world.run(run_id))["progress_ts"]:
            break
        await asyncio.sleep(0.02)
    assert (await world.run(run_id))["progress_ts"] == world.slack.app_messages("ops")[0]["ts"]


async def test_a_lost_first_sign_is_found_again(world: World) -> None:
    thread, run_id = await world.begin()
    world.slack.faults.fail("chat.postMessage", "drop_after")
    await world.live.first_sign(thread, run_id)
    [message] = world.slack.app_messages("ops", thread_ts=thread.ts)
    assert (await world.run(run_id))["progress_ts"] == message["ts"]


async def test_an_edit_that_slack_limits_is_made_later(world: World) -> None:
    thread, run_id = await world.begin()
    await world.live.first_sign(thread, run_id)
    world.slack.faults.fail("chat.update", "ratelimited", seconds=1)
    world.bus.publish(Event(thread, run_id, "looking", "c", "events"))
    await until(lambda: world.edits() == 1)
    limited_at = time.monotonic()
    await until(lambda: "events" in world.shown(thread)[0])
    assert time.monotonic() - limited_at >= 0.9
    assert world.edits() == 2


async def test_a_message_that_somebody_deleted_is_left_alone(world: World) -> None:
    thread, run_id = await world.begin()
    await world.live.first_sign(thread, run_id)
    [message] = world.slack.app_messages("ops", thread_ts=thread.ts)
    await world.api.delete(thread.channel, message["ts"])
    for number in range(3):
        world.bus.publish(Event(thread, run_id, "looking", str(number), "events"))
        await asyncio.sleep(0.15)
    assert world.edits() == 1
    assert world.shown(thread) == []


async def test_a_process_that_never_saw_the_run_folds_it(world: World) -> None:
    thread, run_id = await world.begin()
    await world.live.first_sign(thread, run_id)
    await world.end(thread, run_id)
    await world.process(Bus()).fold(run_id)
    assert world.shown(thread)[0].startswith("Worked on this · 0 s")
    with pytest.raises(Refused):
        await world.live.fold(run_id, "1.000000")


# --- the budget and the calls under it ------------------------------------------------------


class Hands:
    """A clock that is turned by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


async def test_in_any_minute_no_more_than_slack_allows() -> None:
    clock = Hands()
    budget = Budget(clock=clock)
    made: list[float] = []
    while clock.now < 400:
        while budget.ready(Method.UPDATE):
            await budget.take(Method.UPDATE, Lane.CARD)
            made.append(clock.now)
        clock.now += 0.25
    busiest = max(sum(at <= other < at + 60 for other in made) for at in made)
    assert 45 <= busiest <= 50


async def test_in_a_minute_no_method_is_called_more_often_than_its_tier_allows() -> None:
    clock = Hands()
    budget = Budget(clock=clock)
    made = Counter[Method]()
    for _ in range(240):  # from full buckets on: no minute is busier
        for method in map(Method, budget._methods):
            while budget.ready(method):
                await budget.take(method, Lane.CARD)
                made[method] += 1
        clock.now += 0.25
    known = {method: find(method) for method in Method}
    allowed = {method: PER_MINUTE[one.tier] for method, one in known.items() if one}
    assert {method: made[method] for method in Method if made[method] > allowed[method]} == {}


async def test_progress_leaves_a_reserve() -> None:
    budget = Budget(clock=Hands())
    taken = 0
    while budget.spare(Method.UPDATE):
        await budget.take(Method.UPDATE, Lane.PROGRESS)
        taken += 1
    assert taken
    assert budget.ready(Method.UPDATE)


async def test_who_waits_is_served_by_lane() -> None:
    budget = Budget(factor=20)
    while budget.ready(Method.UPDATE):
        await budget.take(Method.UPDATE, Lane.REST)
    served: list[Lane] = []

    async def wait(lane: Lane) -> None:
        await budget.take(Method.UPDATE, lane)
        served.append(lane)

    async with asyncio.TaskGroup() as group, asyncio.timeout(5):
        for lane in (Lane.REST, Lane.REST, Lane.ANSWER, Lane.CARD):
            group.create_task(wait(lane))
            await asyncio.sleep(0)
        impatient = group.create_task(wait(Lane.CARD))
        await asyncio.sleep(0)
        impatient.cancel()
    assert served == [Lane.CARD, Lane.ANSWER, Lane.REST, Lane.REST]


async def test_no_channel_is_given_more_than_slack_takes_however_long_posts_are_on_their_way() -> (
    None
):
    clock, chance = Hands(), Random(7)
    budget = Budget(clock=clock)
    arrivals: list[float] = []
    while clock.now < 500:
        while chance.random() < 0.7 and budget.ready(Method.POST, "C1"):
            await budget.take(Method.POST, Lane.ANSWER, "C1")
            arrivals.append(clock.now + chance.uniform(0, 0.5))
        clock.now += 5 if chance.random() < 0.02 else 0.1
    assert len(arrivals) >= 200
    limits = Limits(post_burst=3)
    assert {limits.post("C1", at) for at in sorted(arrivals)} == {0.0}


async def test_a_channel_is_busy_where_what_is_about_to_be_posted_takes_all_it_has() -> None:
    clock = Hands()
    budget = Budget(clock=clock)
    await budget.take(Method.POST, Lane.CARD, "C1")
    assert budget.busy({}) == {}
    assert budget.busy({"C1": 1}) == {"C1": 0.5}
    clock.now += 0.5
    assert budget.busy({"C1": 1}) == {}
    clock.now += 60
    assert budget.busy({}) == {}
    assert budget.busy({"C1": 2, "C2": 3}) == {"C1": 0.5, "C2": 1.5}


async def test_a_long_pause_is_not_waited_for() -> None:
    clock = Hands()
    budget = Budget(clock=clock)
    budget.heed(Limited(30, "chat.postMessage"))
    assert not budget.ready(Method.POST, "C1")
    assert not budget.spare(Method.POST, "C2")
    assert budget.ready(Method.UPDATE)
    with pytest.raises(Limited) as limited:
        await budget.take(Method.POST, Lane.CARD, "C1")
    assert limited.value.seconds == 30
    clock.now += 31
    await budget.take(Method.POST, Lane.CARD, "C1")


async def test_after_a_limit_a_channel_hears_us_once_a_second() -> None:
    clock = Hands()
    budget = Budget(clock=clock)
    for _ in range(2):
        await budget.take(Method.POST, Lane.ANSWER, "C1")
    budget.heed(Limited(2, "chat.postMessage"))
    assert budget.pause(Method.POST) == 2
    assert set(budget.busy({})) == {"C1"}
    clock.now += 2
    made = 0
    for _ in range(40):
        while budget.ready(Method.POST, "C1"):
            await budget.take(Method.POST, Lane.ANSWER, "C1")
            made += 1
        clock.now += 0.25
    assert 10 <= made <= 14  # ten seconds, and what had come back during the pause


async def test_a_foreign_response_url_is_never_called(world: World) -> None:
    there = world.slack.api_url.replace("127.0.0.1", "localhost")
    for url in (f"{there}/x", "https://hooks.slack.com.evil.example/x", "http://hooks.slack.com/x"):
        with pytest.raises(Refused, match="foreign_url"):
            await world.api.respond(url, Message("no"))
