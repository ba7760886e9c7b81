"""`/metrics`: what it says after a whole walk, its names against the table, and that it answers
while the database is away.
"""

import asyncio
import re
from collections.abc import Mapping
from pathlib import Path

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from bot.core.bus import Bus
from bot.core.ids import uuid7
from bot.core.metrics import METRICS, rows
from bot.core.values import Event, Thread
from bot.store.database import Database
from bot.store.redis_bus import open_bus
from bot.web.health import Readiness, serve
from bot.web.metrics import Metrics, Sources
from tests.plugins.ports import free_port
from tests.plugins.redis import RedisServer
from tests.standins.model import calls, error, says, says_and_calls
from tests.world import Gate, world

WEB = {"namespace": "shop", "kind": "deployment", "name": "web"}
Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def parsed(text: str) -> Samples:
    """Every sample, by name and labels, as Prometheus' own parser reads it."""
    found: Samples = {}
    for family in text_string_to_metric_families(text):
        assert family.documentation, family.name
        assert family.type in {"counter", "gauge", "histogram"}, family
        for sample in family.samples:
            key = (sample.name, tuple(sorted(sample.labels.items())))
            assert key not in found, f"{key} stands there twice"
            found[key] = sample.value
    return found


async def scrape(port: int) -> str:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{port}/metrics") as answer,
    ):
        assert answer.status == 200
        assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        return await answer.text()


async def ended(port: int) -> str:
    """The text once a run's end is counted: a look at the database serves for 5 s."""
    async with asyncio.timeout(7):
        while "countersign_runs_ended_total{" not in (text := await scrape(port)):  # noqa: ASYNC110
            await asyncio.sleep(0.2)
    return text


def value(samples: Samples, name: str, **labels: str) -> float:
    return samples.get((f"countersign_{name}", tuple(sorted(labels.items()))), 0.0)


def families(text: str) -> Mapping[str, str]:
    """What the text says of each metric, by the name in its TYPE line."""
    return dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE))


async def test_after_one_whole_walk_it_says_what_happened(dsn: str, tmp_path: Path) -> None:
    port = free_port()
    script = [
        calls(("k8s_get", {"kind": "pods", "namespace": "shop"})),
        says_and_calls("Three are too few.", ("k8s_scale", {**WEB, "replicas": 5})),
        says("`web` has 5 replicas now."),
    ]
    extra = {"COUNTERSIGN_HTTP_PORT": str(port)}
    async with world(dsn, tmp_path, script, extra=extra) as chat:
        thread = await chat.ask("scale web to 5")
        card = await chat.card(thread)
        waiting = parsed(await scrape(port))
        assert value(waiting, "open_calls") == 1
        assert value(waiting, "runs_started_total", kind="turn") == 1
        assert value(waiting, "runs_ended_total", kind="turn", outcome="done") == 0
        await chat.press("Approve", card, by="dave")  # his own request
        await chat.told("dave", ".")
        await chat.press("Approve", card, by="bob")
        await chat.reads(thread, "has 5 replicas now")
        await chat.quiet(thread)
        text = await ended(port)
        found = parsed(text)

        assert value(found, "open_calls") == 0
        assert value(found, "runs_started_total", kind="turn") == 1
        assert value(found, "runs_ended_total", kind="turn", outcome="done") == 1
        assert value(found, "run_duration_seconds_count", kind="turn") == 1
        assert value(found, "run_work_seconds_count", kind="turn") == 1
        assert value(found, "first_sign_seconds_count") == 1
        assert value(found, "decision_to_execution_seconds_count") == 1
        assert 0 < value(found, "decision_to_execution_seconds_sum") < 2
        assert value(found, "calls_total", tool="k8s_get", kind="read", state="done") == 1
        assert value(found, "calls_total", tool="k8s_scale", kind="change", state="done") == 1
        assert value(found, "decisions_total", vote="approve") == 1
        assert value(found, "model_calls_total", model="openai/test") == 3
        assert value(found, "model_errors_total", model="openai/test") == 0
        assert value(found, "model_tokens_total", model="openai/test", direction="input") > 0
        assert value(found, "model_tokens_total", model="openai/test", direction="output") > 0
        assert value(found, "outbox_sent_total", kind="answer") == 1
        assert value(found, "outbox_sent_total", kind="card") == 1
        assert value(found, "outbox_pending") == 0
        assert value(found, "slack_calls_total", method="chat.postMessage", outcome="ok") >= 2
        assert value(found, "sockets_connected") == 2
        assert value(found, "jobs", state="stalled") == 0
        assert value(found, "database_pool_connections", pool="durable", state="open") >= 1
        assert value(found, "database_up") == 1
        assert value(found, "database_bytes") > value(found, "table_bytes", table="messages") > 0
        assert value(found, "event_loop_lag_seconds_count") > 0
        assert found["process_cpu_seconds_total", ()] > 0
        assert found["process_resident_memory_bytes", ()] > 1e6

        refused = {k[1]: v for k, v in found.items() if k[0] == "countersign_votes_refused_total"}
        assert list(refused.values()) == [1]

        # names and types are those of the table, and no label names a person or a place
        said = {name: type_ for name, type_ in families(text).items() if "process" not in name}
        table = {m.name: m.type for m in METRICS if m.name != "countersign_redis_up"}
        assert said == table
        for secret in (chat.slack.bot_token, thread, "U0", "shop", "dave"):
            assert secret not in "\n".join(str(key) for key in found if key[1])

        again = parsed(await scrape(port))
        assert value(again, "runs_ended_total", kind="turn", outcome="done") == 1


async def test_a_model_that_fails_is_counted(dsn: str, tmp_path: Path) -> None:
    port = free_port()
    extra = {"COUNTERSIGN_HTTP_PORT": str(port)}
    async with world(dsn, tmp_path, [error(401)], extra=extra) as chat:
        thread = await chat.ask("how is web?")
        await chat.reads(thread, "the key was refused")
        await chat.quiet(thread)
        found = parsed(await ended(port))
        assert value(found, "model_errors_total", model="openai/test") == 1
        assert value(found, "runs_ended_total", kind="turn", outcome="failed") == 1


async def test_redis_is_told_up_or_away(dsn: str, tmp_path: Path, redis: RedisServer) -> None:
    port = free_port()
    extra = {"COUNTERSIGN_HTTP_PORT": str(port), "REDIS_URL": redis.url}
    async with world(dsn, tmp_path, [says("hi")], extra=extra):
        assert value(parsed(await scrape(port)), "redis_up") == 1
        redis.kill()
        async with asyncio.timeout(5):
            while value(parsed(await scrape(port)), "redis_up"):  # noqa: ASYNC110 -- over the wire
                await asyncio.sleep(0.05)


# --- without a bot ------------------------------------------------------------------------------


def measured(database: Database, fresh: float = 0.0) -> Metrics:
    return Metrics(Sources(database, lambda: 2, dict), fresh=fresh)


async def test_it_answers_while_the_database_is_away(dsn: str) -> None:
    gate = Gate(dsn)

    async def ready() -> Readiness:
        return Readiness()

    async with gate.serve(), Database(gate.dsn).open() as database:
        metrics = measured(database)
        bus = Bus()
        metrics.listen(bus)
        bus.publish(Event(Thread("T1", "C1", "1.1"), uuid7(), "started"))
        async with serve(ready, "127.0.0.1", 0, metrics) as port:
            assert value(parsed(await scrape(port)), "database_up") == 1
            gate.shut()
            began = asyncio.get_running_loop().time()
            found = parsed(await scrape(port))
            assert asyncio.get_running_loop().time() - began < 3
            assert value(found, "database_up") == 0
            assert value(found, "scrape_errors_total", source="database") == 1
            assert value(found, "open_calls") != value(found, "open_calls")  # NaN, not 0
            assert value(found, "sockets_connected") == 2
            gate.reopen()
            async with asyncio.timeout(10):  # its pool takes a moment to come back
                while not value(parsed(await scrape(port)), "database_up"):  # noqa: ASYNC110
                    await asyncio.sleep(0.1)


async def test_many_scrapes_at_once_are_one_look_at_the_database(database: Database) -> None:
    metrics = measured(database, fresh=60)
    async with database.relaxed() as tx:
        await tx.connection.execute("ALTER TABLE outbox RENAME TO elsewhere")
    texts = await asyncio.gather(*(metrics.text() for _ in range(20)))
    errors = {
        value(parsed(one.decode()), "scrape_errors_total", source="database") for one in texts
    }
    assert errors == {1}


async def test_a_retry_is_counted_and_what_others_do_is_not(dsn: str, redis: RedisServer) -> None:
    run, thread = uuid7(), Thread("T1", "C1", "1.1")
    async with (
        Database(dsn).open() as database,
        open_bus(redis.url, "T1") as here,
        open_bus(redis.url, "T1") as there,
    ):
        metrics = measured(database)
        metrics.listen(here)
        heard: list[Event] = []
        here.listen(heard.append)
        for bus in (here, there):
            bus.publish(Event(thread, run, "thinking"))
            bus.publish(Event(thread, run, "thinking", text="trying again", detail="openai/a"))
        async with asyncio.timeout(5):
            while len(heard) < 4:  # noqa: ASYNC110 -- through Redis
                await asyncio.sleep(0.01)
        found = parsed((await metrics.text()).decode())
        assert value(found, "model_retries_total", model="openai/a") == 1


async def test_a_run_that_ends_while_the_database_is_read_is_counted_once(
    database: Database,
) -> None:
    metrics, bus, run, thread = measured(database), Bus(), uuid7(), Thread("T1", "C1", "1.1")
    metrics.listen(bus)
    async with database.relaxed() as tx:
        await tx.one("open_thread", org="T1", channel="C1", thread_ts="1.1", ours=True)
        await tx.connection.execute(
            "INSERT INTO runs (id, org, channel, thread_ts, kind, requester, contributors, state,"
            " started_at, ended_at) VALUES"
            " (%s, 'T1', 'C1', '1.1', 'turn', 'U1', '{U1}', 'done', now(), now())",
            [run],
        )
    bus.publish(Event(thread, run, "started"))
    async with database.transaction() as tx:
        await tx.connection.execute("LOCK TABLE runs IN ACCESS EXCLUSIVE MODE")
        scraped = asyncio.ensure_future(metrics.text())
        await asyncio.sleep(0.2)  # it waits for the table
        bus.publish(Event(thread, run, "ended"))
    await scraped
    found = parsed((await metrics.text()).decode())
    assert value(found, "runs_ended_total", kind="turn", outcome="done") == 1


async def test_runs_that_are_pushed_out_while_the_database_is_read_do_no_harm(
    database: Database,
) -> None:
    metrics, bus = measured(database), Bus()
    metrics.listen(bus)
    bus.publish(Event(Thread("T1", "C1", "1.1"), uuid7(), "ended"))
    async with database.transaction() as tx:
        await tx.connection.execute("LOCK TABLE runs IN ACCESS EXCLUSIVE MODE")
        scraped = asyncio.ensure_future(metrics.text())
        await asyncio.sleep(0.2)
        for _ in range(5_000):
            bus.publish(Event(Thread("T1", "C1", "1.1"), uuid7(), "started"))
    await scraped


async def test_what_nobody_scrapes_does_not_grow(database: Database) -> None:
    metrics = measured(database)
    bus = Bus()
    metrics.listen(bus)
    for _ in range(6_000):
        bus.publish(Event(Thread("T1", "C1", "1.1"), uuid7(), "ended"))
    assert len(metrics._runs) == len(metrics._touched) == 5_000


@pytest.mark.parametrize("metric", METRICS, ids=lambda one: one.name)
def test_names_follow_the_conventions(metric: object) -> None:
    (found,) = [one for one in METRICS if one is metric]
    assert re.fullmatch(r"countersign_[a-z_]+", found.name)
    assert found.name.endswith("_total") == (found.type == "counter")
    assert found.meaning.endswith(".")
    assert bool(found.buckets) == (found.type == "histogram")
    assert not {"channel", "person", "thread", "user", "org", "run"} & set(found.labels)


def test_the_table_has_a_row_for_each() -> None:
    assert len({row[0] for row in rows()}) == len(METRICS)
