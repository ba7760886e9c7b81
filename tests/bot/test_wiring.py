"""What is set reaches what it is for, and what is built runs, in a bot that was started."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import yaml
from redis.asyncio import Redis
from slack_bolt import BoltResponse

from bot.core.ids import uuid7
from bot.core.values import Thread
from bot.sandbox.slack import EXAMPLE_MANIFEST, Settings, Workspace
from bot.slack.api import SlackApi
from bot.slack.budget import Budget
from bot.slack.hearing import Hearing, Rhythm
from bot.store.connections import Sizes
from bot.store.database import Database
from bot.store.outbox import Kind, say
from tests.bot.test_forgetting import made_at, rows, write
from tests.bot.test_outbox import TAKER
from tests.bot.test_sender import pass_time
from tests.bot.test_sockets import Ears, until
from tests.plugins.ports import free_port
from tests.plugins.redis import RedisServer
from tests.standins.model import hangs, says
from tests.world import World, get_json, world

ORG = "T0ACME000"

# Far enough apart, and from what stands where nothing is set, that none could be taken for another.
DAYS = {
    "messages_days": 50,
    "artifacts_days": 40,
    "events_days": 20,
    "outbox_days": 30,
    "jobs_days": 10,
}
THREAD = f"INSERT INTO threads (org, channel, thread_ts, ours) VALUES ('{ORG}', 'C1', '1.0', true)"  # noqa: S608
RUN = """
INSERT INTO runs (id, org, channel, thread_ts, kind, requester, contributors, state, ended_at)
VALUES ('{run}', '{org}', 'C1', '1.0', 'turn', 'U1', '{{U1}}', 'done',
        now() - interval '{days} days')
"""
LIVED = """
INSERT INTO messages (org, channel, thread_ts, seq, run_id, role, author, body) VALUES
  ('{org}', 'C1', '1.0', {seq}, '{run}', 'user', 'U1', '{{"content": "{age}"}}');
INSERT INTO artifacts (id, org, channel, thread_ts, run_id, title, content)
VALUES ('{artifact}', '{org}', 'C1', '1.0', '{kept_run}', 'k8s_get', '{age}');
INSERT INTO events (org, key, kind, received_at)
VALUES ('{org}', '{age}', 'message', now() - interval '{events_days} days');
INSERT INTO outbox (org, channel, thread_ts, kind, data, lane, state, created_at)
VALUES ('{org}', 'C1', '1.0', '{age}', '{{}}', 2, 'sent', now() - interval '{outbox_days} days');
INSERT INTO procrastinate_jobs (queue_name, task_name, status) VALUES ('{age}', 'turn', 'failed');
INSERT INTO procrastinate_events (job_id, type, at)
SELECT id, 'started', now() - interval '{jobs_days} days' FROM procrastinate_jobs
 WHERE queue_name = '{age}';
"""
LEFT = """
SELECT 'messages_days' AS setting, body->>'content' AS age FROM messages
UNION ALL SELECT 'artifacts_days', content FROM artifacts
UNION ALL SELECT 'events_days', key FROM events
UNION ALL SELECT 'outbox_days', kind FROM outbox
UNION ALL SELECT 'jobs_days', queue_name FROM procrastinate_jobs
"""
CHECKPOINT = (
    "INSERT INTO checkpoints (thread_id, checkpoint_id, checkpoint) VALUES ('{run}', '1', '{{}}')"
)


def keeping(folder: Path, **days: int) -> dict[str, str]:
    """The environment of a bot that keeps things for so long."""
    file = folder / "countersign.yaml"
    file.write_text(yaml.safe_dump({"retention": days}))
    return {"COUNTERSIGN_CONFIG": str(file)}


async def there(database: Database, query: str) -> None:
    """Wait until there is such a row."""
    async with asyncio.timeout(8):
        while not await rows(database, query):  # noqa: ASYNC110 -- in a database
            await asyncio.sleep(0.02)


async def test_each_thing_goes_once_it_is_older_than_its_own_setting_and_the_size_is_noted(
    dsn: str, tmp_path: Path, database: Database
) -> None:
    runs = {}
    await write(database, THREAD)
    for age, more in (("young", -1), ("old", 1)):
        days = {name: number + more for name, number in DAYS.items()}
        moments = {n: datetime.now(UTC) - timedelta(days=number) for n, number in days.items()}
        runs[age] = made_at(moments["messages_days"])
        await write(database, RUN.format(run=runs[age], org=ORG, days=1))
        lived = LIVED.format(
            age=age,
            org=ORG,
            seq=len(runs),
            run=runs[age],
            kept_run=runs["young"],
            artifact=made_at(moments["artifacts_days"]),
            **days,
        )
        await write(database, lived)
    async with world(dsn, tmp_path, extra=keeping(tmp_path, **DAYS)):
        pass_time(61)  # it waits for a minute after the start
        await there(database, "SELECT 1 FROM growth")
        left = {(row["setting"], row["age"]) for row in await rows(database, LEFT)}
    assert left == {(name, "young") for name in DAYS} | {("messages_days", "(removed)")}


async def test_checkpoints_of_ended_runs_are_kept_for_as_long_as_is_set(
    dsn: str, tmp_path: Path, database: Database
) -> None:
    runs = {days: uuid7() for days in (4, 2)}
    await write(database, THREAD)
    for days, run in runs.items():
        await write(database, RUN.format(run=run, org=ORG, days=days))
        await write(database, CHECKPOINT.format(run=run))
    async with world(dsn, tmp_path, extra=keeping(tmp_path, checkpoints_days=3)):
        await there(database, "SELECT 1 FROM runs WHERE swept")
        [kept] = await rows(database, "SELECT thread_id FROM checkpoints")
    assert kept["thread_id"] == str(runs[2])


# --- how much it takes --------------------------------------------------------------------------


async def test_it_holds_as_many_sockets_jobs_and_connections_as_it_is_given(
    dsn: str, tmp_path: Path
) -> None:
    extra = {
        "COUNTERSIGN_SOCKETS": "3",
        "COUNTERSIGN_JOBS": "7",
        "COUNTERSIGN_DATABASE_CONNECTIONS": "21",
    }
    async with world(dsn, tmp_path, extra=extra) as chat:
        await chat.slack.wait_for_sockets(3)
        assert chat.parts is not None
        assert chat.parts.jobs._slots == 7
        pools = chat.parts.database.pools()
        jobs = chat.parts.jobs._app.connector.pool  # type: ignore[attr-defined]
        found = {name: pool["pool_max"] for name, pool in pools.items()} | {"jobs": jobs.max_size}
    assert found == vars(Sizes.of(21)) != vars(Sizes.of(40))


async def test_a_database_that_gives_too_few_connections_is_told(dsn: str, tmp_path: Path) -> None:
    port = free_port()
    extra = {"COUNTERSIGN_HTTP_PORT": str(port), "COUNTERSIGN_DATABASE_CONNECTIONS": "500"}
    async with world(dsn, tmp_path, [says("hi")], extra=extra):
        status, said = await get_json(f"http://127.0.0.1:{port}/readyz")
    assert (status, said["problems"]) == (200, [])
    [note] = said["notes"]
    assert "may open 500 each: raise max_connections" in note


# --- several processes --------------------------------------------------------------------------


@asynccontextmanager
async def replica(slack: Workspace, database: Database, count: int) -> AsyncIterator[Ears]:
    """A process's sockets, and its row among the listeners."""
    stop = asyncio.Event()
    async with SlackApi.open(slack.bot_token, slack.api_url) as api, asyncio.TaskGroup() as group:
        ears = Ears(slack, api, count)
        rhythm = Rhythm(beat=0.1, look=0.02)
        hearing = Hearing(database, ORG, api, Budget(), ears.sockets, _unheard, rhythm)
        group.create_task(ears.sockets.run(stop))
        group.create_task(hearing.run(stop))
        try:
            yield ears
        finally:
            stop.set()


async def _unheard(_: object) -> BoltResponse:
    raise AssertionError("nothing was missed")


async def test_replicas_count_each_others_sockets_and_take_none_for_a_strangers(
    database: Database,
) -> None:
    async with (
        Workspace(EXAMPLE_MANIFEST, Settings(ping_seconds=0.2)) as slack,
        replica(slack, database, 1) as first,
    ):
        async with replica(slack, database, 2) as second:
            await until(lambda: len(slack.hub.sockets) == 3)
            await until(lambda: (first.sockets.elsewhere, second.sockets.elsewhere) == (2, 1), 4)
            await slack.close_sockets()  # each is told of all of them as it comes back
            for _ in range(50):
                await asyncio.sleep(0.02)
                assert not first.sockets.foreign + second.sockets.foreign
        await until(lambda: first.sockets.elsewhere == 0, 4)


async def test_what_processes_may_say_is_counted_in_the_redis_that_they_share(
    dsn: str, tmp_path: Path, redis: RedisServer
) -> None:
    async with (
        world(dsn, tmp_path, extra={"REDIS_URL": redis.url}) as chat,
        Redis.from_url(redis.url) as shared,
    ):
        thread = await chat.ask("get pods -n shop")
        await chat.reads(thread, "checkout-")
        assert await shared.exists(f"countersign:budget:{ORG}:chat.postMessage")


# --- what is said first -------------------------------------------------------------------------


async def test_in_a_backlog_a_card_goes_before_answers_and_these_before_folds(
    database: Database,
) -> None:
    backlog: tuple[Kind, ...] = ("fold", "answer", "notice", "card", "redraw")
    for number, kind in enumerate(backlog):
        async with database.transaction() as tx:
            await say(tx, Thread(ORG, "C1", f"{number}.0"), kind, {})
    said: list[str] = []
    async with database.relaxed() as tx:
        row = await tx.one("take_saying", **TAKER)
        while row is not None:
            said.append(row["kind"])
            done = {"id": row["id"], "tries": row["tries"], "ts": "9.0"}
            row = await tx.one("said", **done, **TAKER, fold="", fold_lane=2, more=True)
    assert said == ["card", "redraw", "answer", "notice", "fold"]


# --- what runs beside ---------------------------------------------------------------------------


async def test_a_token_that_is_revoked_while_nobody_speaks_is_noticed(
    dsn: str, tmp_path: Path
) -> None:
    async with world(dsn, tmp_path) as chat:
        assert chat.parts is not None
        api = chat.parts.api
        chat.slack.revoke_tokens()
        pass_time(61)  # it is tried once a minute
        await until(lambda: bool(api.token_refused), 5)
        problems = (await chat.parts.readiness()).problems
        assert problems == ("Slack does not accept SLACK_BOT_TOKEN (token_revoked)",)
        chat.slack.faults.revoked.clear()
        pass_time(61)
        await until(lambda: not api.token_refused, 5)


async def test_a_run_whose_worker_and_job_are_gone_is_carried_on(dsn: str, tmp_path: Path) -> None:
    answers = [hangs(1), says("Web is fine.")]
    async with world(dsn, tmp_path, answers, running="process") as chat:
        thread = await chat.ask("how is web?")
        await asked(chat)
        await chat.kill()
        assert await chat.rows("DELETE FROM procrastinate_jobs RETURNING 1")
        await chat.start()
        await chat.reads(thread, "Web is fine")
        await chat.quiet(thread)


async def asked(chat: World) -> None:
    """Wait until the model was asked something."""
    model = chat.model
    assert model is not None
    await until(lambda: bool(model.requests))
