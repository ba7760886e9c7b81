"""The bus in its two forms, under the same tests; then what only the one through Redis can do."""

import asyncio
import json
import shutil
import ssl
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest
from redis.asyncio import Redis

from bot.core.bus import Bus
from bot.core.errors import BadSettings
from bot.core.ids import uuid7
from bot.core.values import Event, Thread
from bot.store.redis_bus import RedisBus, open_bus
from tests.plugins.redis import RedisServer
from tests.world import _pump

THREAD = Thread("T1", "C1", "1.1")
CHANNEL = "countersign:events:T1"


def event(kind: str = "thinking", number: int = 0, run: UUID | None = None) -> Event:
    return Event(THREAD, run or uuid7(), kind, key=str(number))  # type: ignore[arg-type]


async def until(holds: Callable[[], bool], seconds: float = 5.0) -> None:
    async with asyncio.timeout(seconds):
        while not holds():  # noqa: ASYNC110 -- a fact of another process
            await asyncio.sleep(0.005)


# --- both forms ---------------------------------------------------------------------------------


@pytest.fixture(params=["one process", "redis", "redis that is away"])
async def bus(request: pytest.FixtureRequest) -> AsyncIterator[Bus]:
    if request.param == "one process":
        yield Bus()
        return
    server: RedisServer = request.getfixturevalue("redis")
    if request.param == "redis that is away":
        server.kill()
    async with open_bus(server.url, "T1") as opened:
        yield opened


async def test_every_listener_hears_at_once_in_order_and_once(bus: Bus) -> None:
    first: list[Event] = []
    second: list[Event] = []
    own: list[Event] = []
    bus.listen(first.append)
    bus.listen(second.append)
    bus.listen(own.append, own=True)
    told = [event("started"), event("stop"), event("ended")]
    for one in told:
        bus.publish(one)
    assert first == second == own == told  # before anybody awaits
    await asyncio.sleep(0.1)
    assert first == second == own == told


async def test_a_stop_that_is_published_by_a_listener_reaches_everybody(bus: Bus) -> None:
    heard: list[Event] = []
    bus.listen(lambda e: bus.publish(replace(e, kind="stop")) if e.kind == "started" else None)
    bus.listen(heard.append)
    bus.publish(event("started"))
    assert sorted(e.kind for e in heard) == ["started", "stop"]


async def test_publishing_never_waits(bus: Bus) -> None:
    count = 0

    def hear(_: Event) -> None:
        nonlocal count
        count += 1

    bus.listen(hear)
    took = []
    for number in range(5_000):
        began = time.perf_counter()
        bus.publish(event(number=number))
        took.append(time.perf_counter() - began)
    assert count == 5_000
    assert sorted(took)[4_900] < 0.005


# --- through Redis ------------------------------------------------------------------------------


async def test_two_processes_hear_each_other_within_100_ms(redis: RedisServer) -> None:
    async with open_bus(redis.url, "T1") as here, open_bus(redis.url, "T1") as there:
        assert (here.away, there.away) == ("", "")
        heard: list[Event] = []
        mine: list[Event] = []
        there.listen(heard.append)
        there.listen(mine.append, own=True)
        sent = Event(
            THREAD, uuid7(), "looked", "k", "töxt\n\u202e", "d", failed=True, call_id=uuid7()
        )
        took = []
        for one in [sent, *(event("stop") for _ in range(20))]:
            heard.clear()
            began = time.perf_counter()
            here.publish(one)
            await until(lambda: bool(heard))
            took.append(time.perf_counter() - began)
            assert heard == [one]
        assert sorted(took)[len(took) // 2] < 0.1
        assert mine == []  # who listens to its own hears nothing of theirs

        back: list[Event] = []
        here.listen(back.append)
        there.publish(sent)
        await until(lambda: back == [sent])


async def test_another_workspace_on_the_same_redis_hears_nothing(redis: RedisServer) -> None:
    async with (
        open_bus(redis.url, "T1") as here,
        open_bus(redis.url, "T1") as near,
        open_bus(redis.url, "T2") as far,
    ):
        heard: list[Event] = []
        near_heard: list[Event] = []
        far.listen(heard.append)
        near.listen(near_heard.append)
        here.publish(event("stop"))
        await until(lambda: bool(near_heard))
        assert heard == []


def message(**changed: object) -> bytes:
    """A message of another process, as it travels."""
    right = {
        "v": 1,
        "sender": "other",
        "kind": "stop",
        "org": "T1",
        "channel": "C1",
        "thread_ts": "1.1",
        "run_id": str(uuid7()),
    }
    return json.dumps(right | changed).encode()


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        b"\xff\xfe",
        b"null",
        b"[" * 5_000,
        b'{"v": 1}',
        message(v=2),
        message(v="one"),
        message(kind="approve"),
        message(org="T2"),
        message(run_id="not an id"),
        message(text=["a", "list"]),
        message(thread_ts="1" * 500),
        message(text="x" * 100_000),
    ],
    ids=lambda bad: bad[:40].decode("latin-1"),
)
async def test_what_cannot_be_understood_is_ignored(redis: RedisServer, bad: bytes) -> None:
    async with open_bus(redis.url, "T1") as bus, Redis.from_url(redis.url) as other:
        heard: list[Event] = []
        bus.listen(heard.append)
        await other.publish(CHANNEL, bad)
        good = message(text="after it", unknown_to_us="a field of a later version")
        await other.publish(CHANNEL, good)
        await until(lambda: bool(heard))
        assert [e.text for e in heard] == ["after it"]
        assert bus.away == ""


async def test_a_listener_that_breaks_does_not_end_the_hearing(redis: RedisServer) -> None:
    async with open_bus(redis.url, "T1") as bus, Redis.from_url(redis.url) as other:
        heard: list[Event] = []
        faults: list[object] = []

        def broken(_: Event) -> None:
            raise RuntimeError("a fault of a listener")

        asyncio.get_running_loop().set_exception_handler(
            lambda _, context: faults.append(context["exception"])
        )
        bus.listen(heard.append)
        bus.listen(broken)
        for _ in range(2):
            await other.publish(CHANNEL, message())
        await until(lambda: len(heard) == 2)
        assert len(faults) == 2


async def test_redis_killed_and_restarted(redis: RedisServer) -> None:
    async with open_bus(redis.url, "T1") as here, open_bus(redis.url, "T1") as there:
        heard: list[Event] = []
        there.listen(heard.append)
        redis.kill()
        await until(lambda: bool(here.away and there.away))
        assert "Error" in here.away
        assert "127.0.0.1" not in here.away
        local: list[Event] = []
        here.listen(local.append)
        stop = event("stop")
        here.publish(stop)
        assert local == [stop]
        assert heard == []
        redis.start()
        await until(lambda: not there.away)
        here.publish(event("ended"))
        await until(lambda: "ended" in {e.kind for e in heard})
        await until(lambda: not here.away)


async def test_a_redis_that_freezes_is_noticed_and_comes_back(redis: RedisServer) -> None:
    async with open_bus(redis.url, "T1") as here, open_bus(redis.url, "T1") as there:
        heard: list[Event] = []
        there.listen(heard.append)
        redis.freeze()
        try:
            began = time.perf_counter()
            here.publish(event("stop"))
            assert time.perf_counter() - began < 0.5
            await until(lambda: bool(here.away), 4)
        finally:
            redis.thaw()
        await until(lambda: bool(heard) and not here.away)


async def test_a_flood_drops_progress_and_a_stop_waits_once(redis: RedisServer) -> None:
    redis.kill()
    async with open_bus(redis.url, "T1") as here:
        assert isinstance(here, RedisBus)
        stops = [event("stop"), event("yield")]
        here.publish(stops[0])
        for number in range(20_000):
            here.publish(event(number=number))
        here.publish(stops[1])
        for number in range(20_000, 21_000):
            here.publish(event(number=number))
        for _ in range(100):
            here.publish(stops[0])  # pressed again and again: it waits once
        assert 20_000 <= here.dropped <= 20_200


async def test_what_was_kept_while_redis_was_away_arrives_urgent_first(redis: RedisServer) -> None:
    async with (
        open_bus(redis.url, "T1") as here,
        Redis.from_url(redis.url) as other,
        other.pubsub() as subscription,
    ):
        await subscription.subscribe(CHANNEL)
        redis.freeze()  # the subscription stays, so that everything sent is seen
        try:
            stop = event("stop")
            here.publish(stop)
            for number in range(1_500):
                here.publish(event(number=number))
            await until(lambda: bool(here.away), 4)
        finally:
            redis.thaw()
        got: list[dict[str, object]] = []
        async with asyncio.timeout(20):
            while not any(one["key"] == "1499" for one in got):
                found = await subscription.get_message(timeout=1)
                if found is not None and found["type"] == "message":
                    got.append(json.loads(found["data"]))
        kinds = [one["kind"] for one in got]
        assert kinds.index("stop") == 0
        numbers = [int(str(one["key"])) for one in got if one["kind"] == "thinking"]
        assert numbers == sorted(numbers)
        assert len(numbers) <= 1_000


async def test_it_speaks_tls_and_trusts_only_whom_it_was_told_to(
    redis: RedisServer, tmp_path: Path
) -> None:
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed: no certificate can be made")
    made = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost"
    names = ["-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-keyout", str(key), "-out", str(cert)]
    maker = await asyncio.create_subprocess_exec(
        openssl, *made.split(), *names, *files, stderr=asyncio.subprocess.DEVNULL
    )
    assert await maker.wait() == 0
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(cert, key)

    async def enter(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner = await asyncio.open_connection("127.0.0.1", redis.port)
        await asyncio.gather(_pump(reader, inner), _pump(inner_reader, writer))

    server = await asyncio.start_server(enter, "127.0.0.1", 0, ssl=context)
    async with server:
        url = f"rediss://127.0.0.1:{server.sockets[0].getsockname()[1]}/0"
        async with (
            open_bus(f"{url}?ssl_ca_certs={cert}", "T1") as here,
            open_bus(redis.url, "T1") as there,
        ):
            assert here.away == ""
            heard: list[Event] = []
            there.listen(heard.append)
            here.publish(event("stop"))
            await until(lambda: bool(heard))
        async with open_bus(url, "T1") as stranger:
            assert "Error" in stranger.away


async def test_what_is_said_last_is_still_sent(redis: RedisServer) -> None:
    async with open_bus(redis.url, "T1") as there:
        heard: list[Event] = []
        there.listen(heard.append)
        async with open_bus(redis.url, "T1") as here:
            here.publish(event("stop"))
        await until(lambda: bool(heard))


@pytest.mark.parametrize("url", ["http://127.0.0.1", "redis://bot:pw@127.0.0.1:port/0", "nonsense"])
async def test_what_is_no_address_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(BadSettings) as refused:
        async with open_bus(url, "T1"):
            pass
    assert "REDIS_URL" in str(refused.value)
    assert "pw" not in str(refused.value)
