"""Under a test clock nothing waits in earnest: acks, retries, rates and lifetimes follow it."""

import asyncio
from typing import Any

import aiohttp
import pytest
from slack_bolt.adapter.socket_mode.async_handler import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from bot.sandbox.slack import EXAMPLE_MANIFEST, Settings, Workspace
from bot.sandbox.slack.clock import Clock
from tests.plugins.validated import fresh_violations

START = 1_700_000_000.0


async def test_sleepers_wake_in_the_order_of_their_times() -> None:
    clock = Clock(START)
    woken: list[float] = []

    async def sleep(seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append(seconds)

    async with asyncio.TaskGroup() as group:
        for seconds in (300, 0.5, 60, 7200):
            group.create_task(sleep(seconds))
        await asyncio.sleep(0)
        clock.advance(299)
        await asyncio.sleep(0.001)
        assert woken == [0.5, 60]
        clock.advance(1)
        await asyncio.sleep(0.001)
        assert woken == [0.5, 60, 300]
        clock.advance(7000)
    assert woken[-1] == 7200


async def attempts_by(steps: tuple[float, ...]) -> list[tuple[int, float, str]]:
    """The deliveries of one event that nobody acknowledges: attempt, time, outcome."""
    async with (
        Workspace(EXAMPLE_MANIFEST, Settings(start=START)) as slack,
        aiohttp.ClientSession() as session,
    ):
        headers = {"Authorization": f"Bearer {slack.app_token}"}
        opening = slack.api_url + "apps.connections.open"
        async with session.post(opening, headers=headers) as response:
            url = (await response.json())["url"]
        async with session.ws_connect(url) as ws:
            await ws.receive_json(timeout=2)
            await slack.dm("alice", "hello")
            for step in steps:
                frame = await ws.receive_json(timeout=2)
                assert frame["type"] == "events_api"
                slack.clock.advance(3)  # the time in which it could be acknowledged
                await slack.settled()
                await asyncio.sleep(0)
                slack.clock.advance(step)
            await ws.receive_json(timeout=2)
            slack.clock.advance(3)
            await slack.settled()
            return [(e.attempt, e.at - START, e.outcome) for e in slack.envelopes]


async def test_six_minutes_of_retries_take_no_time_and_are_the_same_each_time() -> None:
    first = await attempts_by((0.5, 60.0, 300.0))
    assert first == [
        (0, 0.0, "timeout"),
        (1, 3.5, "timeout"),
        (2, 66.5, "timeout"),
        (3, 369.5, "timeout"),
    ]
    assert await attempts_by((0.5, 60.0, 300.0)) == first


@pytest.mark.parametrize(
    ("method", "per_minute", "wait"),
    [("users.list", 20, "3"), ("conversations.history", 50, "2"), ("users.info", 100, "1")],
)
async def test_each_tier_has_its_rate(method: str, per_minute: int, wait: str) -> None:
    settings = Settings(start=START, rate_limits=True)
    async with (
        Workspace(EXAMPLE_MANIFEST, settings) as slack,
        aiohttp.ClientSession() as session,
    ):
        headers = {"Authorization": f"Bearer {slack.bot_token}"}
        body = {"user": slack.user_id("alice"), "channel": "C0OPS0000"}
        for _ in range(per_minute):
            async with session.post(slack.api_url + method, json=body, headers=headers) as answer:
                assert (await answer.json())["ok"]
        async with session.post(slack.api_url + method, json=body, headers=headers) as answer:
            assert (answer.status, answer.headers["Retry-After"]) == (429, wait)
            assert (await answer.json())["error"] == "ratelimited"
        slack.clock.advance(60)
        async with session.post(slack.api_url + method, json=body, headers=headers) as answer:
            assert (await answer.json())["ok"]


async def test_a_call_tells_what_it_used_of_the_budget() -> None:
    async with Workspace(EXAMPLE_MANIFEST, Settings(start=START)) as slack:
        client = AsyncWebClient(slack.bot_token, base_url=slack.api_url)
        for _ in range(22):
            await client.users_list()
        assert slack.calls[0].budget == {"left": 19, "per_minute": 20, "tier": 2}
        assert slack.calls[21].budget == {"left": 0, "per_minute": 20, "tier": 2}
        assert slack.calls[21].ok, "counted, but not refused unless asked to"
        assert [call.n for call in slack.calls[:2]] == [1, 2]


@pytest.mark.breaches
async def test_a_violation_is_laid_to_its_call_and_fails_the_test_once() -> None:
    async with Workspace(EXAMPLE_MANIFEST, Settings(start=START)) as slack:
        headers = {"Authorization": f"Bearer {slack.bot_token}"}
        async with aiohttp.ClientSession(headers=headers) as session:
            for method in ("chat.shout", "auth.test"):
                async with session.post(slack.api_url + method) as answer:
                    await answer.read()
        shout, good = (call.as_json() for call in slack.calls)
        assert [one["code"] for one in shout["breaches"]] == ["unknown_method"]
        assert good["breaches"] == []
        assert [line for line in fresh_violations() if line.startswith("chat.shout")]
        assert fresh_violations() == []


async def test_options_that_the_app_knows() -> None:
    async with Workspace(EXAMPLE_MANIFEST) as slack:
        client = AsyncWebClient(slack.bot_token, base_url=slack.api_url)
        app = AsyncApp(client=client)
        chosen: list[str] = []
        listen(app, chosen)
        handler = AsyncSocketModeHandler(app, slack.app_token)
        await handler.connect_async()  # type: ignore[no-untyped-call]
        await slack.wait_for_sockets(1)
        select = {
            "type": "external_select",
            "action_id": "service",
            "min_query_length": 1,
            "placeholder": {"type": "plain_text", "text": "Service"},
        }
        blocks = [{"type": "actions", "elements": [select]}]
        posted = await client.chat_postMessage(channel="C0OPS0000", text="Which?", blocks=blocks)
        where = {"where": "ops", "ts": posted["ts"]}
        assert await slack.suggest("bob", "service", "", **where) == []
        offered = await slack.suggest("bob", "service", "che", **where)
        assert [one["value"] for one in offered] == ["checkout"]
        await slack.click("bob", "ops", posted["ts"], action_id="service", value="checkout")
        assert chosen == ["checkout"]
        await handler.close_async()  # type: ignore[no-untyped-call]


def listen(app: AsyncApp, chosen: list[str]) -> None:
    @app.options("service")
    async def options(ack: Any, payload: dict[str, Any]) -> None:
        names = [name for name in ("checkout", "web") if name.startswith(payload["value"])]
        await ack(options=[{"text": {"type": "plain_text", "text": n}, "value": n} for n in names])

    @app.action("service")
    async def choose(ack: Any, action: dict[str, Any]) -> None:
        await ack()
        chosen.append(action["selected_option"]["value"])
