"""Stop: by the button on the progress message, within a second, whatever hangs."""

import asyncio
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from bot.sandbox.slack import Settings as SlackSettings
from tests.plugins.redis import RedisServer
from tests.standins.model import Turn, calls, hangs, says, slowly
from tests.world import World, buttons, shown, world

WEB = {"namespace": "shop", "kind": "deployment", "name": "web"}
PODS = ("k8s_get", {"kind": "pods", "namespace": "shop"})


async def progress(chat: World, thread: str) -> dict[str, Any]:
    """The progress message with its button."""

    def found() -> list[dict[str, Any]]:
        return [m for m in chat.slack.app_messages("ops", thread) if "Stop" in buttons(m)]

    await chat.slack.wait_for(lambda: bool(found()), 10)
    return found()[0]


async def stopped_within(chat: World, thread: str, seconds: float) -> None:
    """Press Stop; the run has ended in time."""
    message = await progress(chat, thread)
    clock = asyncio.get_running_loop().time
    began = clock()
    await chat.slack.click("bob", "ops", message["ts"], text="Stop")
    await chat.reads(thread, "Stopped by", timeout=5)
    assert clock() - began < seconds + 1  # what is said takes its turn
    (run,) = await chat.rows("SELECT ended_at - created_at AS took, ended_at FROM runs LIMIT 1")
    assert run["ended_at"] is not None


async def test_a_streaming_model_is_stopped_and_hears_it(dsn: str, tmp_path: Path) -> None:
    def script(request: dict[str, Any]) -> Turn:
        again = "are you there?" in str(request["messages"][-1]["content"])
        return says("Here I am again.") if again else hangs(after=3)

    async with world(dsn, tmp_path, script) as chat:
        assert chat.model is not None
        model = chat.model
        took: list[float] = []
        while len(took) < 3 and min(took, default=1) >= 1:  # again where the machine was busy
            thread = await chat.ask("tell me a long story")
            await chat.slack.wait_for(lambda: len(model.requests) > len(took), 30)
            message = await progress(chat, thread)
            model.left.clear()
            clock = asyncio.get_running_loop().time
            began = clock()
            await chat.slack.click("bob", "ops", message["ts"], text="Stop")
            await asyncio.wait_for(model.left.wait(), 5)
            took.append(clock() - began)
        assert min(took) < 1, took
        await chat.reads(thread, "Stopped by")
        await chat.quiet(thread)
        assert not any("⏳" in shown(m) for m in chat.slack.app_messages("ops", thread))
        assert not any("Stop" in buttons(m) for m in chat.slack.app_messages("ops", thread))
        # the thread goes on
        await chat.slack.mention("dave", "ops", "are you there?", thread_ts=thread)
        await chat.reads(thread, "Here I am again")
        told = str(model.requests[-1]["messages"])
        assert "stopped this turn" in told


@pytest.mark.parametrize("how", ["word", "command"])
async def test_the_word_and_the_command_stop_a_streaming_model_too(
    dsn: str, tmp_path: Path, how: str
) -> None:
    async with world(dsn, tmp_path, lambda _: hangs(after=3)) as chat:
        assert chat.model is not None
        model = chat.model
        took: list[float] = []
        while len(took) < 3 and min(took, default=1) >= 1:  # again where the machine was busy
            thread = await chat.ask("tell me a long story")
            await progress(chat, thread)
            async with asyncio.timeout(30):
                while len(model.requests) == len(took):  # noqa: ASYNC110 -- nothing tells of it
                    await asyncio.sleep(0.02)
            model.left.clear()
            clock = asyncio.get_running_loop().time
            began = clock()
            if how == "word":
                await chat.slack.mention("bob", "ops", "stop", thread_ts=thread)
            else:
                await chat.slack.slash("bob", "ops", "/ops", "stop")
            await asyncio.wait_for(model.left.wait(), 5)
            took.append(clock() - began)
            await chat.reads(thread, "Stopped by")
            await chat.quiet(thread)
        assert min(took) < 1, took


async def test_a_read_that_hangs_is_stopped(dsn: str, tmp_path: Path) -> None:
    """What came back beside it stays in the thread."""
    looks = calls(("k8s_get", {"kind": "deployments", "namespace": "shop"}), PODS)
    async with world(dsn, tmp_path, [looks, says("Here I am again.")]) as chat:
        chat.cluster.delay("*", "pods", 30.0)
        thread = await chat.ask("how is web?")
        assert chat.model is not None
        model = chat.model
        await chat.slack.wait_for(lambda: bool(model.requests), 5)
        async with asyncio.timeout(30):
            while not await chat.rows("SELECT id FROM tool_calls"):  # noqa: ASYNC110 -- as above
                await asyncio.sleep(0.05)
        await stopped_within(chat, thread, 1)
        await chat.quiet(thread)
        await chat.slack.mention("dave", "ops", "are you there?", thread_ts=thread)
        await chat.reads(thread, "Here I am again")
        told = [m for m in model.requests[-1]["messages"] if m["role"] == "tool"]
        assert len(told) == 2
        assert "checkout" in str(told[0]["content"])
        assert "no result" in str(told[1]["content"])


async def test_a_run_that_waits_for_people_is_stopped_with_its_card(
    dsn: str, tmp_path: Path
) -> None:
    script = [slowly(calls(("k8s_scale", {**WEB, "replicas": 5})), latency=0.3)]
    async with world(dsn, tmp_path, script) as chat:
        thread = await chat.ask("scale web to 5")
        await chat.card(thread)
        message = await progress(chat, thread)
        await chat.slack.click("dave", "ops", message["ts"], text="Stop")
        await chat.reads(thread, "Stopped by")
        await chat.quiet(thread)
        assert "Approve" not in buttons(chat.cards(thread)[0])
        assert chat.cluster.mutations == []
        (call,) = await chat.rows("SELECT id, state FROM tool_calls WHERE kind = 'change'")
        assert call["state"] == "superseded"
        told = await chat.rows("SELECT kind, actor, call_id FROM audit ORDER BY seq DESC LIMIT 2")
        who = chat.slack.user_id("dave")
        assert [tuple(row.values()) for row in told] == [
            ("stopped", who, None),
            ("superseded", who, call["id"]),
        ]


async def test_a_guest_cannot_stop_and_a_forged_place_stops_nothing(
    dsn: str, tmp_path: Path
) -> None:
    async with world(dsn, tmp_path, [hangs(after=3), says("Other.")]) as chat:
        thread = await chat.ask("tell me a long story")
        message = await progress(chat, thread)
        (run,) = await chat.rows("SELECT id FROM runs")
        await chat.slack.click("gina", "ops", message["ts"], text="Stop")
        await chat.told("gina", "guest|Guest")
        assert chat.model is not None
        while not chat.model.requests:  # noqa: ASYNC110 - the first answer is for the first one
            await asyncio.sleep(0.02)
        other = await chat.ask("something else")
        await chat.reads(other, "Other")
        await chat.slack.click("bob", "ops", message["ts"], text="Stop", value=str(UUID(int=7)))
        await chat.told("bob", ".")
        (row,) = await chat.rows("SELECT stopped_by, ended_at FROM runs WHERE id = %s", run["id"])
        assert (row["stopped_by"], row["ended_at"]) == (None, None)
        # it could have been stopped all the time; and the bot's end need not wait for it
        await chat.slack.click("bob", "ops", message["ts"], text="Stop")
        await chat.reads(thread, "Stopped by")


async def test_a_stop_that_another_process_hears_travels_on_redis(
    dsn: str, tmp_path: Path, redis: RedisServer
) -> None:
    extra = {"REDIS_URL": redis.url}
    sticky = SlackSettings(time_scale=0.2, delivery="sticky")  # the oldest socket gets all
    async with world(dsn, tmp_path, [hangs(after=3)], extra=extra, slack=sticky) as chat:
        thread = await chat.ask("tell me a long story")
        assert chat.model is not None
        message = await progress(chat, thread)
        await chat.spawn()
        await chat.slack.wait_for_sockets(4, 20)
        hub = chat.slack.hub
        ours = list(hub.sockets)[:2]
        for socket in ours:
            await chat.slack.close_sockets(socket.number)
        async with asyncio.timeout(10):
            while hub.sockets[0] in ours:  # noqa: ASYNC110 -- nothing tells of it
                await asyncio.sleep(0.05)
        await chat.slack.click("bob", "ops", message["ts"], text="Stop")
        # without the bus it would hear of it only when the model has been silent for 30 s
        await asyncio.wait_for(chat.model.left.wait(), 5)
        await chat.reads(thread, "Stopped by")
        await chat.quiet(thread)
        assert '"event": "stop"' in chat.log()
