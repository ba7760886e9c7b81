"""What must be heard is said once, in order, whatever Slack, the network or a process does."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from pydantic import JsonValue

from bot.core.bus import Bus
from bot.core.errors import DatabaseAway
from bot.core.ids import uuid7
from bot.core.tasks import Tasks
from bot.core.values import Event, Thread
from bot.sandbox.slack import EXAMPLE_MANIFEST, Settings, Workspace
from bot.slack.api import Limited, SlackApi, SlackProblem, Uncertain
from bot.slack.budget import Budget
from bot.slack.cards import Drawn
from bot.slack.live import Live, Pace
from bot.slack.measured import MeasuredSender
from bot.slack.sender import Pauses, Sender
from bot.slack.views.blocks import section
from bot.slack.views.data import CardData, Message
from bot.store.database import Database, Row
from bot.store.outbox import Kind, say
from bot.web.metrics import Metrics, Sources

ORG = "T1"
SQL = {
    "run": "INSERT INTO runs (id, org, channel, thread_ts, kind, requester, contributors, attempt,"
    " state) VALUES (%s, %s, %s, %s, 'turn', 'U1', '{U1}', %s, 'working')",
    "thread": "INSERT INTO threads (org, channel, thread_ts, ours) VALUES (%s, %s, %s, true)"
    " ON CONFLICT DO NOTHING",
    "end": "UPDATE runs SET state = 'done', ended_at = now() WHERE id = %s",
}


@dataclass
class FakeCards:
    """Cards without a guard: what the sender asks of them, and what it told them."""

    posts: list[tuple[list[UUID], str, str, str]] = field(default_factory=list)
    broken: set[UUID] = field(default_factory=set)
    shared: bool = False
    decided: bool = False
    redraws: list[UUID] = field(default_factory=list)
    surely: list[bool] = field(default_factory=list)
    trouble: list[SlackProblem] = field(default_factory=list)

    async def data(self, call_id: UUID, channel: str = "") -> CardData:  # noqa: ARG002
        if call_id in self.broken:
            raise ValueError("a row of another version")
        return CardData(
            public_id="p",
            tool="k8s_scale",
            arguments={},
            target="shop/web",
            risk="write",
            state="unknown",
            summary="Scale web to 5",
            requester="U1",
            expires_at=datetime.now(UTC),
        )

    async def draw(
        self, call_ids: Sequence[UUID], *, channel: str = "", first: bool = False
    ) -> Drawn:
        assert first
        where = f" in {channel}" if channel else ""
        return Drawn(Message("card", [section(f"*Card* {len(call_ids)}{where}")]), "hash")

    async def posted(
        self, call_ids: Sequence[UUID], channel: str, ts: str, drawn: Drawn | None
    ) -> None:
        self.posts.append((list(call_ids), channel, ts, drawn.hash if drawn else ""))

    async def announced(
        self, call_ids: Sequence[UUID], channel: str, ts: str, drawn: Drawn | None
    ) -> None:
        await self.posted(call_ids, channel, ts, drawn)

    async def reminder(self, _: Sequence[UUID], __: Sequence[str] = ()) -> Message | None:
        return None if self.decided else Message("remember", [section("remember")])

    async def may_show_in(self, _: str) -> bool:
        return not self.shared

    async def redraw(self, call_id: UUID, *, surely: bool = False, retried: bool = False) -> None:
        assert retried  # what comes to nothing stays in the outbox
        self.redraws.append(call_id)
        self.surely.append(surely)
        if self.trouble:
            raise self.trouble.pop()


class World:
    """A workspace, an outbox, and one sender that can be stopped, killed and started again."""

    def __init__(self, slack: Workspace, database: Database, api: SlackApi, tasks: Tasks) -> None:
        self.slack = slack
        self.database = database
        self.api = api
        self.tasks = tasks
        self.bus = Bus()
        self.budget = Budget()
        self.cards = FakeCards()
        self.undeliverable: list[tuple[UUID, str]] = []
        self.live = Live(self.bus, database, api, self.budget, tasks, pace=Pace(0.05))
        self.metrics = Metrics(Sources(database, lambda: 0, dict))
        self.ops = slack.channel_id("ops")

    def sender(self) -> Sender:
        async def undeliverable(call_id: UUID, code: str) -> None:
            self.undeliverable.append((call_id, code))

        sender = MeasuredSender(
            self.database,
            self.api,
            self.budget,
            self.cards,
            self.live,
            undeliverable,
            Pauses(patrol=0.2, retry=0.1, late=1.5),
        )
        sender.counts = self.metrics
        return sender

    @asynccontextmanager
    async def sending(self) -> AsyncIterator[None]:
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(self.sender().run(stop))
            try:
                yield
            finally:
                stop.set()

    async def thread(self) -> Thread:
        return Thread(ORG, self.ops, await self.slack.post("alice", "ops", "hello"))

    async def execute(self, statement: str, *values: object) -> None:
        async with self.database.transaction() as tx:
            await tx.connection.execute(statement.encode(), values)

    async def begin(self, thread: Thread, attempt: int = 1) -> UUID:
        run_id = uuid7()
        await self.execute(SQL["thread"], thread.org, thread.channel, thread.ts)
        await self.execute(SQL["run"], run_id, thread.org, thread.channel, thread.ts, attempt)
        return run_id

    async def end(
        self, thread: Thread, run_id: UUID, kind: Kind = "answer", **data: JsonValue
    ) -> None:
        given = data or {"markdown": "It is healthy.", "reads": 1, "tokens": 12, "cost": "0"}
        async with self.database.transaction() as tx:
            await tx.connection.execute(SQL["end"].encode(), (run_id,))
            await say(tx, thread, kind, given, key=f"end:{run_id}", run_id=run_id)
        self.bus.publish(Event(thread, run_id, "ended"))

    async def say(self, thread: Thread, text: str) -> None:
        async with self.database.transaction() as tx:
            await say(tx, thread, "failure", {"sentence": text})

    async def card(self, thread: Thread, reason: str = "") -> UUID:
        call_id = uuid7()
        async with self.database.transaction() as tx:
            await say(tx, thread, "card", {"call": str(call_id), "reason": reason})
        return call_id

    async def of_calls(self, thread: Thread, kind: Kind, many: int = 2) -> list[UUID]:
        calls = [uuid7() for _ in range(many)]
        ids: list[JsonValue] = [str(one) for one in calls]
        async with self.database.transaction() as tx:
            await say(tx, thread, kind, {"call": ids[0], "calls": ids})
        return calls

    async def rows(self) -> list[Row]:
        async with self.database.relaxed() as tx:
            cursor = await tx.connection.execute(b"SELECT * FROM outbox ORDER BY id")
            return await cursor.fetchall()

    async def all_said(self, seconds: float = 30.0) -> list[Row]:
        """Wait until nothing is left to say."""
        until = time.monotonic() + seconds
        while True:
            rows = await self.rows()
            if rows and all(row["state"] in {"sent", "failed"} for row in rows):
                return rows
            assert time.monotonic() < until, [(r["kind"], r["state"], r["error"]) for r in rows]
            await asyncio.sleep(0.02)

    async def called(self, method: str, times: int = 1) -> None:
        """Wait until so many calls of `method` have arrived; an answer may still be on its way."""
        for _ in range(500):
            if len(self.slack.calls_of(method)) >= times:
                return
            await asyncio.sleep(0.01)
        raise TimeoutError(method)

    def texts(self, thread: Thread) -> list[str]:
        """What we said in a thread, as notifications show it."""
        messages = self.slack.app_messages("ops", thread_ts=thread.ts)
        return [message["text"] for message in messages]


def pass_time(seconds: float) -> None:
    """The loop's clock goes on at once: what was to be over by then is over."""
    loop = asyncio.get_running_loop()
    before = loop.time
    loop.time = lambda: before() + seconds  # type: ignore[method-assign]


@pytest.fixture
async def world(database: Database) -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        slack = await stack.enter_async_context(Workspace(EXAMPLE_MANIFEST, Settings()))
        api = await stack.enter_async_context(SlackApi.open(slack.bot_token, slack.api_url))
        tasks = await stack.enter_async_context(Tasks())
        made = World(slack, database, api, tasks)
        yield made
        assert not slack.violations


async def test_a_thread_hears_in_order_and_threads_do_not_wait_for_each_other(
    world: World,
) -> None:
    one, other = await world.thread(), await world.thread()
    world.slack.faults.fail("chat.postMessage", "slow", seconds=1.5)
    for number in range(4):
        await world.say(one, f"one {number}")
    await world.say(other, "other")
    began = time.monotonic()
    async with world.sending():
        await world.slack.wait_for_message("ops", "other")
        assert time.monotonic() - began < 1.2
        await world.all_said()
    assert world.texts(one) == [f"⛔ one {number}." for number in range(4)]


async def test_a_channel_that_takes_no_more_posts_holds_up_no_other(world: World) -> None:
    world.slack.faults.rate_limits = True
    threads = [await world.thread() for _ in range(7)]
    elsewhere = Thread(
        ORG, world.slack.channel_id("general"), await world.slack.post("bob", "general", "hm")
    )
    async with world.sending():
        await world.say(threads[0], "here")
        await world.all_said()  # from now on nothing is in doubt
        async with world.database.transaction() as tx:
            for place in (*threads[1:], elsewhere):
                await say(tx, place, "failure", {"sentence": "and here"})
        await world.all_said()
    posts = world.slack.calls_of("chat.postMessage")
    assert [call.status for call in posts] == [200] * 8
    channels = [call.args["channel"] for call in posts]
    assert channels.index(elsewhere.channel) <= 3


async def test_what_is_stored_later_is_said_at_once(world: World) -> None:
    thread = await world.thread()
    async with world.sending():
        await world.say(thread, "first")
        await world.all_said()
        began = time.monotonic()
        await world.say(thread, "second")
        await world.slack.wait_for_message("ops", "second", thread_ts=thread.ts)
        assert time.monotonic() - began < 1  # measured 0.05; the machine is shared


@pytest.mark.parametrize("kind", ["drop_after", "drop_before", "http_503", "html", "error"])
async def test_an_unknown_outcome_is_looked_up_and_said_once(world: World, kind: Any) -> None:
    thread = await world.thread()
    world.slack.faults.fail("chat.postMessage", kind)
    await world.say(thread, "hear me")
    async with world.sending():
        rows = await world.all_said()
    assert world.texts(thread) == ["⛔ hear me."]
    assert rows[0]["state"] == "sent"
    assert rows[0]["ts"] == world.slack.app_messages("ops", thread_ts=thread.ts)[0]["ts"]
    assert len(world.slack.calls_of("chat.postMessage")) == (1 if kind == "drop_after" else 2)


@pytest.mark.parametrize("passes", [[8.5], [6.0, 5.0]], ids=["of one post", "of them all"])
async def test_what_outlasts_the_time_it_has_is_looked_up_and_said_once(
    world: World, passes: Sequence[float]
) -> None:
    """A post has eight seconds, and all that a row says has ten."""
    thread = await world.thread()
    await world.card(thread, reason="somebody scaled it" if len(passes) == 2 else "")
    world.slack.faults.fail("chat.postMessage", "slow", seconds=4, times=len(passes))
    async with world.sending():
        for number, seconds in enumerate(passes, 1):
            await world.called("chat.postMessage", times=number)
            await asyncio.sleep(0.1)  # by then Slack is at it
            pass_time(seconds)
        [row] = await world.all_said()
    assert (row["state"], row["tries"]) == ("sent", 2)
    posts = world.slack.calls_of("chat.postMessage")
    assert len(posts) == len(world.texts(thread)) == len(passes)


async def test_a_drawing_that_slack_may_have_taken_late_is_drawn_again_whatever_stands_there(
    world: World,
) -> None:
    thread = await world.thread()
    world.cards.trouble = [Uncertain("chat.update: TimeoutError")]
    async with world.database.transaction() as tx:
        await say(tx, thread, "redraw", {"call": str(uuid7())})
    async with world.sending():
        [row] = await world.all_said()
    assert (row["state"], world.cards.surely) == ("sent", [False, True])


async def test_a_drawing_that_only_waited_is_not_doubted_and_a_doubt_is_not_forgotten_meanwhile(
    world: World,
) -> None:
    """Edits are scarce where they wait: what stands there already is left alone."""
    thread = await world.thread()
    unknown = Uncertain("chat.update: HTTP 503", may_come=False)
    for trouble in ([Limited(0.1, "chat.update")], [Limited(0.1, "chat.update"), unknown]):
        world.cards.trouble, world.cards.surely = list(trouble), []
        async with world.database.transaction() as tx:
            await say(tx, thread, "redraw", {"call": str(uuid7())})
        async with world.sending():
            await world.all_said()
        doubted = len(trouble) == 2
        assert world.cards.surely == ([False, True, True] if doubted else [False, False])


async def test_a_file_of_an_earlier_answer_is_not_taken_for_this_one(world: World) -> None:
    """They have one name, and here one size."""
    thread = await world.thread()

    async def say_as_file(text: str) -> None:
        async with world.database.transaction() as tx:
            await say(tx, thread, "answer", {"refused": "msg_too_long", "markdown": text})

    async with world.sending():
        await say_as_file("replicas: 3")
        await world.all_said()
        world.slack.faults.fail("chat.postMessage", "drop_after")
        await say_as_file("replicas: 5")
        await world.all_said()
        world.slack.faults.fail("files.completeUploadExternal", "drop_after")
        await say_as_file("replicas: 7")
        await world.all_said()
    files = [file.content for file in world.slack.files if file.complete]
    assert files == [b"replicas: 3", b"replicas: 5", b"replicas: 7"]


async def test_what_slack_says_after_we_gave_it_up_is_not_said_again(world: World) -> None:
    """As with the page's slow answers: ten seconds, where a call has eight."""
    thread = await world.thread()
    await world.say(thread, "hear me")
    world.slack.faults.fail("chat.postMessage", "slow", seconds=9)
    async with world.sending():
        await world.called("chat.postMessage")
        await asyncio.sleep(0.1)
        pass_time(8.2)
        [row] = await world.all_said()
    assert (row["state"], row["tries"]) == ("sent", 2)
    assert len(world.texts(thread)) == len(world.slack.calls_of("chat.postMessage")) == 1


async def test_a_limit_is_kept_by_every_thread(world: World) -> None:
    world.slack.faults.fail("chat.postMessage", "ratelimited", seconds=1)
    threads = [await world.thread() for _ in range(3)]
    await world.say(threads[0], "limited")
    async with world.sending():
        await world.called("chat.postMessage")
        limited_at = time.monotonic()
        await asyncio.sleep(0.05)
        for thread in threads[1:]:
            await world.say(thread, "behind it")
        await asyncio.sleep(0.5)
        assert len(world.slack.calls_of("chat.postMessage")) == 1
        await world.all_said()
        assert time.monotonic() - limited_at >= 0.95
    assert [world.texts(thread) for thread in threads] == [
        ["⛔ limited."],
        ["⛔ behind it."],
        ["⛔ behind it."],
    ]


async def test_a_card_that_slack_refuses_ends_and_stops_nobody(world: World) -> None:
    thread = await world.thread()
    world.slack.faults.fail("chat.postMessage", "error", code="invalid_blocks")
    call_id = await world.card(thread)
    await world.say(thread, "after it")
    async with world.sending():
        rows = await world.all_said()
    assert world.undeliverable == [(call_id, "invalid_blocks")]
    assert [(row["state"], row["error"]) for row in rows] == [
        ("failed", "invalid_blocks"),
        ("sent", None),
    ]
    assert world.texts(thread) == ["⛔ after it."]


async def test_a_row_that_cannot_be_rendered_stops_nobody(world: World) -> None:
    thread = await world.thread()
    async with world.database.transaction() as tx:
        await say(tx, thread, "notice", {"no": "code"})
    await world.say(thread, "after it")
    async with world.sending():
        rows = await world.all_said()
    assert [row["state"] for row in rows] == ["failed", "sent"]


@pytest.mark.parametrize(
    ("kind", "data"),
    [("card", {"calls": 5}), ("card", {"call": "K7QF"}), ("notice", {"code": "?"})],
)
async def test_what_another_version_stored_ends_and_is_not_said_in_wrong_words(
    world: World, kind: Kind, data: Mapping[str, JsonValue]
) -> None:
    thread = await world.thread()
    run_id = await world.begin(thread)
    await world.end(thread, run_id, kind, **data)
    await world.say(thread, "after it")
    async with world.sending():
        rows = await world.all_said()
    assert [row["state"] for row in rows] == ["failed", "sent", "sent"]
    instead = "I have an answer, but it could not be shown here: `unrenderable: "
    after, told = world.texts(thread)
    assert after == "⛔ after it."
    assert instead in told
    assert world.undeliverable == []


async def test_a_card_counts_where_it_was_posted(world: World) -> None:
    thread = await world.thread()
    call_id = await world.card(thread, reason="somebody scaled `web` to 4")
    async with world.sending():
        rows = await world.all_said()
    why, card = world.slack.app_messages("ops", thread_ts=thread.ts)
    assert "somebody scaled `web` to 4" in why["text"]
    [(shown, channel, ts, drawn)] = world.cards.posts
    assert (shown, channel, ts) == ([call_id], world.ops, card["ts"])
    assert drawn
    assert rows[0]["ts"] == card["ts"]


async def test_a_card_whose_post_was_lost_is_found_and_drawn_again(world: World) -> None:
    thread = await world.thread()
    world.slack.faults.fail("chat.postMessage", "drop_after")
    call_id = await world.card(thread)
    async with world.sending():
        await world.all_said()
    [card] = world.slack.app_messages("ops", thread_ts=thread.ts)
    # nobody knows which state it shows: the next redraw must not be spared
    assert world.cards.posts == [([call_id], world.ops, card["ts"], "")]


async def test_the_calls_of_a_reply_count_on_one_message(world: World) -> None:
    thread = await world.thread()
    calls = await world.of_calls(thread, "card", 3)
    async with world.sending():
        await world.all_said()
    [card] = world.slack.app_messages("ops", thread_ts=thread.ts)
    assert world.cards.posts == [(calls, world.ops, card["ts"], "hash")]


async def test_a_call_that_cannot_be_shown_ends_and_the_others_have_their_card(
    world: World,
) -> None:
    thread = await world.thread()
    bad, *others = await world.of_calls(thread, "card", 3)
    world.cards.broken.add(bad)
    async with world.sending():
        await world.all_said()
    assert world.undeliverable == [(bad, "unrenderable: ValueError")]
    assert [calls for calls, *_ in world.cards.posts] == [others]


async def test_a_card_of_several_that_slack_refuses_is_tried_one_by_one(world: World) -> None:
    thread = await world.thread()
    calls = await world.of_calls(thread, "card")
    world.slack.faults.fail("chat.postMessage", "error", code="invalid_blocks", times=2)
    async with world.sending():
        await world.all_said()
    assert world.undeliverable == [(calls[0], "invalid_blocks")]
    assert [shown for shown, *_ in world.cards.posts] == [[calls[1]]]


@pytest.mark.parametrize("kind", ["drop_after", "http_503", "error"])
async def test_an_announcement_whose_fate_is_unknown_is_looked_up_and_counts(
    world: World, kind: Any
) -> None:
    """Where it stands and nobody noted it, no press there would count."""
    thread = await world.thread()
    general = world.slack.channel_id("general")
    world.slack.faults.fail("chat.postMessage", kind, channel=general)
    calls = await world.of_calls(Thread(ORG, general, thread.ts), "announce")
    await world.say(thread, "in the thread")
    async with world.sending():
        await world.all_said()
    assert world.texts(thread) == ["⛔ in the thread."]
    [message] = world.slack.app_messages("general")
    shows = "" if kind == "drop_after" else "hash"  # found, nobody knows which state it shows
    assert world.cards.posts == [(calls, general, message["ts"], shows)]
    assert world.undeliverable == []


async def test_an_announcement_that_nobody_lets_us_look_for_is_rather_posted_twice(
    world: World,
) -> None:
    thread = await world.thread()
    general = world.slack.channel_id("general")
    world.slack.faults.fail("chat.postMessage", "drop_after", channel=general)
    world.slack.faults.fail("conversations.history", "error", code="missing_scope", times=9)
    await world.of_calls(Thread(ORG, general, thread.ts), "announce")
    async with world.sending():
        await world.all_said()
    _, second = world.slack.app_messages("general")
    assert [ts for _, _, ts, _ in world.cards.posts] == [second["ts"]]


async def test_what_a_token_that_is_no_good_cannot_say_is_said_with_the_next(world: World) -> None:
    thread = await world.thread()
    for code in ("token_revoked", "invalid_auth", "account_inactive", "token_expired"):
        world.slack.faults.fail("chat.postMessage", "error", code=code)
    await world.say(thread, "in the thread")
    async with world.sending():
        rows = await world.all_said()
    assert [row["state"] for row in rows] == ["sent"]
    assert world.texts(thread) == ["⛔ in the thread."]


async def test_with_a_token_that_is_no_good_slack_is_not_asked_for_every_row(world: World) -> None:
    threads = [await world.thread() for _ in range(12)]
    world.slack.faults.revoked.add(world.slack.bot_token)
    for thread in threads:
        await world.say(thread, "still to say")
    async with world.sending():
        await asyncio.sleep(1.5)
        looked = world.slack.calls_of("conversations.replies")  # at a start it looks first
        assert 1 <= len(looked) + len(world.slack.calls_of("chat.postMessage")) <= 6
        world.slack.faults.revoked.clear()
        await world.all_said()
    assert {tuple(world.texts(thread)) for thread in threads} == {("⛔ still to say.",)}


async def test_an_announcement_waits_for_a_limit_and_counts_where_it_stands(world: World) -> None:
    thread = await world.thread()
    general = world.slack.channel_id("general")
    world.slack.faults.fail("chat.postMessage", "ratelimited", seconds=1)
    calls = await world.of_calls(Thread(ORG, general, thread.ts), "announce")
    async with world.sending():
        await world.all_said()
    [message] = world.slack.app_messages("general")
    assert "thread_ts" not in message
    assert world.cards.posts == [(calls, general, message["ts"], "hash")]


async def test_nothing_is_announced_where_others_read(world: World) -> None:
    world.cards.shared = True
    thread = await world.thread()
    await world.of_calls(thread, "announce")
    async with world.sending():
        rows = await world.all_said()
    assert [row["state"] for row in rows] == ["sent"]
    assert world.slack.calls_of("chat.postMessage") == []


@pytest.mark.parametrize("decided", [True, False])
async def test_a_reminder_is_said_while_something_is_open(world: World, decided: bool) -> None:
    world.cards.decided = decided
    thread = await world.thread()
    await world.of_calls(thread, "reminder")
    async with world.sending():
        rows = await world.all_said()
    assert world.texts(thread) == ([] if decided else ["remember"])
    assert [row["state"] for row in rows] == ["sent"]


async def test_who_stopped_a_run_and_what_a_limit_declined_is_told(world: World) -> None:
    thread = await world.thread()
    stopped: Mapping[str, JsonValue] = {
        "code": "stopped",
        "person": "U0ALICE",
        "seconds": 12,
        "reads": 3,
        "changes": 0,
    }
    async with world.database.transaction() as tx:
        await say(tx, thread, "notice", stopped)
        await say(tx, thread, "notice", {"code": "declined", "sentence": "Used up for today"})
    async with world.sending():
        await world.all_said()
    assert world.texts(thread) == [
        "Stopped by <@U0ALICE> after 12 s. 3 reads, nothing was changed.",
        "⚠️ Used up for today.",
    ]


async def test_a_redraw_goes_to_the_cards(world: World) -> None:
    thread, call_id = await world.thread(), uuid7()
    async with world.database.transaction() as tx:
        await say(tx, thread, "redraw", {"call": str(call_id)})
    async with world.sending():
        await world.all_said()
    assert world.cards.redraws == [call_id]


async def test_an_unknown_outcome_is_told_in_words(world: World) -> None:
    thread = await world.thread()
    data: Mapping[str, JsonValue] = {
        "code": "unknown_outcome",
        "call": str(uuid7()),
        "reason": "it has 5 replicas, as asked",
    }
    async with world.database.transaction() as tx:
        await say(tx, thread, "notice", data)
    async with world.sending():
        await world.all_said()
    [text] = world.texts(thread)
    assert "Scale web to 5" in text
    assert "I looked: it has 5 replicas, as asked." in text


async def test_an_answer_that_slack_refuses_is_not_passed_over_in_silence(world: World) -> None:
    thread = await world.thread()
    run_id = await world.begin(thread)
    world.slack.faults.fail("chat.postMessage", "error", code="msg_too_long")
    async with world.sending():
        await world.end(thread, run_id)
        await world.all_said()
    said = "Slack did not take my answer as a message (`msg_too_long`): it is in this file."
    note, file = world.slack.app_messages("ops", thread_ts=thread.ts)
    assert note["text"] == said
    assert [one["name"] for one in file["files"]] == ["answer.md"]

    world.slack.faults.fail("chat.postMessage", "error", code="msg_too_long", times=2)
    async with world.sending():
        await world.end(thread, await world.begin(thread))
        await world.all_said()
    assert world.texts(thread)[2:] == [
        "⛔ I have an answer, but it could not be shown here: `msg_too_long`. Ask again."
    ]


async def test_who_cannot_be_answered_where_he_asked_is_told_so_in_private(world: World) -> None:
    codes = ["channel_not_found", "not_in_channel", "is_archived", "thread_not_found"]
    codes.append("restricted_action_thread_locked")
    dave = world.slack.user_id("dave")
    async with world.sending():
        for code in codes:
            thread = await world.thread()
            run_id = await world.begin(thread)
            await world.execute("UPDATE runs SET requester = %s WHERE id = %s", dave, run_id)
            world.slack.faults.fail("chat.postMessage", "error", code=code)
            await world.end(thread, run_id)
            await world.all_said()
            assert world.texts(thread) == []
    told = world.slack.app_messages(world.slack.state.direct("dave").id)
    assert len(told) == len(codes)
    for code, message in zip(codes, told, strict=True):
        assert f"<#{world.ops}>" in message["text"]
        assert f"(`{code}`)" in message["text"]
        assert "healthy" not in str(message)  # what was found belongs to its channel


async def test_a_database_that_goes_and_comes_back_stops_nothing(world: World) -> None:
    thread = await world.thread()
    async with world.sending():
        await world.say(thread, "before")
        await world.all_said()
        await world.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        await world.say(thread, "after")
        await world.all_said()
    assert world.texts(thread) == ["⛔ before.", "⛔ after."]


async def test_a_database_that_is_busy_for_a_moment_does_not_stop_a_thread(world: World) -> None:
    thread = await world.thread()
    world.slack.faults.fail("chat.postMessage", "slow", seconds=0.5)
    await world.say(thread, "one")
    await world.say(thread, "two")
    async with world.sending():
        await world.called("chat.postMessage")
        async with AsyncExitStack() as stack:
            with suppress(DatabaseAway):
                while True:  # as many as there are
                    await stack.enter_async_context(world.database.statement())
            await asyncio.sleep(1.0)
        await world.all_said()
    # noted as what it was: not handed out again, and looked for in the thread
    assert [row["tries"] for row in await world.rows()] == [1, 1]
    assert world.texts(thread) == ["⛔ one.", "⛔ two."]


async def test_what_is_stored_after_an_outage_is_not_looked_for_in_its_thread(world: World) -> None:
    """Slack allows so few looks that messages would come in faster than they are said."""
    threads = [await world.thread() for _ in range(8)]
    for thread in threads[:4]:  # as many as are said at once: no look finds that nothing waits
        await world.say(thread, "before")
    world.slack.faults.fail("chat.postMessage", "slow", seconds=0.5, times=4)
    async with world.sending():
        await world.called("chat.postMessage")
        for thread in threads[4:]:
            await world.say(thread, "after")
        await world.all_said()
    looked = [call.args["ts"] for call in world.slack.calls_of("conversations.replies")]
    assert set(looked) == {thread.ts for thread in threads[:4]}


async def test_what_is_being_said_when_the_database_loses_its_claim_is_said_once(
    world: World,
) -> None:
    """As a crash of PostgreSQL does: the claim was a relaxed commit."""
    thread = await world.thread()
    world.slack.faults.fail("chat.postMessage", "slow", seconds=0.8)
    async with world.sending():
        await world.say(thread, "hear me")
        async with asyncio.timeout(5):
            while (await world.rows())[0]["state"] != "sending":  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        await world.execute("UPDATE outbox SET state = 'pending', tries = 0, claimed_by = NULL")
        await world.all_said()
    assert world.texts(thread) == ["⛔ hear me."]


# --- death ----------------------------------------------------------------------------------


async def test_a_sender_that_dies_after_slack_took_it_is_followed_by_one_that_looks(
    world: World,
) -> None:
    thread = await world.thread()
    world.slack.faults.fail("chat.postMessage", "slow", seconds=0.2)
    await world.say(thread, "once")
    dying = asyncio.ensure_future(world.sender().run(asyncio.Event()))
    await world.called("chat.postMessage")
    async with world.database.transaction() as tx:
        # it cannot note that it was said
        await tx.connection.execute(b"SELECT FROM outbox FOR UPDATE")
        await world.slack.wait_for_message("ops", "once", thread_ts=thread.ts)
        await asyncio.sleep(0.1)
        dying.cancel()
        await asyncio.wait({dying})
    [row] = await world.rows()
    assert row["state"] == "sending"
    await world.execute("UPDATE outbox SET claimed_at = now() - interval '1 minute'")
    async with world.sending():
        rows = await world.all_said()
    assert world.texts(thread) == ["⛔ once."]
    assert rows[0]["state"] == "sent"


async def test_a_row_of_a_dead_sender_that_slack_never_saw_is_said(world: World) -> None:
    thread = await world.thread()
    await world.say(thread, "still")
    await world.execute(
        "UPDATE outbox SET state = 'sending', tries = 1, claimed_at = now() - interval '1 minute'"
    )
    async with world.sending():
        await world.all_said()
    assert world.texts(thread) == ["⛔ still."]
    assert len(world.slack.calls_of("conversations.replies")) == 1


async def test_another_apps_forged_key_does_not_silence_us(world: World) -> None:
    thread = await world.thread()
    await world.say(thread, "not silenced")
    [row] = await world.rows()
    root = world.slack.state.message(world.ops, thread.ts)
    root["metadata"] = {
        "event_type": "countersign",
        "event_payload": {"key": f"outbox:{row['id']}:0"},
    }
    async with world.sending():
        await world.all_said()
    assert world.texts(thread) == ["⛔ not silenced."]


async def test_a_stop_says_what_is_left(world: World) -> None:
    thread = await world.thread()
    stop = asyncio.Event()
    stop.set()
    for number in range(3):
        await world.say(thread, f"last {number}")
    async with asyncio.timeout(5):
        await world.sender().run(stop)
    assert len(world.texts(thread)) == 3


# --- answers --------------------------------------------------------------------------------


async def test_a_quick_answer_takes_the_place_of_the_progress(world: World) -> None:
    thread = await world.thread()
    run_id = await world.begin(thread)
    async with world.sending():
        await world.live.first_sign(thread, run_id)
        await world.end(thread, run_id)
        rows = await world.all_said()
    assert world.texts(thread) == ["It is healthy."]
    assert [row["kind"] for row in rows] == ["answer"]
    assert len(world.slack.calls_of("chat.postMessage")) == 1


async def test_a_later_answer_is_a_new_message_and_the_progress_folds(world: World) -> None:
    thread = await world.thread()
    run_id = await world.begin(thread)
    await world.live.first_sign(thread, run_id)
    await world.execute("UPDATE runs SET progress_at = now() - interval '3 seconds'")
    async with world.sending():
        await world.end(thread, run_id)
        await world.slack.wait_for_message("ops", "Worked on this", thread_ts=thread.ts)
        rows = await world.all_said()
    folded, answer = world.texts(thread)
    assert folded.startswith("Worked on this")
    assert answer == "It is healthy."
    assert [row["kind"] for row in rows] == ["answer", "fold"]


async def test_a_process_that_did_not_post_it_folds_it_when_nobody_can_edit_it_any_more(
    world: World,
) -> None:
    thread = await world.thread()
    run_id = await world.begin(thread)
    await world.live.first_sign(thread, run_id)
    await world.execute("UPDATE runs SET progress_at = now() - interval '3 seconds'")
    await world.end(thread, run_id)
    # another process: it has heard nothing of this run
    world.live = Live(Bus(), world.database, world.api, world.budget, world.tasks)
    async with world.sending():
        await world.slack.wait_for_message("ops", "It is healthy", thread_ts=thread.ts)
        await asyncio.sleep(0.3)
        assert [row["error"] for row in await world.rows()] == [None, "waits"]
        assert not world.slack.calls_of("chat.update")
        await world.execute("UPDATE runs SET ended_at = now() - interval '10 seconds'")
        await world.execute("UPDATE outbox SET not_before = now() WHERE state = 'pending'")
        await world.all_said()
    assert world.texts(thread)[0].startswith("Worked on this")


async def test_an_answer_where_an_edit_would_wait_is_a_new_message(world: World) -> None:
    thread = await world.thread()
    run_id = await world.begin(thread)
    await world.live.first_sign(thread, run_id)
    while world.budget.ready("chat.update"):
        await world.budget.take("chat.update", 0)
    async with world.sending():
        await world.end(thread, run_id)
        await world.slack.wait_for_message("ops", "It is healthy", thread_ts=thread.ts)
        await world.all_said()
    assert world.texts(thread)[1] == "It is healthy."


async def test_edits_that_wait_hold_up_nobody(world: World) -> None:
    while world.budget.ready("chat.update"):
        await world.budget.take("chat.update", 0)
    calls = [uuid7() for _ in range(8)]
    async with world.database.transaction() as tx:
        for call_id in calls:
            thread = Thread(ORG, world.ops, f"1700000000.{calls.index(call_id):06}")
            await say(tx, thread, "redraw", {"call": str(call_id)})
    thread = await world.thread()
    async with world.sending():
        await world.say(thread, "heard at once")
        await world.slack.wait_for_message("ops", "heard at once", timeout=1.0)
        assert not world.cards.redraws


class Edits(FakeCards):
    """Cards whose redraws take from the budget, as they do."""

    def __init__(self, budget: Budget) -> None:
        super().__init__()
        self.budget = budget
        self.begun = 0

    async def redraw(self, call_id: UUID, *, surely: bool = False, retried: bool = False) -> None:
        self.begun += 1
        await asyncio.sleep(1.0)  # what is read and drawn before
        await self.budget.take("chat.update", 0)
        await super().redraw(call_id, surely=surely, retried=retried)


async def test_of_many_edits_only_as_many_are_begun_as_can_be_made(world: World) -> None:
    world.cards = cards = Edits(world.budget)
    threads = [await world.thread() for _ in range(6)]
    async with world.sending():
        await world.say(threads[0], "nothing is in doubt from now on")
        await world.all_said()
        while world.budget.wait("chat.update", 1) <= 0:
            await world.budget.take("chat.update", 0)
        async with world.database.transaction() as tx:
            for thread in threads[:5]:
                await say(tx, thread, "redraw", {"call": str(uuid7())})
        await asyncio.sleep(0.2)
        await world.say(threads[5], "heard at once")
        await world.slack.wait_for_message("ops", "heard at once")
        assert cards.begun == 1


async def test_a_deleted_progress_message_does_not_lose_the_answer(world: World) -> None:
    thread = await world.thread()
    run_id = await world.begin(thread)
    await world.live.first_sign(thread, run_id)
    [progress] = world.slack.app_messages("ops", thread_ts=thread.ts)
    await world.api.delete(world.ops, progress["ts"])
    async with world.sending():
        await world.end(thread, run_id)
        rows = await world.all_said()
    assert world.texts(thread) == ["It is healthy."]
    assert {row["state"] for row in rows} == {"sent"}


async def test_a_lost_edit_of_the_answer_is_found(world: World) -> None:
    thread = await world.thread()
    run_id = await world.begin(thread)
    await world.live.first_sign(thread, run_id)
    world.slack.faults.fail("chat.update", "drop_after")
    async with world.sending():
        await world.end(thread, run_id)
        rows = await world.all_said()
    assert world.texts(thread) == ["It is healthy."]
    assert [row["kind"] for row in rows] == ["answer"]


async def test_a_run_that_waited_for_people_answers_below_its_card(world: World) -> None:
    thread = await world.thread()
    run_id = await world.begin(thread, attempt=2)
    await world.live.first_sign(thread, run_id)
    async with world.sending():
        await world.end(thread, run_id, "failure", sentence="It broke")
        await world.all_said()
    assert len(world.texts(thread)) == 2
    assert world.texts(thread)[1] == "⛔ It broke."


async def test_a_progress_message_that_was_never_noted_is_found_and_folded(world: World) -> None:
    thread = await world.thread()
    run_id = await world.begin(thread)
    died = Live(Bus(), world.database, world.api, world.budget, world.tasks)
    await died.first_sign(thread, run_id)
    await world.execute("UPDATE runs SET progress_ts = NULL")
    async with world.sending():
        await world.end(thread, run_id)
        await world.all_said()
    folded, answer = world.texts(thread)
    assert folded.startswith("Worked on this")
    assert answer == "It is healthy."


async def test_a_long_answer_goes_on_where_it_stopped_and_ends_in_a_file(world: World) -> None:
    thread = await world.thread()
    run_id = await world.begin(thread)
    markdown = "\n\n".join(f"Paragraph {n}: " + "word " * 400 for n in range(40))
    world.slack.faults.fail("chat.postMessage", "slow", seconds=0)
    world.slack.faults.fail("chat.postMessage", "slow", seconds=0)
    world.slack.faults.fail("chat.postMessage", "drop_after")
    world.slack.faults.fail("files.completeUploadExternal", "drop_after")
    async with world.sending():
        await world.end(thread, run_id, markdown=markdown)
        await world.all_said(20)
    messages = world.slack.app_messages("ops", thread_ts=thread.ts)
    assert [bool(message.get("files")) for message in messages] == [False] * 4 + [True]
    [file] = [one for one in world.slack.files if one.complete]
    assert file.content is not None
    assert "Paragraph 39" in file.content.decode()
    keys = [message["metadata"]["event_payload"]["key"] for message in messages[:4]]
    assert keys == sorted(set(keys))


async def test_a_sender_that_lost_its_wake_ups_for_a_moment_is_not_taken_for_dead(
    world: World, database: Database
) -> None:
    thread = await world.thread()
    async with world.sending(), world.sending():
        await asyncio.sleep(0.5)
        world.slack.faults.fail("chat.postMessage", "slow", times=9, seconds=3)
        await world.say(thread, "said once")
        await asyncio.sleep(0.7)
        async with database.relaxed() as tx:
            await tx.connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name = 'countersign listen'"
                " AND datname = current_database()"
            )
        await asyncio.sleep(6)
    assert len(world.slack.app_messages("ops", thread.ts)) == 1
